//! Designs that change.

use crate::world::{GREEN, World, designed, kind};
use serde_json::{Value, json};
use tidegate_decide::refusal::Refusal;
use tidegate_model::because::ExperimentStep as S;
use tidegate_model::experiment::{ExperimentCommand, Phase as P};

fn amended(world: &World, more: &Value) -> tidegate_model::experiment::Design {
    let mut written = serde_json::to_value(&world.green().design).unwrap();
    for (name, value) in more.as_object().unwrap() {
        written[name] = value.clone();
    }
    serde_json::from_value(written).unwrap()
}

#[test]
fn the_same_again_changes_nothing() {
    for phase in P::ALL {
        let mut world = World::at(phase);
        let same = world.green().design.clone();
        assert_eq!(world.amend(same), Ok(None), "{phase}");
    }
}

#[test]
fn a_claim_does_not_change_after_the_start() {
    for more in [
        json!({ "hypothesis": "Blue." }),
        json!({ "alpha": 0.1 }),
        json!({ "traffic": 50 }),
        json!({ "control": "on" }),
        json!({ "duration": "1d" }),
        json!({ "flag": "search" }),
        json!({ "dimensions": ["country"] }),
        json!({ "discipline": { "kind": "fixed", "units": 100 } }),
        json!({ "bandit": { "metric": "purchase" } }),
    ] {
        for phase in P::ALL {
            let mut world = World::at(phase);
            let design = amended(&world, &more);
            match (world.amend(design), phase) {
                (Ok(Some(step)), P::Draft | P::Scheduled) => assert_eq!(kind(&step), S::Designed),
                (Err(Refusal::Conflict { why, .. }), P::Running | P::Paused | P::Stopped) => {
                    assert!(why.contains("proves nothing"), "{why}");
                }
                (Err(Refusal::Conflict { why, .. }), P::Archived) => {
                    assert!(why.contains("is archived"), "{why}")
                }
                (answer, _) => panic!("{more} in {phase}: {answer:?}"),
            }
        }
    }
}

#[test]
fn texts_change_whatever_became_of_the_flag() {
    for phase in [P::Draft, P::Scheduled, P::Running, P::Paused, P::Stopped] {
        let mut world = World::at(phase);
        if phase == P::Stopped {
            let gone = json!({ "type": "string", "variations": [{ "key": "off", "value": "x" }] });
            world.save(crate::world::flag("checkout", &gone));
        }
        let design = amended(
            &world,
            &json!({ "description": "d", "owner": "o", "metadata": { "a": "b" } }),
        );
        let step = world.amend(design).unwrap().unwrap();
        assert_eq!((kind(&step), step.effects.len()), (S::Designed, 0), "{phase}");
        assert_eq!(world.green().design.owner, "o");
    }
}

#[test]
fn units_that_are_left_out_are_left_out_at_once() {
    let more = json!({ "excluded": ["robot"] });
    for phase in [P::Running, P::Paused] {
        let mut world = World::at(phase);
        let design = amended(&world, &more);
        let step = world.amend(design).unwrap().unwrap();
        assert_eq!(kind(&step), S::Excluded);
        let flag = world.flag("checkout").flag.clone();
        let audience = flag.running_experiment().and_then(|one| one.audience.clone());
        assert_eq!(
            audience.is_some(),
            phase == P::Running,
            "a paused one deals to nobody"
        );
    }
    let mut world = World::at(P::Stopped);
    let design = amended(&world, &more);
    assert_eq!(kind(&world.amend(design).unwrap().unwrap()), S::Designed);
    let until = world.green().counts_until().unwrap() + chrono::TimeDelta::hours(25);
    let seconds = (until - world.now).num_seconds();
    assert_eq!(kind(&world.look(seconds, Some(&[]))), S::Concluded);
    let design = amended(&world, &json!({ "excluded": [] }));
    let refused = world.amend(design).unwrap_err().to_string();
    assert!(refused.contains("are final"), "{refused}");
}

#[test]
fn one_that_is_to_start_by_itself_keeps_a_time_at_which_it_does() {
    let mut world = World::at(P::Scheduled);
    let past = (world.now - chrono::TimeDelta::hours(1)).to_rfc3339();
    for more in [json!({ "startAt": null }), json!({ "startAt": past })] {
        let design = amended(&world, &more);
        assert!(matches!(world.amend(design), Err(Refusal::Invalid(_))), "{more}");
    }
    let later = (world.now + chrono::TimeDelta::hours(2)).to_rfc3339();
    let design = amended(&world, &json!({ "startAt": later }));
    world.amend(design).unwrap().unwrap();
    world.tell(&ExperimentCommand::Unschedule).unwrap();
    let design = amended(&world, &json!({ "startAt": null }));
    world.amend(design).unwrap().unwrap();
}

#[test]
fn what_is_wrong_by_itself_is_refused_first() {
    let mut world = World::new();
    let Err(Refusal::Invalid(invalid)) = world.amend(designed(GREEN, &json!({ "alpha": 2, "metrics": [] })))
    else {
        panic!("it is wrong")
    };
    assert_eq!(invalid.violations().len(), 2);
}
