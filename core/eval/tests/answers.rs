//! What a Rust program gets: values by type, one flag, several, all of them, many contexts.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, ErrorCode, NoValue, PreparedContext, Reason, Space, ValueType};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

fn compile(flags: &[Value]) -> CompiledSnapshot {
    let flags: Vec<Value> = flags.iter().map(|flag| json!({ "flag": flag })).collect();
    let content = json!({"environment": "production", "segments": [], "flags": flags});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version { epoch: 3, number: 7 }).unwrap()
}

fn of_value(kind: &str, value: Value) -> CompiledSnapshot {
    compile(&[
        json!({"key": "f", "type": kind, "variations": [{"key": "only", "value": value}],
        "fallback": {"variation": "only"}}),
    ])
}

fn mismatch<T>(wanted: ValueType, found: ValueType) -> Result<T, NoValue> {
    Err(NoValue::Mismatch { wanted, found })
}

#[test]
fn values_have_types() {
    use ValueType::{Boolean, Float, Integer, Object, String};
    let context = Context::default();
    let check = |kind: &str, value: Value, with: &dyn Fn(tidegate_eval::Evaluation<'_>)| {
        let snapshot = of_value(kind, value);
        with(snapshot.evaluate("f", &snapshot.prepare(&context, Timestamp::default())));
    };
    check("boolean", json!(true), &|answer| {
        assert_eq!(answer.boolean(), Ok(true));
        assert_eq!(answer.string(), mismatch(String, Boolean));
        assert_eq!(answer.integer(), mismatch(Integer, Boolean));
        assert_eq!(answer.object(), mismatch(Object, Boolean));
    });
    check("string", json!("x"), &|answer| {
        assert_eq!(answer.string(), Ok("x"));
        assert_eq!(answer.boolean(), mismatch(Boolean, String));
        assert_eq!(answer.float(), mismatch(Float, String));
    });
    check("number", json!(10), &|answer| {
        assert_eq!((answer.integer(), answer.float()), (Ok(10), Ok(10.0)));
    });
    check("number", json!(10.0), &|answer| {
        assert_eq!((answer.integer(), answer.float()), (Ok(10), Ok(10.0)));
    });
    check("number", json!(0.5), &|answer| {
        assert_eq!(answer.float(), Ok(0.5));
        assert_eq!(answer.integer(), mismatch(Integer, Float));
    });
    check("number", json!(u64::MAX), &|answer| {
        assert_eq!(answer.integer(), mismatch(Integer, Integer));
    });
    check("json", json!([1]), &|answer| {
        assert_eq!(answer.object(), Ok(&json!([1])));
        assert_eq!(answer.boolean(), mismatch(Boolean, Object));
    });
}

#[test]
fn what_has_no_value_says_so() {
    let snapshot = compile(&[json!({"key": "f", "type": "boolean", "status": "archived"})]);
    let context = Context::default();
    let prepared = snapshot.prepare(&context, Timestamp::default());
    for (flag, reason) in [
        ("f", Reason::Disabled),
        ("g", Reason::Error(ErrorCode::FlagNotFound)),
    ] {
        let answer = snapshot.evaluate(flag, &prepared);
        assert_eq!(
            (answer.boolean(), answer.reason()),
            (Err(NoValue::Absent), reason),
            "{flag}"
        );
    }
    assert_eq!(snapshot.evaluate("g", &prepared).flag(), "");
}

fn four() -> CompiledSnapshot {
    let by_plan = json!([{"name": "paying", "when": {"attribute": "plan", "operator": "equals", "value": "pro"},
        "serve": {"variation": "on"}}]);
    compile(&[
        json!({"key": "d", "type": "boolean"}),
        json!({"key": "b", "type": "boolean", "rules": by_plan}),
        json!({"key": "a", "type": "boolean", "status": "archived"}),
        json!({"key": "c", "type": "percentage", "percentage": 50}),
    ])
}

