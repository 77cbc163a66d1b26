//! How long answers last, as far as time is concerned.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, Lasting};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};
use tidegate_model::span::Span;

fn flag(key: &str, when: &Value) -> Value {
    json!({"flag": {"key": key, "type": "boolean", "rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]}})
}

fn compile(flags: &[Value], segments: &[Value]) -> CompiledSnapshot {
    let content = json!({"environment": "production", "segments": segments, "flags": flags});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn lasting(snapshot: &CompiledSnapshot, flag: &str, at: Timestamp) -> Lasting {
    let context = Context::default();
    snapshot
        .evaluate(flag, &snapshot.prepare(&context, at))
        .lasting(at)
}

fn asks(attribute: &str, operator: &str, value: &Value) -> Value {
    json!({"attribute": attribute, "operator": operator, "value": value})
}

#[track_caller]
fn check(when: &Value, expected: Lasting) {
    let snapshot = compile(&[flag("f", when)], &[]);
    assert_eq!(
        lasting(&snapshot, "f", moment("2026-11-22T12:00:00Z")),
        expected,
        "{when}"
    );
}

#[test]
fn conditions_on_time_end() {
    let until = |text: &str| Lasting::Until(moment(text));
    check(&asks("plan", "equals", &json!("pro")), Lasting::Always);
    check(&asks("signedUp", "before", &json!("2030-01-01")), Lasting::Always);
    check(&asks("timestamp", "exists", &json!(null)), Lasting::Always);
    check(&asks("signedUp", "within_last", &json!("30d")), Lasting::Unknown);
    check(&asks("trialEnds", "within_next", &json!("30d")), Lasting::Unknown);
    check(&asks("lastSeen", "older_than", &json!("30d")), Lasting::Unknown);
    check(&asks("timestamp", "regex", &json!("^1")), Lasting::Unknown);
    check(
        &asks("timestamp", "before", &json!("2026-12-24")),
        until("2026-12-24T00:00:00Z"),
    );
    check(
        &asks("timestamp", "after", &json!("2026-12-24")),
        until("2026-12-24T00:00:01Z"),
    );
    check(&asks("timestamp", "after", &json!("2026-11-22")), Lasting::Always);
    check(
        &asks("timestamp", "greater_or_equal", &json!(1_798_070_400)),
        until("2026-12-24T00:00:00Z"),
    );
    check(
        &asks("timestamp", "less_than", &json!(1_798_070_399.5)),
        until("2026-12-24T00:00:00Z"),
    );
    check(
        &asks("timestamp", "less_or_equal", &json!(1_798_070_399.5)),
        until("2026-12-24T00:00:00Z"),
    );
    check(&asks("timestamp", "greater_than", &json!(1e300)), Lasting::Always);
    let december = asks(
        "timestamp",
        "between",
        &json!(["2026-12-01", "2026-12-31T23:59:59Z"]),
    );
    check(&december, until("2026-12-01T00:00:00Z"));
    let newer = asks("signedUp", "within_last", &json!("30d"));
    check(
        &json!({"any": [december, {"not": {"all": [newer]}}]}),
        Lasting::Unknown,
    );
}

#[test]
fn everything_that_an_answer_depends_on_counts() {
    let until = |text: &str| json!({"attribute": "timestamp", "operator": "before", "value": text});
    let needing = |key: &str, other: &str| json!({"flag": {"key": key, "type": "boolean", "prerequisites": [{"flag": other, "variations": ["on"]}]}});
    let segments = [
        json!({"key": "early", "when": until("2027-01-01")}),
        json!({"key": "nested", "when": {"any": [{"segment": "early"}, {"attribute": "plan", "operator": "exists"}]}}),
    ];
    let mut off = flag("off", &until("2026-12-24"));
    off.pointer_mut("/flag")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .insert("status".into(), json!("inactive"));
    let flags = [
        flag("timed", &json!({"segment": "nested"})),
        needing("needs", "timed"),
        needing("needs-needs", "needs"),
        needing("needs-off", "off"),
        off,
    ];
    let snapshot = compile(&flags, &segments);
    let now = moment("2026-11-22T12:00:00Z");
    let new_year = Lasting::Until(moment("2027-01-01T00:00:00Z"));
    for flag in ["timed", "needs", "needs-needs"] {
        assert_eq!(lasting(&snapshot, flag, now), new_year, "{flag}");
    }
    for flag in ["off", "needs-off", "unknown"] {
        assert_eq!(lasting(&snapshot, flag, now), Lasting::Always, "{flag}");
    }
    assert_eq!(new_year.ttl(now), Some(Span::seconds(39 * 86_400 + 43_200)));
    assert!(new_year.is_cacheable() && !Lasting::Unknown.is_cacheable());
}

proptest! {
    /// The promise itself: until then, the answer is the same.
    #[test]
    fn an_answer_lasts_as_long_as_it_says(
        operators in prop::collection::vec(
            (prop::sample::select(vec!["before", "after", "less_than", "less_or_equal", "greater_than", "greater_or_equal"]), -40..40_i32),
            1..4,
        ),
        start in -15..15_i64,
    ) {
        // In quarters of a second.
        let each: Vec<Value> = operators
            .iter()
            .map(|(operator, quarters)| asks("timestamp", operator, &json!(f64::from(*quarters) / 4.0)))
            .collect();
        let snapshot = compile(&[flag("f", &json!({"any": [{"all": each}, {"not": {"any": each}}]}))], &[]);
        let context = Context::default();
        let at = |millis: i64| Timestamp::from_timestamp_millis(millis).unwrap();
        let answer = |millis: i64| snapshot.evaluate("f", &snapshot.prepare(&context, at(millis))).variation().to_owned();
        let first = answer(start * 1000);
        let end = match lasting(&snapshot, "f", at(start * 1000)) {
            Lasting::Until(end) => end.timestamp_millis(),
            Lasting::Always => 20_000,
            Lasting::Unknown => return Err(TestCaseError::fail("all bounds are fixed")),
        };
        for millis in (start * 1000..end).step_by(250) {
            prop_assert_eq!(&answer(millis), &first, "{} of {}", millis, end);
        }
    }
}
