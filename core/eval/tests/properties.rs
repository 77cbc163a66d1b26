//! What holds for every flag and every context.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a snapshot that does not compile fails the test, and so does an operator without a meaning"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_eval::bucket::bucket;
use tidegate_eval::{CompiledSnapshot, Reason};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::share::Share;
use tidegate_model::snapshot::{SnapshotContent, Version};

const ATTRIBUTES: [&str; 4] = ["targetingKey", "plan", "age", "tags"];

fn compile(content: Value) -> Option<CompiledSnapshot> {
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).ok()
}

fn of_flag(flag: &Value) -> CompiledSnapshot {
    compile(json!({"environment": "production", "segments": [], "flags": [flag]})).unwrap()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec!["", "a", "ab", "b", "B", "1", "true", "1970-01-01"]).prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        prop::sample::select(vec![-0.5, 0.0, 0.5, 1.0, 1e300]).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

fn seen() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => scalar(),
        1 => Just(Value::Null),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
    ]
}

fn context() -> impl Strategy<Value = Context> {
    let key = prop::option::of(prop::sample::select(vec!["", "a", "b", "u1", "u2"]));
    let attributes = prop::collection::btree_map(prop::sample::select(&ATTRIBUTES[1..]), seen(), 0..4);
    (key, attributes).prop_map(|(key, attributes)| {
        let mut object: Map<String, Value> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        object.extend(key.map(|key| ("targetingKey".to_owned(), key.into())));
        Context::from_json(&object).unwrap()
    })
}

/// An operator and a value that suits it.
fn question() -> impl Strategy<Value = (&'static str, Value)> {
    let text = || prop::sample::select(vec!["a", "ab", "b"]).prop_map(Value::from);
    let number = || prop_oneof![(-2_i64..3).prop_map(Value::from), Just(json!(0.5))];
    let list = || prop::collection::vec(scalar(), 1..40).prop_map(Value::from);
    prop_oneof![
        scalar().prop_map(|value| ("equals", value)),
        scalar().prop_map(|value| ("not_equals", value)),
        number().prop_map(|value| ("greater_than", value)),
        number().prop_map(|value| ("less_than", value)),
        number().prop_map(|value| ("greater_or_equal", value)),
        number().prop_map(|value| ("less_or_equal", value)),
        (number(), 0..3_i64).prop_map(|(low, more)| {
            let high = low.as_f64().unwrap() + f64::from(i32::try_from(more).unwrap());
            ("between", json!([low, high]))
        }),
        (-2..3_i64).prop_map(|seconds| ("before", seconds.into())),
        (-2..3_i64).prop_map(|seconds| ("after", seconds.into())),
        (1..3_i64).prop_map(|seconds| ("within_last", format!("{seconds}s").into())),
        (1..3_i64).prop_map(|seconds| ("within_next", format!("{seconds}s").into())),
        (1..3_i64).prop_map(|seconds| ("older_than", format!("{seconds}s").into())),
        list().prop_map(|value| ("any_of", value)),
        list().prop_map(|value| ("all_of", value)),
        list().prop_map(|value| ("none_of", value)),
        text().prop_map(|value| ("equals_ignore_case", value)),
        text().prop_map(|value| ("contains_ignore_case", value)),
        text().prop_map(|value| ("starts_with_ignore_case", value)),
        text().prop_map(|value| ("ends_with_ignore_case", value)),
        text().prop_map(|value| ("in_ignore_case", json!([value]))),
        text().prop_map(|value| ("contains", value)),
        text().prop_map(|value| ("starts_with", value)),
        text().prop_map(|value| ("ends_with", value)),
        list().prop_map(|value| ("in", value)),
        list().prop_map(|value| ("not_in", value)),
        prop::sample::select(vec!["^a", "b$", "^(a|1)*$", "\\b"]).prop_map(|value| ("regex", value.into())),
        Just(("exists", Value::Null)),
        Just(("not_exists", Value::Null)),
    ]
}

fn predicate() -> impl Strategy<Value = Value> {
    let condition = (prop::sample::select(&ATTRIBUTES[..]), question())
        .prop_map(|(attribute, (operator, value))| json!({"attribute": attribute, "operator": operator, "value": value}));
    let segment = (0..4).prop_map(|i| json!({"segment": format!("s{i}")}));
    prop_oneof![4 => condition, 1 => segment].prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|of| json!({ "all": of })),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|of| json!({ "any": of })),
            inner.prop_map(|of| json!({ "not": of })),
        ]
    })
}

