//! What holds of experiments for every unit.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, Evaluation, PreparedContext, Reason};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::share::Share;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// A flag with four variations, of which the experiment deals three; the last is the fallback.
fn flag(key: &str, experiment: Value) -> Value {
    let variations: Vec<Value> = ["a", "b", "c", "rest"]
        .map(|key| json!({"key": key, "value": key}))
        .into();
    json!({"flag": {
        "key": key, "type": "string", "status": "experiment", "variations": variations,
        "experiment": experiment, "fallback": {"variation": "rest"},
    }})
}

fn compile(flags: Vec<Value>) -> CompiledSnapshot {
    let content = json!({"environment": "production", "segments": [], "flags": flags});
    let content: SnapshotContent = serde_json::from_value(content).unwrap();
    CompiledSnapshot::compile(&content, Version::default()).unwrap()
}

fn percent(parts: u32) -> f64 {
    f64::from(parts) / 1000.0
}

fn arms([a, b]: [u32; 2]) -> Value {
    let rest = Share::TOTAL - a - b;
    let arm = |key: &str, parts: u32| json!({"variation": key, "weight": percent(parts)});
    json!([arm("a", a), arm("b", b), arm("c", rest)])
}

fn weights() -> impl Strategy<Value = [u32; 2]> {
    prop::array::uniform2(0..=Share::TOTAL / 2)
}

fn share() -> impl Strategy<Value = u32> {
    0..=Share::TOTAL
}

fn evaluate<'a>(snapshot: &'a CompiledSnapshot, key: &str, context: &PreparedContext<'_>) -> Evaluation<'a> {
    let answer = snapshot.evaluate(key, context);
    assert_eq!(snapshot.explain(key, context).evaluation, answer);
    answer
}

fn takes_part(answer: &Evaluation<'_>) -> bool {
    matches!(answer.reason(), Reason::Experiment { .. })
}

proptest! {
    #[test]
    fn raising_an_allocation_moves_nobody_from_arm_to_arm_or_out(
        unit in ".{1,30}", salt in ".{1,10}", weights in weights(), low in share(), high in share(),
    ) {
        prop_assume!(low <= high);
        let at = |allocation: u32| {
            let experiment = json!({"key": "e", "salt": salt, "allocation": percent(allocation), "arms": arms(weights)});
            let snapshot = compile(vec![flag("f", experiment)]);
            let context = Context::of_unit(unit.as_str());
            let context = snapshot.prepare(&context, Timestamp::default());
            let answer = evaluate(&snapshot, "f", &context);
            (takes_part(&answer), answer.variation().to_owned())
        };
        let (before, after) = (at(low), at(high));
        prop_assert!(!before.0 || before == after, "{before:?} {after:?}");
    }

    #[test]
    fn experiments_of_one_layer_share_nobody(
        unit in ".{1,30}", cuts in prop::array::uniform4(share()), weights in weights(),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let [a, b, c, d] = cuts;
        prop_assume!(a < b && c < d);
        let part = |key: &str, from: u32, to: u32| {
            let layer = json!({"key": "l", "from": percent(from), "to": percent(to)});
            flag(key, json!({"key": key, "layer": layer, "arms": arms(weights)}))
        };
        let snapshot = compile(vec![part("one", a, b), part("two", c, d), part("all", 0, Share::TOTAL)]);
        let context = Context::of_unit(unit.as_str());
        let context = snapshot.prepare(&context, Timestamp::default());
        let [one, two, all] = ["one", "two", "all"].map(|key| takes_part(&evaluate(&snapshot, key, &context)));
        prop_assert!(!(one && two));
        prop_assert!(all);
    }

    #[test]
    fn who_is_held_out_is_in_no_arm_of_any_experiment(
        unit in ".{1,30}", held in share(), first in weights(), second in weights(), allocation in share(),
    ) {
        let holdout = json!({"key": "h", "share": percent(held)});
        let snapshot = compile(vec![
            flag("one", json!({"key": "one", "holdout": holdout, "arms": arms(first)})),
            flag("two", json!({"key": "two", "holdout": holdout, "allocation": percent(allocation), "arms": arms(second)})),
            flag("free", json!({"key": "free", "arms": arms(first)})),
        ]);
        let context = Context::of_unit(unit.as_str());
        let context = snapshot.prepare(&context, Timestamp::default());
        let is_held = |key: &str| evaluate(&snapshot, key, &context).reason() == Reason::Holdout { holdout: "h" };
        prop_assert_eq!(is_held("one"), is_held("two"));
        if is_held("one") {
            prop_assert_eq!(snapshot.evaluate("one", &context).variation(), "rest");
            prop_assert_eq!(snapshot.evaluate("two", &context).variation(), "rest");
        } else {
            prop_assert!(takes_part(&snapshot.evaluate("one", &context)));
        }
        prop_assert!(takes_part(&snapshot.evaluate("free", &context)));
    }
}
