//! Things to put into a store.

use crate::{Expect, Proposal, Write};
use serde_json::{Value, json};
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::policy::Comparison;
use tidegate_model::verdict::Verdict;

/// A flag in the environment `production`.
pub fn flag_ref(key: &str) -> EntityRef {
    format!("flag/production/{key}").parse().unwrap()
}

/// A segment in the environment `production`.
pub fn segment_ref(key: &str) -> EntityRef {
    format!("segment/production/{key}").parse().unwrap()
}

/// A token.
pub fn token_ref(name: &str) -> EntityRef {
    format!("token/-/{name}").parse().unwrap()
}

/// A boolean flag is saved.
pub fn flag(key: &str, description: &str) -> Change {
    from(json!({"flag_saved": {"key": key, "type": "boolean", "description": description}}))
}

/// A number flag is saved that has this value; 0 if JSON does not know the number.
pub fn number_flag(key: &str, number: f64) -> Change {
    let value = serde_json::Number::from_f64(number).unwrap_or_else(|| 0.into());
    let variations = json!([{"key": "only", "value": value}]);
    from(json!({"flag_saved": {
        "key": key, "type": "number", "numberFormat": "float", "variations": variations,
        "fallback": {"variation": "only"},
    }}))
}

/// A JSON flag is saved whose value is a list in a list, so many times.
pub fn nested_flag(key: &str, depth: usize) -> Change {
    let value = (0..depth).fold(json!([]), |inner, _| json!([inner]));
    let variations = json!([{"key": "only", "value": value}]);
    from(json!({"flag_saved": {
        "key": key, "type": "json", "variations": variations, "fallback": {"variation": "only"},
    }}))
}

/// A segment of one unit is saved.
pub fn segment(key: &str, unit: &str) -> Change {
    from(json!({"segment_saved": {"key": key, "included": [unit]}}))
}

/// A segment of the units of a list is saved.
pub fn listed_segment(key: &str, digest: &str) -> Change {
    from(json!({"segment_saved": {"key": key, "list": {"digest": digest, "count": 1}}}))
}

/// A token is created.
pub fn token(name: &str) -> Change {
    from(json!({"token_created": {
        "name": name, "role": "viewer", "environment": null, "secretDigest": "0".repeat(64),
        "created": "2026-01-01T00:00:00Z", "expires": null, "revoked": null,
    }}))
}

/// An alert fires: something that is stored even when there is hardly any room.
pub fn alert(fingerprint: &str) -> Write {
    let starts = "2026-01-01T00:00:00Z";
    let alert = json!({ "fingerprint": fingerprint, "starts": starts, "labels": {} });
    save(
        format!("alert/production/{fingerprint}").parse().unwrap(),
        from(json!({ "alert_fired": alert })),
    )
}

/// What brings a flag, segment or token into being.
pub fn creation(entity: &EntityRef) -> Change {
    match entity {
        EntityRef::Flag(_, key) => flag(key.as_str(), ""),
        EntityRef::Segment(_, key) => segment(key.as_str(), "u1"),
        EntityRef::Token(name) => token(name.as_str()),
        other => panic!("there is no sample of {other}"),
    }
}

/// One change of one thing, at whatever revision it is.
pub fn save(entity: EntityRef, change: Change) -> Write {
    Write {
        entity,
        expect: Expect::Any,
        changes: vec![change],
    }
}

/// These writes, at a fixed time.
pub fn propose(writes: Vec<Write>) -> Proposal {
    Proposal {
        at: "2026-01-02T03:04:05.678901234Z".parse().unwrap(),
        by: Author::Tidegate,
        because: None,
        basis: None,
        writes,
    }
}

/// An explanation with this number in it.
pub fn because(value: f64) -> Because {
    Because {
        decision: Decision::Saved,
        reasons: vec![Reason::Rule {
            rule: "error-rate".parse().unwrap(),
            verdict: Verdict::Healthy,
            value: Some(value),
            comparison: Comparison::GreaterThan,
            threshold: 0.02,
            bad: 0,
            need: 1,
            detail: String::new(),
            dry_run: false,
        }],
    }
}

/// A flag's description.
pub fn description(state: &EntityState) -> &str {
    match state {
        EntityState::Flag(state) => &state.flag.definition().description,
        other => panic!("not a flag: {other:?}"),
    }
}

fn from(change: Value) -> Change {
    serde_json::from_value(change).unwrap()
}
