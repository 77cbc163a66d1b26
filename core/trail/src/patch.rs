//! Merge patches (RFC 7396): how one JSON value differs from another.
//!
//! They cannot say that a member is null. The values here have none that matters: an optional member that is null and
//! one that is not there are read as the same.

use serde_json::{Map, Value};

/// What makes `after` of `before`; `None` when they are the same.
pub(crate) fn diff(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return Some(after.clone());
    };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        let changed = match old.get(name) {
            Some(known) => diff(known, value),
            None => Some(value.clone()),
        };
        patch.extend(changed.map(|changed| (name.clone(), changed)));
    }
    Some(Value::Object(patch))
}

/// Makes of `value` what `patch` says.
pub(crate) fn apply(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(members) = value else {
        return;
    };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(&name);
        } else {
            apply(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_leads_from_one_to_the_other() {
        for (before, after, patch) in [
            (json!({"a": 1}), json!({"a": 1}), None),
            (
                json!({"a": 1, "b": {"c": 2}}),
                json!({"a": 1, "b": {"c": 3}}),
                Some(json!({"b": {"c": 3}})),
            ),
            (json!({"a": 1, "b": 2}), json!({"b": 2}), Some(json!({"a": null}))),
            (json!({"a": [1, 2]}), json!({"a": [1]}), Some(json!({"a": [1]}))),
            (
                json!({"a": 1}),
                json!({"a": {"b": {}}}),
                Some(json!({"a": {"b": {}}})),
            ),
            (json!(1), json!({"a": 1}), Some(json!({"a": 1}))),
        ] {
            assert_eq!(diff(&before, &after), patch);
            let mut value = before;
            if let Some(patch) = patch {
                apply(&mut value, patch);
            }
            assert_eq!(value, after);
        }
    }

    #[test]
    fn the_example_of_the_standard() {
        let mut value = json!({"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"},
            "tags": ["example", "sample"], "content": "This will be unchanged"});
        apply(
            &mut value,
            json!({"title": "Hello!", "phoneNumber": "+01-123-456-7890", "author": {"familyName": null}, "tags": ["example"]}),
        );
        let expected = json!({"title": "Hello!", "author": {"givenName": "John"}, "tags": ["example"],
            "content": "This will be unchanged", "phoneNumber": "+01-123-456-7890"});
        assert_eq!(value, expected);
    }
}
