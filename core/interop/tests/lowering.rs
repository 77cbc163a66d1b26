//! What definitions become in flagd's language, and what is refused with which words.
#![expect(clippy::expect_used, reason = "a test may panic")]

use serde_json::{Value, json};
use tidegate_interop::flagd::{Lowered, TooLarge, lower};
use tidegate_model::invalid::Violation;
use tidegate_model::snapshot::{SnapshotContent, Version};

const VERSION: Version = Version { epoch: 1, number: 42 };

fn lowered(flags: Value, segments: Value) -> Result<Lowered, TooLarge> {
    let content = json!({"environment": "production", "flags": flags, "segments": segments});
    let content: SnapshotContent = serde_json::from_value(content).expect("the definitions hold together");
    lower(&content, VERSION)
}

fn configuration(flags: Value, segments: Value) -> Value {
    let lowered = lowered(flags, segments).expect("it is small");
    assert_eq!(lowered.left_out, []);
    serde_json::from_str(&lowered.configuration).expect("a configuration is JSON")
}

fn of_flag(flag: Value) -> Value {
    let configuration = configuration(json!([{ "flag": flag }]), json!([]));
    let flags = configuration.get("flags").and_then(Value::as_object);
    flags
        .and_then(|flags| flags.values().next())
        .cloned()
        .expect("the flag is there")
}

