//! Evaluating allocates nothing: counted, not believed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a snapshot that does not compile fails the test"
)]

use allocation_counter::measure;
use serde_json::{Value, json};
use std::hint::black_box;
use tidegate_eval::CompiledSnapshot;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// One flag for each thing that evaluating can run into.
fn snapshot() -> CompiledSnapshot {
    let rule = |when: Value| json!([{"name": "r", "when": when, "serve": {"split": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]}}]);
    let long_list: Vec<String> = (0..1000).map(|i| format!("city-{i}")).collect();
    let mut content = json!({
        "environment": "production",
        "segments": [
            {"key": "scored", "score": {"atLeast": 2.5, "parts": [
                {"weight": 2, "when": {"attribute": "age", "operator": "less_than", "value": 90}},
                {"weight": 0.5, "when": {"segment": "inner"}}]}},
            {"key": "inner", "included": ["u1"], "when": {"attribute": "plan", "operator": "starts_with", "value": "p"}},
            {"key": "outer", "excluded": ["u2"], "when": {"all": [{"segment": "inner"}, {"attribute": "age", "operator": "greater_than", "value": 17.5}]}},
        ],
        "flags": [
            {"flag": {"key": "plain", "type": "boolean"}},
            {"flag": {"key": "off", "type": "boolean", "status": "inactive"}},
            {"flag": {"key": "archived", "type": "boolean", "status": "archived"}},
            {"flag": {"key": "split", "type": "percentage", "percentage": 25}},
            {"flag": {"key": "by-age", "type": "percentage", "percentage": 25, "unit": "age"}},
            {"flag": {"key": "no-unit", "type": "percentage", "percentage": 25, "unit": "nobody"}},
            {"flag": {"key": "named", "type": "boolean", "individuals": [{"units": ["u1"], "variation": "on"}]}},
            {"flag": {"key": "listed", "type": "boolean", "rules": rule(json!({"attribute": "city", "operator": "in", "value": long_list}))}},
            {"flag": {"key": "matched", "type": "boolean", "rules": rule(json!({"attribute": "email", "operator": "regex", "value": "^[a-z.]+@corp\\.com$"}))}},
            {"flag": {"key": "contained", "type": "boolean", "rules": rule(json!({"attribute": "email", "operator": "contains", "value": "@corp"}))}},
            {"flag": {"key": "member", "type": "boolean", "rules": rule(json!({"segment": "outer"}))}},
            {"flag": {"key": "needs", "type": "boolean", "prerequisites": [{"flag": "member", "variations": ["on", "off"]}]}},
            {"flag": {"key": "needs-needs", "type": "boolean", "prerequisites": [{"flag": "needs", "variations": ["on"]}]}},
            {"flag": {"key": "scored", "type": "boolean", "rules": rule(json!({"segment": "scored"}))}},
            {"flag": {"key": "tried", "type": "boolean", "status": "experiment", "experiment": {
                "key": "one-page", "audience": {"segment": "inner"}, "holdout": {"key": "q1", "share": 5},
                "layer": {"key": "checkout", "from": 0, "to": 90}, "allocation": 80,
                "arms": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]}}},
            {"flag": {"key": "ramp", "type": "boolean"}, "rollout": {"rollout": "ramp.1", "revision": 1, "candidate": "on", "safe": "off", "share": 50}},
        ],
    });
    for (attribute, operator, value) in operators() {
        let mut when = json!({"attribute": attribute, "operator": operator});
        if !value.is_null() {
            when["value"] = value;
        }
        let flag = json!({"flag": {"key": format!("{operator}.{attribute}"), "type": "boolean", "rules": rule(when)}});
        content["flags"].as_array_mut().unwrap().push(flag);
    }
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

/// Each kind of operator once, asked of an attribute that the context below has.
fn operators() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("plan", "equals", json!("pro")),
        ("plan", "not_in", json!(["free", "team"])),
        ("plan", "ends_with_ignore_case", json!("RO")),
        ("plan", "equals_ignore_case", json!("PRO")),
        ("plan", "in_ignore_case", json!(["PRO", "TEAM"])),
        ("email", "contains_ignore_case", json!("@CORP")),
        ("email", "starts_with_ignore_case", json!("ADA")),
        ("email", "exists", Value::Null),
        ("age", "between", json!([18, 99])),
        ("version", "semver", json!(">=1.2.0, <2 || ^3.1")),
        ("since", "before", json!("2026-12-24")),
        ("since", "within_last", json!("30d")),
        ("since", "older_than", json!("1h 30m")),
        ("timestamp", "after", json!("2026-01-01")),
        ("ip", "in_network", json!(["10.0.0.0/8", "2001:db8::/32"])),
        (
            "location",
            "within_distance",
            json!({"latitude": 48.8566, "longitude": 2.3522, "kilometres": 50}),
        ),
        ("roles", "any_of", json!(["admin", "owner"])),
        ("roles", "all_of", json!(["guest", "owner"])),
        ("device.type", "equals", json!("phone")),
        ("os.version", "semver", json!(">=17")),
    ]
}

