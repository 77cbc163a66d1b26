//! Imported lists and scores, asked through a snapshot.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use allocation_counter::measure;
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use tidegate_eval::CompiledSnapshot;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{Digest, SnapshotContent, Version};
use tidegate_model::units::{Lists, UnitSet};

fn units(range: std::ops::Range<u32>) -> UnitSet {
    UnitSet::of_hashes(range.map(|i| UnitSet::hash(&format!("user-{i}"))).collect())
}

fn content(list: &Digest) -> SnapshotContent {
    let rule =
        |segment: &str| json!([{"name": "in", "when": {"segment": segment}, "serve": {"variation": "on"}}]);
    let content: Value = json!({
        "environment": "production",
        "segments": [
            {"key": "beta", "excluded": ["user-7"], "list": {"digest": list, "count": 50_000}},
            {"key": "draft", "status": "draft", "list": {"digest": list, "count": 50_000}},
            {"key": "scored", "score": {"parts": [
                {"when": {"segment": "beta"}, "weight": 2},
                {"when": {"attribute": "visits", "operator": "greater_than", "value": 10}, "weight": 0.5},
                {"when": {"attribute": "churned", "operator": "exists"}, "weight": -1},
            ], "atLeast": 1.5}},
        ],
        "flags": [
            {"flag": {"key": "beta", "type": "boolean", "rules": rule("beta")}},
            {"flag": {"key": "draft", "type": "boolean", "rules": rule("draft")}},
            {"flag": {"key": "scored", "type": "boolean", "rules": rule("scored")}},
            {"flag": {"key": "tested", "type": "boolean", "status": "experiment", "experiment": {
                "key": "e", "audience": {"segment": "beta"}, "holdout": {"key": "h", "share": 5},
                "layer": {"key": "l", "from": 10, "to": 90}, "allocation": 50,
                "arms": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}],
            }}},
        ],
    });
    serde_json::from_value(content).unwrap()
}

fn snapshot() -> CompiledSnapshot {
    let list = units(0..50_000);
    let digest = Digest::of(&list.to_bytes());
    let lists = Lists::from([(digest.clone(), Arc::new(list))]);
    CompiledSnapshot::compile_with(&content(&digest), Version::default(), &lists).unwrap()
}

#[test]
fn a_list_has_its_units_and_nobody_else() {
    let snapshot = snapshot();
    for (unit, listed) in [
        (Some("user-0"), true),
        (Some("user-49999"), true),
        (Some("user-50000"), false),
        (Some("user-7"), false),
        (Some(""), false),
        (None, false),
    ] {
        let context = unit.map_or_else(Context::default, Context::of_unit);
        let context = snapshot.prepare(&context, Timestamp::default());
        for (key, is_in) in [("beta", listed), ("draft", false), ("scored", listed)] {
            assert_eq!(snapshot.in_segment(key, &context), Some(is_in), "{key} {unit:?}");
            let answer = snapshot.evaluate(key, &context);
            assert_eq!(answer.value(), Some(&Value::Bool(is_in)), "{key} {unit:?}");
            assert_eq!(snapshot.explain(key, &context).evaluation, answer);
        }
        assert_eq!(snapshot.in_segment("unknown", &context), None);
    }
}

#[test]
fn a_score_is_told() {
    let snapshot = snapshot();
    for (unit, visits, churned, score) in [
        ("user-1", 11, false, 2.5),
        ("user-1", 10, true, 1.0),
        ("somebody", 11, true, -0.5),
        ("somebody", 0, false, 0.0),
    ] {
        let mut context = Context::of_unit(unit).with("visits", visits);
        if churned {
            context = context.with("churned", true);
        }
        let context = snapshot.prepare(&context, Timestamp::default());
        let told = snapshot.segment_score("scored", &context).unwrap();
        assert!((told.number() - score).abs() < f64::EPSILON, "{unit}: {told}");
        assert_eq!(snapshot.in_segment("scored", &context), Some(score >= 1.5));
        assert_eq!(snapshot.segment_score("beta", &context), None);
        let explained = serde_json::to_value(snapshot.explain("scored", &context)).unwrap();
        let because = |part: &str| explained.pointer(&format!("/steps/1/when/because/score/{part}"));
        assert_eq!(
            because("score").and_then(Value::as_f64),
            Some(score),
            "{explained}"
        );
        assert!(because("parts/2/when/holds").is_some(), "{explained}");
    }
}

#[test]
fn a_list_that_is_not_at_hand_keeps_the_snapshot_out() {
    let refused = CompiledSnapshot::compile(&content(&Digest::of(b"")), Version::default()).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("segments.beta.list: the list is not at hand"),
        "{text}"
    );
}

#[test]
fn asking_allocates_nothing() {
    let snapshot = snapshot();
    for unit in ["user-1", "user-7", "user-49999", "somebody"] {
        let context = Context::of_unit(unit).with("visits", 11);
        let context = snapshot.prepare(&context, Timestamp::default());
        for key in ["beta", "draft", "scored", "tested"] {
            let counted = measure(|| {
                black_box(snapshot.evaluate(black_box(key), black_box(&context)));
            });
            assert_eq!(counted.count_total, 0, "{key} for {unit}");
        }
    }
}
