//! Documents as people write them for flagd, evaluated by flagd and, imported, by us.

use crate::engine::{Answer, Engine};
use crate::import::{compiled, variation};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_interop::flagd::{Leniency, import};
use tidegate_model::environment::Bucketing;

/// Flags with variants `on`, `off` and `other`, each with a targeting of its own.
fn document() -> Value {
    let email = json!({"var": ["email"]});
    let targetings = [
        json!({"if": [{"==": [{"var": ["color"]}, "yellow"]}, "on", "off"]}),
        json!({"if": [{"in": ["@faas.com", email]}, "on"]}),
        json!({"if": [{"$ref": "emailWithFaas"}, "on", {"if": [{"<": [{"var": "age"}, 18]}, "other", null]}, "off"]}),
        json!({"if": [{"and": [{"$ref": "emailWithFaas"}, {">=": [{"var": "age"}, 18]}]}, "on",
            {"or": [{"!": {"var": "color"}}, {"!=": [{"var": "premium"}, true]}]}, "off",
            "other"]}),
        json!({"?:": [{"in": [{"var": "color"}, ["red", "yellow"]]}, "on", "off"]}),
        json!({"if": [{"!": [{"in": [{"var": ["color", "red"]}, ["red", "blue"]]}]}, "on"]}),
        json!({"if": [{"starts_with": [email, "admin"]}, "on", {"ends_with": [email, "@faas.com"]}, "other"]}),
        json!({"if": [{"sem_ver": [{"var": "version"}, "^", "1.2.3"]}, "on", {"sem_ver": [{"var": "version"}, "!=", "2.0.0"]}, "other"]}),
        json!({"if": [{"sem_ver": [{"var": "version"}, "~", "1.2.3"]}, "on", {"sem_ver": [{"var": "version"}, "<=", "1.2.3-rc.1"]}, "other"]}),
        json!({"if": [{"<=": [18, {"var": "age"}, 65]}, "on", {">": [{"var": "age"}, -1]}, "other"]}),
        json!({"if": [{"<": [{"var": ["age", 70]}, 65]}, "on", {"===": [{"var": "age"}, null]}, "other"]}),
        json!({"if": [{">": [{"var": "$flagd.timestamp"}, 1_577_836_800]}, {"if": [{"var": "premium"}, "on", "other"]}]}),
        json!({"if": [{"<": [{"var": "$flagd.timestamp"}, 1_577_836_800]}, "on", {"==": [{"var": "$flagd.flagKey"}, "flag-12"]}, "other"]}),
        json!({"if": [{"if": [{"==": [{"var": "premium"}, true]}, {"<": [{"var": "age"}, 40]}, {"==": [{"var": "color"}, "red"]}]}, "on", "off"]}),
        json!({"if": [{"in": [{"if": [{"==": [{"var": "color"}, "red"]}, "a", {"==": [{"var": "age"}, 18]}, "b", "c"]}, ["a", "c"]]}, "on"]}),
        json!({"if": [{"in": [{"var": "targetingKey"}, ["u1", "u2"]]}, "on", {"===": [{"var": "targetingKey"}, "u3"]}, "other"]}),
        json!({"fractional": [{"cat": [{"var": "$flagd.flagKey"}, ".", {"var": "targetingKey"}]}, ["on", 25], ["off", 25], ["other", 50]]}),
        json!({"if": [{"==": [{"var": "color"}, "red"]}, {"fractional": [{"cat": ["salt.", email]}, ["on"], ["off"], ["off", 2]]}, "other"]}),
    ];
    let flags: Map<String, Value> = (0..)
        .zip(targetings)
        .map(|(i, targeting): (u32, _)| {
            let default = if i % 3 == 0 { "other" } else { "off" };
            let flag = json!({"state": "ENABLED", "variants": {"on": "1", "off": "2", "other": "3"},
                "defaultVariant": default, "targeting": targeting});
            (format!("flag-{i}"), flag)
        })
        .collect();
    let mut document = json!({
        "$schema": "https://flagd.dev/schema/v0/flags.json",
        "flags": flags,
        "$evaluators": {"emailWithFaas": {"in": ["@faas.com", email]}},
    });
    document["flags"]["truth"] = json!({"state": "ENABLED", "variants": {"true": true, "false": false},
        "defaultVariant": "false", "targeting": {"==": [{"var": "color"}, "red"]}});
    document["flags"]["plain"] = json!({"state": "ENABLED", "variants": {"small": 1, "large": 2.5}, "defaultVariant": "large", "targeting": {}});
    document["flags"]["object"] =
        json!({"state": "ENABLED", "variants": {"a": {"x": [1]}, "b": {}}, "defaultVariant": "a"});
    document["flags"]["disabled"] =
        json!({"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"});
    document
}

/// Attributes of the types that the document compares.
fn context() -> impl Strategy<Value = Map<String, Value>> {
    let text = |of: &'static [&'static str]| prop::option::of(prop::sample::select(of).prop_map(Value::from));
    let attributes = (
        text(&["red", "yellow", "blue"]),
        text(&["admin@faas.com", "u@faas.com", "admin@x.org"]),
        text(&["1.2.3", "1.2.3-rc.1", "1.0.0-alpha", "1.3.0", "2.0.0", "0.1.0"]),
        prop::option::of(prop::sample::select(vec![-5, 0, 17, 18, 64, 65, 66]).prop_map(Value::from)),
        prop::option::of(any::<bool>().prop_map(Value::from)),
        "u[0-9]{1,3}",
    );
    attributes.prop_map(|(color, email, version, age, premium, key)| {
        let attributes = [
            ("color", color),
            ("email", email),
            ("version", version),
            ("age", age),
            ("premium", premium),
        ];
        let given = attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.chain([("targetingKey".to_owned(), key.into())]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn documents_mean_the_same_after_import(context in context()) {
        let document = document();
        let imported = import(document.to_string().as_bytes(), Leniency::default()).expect("it can be read");
        prop_assert_eq!(&imported.findings, &[]);
        let engine = Engine::new(&document.to_string());
        let snapshot = compiled(&imported, Bucketing::V3);
        for flag in &imported.flags {
            let key = flag.key.as_str();
            let found = match variation(&snapshot, key, &context) {
                Ok(Some(variation)) => Answer::Variant(variation),
                Ok(None) => Answer::Disabled,
                // Evaluators do not agree about what they hash then.
                Err(_) => continue,
            };
            prop_assert_eq!(found, engine.variant(key, &context), "{} {:?} {:?}", key, context, flag);
        }
    }
}
