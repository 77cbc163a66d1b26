//! What a stranger may put into a context: answered, without memory, and as documented.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use allocation_counter::measure;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use tidegate_eval::{CompiledSnapshot, Finding, Step};
use tidegate_model::Timestamp;
use tidegate_model::condition::Operator;
use tidegate_model::context::Context;
use tidegate_model::snapshot::{SnapshotContent, Version};

fn at() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Every operator with a value that suits it.
fn values() -> BTreeMap<Operator, Value> {
    let text = || json!("Ab");
    let number = || json!(5);
    let list = || json!(["Ab", 5, true]);
    Operator::ALL
        .iter()
        .map(|operator| {
            let value = match operator {
                Operator::Equals | Operator::NotEquals => text(),
                Operator::GreaterThan
                | Operator::GreaterOrEqual
                | Operator::LessThan
                | Operator::LessOrEqual => number(),
                Operator::Between => json!([1, 5]),
                Operator::Contains | Operator::StartsWith | Operator::EndsWith => text(),
                Operator::EqualsIgnoreCase
                | Operator::ContainsIgnoreCase
                | Operator::StartsWithIgnoreCase
                | Operator::EndsWithIgnoreCase => text(),
                Operator::In | Operator::NotIn | Operator::AnyOf | Operator::AllOf | Operator::NoneOf => {
                    list()
                }
                Operator::InIgnoreCase => json!(["Ab", "cd"]),
                Operator::Regex => json!("^(Ab)+$"),
                Operator::Semver => json!("^1.2 || >=3, <4"),
                Operator::Before | Operator::After => json!("2026-11-22"),
                Operator::WithinLast | Operator::WithinNext | Operator::OlderThan => json!("30d"),
                Operator::InNetwork | Operator::NotInNetwork => json!(["10.0.0.0/8", "2001:db8::/32"]),
                Operator::WithinDistance => json!({"latitude": 0, "longitude": 0, "kilometres": 5}),
                Operator::Exists | Operator::NotExists => Value::Null,
            };
            (*operator, value)
        })
        .collect()
}

/// A flag for each operator, named after it, that asks for the attribute `x`.
fn snapshot() -> CompiledSnapshot {
    let flag = |(operator, value): (Operator, Value)| {
        let when = json!({"attribute": "x", "operator": operator, "value": value});
        json!({"flag": {"key": operator.name(), "type": "boolean",
            "rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]}})
    };
    let flags: Vec<Value> = values().into_iter().map(flag).collect();
    let content = json!({"environment": "production", "segments": [], "flags": flags});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

/// Whether each operator holds; that evaluating allocates nothing and explaining says the same is checked
/// on the way.
fn answers(snapshot: &CompiledSnapshot, context: &Context) -> BTreeMap<&'static str, bool> {
    let prepared = snapshot.prepare(context, at());
    let mut answers = BTreeMap::new();
    for operator in Operator::ALL {
        let mut holds = false;
        let counted = measure(|| {
            holds = black_box(snapshot.evaluate(black_box(operator.name()), black_box(&prepared)))
                .variation()
                == "on";
        });
        assert_eq!(counted.count_total, 0, "{operator}");
        let explanation = snapshot.explain(operator.name(), &prepared);
        let told = explanation.steps.iter().find_map(|step| match step {
            Step::Rule { when, .. } => Some(when),
            _ => None,
        });
        assert_eq!(told.map(Finding::holds), Some(holds), "{operator}");
        answers.insert(operator.name(), holds);
    }
    answers
}

fn check(value: &Value, holding: &[&str]) {
    let snapshot = snapshot();
    let context = json!({"targetingKey": "u1", "x": value});
    let answers = answers(
        &snapshot,
        &Context::from_json(context.as_object().unwrap()).unwrap(),
    );
    let held: Vec<&str> = answers
        .iter()
        .filter(|(_, holds)| **holds)
        .map(|(name, _)| *name)
        .collect();
    let mut expected = holding.to_vec();
    expected.sort_unstable();
    let shown: String = value.to_string().chars().take(60).collect();
    assert_eq!(held, expected, "{shown}");
}

/// What holds for every value that a positive operator cannot compare.
const NEGATIVE: [&str; 4] = ["none_of", "not_equals", "not_in", "not_in_network"];

fn with_negative(holding: &[&'static str]) -> Vec<&'static str> {
    holding.iter().copied().chain(NEGATIVE).collect()
}

#[test]
fn missing_attributes_satisfy_negative_operators_only() {
    check(&json!(null), &with_negative(&["not_exists"]));
    // Its members are attributes of their own.
    check(&json!({}), &with_negative(&["not_exists"]));
    check(&json!({"y": {"z": "Ab"}}), &with_negative(&["not_exists"]));
}

#[test]
fn values_that_no_operator_compares_only_exist() {
    let exists = with_negative(&["exists"]);
    for value in [
        json!(false),
        json!(""),
        json!("\0"),
        json!("A\0b"),
        json!("5"),
        json!("\u{202e}bA"),
        json!("x".repeat(1 << 20)),
        json!("9".repeat(1 << 20)),
        json!("A\u{301}b"),
        json!([]),
        json!([null, [["Ab"]], {"Ab": "Ab"}, "ab2"]),
        json!(vec!["x"; 100_000]),
    ] {
        check(&value, &exists);
    }
}

#[test]
fn long_values_are_compared_to_their_end() {
    let long = "Ab".repeat(1 << 19);
    check(
        &json!(long),
        &with_negative(&[
            "exists",
            "contains",
            "starts_with",
            "ends_with",
            "contains_ignore_case",
            "starts_with_ignore_case",
            "ends_with_ignore_case",
            "regex",
        ]),
    );
    let mut list = vec![json!("x"); 100_000];
    list.extend([json!("AB"), json!(5.0), json!(true)]);
    check(
        &json!(list),
        &[
            "exists",
            "any_of",
            "contains_ignore_case",
            "not_equals",
            "not_in",
            "not_in_network",
        ],
    );
    list.push(json!("Ab"));
    check(
        &json!(list),
        &[
            "exists",
            "any_of",
            "all_of",
            "contains",
            "contains_ignore_case",
            "not_equals",
            "not_in",
            "not_in_network",
        ],
    );
}

#[test]
fn extreme_numbers_are_numbers() {
    let above = ["exists", "greater_than", "greater_or_equal"];
    check(&json!(u64::MAX), &with_negative(&above));
    check(&json!(1e300), &with_negative(&above));
    check(
        &json!(-1e300),
        &with_negative(&["exists", "less_than", "less_or_equal"]),
    );
    // Whole seconds are moments too.
    check(
        &json!(-5e-324),
        &with_negative(&["exists", "less_than", "less_or_equal", "before", "older_than"]),
    );
}

#[test]
fn nothing_about_a_context_is_remembered_from_the_one_before() {
    let snapshot = snapshot();
    let full = Context::default().with("x", "Ab");
    let space = snapshot.prepare(&full, at()).into_space();
    let empty = Context::default();
    let prepared = snapshot.prepare_in(space, &empty, at());
    assert_eq!(snapshot.evaluate("exists", &prepared).variation(), "off");
}
