use serde_json::{Value, json};
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{Snapshot, SnapshotContent, Version};

/// The flags that the foreign clients are tried with, and a few that they are not.
fn content(environment: &str, more: Vec<Value>) -> SnapshotContent {
    let shipped: Value = serde_json::from_str(include_str!("../../../compat/flags.json")).unwrap();
    let mut flags: Vec<Value> = shipped["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| json!({ "flag": flag }))
        .collect();
    flags.extend([
        json!({"flag": {"key": "archived", "type": "boolean", "status": "archived"}}),
        json!({"flag": {"key": "hidden", "type": "boolean", "fallback": {"variation": "on"}}}),
        json!({"flag": {"key": "inactive", "type": "boolean", "status": "inactive"}}),
        json!({"flag": {"key": "no-fallback", "type": "string", "variations": [{"key": "a", "value": "A"}],
            "rules": [{"name": "never", "when": {"attribute": "x", "operator": "exists"}, "serve": {"variation": "a"}}]}}),
        json!({"flag": {"key": "needs", "type": "boolean", "fallback": {"variation": "on"},
            "prerequisites": [{"flag": "compat-targeted", "variations": ["on"]}]}}),
        json!({"flag": {"key": "ramp", "type": "boolean", "visibility": "client"},
            "rollout": {"rollout": "ramp.1", "revision": 3, "candidate": "on", "safe": "off", "share": 100}}),
    ]);
    flags.extend(more);
    flags.sort_by_key(|one| one["flag"]["key"].to_string());
    serde_json::from_value(json!({"environment": environment, "segments": [], "flags": flags})).unwrap()
}

pub(crate) fn production() -> EnvironmentKey {
    EnvironmentKey::new("production").unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

pub(crate) fn snapshot_of(environment: &str, at: &str) -> Vec<u8> {
    sealed(&content(environment, vec![]), at)
}

/// A snapshot of production at this version, as it is carried.
pub(crate) fn snapshot(at: &str) -> Vec<u8> {
    snapshot_with(at, vec![])
}

/// The same with more flags.
pub(crate) fn snapshot_with(at: &str, more: Vec<Value>) -> Vec<u8> {
    sealed(&content("production", more), at)
}

/// A flag that deals an experiment's arms: everybody gets `rest` who takes no part.
pub(crate) fn tried(key: &str, experiment: Value) -> Value {
    json!({"flag": {"key": key, "type": "string", "status": "experiment", "visibility": "client",
        "variations": [{"key": "a", "value": "A"}, {"key": "b", "value": "B"}, {"key": "rest", "value": "R"}],
        "experiment": experiment, "fallback": {"variation": "rest"}}})
}

/// Two arms, half of the units each.
pub(crate) fn halves() -> Value {
    json!([{"variation": "a", "weight": 50}, {"variation": "b", "weight": 50}])
}

fn sealed(content: &SnapshotContent, at: &str) -> Vec<u8> {
    let snapshot = Snapshot::seal(content, version(at), Timestamp::default(), None).unwrap();
    serde_json::to_vec(&snapshot).unwrap()
}
