//! What is evaluated: one snapshot of some 500 flags, and contexts of eight attributes.

use serde_json::{Value, json};
use tidegate_eval::CompiledSnapshot;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// How many different contexts there are.
pub(crate) const CONTEXTS: usize = 1024;

/// The snapshot, compiled.
pub(crate) fn snapshot() -> CompiledSnapshot {
    CompiledSnapshot::compile(&content(), Version::default()).unwrap()
}

/// The snapshot as it is published: 500 flags of five kinds, and one of each kind under its own name.
pub(crate) fn content() -> SnapshotContent {
    let named = [
        plain("plain"),
        five_rules("five-rules"),
        quarter("quarter"),
        four_way("four-way"),
        long_list(),
    ];
    let many = (0..500).map(|i| {
        let key = format!("flag-{i}");
        match i % 5 {
            0 => plain(&key),
            1 => five_rules(&key),
            2 => quarter(&key),
            3 => four_way(&key),
            _ => ramp(&key),
        }
    });
    let beta = json!({"all": [
        {"any": [
            {"attribute": "plan", "operator": "equals", "value": "pro"},
            {"attribute": "email", "operator": "ends_with", "value": "@corp.com"},
        ]},
        {"not": {"attribute": "country", "operator": "in", "value": ["KP", "SY"]}},
    ]});
    let content = json!({
        "environment": "production",
        "segments": [{"key": "beta", "excluded": ["mallory"], "when": beta}],
        "flags": named.into_iter().chain(many).collect::<Vec<Value>>(),
    });
    serde_json::from_value(content).unwrap()
}

/// A context that differs from the others in every attribute that matters.
pub(crate) fn context(i: usize) -> Context {
    let countries = ["FR", "DE", "IT", "ES", "US", "JP", "BR"];
    let plans = ["free", "pro", "team"];
    let pick = |list: &[&str]| list.get(i % list.len()).copied().unwrap_or_default().to_owned();
    Context::of_unit(format!("0b9c7d3e-52a4-4d0e-9b42-{i:012x}"))
        .with("country", pick(&countries))
        .with("plan", pick(&plans))
        .with("age", i % 80 + 30)
        .with("email", format!("person.{i}@example.com"))
        .with("city", format!("city-{}", i * 37 % 20_000))
        .with(
            "userAgent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        )
        .with("device.type", "phone")
}

/// All the contexts.
pub(crate) fn contexts() -> Vec<Context> {
    (0..CONTEXTS).map(context).collect()
}

fn plain(key: &str) -> Value {
    json!({"flag": {"key": key, "type": "boolean"}})
}

fn five_rules(key: &str) -> Value {
    let staff: Vec<String> = (0..20).map(|i| format!("staff-{i}")).collect();
    let rule = |name: &str, attribute: &str, operator: &str, value: Value| {
        json!({"name": name, "serve": {"variation": "on"},
            "when": {"attribute": attribute, "operator": operator, "value": value}})
    };
    json!({"flag": {"key": key, "type": "boolean", "rules": [
        rule("first", "country", "equals", "NZ".into()),
        rule("second", "targetingKey", "in", staff.into()),
        rule("third", "email", "starts_with", "qa+".into()),
        rule("fourth", "age", "greater_than", 29.into()),
        rule("fifth", "email", "regex", "^[a-z]+\\.[0-9]+@example\\.(com|org)$".into()),
    ]}})
}

fn quarter(key: &str) -> Value {
    json!({"flag": {"key": key, "type": "percentage", "percentage": 25}})
}

fn four_way(key: &str) -> Value {
    let variations = ["a", "b", "c", "d"].map(|one| json!({"key": one, "value": one}));
    let split = ["a", "b", "c", "d"].map(|one| json!({"variation": one, "weight": 25}));
    json!({"flag": {"key": key, "type": "string", "variations": variations, "fallback": {"variation": "a"},
        "rules": [{"name": "beta", "when": {"segment": "beta"}, "serve": {"split": split}}]}})
}

fn ramp(key: &str) -> Value {
    json!({
        "flag": {"key": key, "type": "boolean"},
        "rollout": {"rollout": format!("{key}.1"), "revision": 1, "candidate": "on", "safe": "off", "share": 10},
    })
}

fn long_list() -> Value {
    let cities: Vec<String> = (0..10_000).map(|i| format!("city-{i}")).collect();
    json!({"flag": {"key": "long-list", "type": "boolean", "rules": [{"name": "cities", "serve": {"variation": "on"},
        "when": {"attribute": "city", "operator": "in", "value": cities}}]}})
}