fn serve() -> impl Strategy<Value = Value> {
    let one = prop::sample::select(vec!["on", "off"]).prop_map(|key| json!({ "variation": key }));
    prop_oneof![one, (0..=100_u32).prop_map(split)]
}

fn split(percent: u32) -> Value {
    json!({ "split": parts(percent) })
}

fn parts(percent: u32) -> Value {
    json!([{"variation": "on", "weight": percent}, {"variation": "off", "weight": 100 - percent}])
}

fn units() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "u1"]), 0..3).prop_map(Value::from)
}

fn experiment() -> impl Strategy<Value = Value> {
    let (whole, share) = (|| 0..=100_u32, || prop::option::of(0..=100_u32));
    let layer = prop::option::of((0..50_u32, 50..=100_u32));
    let audience = prop::option::of(predicate());
    (layer, share(), audience, whole(), whole()).prop_map(|(layer, holdout, audience, allocation, arm)| {
        let layer = layer.map(|(from, to)| json!({"key": "l", "from": from, "to": to}));
        let holdout = holdout.map(|share| json!({"key": "h", "share": share}));
        json!({"key": "e", "layer": layer, "holdout": holdout, "audience": audience,
            "allocation": allocation, "arms": parts(arm)})
    })
}

/// A flag `f<i>` that may need any other, itself and unknown ones apart.
fn flag(i: usize) -> impl Strategy<Value = Value> {
    let rules = prop::collection::vec((predicate(), serve()), 0..3);
    let needs = prop::option::weighted(
        0.3,
        (0..5_usize).prop_filter("not itself", move |other| *other != i),
    );
    let status = prop::sample::select(vec![
        "active",
        "active",
        "active",
        "inactive",
        "archived",
        "experiment",
    ]);
    let unit = prop::option::of(prop::sample::select(&ATTRIBUTES[..]));
    let share = prop::option::of(0..=100_u32);
    (status, rules, needs, units(), serve(), unit, share, experiment()).prop_map(
        move |(status, rules, needs, individuals, fallback, unit, share, experiment)| {
            let rules: Vec<Value> = (0..)
                .zip(rules)
                .map(|(n, (when, serve)): (u32, _)| json!({"name": format!("r{n}"), "when": when, "serve": serve}))
                .collect();
            let needs: Vec<Value> = needs
                .map(|other| json!({"flag": format!("f{other}"), "variations": ["on"]}))
                .into_iter()
                .collect();
            let rollout = share.map(|share| {
                json!({"rollout": format!("f{i}.1"), "revision": 1, "candidate": "on", "safe": "off", "share": share})
            });
            json!({"flag": {
                "key": format!("f{i}"), "type": "boolean", "status": status, "rules": rules, "prerequisites": needs,
                "individuals": [{"units": individuals, "variation": "on"}], "fallback": fallback, "unit": unit,
                "experiment": experiment,
            }, "rollout": rollout})
        },
    )
}

fn segment(i: usize) -> impl Strategy<Value = Value> {
    (units(), units(), predicate()).prop_map(
        move |(included, excluded, when)| json!({"key": format!("s{i}"), "included": included, "excluded": excluded, "when": when}),
    )
}

/// Four flags and four segments that name each other at will: about half of them lead in circles.
fn snapshot() -> impl Strategy<Value = Value> {
    let flags = (flag(0), flag(1), flag(2), flag(3));
    let segments = (segment(0), segment(1), segment(2), segment(3));
    (flags, segments).prop_map(|((f0, f1, f2, f3), (s0, s1, s2, s3))| {
        json!({"environment": "production", "flags": [f0, f1, f2, f3], "segments": [s0, s1, s2, s3]})
    })
}