#[test]
fn many_and_all_answer_as_one_does() {
    let snapshot = four();
    let context = Context::of_unit("u1").with("plan", "pro");
    let prepared = snapshot.prepare(&context, Timestamp::default());
    let keys: Vec<&str> = snapshot
        .evaluate_all(&prepared)
        .map(|answer| answer.flag())
        .collect();
    assert_eq!(keys, ["b", "c", "d"], "sorted, without the archived one");
    for answer in snapshot.evaluate_all(&prepared) {
        assert_eq!(answer, snapshot.evaluate(answer.flag(), &prepared));
    }
    let asked = ["d", "nope", "b", "d"];
    let answers: Vec<_> = snapshot.evaluate_many(asked, &prepared).collect();
    let expected: Vec<_> = asked
        .iter()
        .map(|flag| snapshot.evaluate(flag, &prepared))
        .collect();
    assert_eq!(answers, expected);
    let [_, nope, b, _] = answers.try_into().unwrap();
    assert_eq!(nope.reason(), Reason::Error(ErrorCode::FlagNotFound));
    assert_eq!((b.rule(), b.version()), (Some("paying"), snapshot.version()));
}

#[test]
fn a_batch_answers_context_by_context() {
    let snapshot = four();
    let contexts = ["free", "pro", "team", "pro"].map(|plan| Context::default().with("plan", plan));
    let prepared: Vec<PreparedContext<'_>> = contexts
        .iter()
        .map(|context| snapshot.prepare(context, Timestamp::default()))
        .collect();
    let answers = snapshot
        .evaluate_batch("b", &prepared)
        .map(|answer| answer.boolean());
    assert_eq!(
        answers.collect::<Vec<_>>(),
        [Ok(false), Ok(true), Ok(false), Ok(true)]
    );
    assert!(
        snapshot
            .evaluate_batch("nope", &prepared)
            .all(|answer| answer.value().is_none())
    );
}

/// A context that was filled in answers like one that was prepared, also in memory that was used for
/// somebody else before.
#[test]
fn contexts_can_be_filled_in() {
    let condition = |attribute: &str, operator: &str, value: Value| json!({"attribute": attribute, "operator": operator, "value": value});
    let all = [
        condition("targetingKey", "equals", json!("u1")),
        condition("plan", "equals", json!("pro")),
        condition("age", "greater_than", json!(17)),
        condition("score", "less_than", json!(0.5)),
        condition("staff", "equals", json!(true)),
        condition("tags", "contains", json!("a")),
        condition("nothing", "not_exists", Value::Null),
    ];
    let snapshot = compile(&[json!({"key": "f", "type": "boolean",
        "rules": [{"name": "r", "when": {"all": all}, "serve": {"variation": "on"}}]})]);
    let tags = json!(["a", "b"]);
    let fill = |space: Space, key: &'static str| {
        let mut filling = snapshot.fill(space, Timestamp::default());
        filling
            .targeting_key(key)
            .text("plan", "pro")
            .integer("age", 18)
            .float("score", 0.25)
            .boolean("staff", true)
            .json("tags", &tags)
            .json("nothing", &Value::Null)
            .text("unheard of", "x");
        filling.finish()
    };
    let first = fill(Space::default(), "u1");
    assert_eq!(snapshot.evaluate("f", &first).boolean(), Ok(true));
    let second = fill(first.into_space(), "u2");
    assert_eq!(snapshot.evaluate("f", &second).boolean(), Ok(false));
    let empty = snapshot.fill(second.into_space(), Timestamp::default()).finish();
    assert_eq!(empty.key(), None);
    assert_eq!(snapshot.evaluate("f", &empty).boolean(), Ok(false));
    let infinite = {
        let mut filling = snapshot.fill(Space::default(), Timestamp::default());
        filling.float("nothing", f64::INFINITY).targeting_key("u1");
        filling.finish()
    };
    let explained = serde_json::to_value(snapshot.explain("f", &infinite)).unwrap();
    assert!(
        explained
            .to_string()
            .contains(r#""attribute":"nothing","holds":true"#),
        "{explained}"
    );
}
