//! What an experiment does to the flag that it holds.

use crate::make::design;
use serde_json::{Value, json};
use tidegate_model::experiment::{Experiment, Outcome};
use tidegate_model::flag::{Flag, FlagState, FlagStatus};
use tidegate_model::key::{ExperimentKey, VariationKey};

fn state(definition: Value) -> FlagState {
    FlagState {
        flag: serde_json::from_value::<Flag>(definition).unwrap(),
        pin: None,
        attempts: 3,
        held: None,
    }
}

fn boolean(status: &str) -> FlagState {
    state(
        json!({ "key": "checkout", "type": "boolean", "status": status, "fallback": { "variation": "off" } }),
    )
}

fn key() -> ExperimentKey {
    ExperimentKey::new("green-button").unwrap()
}

fn dealing() -> Experiment {
    design(&json!({})).dealing("targetingKey")
}

fn on() -> VariationKey {
    VariationKey::new("on").unwrap()
}

#[test]
fn a_held_flag_deals_or_rests_and_is_free_again_as_it_was() {
    let before = boolean("active");
    let held = before.clone().hold(&key(), Some(&dealing())).unwrap();
    assert_eq!(held.flag.definition().status, FlagStatus::Experiment);
    assert_eq!(held.flag.running_experiment(), Some(&dealing()));
    assert_eq!((held.held.clone(), held.attempts), (Some(key()), 3));
    let rests = held.clone().hold(&key(), None).unwrap();
    assert_eq!(rests.flag.definition().status, FlagStatus::Active);
    assert_eq!(
        (rests.flag.running_experiment(), &rests.held),
        (None, &Some(key()))
    );
    assert_eq!(
        rests.hold(&key(), Some(&dealing())).unwrap(),
        held,
        "dealing again"
    );
    assert_eq!(held.let_go(None).unwrap(), before);
}

#[test]
fn what_is_shipped_is_what_everybody_gets() {
    let held = boolean("active").hold(&key(), Some(&dealing())).unwrap();
    let free = held.clone().let_go(Some(&on())).unwrap();
    assert_eq!(free.flag.fallback().unwrap().variations(), [&on()]);
    assert_eq!(
        (free.held.clone(), free.flag.definition().status),
        (None, FlagStatus::Active)
    );
    let unknown = VariationKey::new("green").unwrap();
    let refused = held.let_go(Some(&unknown)).unwrap_err();
    assert_eq!(refused.violations()[0].field, "fallback.variation");
}

#[test]
fn a_flag_that_is_switched_off_stays_off_whatever_its_experiment_does() {
    let off = boolean("inactive");
    let held = off.clone().hold(&key(), Some(&dealing())).unwrap();
    assert_eq!(held.flag.definition().status, FlagStatus::Inactive);
    assert_eq!(held.flag.running_experiment(), None, "nobody meets an arm");
    let rests = held.clone().hold(&key(), None).unwrap();
    assert_eq!(rests.flag.definition().status, FlagStatus::Inactive);
    assert_eq!(held.let_go(None).unwrap(), off);
}

#[test]
fn a_percentage_flag_ships_a_variation_like_any_other() {
    let share = state(json!({ "key": "checkout", "type": "percentage", "percentage": 20 }));
    let held = share.clone().hold(&key(), Some(&dealing())).unwrap();
    assert_eq!(held.clone().let_go(None).unwrap(), share);
    assert_eq!(
        held.let_go(Some(&on()))
            .unwrap()
            .flag
            .fallback()
            .unwrap()
            .variations(),
        [&on()]
    );
}

#[test]
fn variations_that_a_flag_has_not_are_not_dealt() {
    let arms = json!([{ "variation": "off", "weight": 50 }, { "variation": "green", "weight": 50 }]);
    let odd = design(&json!({ "arms": arms }));
    let refused = boolean("active")
        .hold(&key(), Some(&odd.dealing("targetingKey")))
        .unwrap_err();
    assert_eq!(refused.violations()[0].field, "experiment.arms[1].variation");
    let flag = boolean("active").flag;
    let found = odd.violations_for(&flag);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].field.as_str(), found[0].value.as_str()),
        ("arms[1].variation", "green")
    );
    assert!(
        found[0].rule.contains("flag checkout") && found[0].fix.contains("off, on"),
        "{}",
        found[0]
    );
    let arms = json!([{ "variation": "of", "weight": 50 }, { "variation": "on", "weight": 50 }]);
    let near = design(&json!({ "arms": arms })).violations_for(&flag);
    assert_eq!(near[0].fix, "did you mean \"off\"?");
}

#[test]
fn outcomes_are_read_as_they_are_written() {
    for (text, outcome) in [
        (json!({ "kind": "revert" }), Outcome::Revert),
        (
            json!({ "kind": "ship", "variation": "on" }),
            Outcome::Ship { variation: on() },
        ),
        (
            json!({ "kind": "hand_over", "variation": "on", "policy": "careful" }),
            Outcome::HandOver {
                variation: on(),
                policy: "careful".parse().unwrap(),
            },
        ),
    ] {
        assert_eq!(serde_json::from_value::<Outcome>(text.clone()).unwrap(), outcome);
        assert_eq!(json!(outcome), text);
    }
    assert!(serde_json::from_value::<Outcome>(json!({ "kind": "ship" })).is_err());
}