/// What a condition means, straight from the documentation.
fn means(operator: &str, wanted: &Value, seen: &Value) -> bool {
    let equal = |left: &Value, right: &Value| match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    };
    let numbers = || Some((seen.as_f64()?, wanted.as_f64()?));
    let texts = || Some((seen.as_str()?, wanted.as_str()?));
    let list = || wanted.as_array().unwrap();
    let listed = || list().iter().any(|one| equal(one, seen));
    // Upper and lower case are the same in what is generated once it is all lower case.
    let lower = || Some((seen.as_str()?.to_lowercase(), wanted.as_str()?.to_lowercase()));
    let elements = || match seen {
        Value::Array(elements) => elements.clone(),
        one => vec![one.clone()],
    };
    let has = |wanted: &Value| elements().iter().any(|element| equal(element, wanted));
    match operator {
        "equals" => equal(seen, wanted),
        "not_equals" => !equal(seen, wanted),
        "greater_than" => numbers().is_some_and(|(seen, wanted)| seen > wanted),
        "less_than" => numbers().is_some_and(|(seen, wanted)| seen < wanted),
        "greater_or_equal" => numbers().is_some_and(|(seen, wanted)| seen >= wanted),
        "less_or_equal" => numbers().is_some_and(|(seen, wanted)| seen <= wanted),
        "between" => {
            let bounds: Vec<f64> = list().iter().filter_map(Value::as_f64).collect();
            matches!((seen.as_f64(), &*bounds), (Some(seen), [low, high]) if *low <= seen && seen <= *high)
        }
        "any_of" => list().iter().any(has),
        "all_of" => list().iter().all(has),
        "none_of" => !list().iter().any(has),
        "equals_ignore_case" => lower().is_some_and(|(seen, wanted)| seen == wanted),
        "contains_ignore_case" => match seen {
            Value::Array(list) => list
                .iter()
                .filter_map(Value::as_str)
                .any(|one| one.to_lowercase() == *wanted),
            _ => lower().is_some_and(|(seen, wanted)| seen.contains(&wanted)),
        },
        "starts_with_ignore_case" => lower().is_some_and(|(seen, wanted)| seen.starts_with(&wanted)),
        "ends_with_ignore_case" => lower().is_some_and(|(seen, wanted)| seen.ends_with(&wanted)),
        "in_ignore_case" => {
            let lower = seen.as_str().map(str::to_lowercase);
            lower.is_some_and(|seen| list().iter().any(|one| *one == seen))
        }
        "contains" => match seen {
            Value::Array(list) => list.contains(wanted),
            _ => texts().is_some_and(|(seen, wanted)| seen.contains(wanted)),
        },
        "starts_with" => texts().is_some_and(|(seen, wanted)| seen.starts_with(wanted)),
        "ends_with" => texts().is_some_and(|(seen, wanted)| seen.ends_with(wanted)),
        "in" => listed(),
        "not_in" => !listed(),
        "regex" => texts().is_some_and(|(seen, wanted)| regex::Regex::new(wanted).unwrap().is_match(seen)),
        "exists" => !seen.is_null(),
        "not_exists" => seen.is_null(),
        other => means_in_time(other, wanted, seen),
    }
}

/// The same of operators that compare moments.
fn means_in_time(operator: &str, wanted: &Value, seen: &Value) -> bool {
    // The evaluations are at the first second of 1970.
    let seconds = || match seen {
        Value::String(text) => (text == "1970-01-01").then_some(0.0),
        other => other.as_f64().filter(|seconds| seconds.abs() < 1e11),
    };
    let span = || {
        f64::from(
            wanted
                .as_str()
                .unwrap()
                .trim_end_matches('s')
                .parse::<i32>()
                .unwrap(),
        )
    };
    match operator {
        "before" => seconds().is_some_and(|seen| seen < wanted.as_f64().unwrap()),
        "after" => seconds().is_some_and(|seen| seen > wanted.as_f64().unwrap()),
        "within_last" => seconds().is_some_and(|seen| -span() <= seen && seen <= 0.0),
        "within_next" => seconds().is_some_and(|seen| 0.0 <= seen && seen <= span()),
        "older_than" => seconds().is_some_and(|seen| seen < -span()),
        other => panic!("unknown operator {other}"),
    }
}

