//! Edits of segments that open step by step.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use allocation_counter::measure;
use serde_json::{Value, json};
use std::hint::black_box;
use tidegate_eval::CompiledSnapshot;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// A segment of `old` with an edit to `new`, open to `share` per cent; other segments beside it.
fn content(old: Value, new: Value, share: f64, others: Value) -> Value {
    let mut segments = vec![json!({"key": "beta", "when": old})];
    segments.extend(others.as_array().unwrap().iter().cloned());
    json!({
        "environment": "production", "segments": segments,
        "staged": [{"definition": {"key": "beta", "when": new}, "guard": "segment.beta",
            "rollout": "segment.beta.1", "policy": "canary"}],
        "flags": [
            {"flag": {"key": "new-checkout", "type": "boolean",
                "rules": [{"name": "beta", "when": {"segment": "beta"}, "serve": {"variation": "on"}}]}},
            {"flag": {"key": "segment.beta", "type": "boolean", "off": "before", "fallback": {"variation": "before"},
                "variations": [{"key": "before", "value": false}, {"key": "after", "value": true}]},
             "rollout": {"rollout": "segment.beta.1", "revision": 1, "candidate": "after", "safe": "before",
                "share": share}},
        ],
    })
}

fn compile(content: Value) -> Result<CompiledSnapshot, String> {
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).map_err(|invalid| invalid.to_string())
}

fn says(country: &str) -> Value {
    json!({"attribute": "country", "operator": "equals", "value": country})
}

/// How many of 2,000 New Zealanders and Australians are in.
fn members(snapshot: &CompiledSnapshot) -> (usize, usize) {
    let count = |country: &str| {
        let units = (0..2000).map(|unit| json!({"targetingKey": format!("user-{unit}"), "country": country}));
        let is_in = |context: &Value| {
            let context = Context::from_json(context.as_object().unwrap()).unwrap();
            let prepared = snapshot.prepare(&context, Timestamp::default());
            let on = snapshot.evaluate("new-checkout", &prepared).variation() == "on";
            assert_eq!(snapshot.in_segment("beta", &prepared), Some(on));
            on
        };
        units.filter(is_in).count()
    };
    (count("NZ"), count("AU"))
}

#[test]
fn whoever_has_the_edit_is_in_by_it_and_nobody_is_in_by_both() {
    let open = |share: f64| members(&compile(content(says("NZ"), says("AU"), share, json!([]))).unwrap());
    assert_eq!(open(0.0), (2000, 0));
    assert_eq!(open(100.0), (0, 2000));
    let (old, new) = open(30.0);
    assert_eq!(old + new, 2000, "{old} {new}");
    assert!((500..700).contains(&new), "{new}");
}

#[test]
fn an_explanation_tells_which_definition_decided() {
    let snapshot = compile(content(says("NZ"), says("AU"), 100.0, json!([]))).unwrap();
    let object = json!({"targetingKey": "ada", "country": "AU"});
    let context = Context::from_json(object.as_object().unwrap()).unwrap();
    let prepared = snapshot.prepare(&context, Timestamp::default());
    let told = serde_json::to_value(snapshot.explain("new-checkout", &prepared)).unwrap();
    let rule = told.pointer("/steps/1/when").unwrap();
    assert_eq!(
        rule.pointer("/because/conditions/operand"),
        Some(&json!("\"AU\"")),
        "{rule:#}"
    );
    let staged = rule.get("staged").unwrap();
    assert_eq!(staged.get("guard"), Some(&json!("segment.beta")));
    assert_eq!(
        (staged.get("applies"), staged.get("share")),
        (Some(&json!(true)), Some(&json!(100)))
    );
}

#[test]
fn what_leads_nowhere_or_back_is_refused() {
    let mut without = content(says("NZ"), says("AU"), 1.0, json!([]));
    without
        .pointer_mut("/flags")
        .unwrap()
        .as_array_mut()
        .unwrap()
        .pop();
    let refused = compile(without).unwrap_err();
    assert!(
        refused.contains("staged.beta.guard: there is no such flag"),
        "{refused}"
    );
    // Neither definition leads back by itself.
    let others = json!([{"key": "outer", "when": {"segment": "beta"}}]);
    let refused = compile(content(says("NZ"), json!({"segment": "outer"}), 1.0, others)).unwrap_err();
    assert!(
        refused.contains("names do not lead back to themselves"),
        "{refused}"
    );
    let refused = compile(content(says("NZ"), json!({"segment": "absent"}), 1.0, json!([]))).unwrap_err();
    assert!(refused.contains("staged.beta.when.segment"), "{refused}");
}

#[test]
fn nothing_is_allocated() {
    let snapshot = compile(content(says("NZ"), says("AU"), 30.0, json!([]))).unwrap();
    let object = json!({"targetingKey": "ada", "country": "AU"});
    let context = Context::from_json(object.as_object().unwrap()).unwrap();
    let prepared = snapshot.prepare(&context, Timestamp::default());
    let allocated = measure(|| {
        black_box(snapshot.evaluate("new-checkout", &prepared).variation());
    });
    assert_eq!(allocated.count_total, 0);
}
