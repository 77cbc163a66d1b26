//! What holds of experiments for every unit.
#![expect(
    clippy::unwrap_used,
    reason = "a snapshot that does not compile fails the test"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_eval::{CompiledSnapshot, Evaluation, Part, PreparedContext, Reason};
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
    fn the_part_of_a_unit_is_what_kept_it_out_and_without_the_experiment_it_gets_the_rest(
        unit in ".{0,30}", held in share(), layer in share(), allocation in share(), plan in "free|pro", weights in weights(),
    ) {
        prop_assume!(layer > 0);
        let only = |condition: usize| {
            let mut experiment = json!({"key": "e", "arms": arms(weights)});
            let conditions = [
                ("holdout", json!({"key": "h", "share": percent(held)})),
                ("audience", json!({"attribute": "plan", "operator": "equals", "value": "pro"})),
                ("layer", json!({"key": "l", "from": 0, "to": percent(layer)})),
                ("allocation", json!(percent(allocation))),
            ];
            for (name, value) in conditions.into_iter().take(condition) {
                experiment[name] = value;
            }
            let snapshot = compile(vec![flag("f", experiment)]);
            let context = Context::of_unit(unit.as_str()).with("plan", plan.as_str());
            let context = snapshot.prepare(&context, Timestamp::default());
            let answer = evaluate(&snapshot, "f", &context);
            let part = snapshot.part("f", &context);
            prop_assert_eq!(part == Part::Dealt, answer.dealt().is_some());
            prop_assert_eq!(part == Part::Dealt, takes_part(&answer));
            let otherwise = snapshot.evaluate_without_experiment("f", &context);
            prop_assert_eq!(otherwise.variation(), "rest");
            prop_assert!(otherwise.dealt().is_none());
            Ok(part)
        };
        // What keeps a unit out goes on keeping it out, whatever is asked behind it.
        let parts = [only(0)?, only(1)?, only(2)?, only(3)?, only(4)?];
        let reasons = [Part::HeldOut, Part::Audience, Part::Layer, Part::Allocation];
        let mut expected = if unit.is_empty() { Part::NoUnit } else { Part::Dealt };
        prop_assert_eq!(parts[0], expected);
        for (part, reason) in parts.iter().skip(1).zip(reasons) {
            if *part != expected {
                prop_assert_eq!((expected, *part), (Part::Dealt, reason));
                expected = reason;
            }
        }
    }

    #[test]
    fn a_trace_is_that_of_one_unit_one_arm_and_one_dealing(one in ".{1,30}", other in ".{1,30}", weights in weights()) {
        let trace = |unit: &str, batch: u32, key: &str| {
            let snapshot = compile(vec![flag("f", json!({"key": key, "batch": batch, "salt": "s", "arms": arms(weights)}))]);
            let context = Context::of_unit(unit);
            let context = snapshot.prepare(&context, Timestamp::default());
            let dealt = snapshot.evaluate("f", &context).dealt().unwrap();
            assert_eq!((dealt.experiment().as_str(), dealt.batch()), (key, batch));
            assert_eq!(dealt.unit(&context).as_deref(), Some(unit));
            assert_eq!(dealt.arm().unwrap().as_str(), snapshot.evaluate("f", &context).variation());
            dealt.trace(&context).unwrap()
        };
        prop_assert_eq!(trace(&one, 0, "e"), trace(&one, 0, "e"));
        prop_assert_ne!(trace(&one, 0, "e"), trace(&one, 1, "e"));
        prop_assert_ne!(trace(&one, 0, "e"), trace(&one, 0, "d"));
        prop_assert!(one == other || trace(&one, 0, "e") != trace(&other, 0, "e"));
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

#[test]
fn exposures_carry_dimensions_as_texts_and_units_are_told_once() {
    let mut by_company = flag(
        "f",
        json!({"key": "e", "arms": arms([50_000, 50_000]),
        "dimensions": ["plan", "seats", "trial", "tags", "place", "missing", "long"]}),
    );
    by_company["flag"]["unit"] = json!("company");
    let mut by_seats = flag("g", json!({"key": "d", "arms": arms([50_000, 50_000])}));
    by_seats["flag"]["unit"] = json!("seats");
    let snapshot = compile(vec![by_company, by_seats]);
    let long = format!("{}é", "x".repeat(254));
    let context = json!({"targetingKey": "7", "company": "acme", "plan": "pro", "seats": 7.0, "trial": true,
        "tags": ["a"], "place": {"city": "Paris"}, "long": long});
    let context = Context::from_json(context.as_object().unwrap()).unwrap();
    let context = snapshot.prepare(&context, Timestamp::default());
    let dealt = snapshot.evaluate("f", &context).dealt().unwrap();
    let told: Vec<(String, String)> = dealt.dimensions(&context).into_iter().collect();
    let cut = "x".repeat(254);
    let expected = [
        ("long", cut.as_str()),
        ("plan", "pro"),
        ("seats", "7"),
        ("trial", "true"),
    ];
    assert_eq!(
        told,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    // The seats are the same text as the targeting key, and so the same unit.
    assert_eq!(snapshot.units(&context), ["7", "acme"]);
    let nobody = Context::default();
    let nobody = snapshot.prepare(&nobody, Timestamp::default());
    assert!(snapshot.units(&nobody).is_empty());
}