#[test]
fn a_configuration_says_whose_it_is() {
    let found = configuration(json!([{"flag": {"key": "a", "type": "boolean"}}]), json!([]));
    let expected = json!({
        "$schema": "https://flagd.dev/schema/v0/flags.json",
        "metadata": {"flagSetId": "production", "version": "1.42", "tidegateBucketing": "v3"},
        "flags": {"a": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"}},
    });
    assert_eq!(found, expected);
}

#[test]
fn states_and_defaults() {
    let variations = json!([{"key": "a", "value": 10.0}, {"key": "b", "value": 0.5}]);
    for (flag, state, default) in [
        (
            json!({"key": "f", "type": "boolean", "status": "inactive", "fallback": {"variation": "on"}}),
            "ENABLED",
            "off",
        ),
        (
            json!({"key": "f", "type": "boolean", "fallback": {"variation": "on"}}),
            "ENABLED",
            "on",
        ),
        // Without a variation of its own for that, the caller's default is "disabled" in flagd.
        (
            json!({"key": "f", "type": "number", "variations": variations}),
            "DISABLED",
            "a",
        ),
        (
            json!({"key": "f", "type": "number", "variations": variations, "status": "inactive"}),
            "DISABLED",
            "a",
        ),
    ] {
        let found = of_flag(flag.clone());
        assert_eq!(
            (&found["state"], &found["defaultVariant"]),
            (&json!(state), &json!(default)),
            "{flag}"
        );
        assert_eq!(found.get("targeting"), None, "{flag}");
    }
    let archived = json!([{"flag": {"key": "f", "type": "boolean", "status": "archived"}}]);
    assert_eq!(configuration(archived, json!([]))["flags"], json!({}));
}

#[test]
fn numbers_keep_their_spelling() {
    let variations = json!([{"key": "a", "value": 10}, {"key": "b", "value": 0.5}]);
    let flags = json!([{"flag": {"key": "f", "type": "number", "variations": variations, "off": "a"}}]);
    let text = lowered(flags, json!([])).expect("it is small").configuration;
    assert!(text.contains(r#"{"a":10.0,"b":0.5}"#), "{text}");
}

#[test]
fn targeting_in_order() {
    let flag = json!({"key": "f", "type": "boolean",
    "individuals": [{"units": ["u1", "u2"], "variation": "on"}, {"units": ["u3"], "variation": "off"}],
    "rules": [
        {"name": "a", "when": {"attribute": "plan", "operator": "equals", "value": "pro"}, "serve": {"variation": "on"}},
        {"name": "b", "when": {"attribute": "country", "operator": "not_in", "value": ["FR", "DE"]},
         "serve": {"split": [{"variation": "on", "weight": 12.345}, {"variation": "off", "weight": 87.655}]}},
    ]});
    assert_eq!(
        of_flag(flag)["targeting"],
        json!({"if": [
            {"in": [{"var": "targetingKey"}, ["u1", "u2"]]}, "on",
            {"===": [{"var": "targetingKey"}, "u3"]}, "off",
            {"===": [{"var": "plan"}, "pro"]}, "on",
            {"!": [{"in": [{"var": "country"}, ["FR", "DE"]]}]},
            {"if": [{"!!": [{"var": "targetingKey"}]},
                {"fractional": [{"cat": ["f.", {"var": "targetingKey"}]}, ["on", 12345], ["off", 87655]]}]},
        ]})
    );
}

#[test]
fn a_rollout_stands_in_front_of_the_fallback() {
    let flags = json!([{
        "flag": {"key": "f", "type": "boolean", "salt": "s1", "unit": "account.id"},
        "rollout": {"rollout": "f.3", "revision": 4, "candidate": "on", "safe": "off", "share": 25},
    }]);
    let found = &configuration(flags, json!([]))["flags"]["f"];
    assert_eq!(found["metadata"], json!({"rollout": "f.3"}));
    assert_eq!(found["defaultVariant"], "off");
    let unit = json!({"var": "account.id"});
    assert_eq!(
        found["targeting"],
        json!({"if": [
            {"and": [
                {"in": [unit, {"merge": [unit]}]},
                {"or": [{"!!": [unit]}, {"===": [unit, 0]}]},
            ]},
            {"fractional": [{"cat": ["s1.", unit]}, ["on", 25000], ["off", 75000]]},
        ]})
    );
}

#[test]
fn segments_are_evaluators_without_references() {
    let uses = |key: &str, segment: &str| {
        json!({"flag": {"key": key, "type": "boolean",
            "rules": [{"name": "r", "when": {"segment": segment}, "serve": {"variation": "on"}}]}})
    };
    let segments = json!([
        {"key": "staff", "included": ["u1"], "excluded": ["u2", "u3"], "when": {"attribute": "email", "operator": "ends_with", "value": "@corp.com"}},
        {"key": "beta", "when": {"any": [{"segment": "staff"}, {"attribute": "beta", "operator": "exists"}]}},
        {"key": "french", "when": {"attribute": "language", "operator": "equals", "value": "français"}},
        {"key": "unused", "included": ["u1"]},
    ]);
    let found = configuration(
        json!([uses("a", "staff"), uses("b", "beta"), uses("c", "french")]),
        segments,
    );
    let staff = json!({"and": [
        {"!": [{"in": [{"var": "targetingKey"}, ["u2", "u3"]]}]},
        {"or": [{"===": [{"var": "targetingKey"}, "u1"]}, {"ends_with": [{"var": "email"}, "@corp.com"]}]},
    ]});
    assert_eq!(
        found["flags"]["a"]["targeting"],
        json!({"if": [{"$ref": "seg_staff"}, "on"]})
    );
    assert_eq!(
        found["$evaluators"],
        json!({
            "seg_staff": staff,
            "seg_beta": {"or": [staff, {"!==": [{"var": "beta"}, null]}]},
        })
    );
    // Clients replace references in the text of the configuration, and this text would break theirs.
    assert_eq!(
        found["flags"]["c"]["targeting"],
        json!({"if": [{"===": [{"var": "language"}, "français"]}, "on"]})
    );
}

#[test]
fn prerequisites_stand_in_place_with_their_own_salts() {
    let split = json!({"split": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]});
    let needs = |key: &str, other: &str, variation: &str| {
        json!({"flag": {"key": key, "type": "boolean", "fallback": {"variation": "on"},
            "prerequisites": [{"flag": other, "variations": [variation]}]}})
    };
    let found = configuration(
        json!([
            {"flag": {"key": "a", "type": "boolean", "fallback": split}},
            needs("b", "a", "on"),
            {"flag": {"key": "closed", "type": "boolean", "status": "inactive"}},
            needs("c", "closed", "on"),
            needs("d", "closed", "off"),
        ]),
        json!([]),
    );
    let a = json!({"if": [{"!!": [{"var": "targetingKey"}]},
        {"fractional": [{"cat": ["a.", {"var": "targetingKey"}]}, ["on", 50000], ["off", 50000]]}]});
    let flags = &found["flags"];
    assert_eq!(
        flags["b"]["targeting"],
        json!({"if": [{"!": [{"in": [a, ["on"]]}]}, "off"]})
    );
    assert_eq!(flags["b"]["defaultVariant"], "on");
    // What is known of an inactive flag is not asked of every context.
    for (key, default) in [("c", "off"), ("d", "on")] {
        assert_eq!(flags[key].get("targeting"), None);
        assert_eq!(flags[key]["defaultVariant"], default);
    }
}

#[test]
fn an_experiment_stands_in_front_of_the_fallback() {
    let flag = json!({"key": "f", "type": "boolean", "status": "experiment", "experiment": {
        "key": "e1", "layer": {"key": "l", "from": 10, "to": 60}, "holdout": {"key": "h", "share": 5},
        "audience": {"attribute": "plan", "operator": "equals", "value": "pro"}, "allocation": 50,
        "arms": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}],
    }});
    let found = of_flag(flag);
    let unit = json!({"!!": [{"var": "targetingKey"}]});
    let dealt = |salt: &str| json!({"cat": [format!("{salt}."), {"var": "targetingKey"}]});
    let within = |salt: &str, parts: Value| {
        let mut fractional = vec![dealt(salt)];
        fractional.extend(parts.as_array().cloned().expect("a list"));
        json!({"===": [{"fractional": fractional}, "in"]})
    };
    assert_eq!(
        found["targeting"],
        json!({"if": [
            {"and": [unit, within("holdout.h", json!([["in", 5000], ["out", 95000]]))]}, "off",
            {"and": [
                unit,
                {"===": [{"var": "plan"}, "pro"]},
                within("layer.l", json!([["out", 10000], ["in", 50000], ["out", 40000]])),
                within("e1.allocation", json!([["in", 50000], ["out", 50000]])),
            ]},
            {"fractional": [dealt("e1"), ["on#e1", 50000], ["off#e1", 50000]]},
            "off",
        ]})
    );
    assert_eq!(
        found["variants"],
        json!({"on": true, "off": false, "on#e1": true, "off#e1": false})
    );
    assert_eq!(found["metadata"], json!({"experiment": "e1"}));
}