#[test]
fn evaluating_allocates_nothing() {
    let snapshot = snapshot();
    let object = json!({"targetingKey": "u7", "email": "ada.l@corp.com", "age": 36, "plan": "pro", "city": "city-999",
        "version": "v1.9.3-rc.1", "since": "2026-11-20T10:00:00+01:00", "ip": "::ffff:10.0.0.1", "roles": ["guest", "owner"],
        "location": {"latitude": 48.85, "longitude": 2.35},
        "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1"});
    let contexts = [
        Context::default(),
        Context::of_unit("u1"),
        Context::from_json(object.as_object().unwrap()).unwrap(),
    ];
    let keys: Vec<&str> = snapshot.flag_keys().chain(["archived", "unknown"]).collect();
    for context in &contexts {
        let prepared = snapshot.prepare(context, Timestamp::default());
        for key in &keys {
            // The very first evaluation counts too.
            let counted = measure(|| {
                black_box(snapshot.evaluate(black_box(key), black_box(&prepared)));
            });
            assert_eq!(counted.count_total, 0, "{key} for {context:?}");
        }
    }
}

/// Whether somebody's exposure was told before is asked for every evaluation of an experiment.
#[test]
fn what_stands_for_an_exposure_is_found_without_allocating() {
    let snapshot = snapshot();
    let units: Vec<Context> = (0..100)
        .map(|i| Context::of_unit(format!("p{i}")).with("plan", "pro"))
        .collect();
    let mut dealt = 0;
    for context in &units {
        let prepared = snapshot.prepare(context, Timestamp::default());
        let counted = measure(|| {
            let arm = snapshot.evaluate("tried", black_box(&prepared)).dealt();
            dealt += usize::from(arm.and_then(|arm| arm.trace(&prepared)).is_some());
        });
        assert_eq!(counted.count_total, 0, "{context:?}");
    }
    assert!(dealt > 0);
}

/// Many flags and many contexts at once, values by type, and everything that can be asked of an answer.
#[test]
fn answers_allocate_nothing() {
    let snapshot = snapshot();
    let context = Context::of_unit("u1").with("plan", "pro").with("age", 36);
    let prepared = [snapshot.prepare(&context, Timestamp::default())];
    let counted = measure(|| {
        for context in &prepared {
            for answer in snapshot.evaluate_all(context) {
                black_box((answer.flag(), answer.variation(), answer.reason(), answer.json()));
                black_box(answer.lasting(Timestamp::default()));
                let typed = (
                    answer.boolean(),
                    answer.string(),
                    answer.integer(),
                    answer.float(),
                    answer.object(),
                );
                let _ = black_box((typed, answer.rule(), answer.version(), answer.variation_place()));
            }
            black_box(snapshot.evaluate_many(["plain", "unknown"], context).count());
        }
        black_box(snapshot.evaluate_batch("member", &prepared).count());
    });
    assert_eq!(counted.count_total, 0);
}

/// From raw attributes to the answer, in the memory that the context before it left.
#[test]
fn preparing_in_used_memory_allocates_nothing() {
    let snapshot = snapshot();
    let contexts = ["u1", "u2", "u3"].map(|unit| Context::of_unit(unit).with("age", 36).with("plan", "pro"));
    let mut space = snapshot.prepare(&contexts[0], Timestamp::default()).into_space();
    let counted = measure(|| {
        for context in &contexts {
            let prepared = snapshot.prepare_in(std::mem::take(&mut space), context, Timestamp::default());
            black_box(snapshot.evaluate("member", &prepared));
            space = prepared.into_space();

            let mut filling = snapshot.fill(std::mem::take(&mut space), Timestamp::default());
            filling
                .targeting_key("u4")
                .text("city", "city-7")
                .integer("age", 7)
                .float("score", 0.5)
                .boolean("staff", true);
            let prepared = filling.finish();
            black_box(snapshot.evaluate("by-age", &prepared));
            space = prepared.into_space();
        }
    });
    assert_eq!(counted.count_total, 0);
}

/// The counter counts: a test that cannot fail would prove nothing.
#[test]
fn preparing_allocates_and_is_seen() {
    let snapshot = snapshot();
    let context = Context::of_unit("u1");
    let counted = measure(|| {
        black_box(snapshot.prepare(&context, Timestamp::default()));
    });
    assert!(counted.count_total > 0);
}