proptest! {
    #[test]
    fn a_condition_means_what_is_documented((operator, wanted) in question(), seen in seen()) {
        let when = json!({"attribute": "x", "operator": operator, "value": wanted});
        let snapshot = of_flag(&json!({"flag": {"key": "f", "type": "boolean",
            "rules": [{"name": "r", "when": when, "serve": {"variation": "on"}}]}}));
        let context = Context::default().with("x", seen.clone());
        let context = snapshot.prepare(&context, Timestamp::default());
        let expected = if means(operator, &wanted, &seen) { "on" } else { "off" };
        prop_assert_eq!(snapshot.evaluate("f", &context).variation(), expected);
    }

    #[test]
    fn evaluating_and_explaining_never_panic_and_agree(content in snapshot(), context in context()) {
        if let Some(snapshot) = compile(content) {
            // Once with nothing remembered for each flag, once with everything.
            let used = snapshot.prepare(&context, Timestamp::default());
            for key in ["f0", "f1", "f2", "f3", "unknown"] {
                let fresh = snapshot.prepare(&context, Timestamp::default());
                let answer = snapshot.evaluate(key, &fresh);
                prop_assert_eq!(answer, snapshot.evaluate(key, &used));
                prop_assert_eq!(snapshot.explain(key, &fresh).evaluation, answer);
                let unasked = snapshot.prepare(&context, Timestamp::default());
                prop_assert_eq!(snapshot.explain(key, &unasked).evaluation, answer);
                prop_assert_eq!(answer.value().is_some(), !answer.variation().is_empty());
                prop_assert!(!matches!(answer.reason(), Reason::Error(_)) || answer.value().is_none());
            }
        }
    }

    #[test]
    fn any_context_can_be_prepared(json in "\\PC{0,20}", number in any::<f64>(), unit in "\\PC{0,40}") {
        let snapshot = of_flag(&json!({"flag": {"key": "f", "type": "percentage", "percentage": 50, "unit": "x"}}));
        for value in [Value::from(json), Value::from(number), Value::from(unit)] {
            let context = Context::default().with("x", value);
            let context = snapshot.prepare(&context, Timestamp::default());
            prop_assert_eq!(snapshot.explain("f", &context).evaluation, snapshot.evaluate("f", &context));
        }
    }

    #[test]
    fn f49_raising_a_share_moves_nobody_out(unit in ".{1,30}", salt in ".{1,10}", low in 0..=100_u32, high in 0..=100_u32) {
        prop_assume!(low <= high);
        let serves = |share: u32| {
            let rollout = json!({"rollout": "f.1", "revision": 1, "candidate": "on", "safe": "off", "share": share});
            let flag = json!({"flag": {"key": "f", "type": "boolean", "salt": salt}, "rollout": rollout});
            let snapshot = of_flag(&flag);
            let context = Context::of_unit(unit.as_str());
            let context = snapshot.prepare(&context, Timestamp::default());
            snapshot.evaluate("f", &context).variation() == "on"
        };
        prop_assert!(!serves(low) || serves(high));
    }

    #[test]
    fn changing_weights_moves_only_units_that_a_boundary_passes(
        unit in ".{1,30}",
        before in prop::array::uniform3(0..=33_333_u32),
        after in prop::array::uniform3(0..=33_333_u32),
    ) {
        let serves = |weights: [u32; 3]| {
            let [a, b, c] = weights;
            let part = |key: &str, parts: u32| json!({"variation": key, "weight": f64::from(parts) / 1000.0});
            let fallback = json!({"split":
                [part("a", a), part("b", b), part("c", c), part("d", Share::TOTAL - a - b - c)]});
            let variations: Vec<_> = ["a", "b", "c", "d"].map(|key| json!({"key": key, "value": key})).into();
            let snapshot = of_flag(&json!({"flag":
                {"key": "f", "type": "string", "variations": variations, "fallback": fallback}}));
            let context = Context::of_unit(unit.as_str());
            let context = snapshot.prepare(&context, Timestamp::default());
            snapshot.evaluate("f", &context).variation().to_owned()
        };
        let boundaries = |[a, b, c]: [u32; 3]| [a, a + b, a + b + c];
        let place = bucket("f", &unit);
        let passed = boundaries(before).into_iter().zip(boundaries(after)).any(|(before, after)| {
            (before.min(after)..before.max(after)).contains(&place)
        });
        prop_assert_eq!(serves(before) != serves(after), passed);
    }
}

/// Units of several shapes are spread as a fair coin would spread them: each count lies within four
/// and a half standard deviations of the binomial distribution, which chance alone leaves once in
/// 150,000 looks. Nothing here is random, so the test says the same on every run.
#[test]
fn units_are_spread_evenly() {
    const UNITS: u32 = 20_000;
    let shapes: [fn(u32) -> String; 4] = [
        |i| format!("user-{i}"),
        |i| i.to_string(),
        |i| {
            format!(
                "{:08x}-52a4-4d0e-9b42-6f1d8e3a7c55",
                i.wrapping_mul(2_654_435_761)
            )
        },
        |i| format!("person.{i}@example.com"),
    ];
    for salt in ["checkout", "search", "a", "checkout.2", "ключ"] {
        for shape in shapes {
            for share in [100, 1000, 10_000, 25_000, 50_000, 99_000] {
                let inside = (0..UNITS).filter(|i| bucket(salt, &shape(*i)) < share).count();
                let p = f64::from(share) / f64::from(Share::TOTAL);
                let mean = f64::from(UNITS) * p;
                let bound = 4.5 * (mean * (1.0 - p)).sqrt();
                let off = (f64::from(u32::try_from(inside).unwrap()) - mean).abs();
                assert!(
                    off <= bound,
                    "{salt}, {}: {inside} of {UNITS} in {share}",
                    shape(1)
                );
            }
        }
    }
}