/// That a flag with these parts is left out for this reason.
fn check_refused(parts: &Value, field: &str, says: &str) {
    let mut flag = json!({"key": "f", "type": "boolean"});
    let fields = flag.as_object_mut().expect("an object");
    fields.extend(parts.as_object().cloned().expect("an object"));
    let regex = json!({"attribute": "email", "operator": "regex", "value": "x"});
    let other = json!({"key": "other", "type": "boolean",
        "rules": [{"name": "r", "when": regex, "serve": {"variation": "on"}}]});
    let odd = json!({"key": "odd", "when": regex});
    let lowered = lowered(json!([{ "flag": flag }, { "flag": other }]), json!([odd])).expect("it is small");
    let left_out = lowered.left_out.first().expect("it is left out");
    assert_eq!(left_out.flag.as_str(), "f");
    let named = |one: &Violation| one.field == field && one.to_string().contains(says);
    assert!(
        left_out.why.iter().any(named),
        "{flag}\nmissing {field} {says:?} in {:?}",
        left_out.why
    );
}

#[test]
fn conditions_that_cannot_be_said_are_named() {
    let many: Vec<String> = (0..=5000).map(|i| format!("u{i}")).collect();
    for (attribute, operator, value, field, says) in [
        (
            "email",
            "regex",
            json!("x"),
            "operator",
            "no words for the operator 'regex'",
        ),
        ("a..b", "equals", json!(1), "attribute", "a name is not empty"),
        (
            "tags.0",
            "equals",
            json!(1),
            "attribute",
            "a place in a text or list",
        ),
        (
            "tags.length",
            "equals",
            json!(1),
            "attribute",
            "the length of a text",
        ),
        ("$flagd.x", "equals", json!(1), "attribute", "flagd's own"),
        ("a.__proto__", "equals", json!(1), "attribute", "prototype"),
        ("a\\.b", "equals", json!(1), "attribute", "backslash"),
        ("id", "in", json!(many), "value", "at most 5000 entries"),
    ] {
        let when = json!({"all": [{"not": {"attribute": attribute, "operator": operator, "value": value}}]});
        let parts = json!({"rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]});
        check_refused(&parts, &format!("rules[0].when.all[0].not.{field}"), says);
    }
}

#[test]
fn whatever_else_cannot_be_said_is_named() {
    let many: Vec<String> = (0..=5000).map(|i| format!("u{i}")).collect();
    let split = json!({"split": [{"variation": "on", "weight": 1}, {"variation": "off", "weight": 99}]});
    let values = json!([{"key": "a", "value": [1]}, {"key": "b", "value": {"deep": {"$ref": "seg_x"}}}]);
    let values = json!({"type": "json", "variations": values, "off": "a"});
    let in_segment = json!([{"name": "r", "when": {"segment": "odd"}, "serve": {"variation": "on"}}]);
    let without_off = json!([{"key": "on", "value": "x"}]);
    let units = json!([{"units": many, "variation": "on"}]);
    let unit = json!([{"units": ["u1"], "variation": "on"}]);
    for (parts, field, says) in [
        (
            json!({"individuals": units}),
            "individuals[0].units",
            "at most 5000 entries",
        ),
        (
            json!({"unit": "a.", "fallback": split}),
            "unit",
            "a name is not empty",
        ),
        (
            json!({"rules": in_segment}),
            "rules[0].when.segment",
            "of segment odd, when.operator",
        ),
        (values.clone(), "variations[0].value", "not a list"),
        (values, "variations[1].value", "stands for something else"),
        (
            json!({"prerequisites": [{"flag": "other", "variations": ["on"]}]}),
            "prerequisites[0].flag",
            "rules[0].when.operator: flagd has no words",
        ),
        (
            json!({"type": "string", "variations": without_off, "individuals": unit}),
            "off",
            "their own default",
        ),
    ] {
        check_refused(&parts, field, says);
    }
}

#[test]
fn what_no_client_would_accept_is_refused_with_the_largest_flags() {
    let flag = |key: String, count: usize| {
        let units: Vec<String> = (0..count).map(|i| format!("{key}-{i:0>220}")).collect();
        json!({"flag": {"key": key, "type": "boolean", "individuals": [{"units": units, "variation": "on"}]}})
    };
    let flags: Vec<Value> = (0..10)
        .map(|i| flag(format!("f{i}"), if i == 7 { 2500 } else { 2200 }))
        .collect();
    let refused = lowered(json!(flags), json!([])).expect_err("ten lists of half a megabyte");
    assert!(refused.bytes > 4_194_304);
    assert_eq!(refused.largest.len(), 5);
    assert_eq!(refused.largest.first().map(|(key, _)| key.as_str()), Some("f7"));
    assert!(
        refused.to_string().contains("the largest flags are f7 (5"),
        "{refused}"
    );
    let one = lowered(json!([flag("g".to_owned(), 5000)]), json!([])).expect("it is left out");
    assert!(one.left_out.iter().any(|left| {
        left.why
            .iter()
            .any(|why| why.rule.contains("at most 1048576 bytes"))
    }));
}
