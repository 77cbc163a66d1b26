//! Rollouts that wait for others: after them, with them, and not with them.

use crate::faults::waits_for;
use crate::simulation::Answer;
use crate::street::Street;
use tidegate_decide::neighbour::Neighbour;
use tidegate_model::access::Role;
use tidegate_model::because::Reason;
use tidegate_model::rollout::{Ending, PauseOwner, Phase, RolloutCommand};
use tidegate_simulate::fault::Fault;

const PLAN: &str = "stage a 1 for 1m\nstage b 20 for 1m\nstage c 50 for 1m\nstage d 100 for 1m\nblind 5m hold\n\
                    rule r > 1 window 10s every 10s rollback";

fn plan(dependency: &str) -> String {
    format!("{PLAN}\n{dependency}")
}

fn has_completed(street: &Street, index: usize) -> bool {
    matches!(
        street.rollout(index).phase,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        }
    )
}

#[test]
fn after_opens_nothing_before_the_other_has_completed() {
    let mut street = Street::new();
    let api = street.start("api", PLAN).unwrap();
    let shop = street.start("shop", &plan("after api")).unwrap();
    assert!(street.rollout(shop).is_waiting());
    let started = &street.worlds[shop].taken[0].step.because;
    assert!(
        started.to_string().contains("after api: api.1 is at 1 %"),
        "{started}"
    );
    street.until(|street| has_completed(street, api) || !street.rollout(shop).is_waiting());
    assert!(has_completed(&street, api));
    street.run(30);
    assert_eq!(street.shares(), [100.0, 1.0]);
    street.until(|street| has_completed(street, shop));
}

#[test]
fn with_never_opens_further_than_the_other_is_proven() {
    let mut street = Street::new();
    let api = street.start("api", PLAN).unwrap();
    let shop = street.start("shop", &plan("with api")).unwrap();
    for _ in 0..120 {
        street.run(5);
        let proven = Neighbour::of(street.rollout(api)).proven;
        let share = street.rollout(shop).share;
        assert!(share <= proven, "{share} of {proven}");
    }
    assert!(has_completed(&street, api) && has_completed(&street, shop));
    let reached = street.worlds[shop].shares();
    assert_eq!(reached, [0.0, 1.0, 20.0, 50.0, 100.0]);
}

#[test]
fn not_with_has_the_later_one_wait_whoever_names_the_other() {
    for (first, second) in [("", "not-with one"), ("not-with two", "")] {
        let mut street = Street::new();
        let one = street.start("one", &plan(first)).unwrap();
        street.run(10);
        let two = street.start("two", &plan(second)).unwrap();
        while !has_completed(&street, one) {
            assert!(street.rollout(two).is_waiting());
            street.run(5);
        }
        street.until(|street| has_completed(street, two));
        let before = street.worlds[two].shares();
        assert_eq!(before, [0.0, 1.0, 20.0, 50.0, 100.0]);
    }
}

#[test]
fn not_with_one_that_is_rolled_back_goes_on_once_that_is_final() {
    let mut street = Street::new();
    let one = street.start("one", PLAN).unwrap();
    let two = street.start("two", &plan("not-with one")).unwrap();
    street.run(20);
    for node in street.worlds[one].nodes.values_mut() {
        node.follows = false;
    }
    street.say(one, "r", Answer::Value(2.0));
    street.run(30);
    assert!(matches!(street.rollout(one).phase, Phase::RollingBack { .. }));
    assert!(
        street.rollout(two).is_waiting(),
        "nodes may still serve the other one"
    );
    for node in street.worlds[one].nodes.values_mut() {
        node.follows = true;
    }
    street.worlds[one].publish();
    street.run(40);
    assert_eq!(street.shares(), [0.0, 1.0]);
    assert!(
        street.rollout(two).pauses.is_empty(),
        "that is no failure of this one"
    );
}

#[test]
fn a_dependency_that_was_rolled_back_holds_and_tells_a_person_once() {
    for how in ["after api", "with api"] {
        let mut street = Street::new();
        let api = street.start("api", PLAN).unwrap();
        let shop = street.start("shop", &plan(how)).unwrap();
        street.run(90);
        let reached = street.rollout(shop).share;
        street.say(api, "r", Answer::Value(2.0));
        street.run(600);
        let owner: PauseOwner = "dependency:api".to_owned().try_into().unwrap();
        assert!(street.rollout(shop).pauses.contains_key(&owner), "{how}");
        assert_eq!(street.rollout(shop).share, reached, "it stays where it is");
        assert_eq!(street.worlds[shop].alerts().len(), 1);
        let resume = |reason: &str| RolloutCommand::Resume {
            owner: owner.clone(),
            reason: reason.to_owned(),
        };
        let world = &mut street.worlds[shop];
        assert!(
            world.command(resume(""), "bob", Role::Operator).is_err(),
            "a failure"
        );
        world.command(resume("known"), "bob", Role::Operator).unwrap();
        street.run(600);
        assert_eq!(street.rollout(shop).share, reached, "a word alone opens nothing");
        assert!(street.rollout(shop).pauses.is_empty());
        assert_eq!(street.worlds[shop].alerts().len(), 1, "told once");
        assert!(
            waits_for(&street.worlds[shop], |reason| matches!(
                reason,
                Reason::Dependency { .. }
            )),
            "{}",
            street.says(shop)
        );
    }
}

#[test]
fn a_breach_rolls_back_whatever_is_waited_for() {
    let mut street = Street::new();
    street.start("api", PLAN).unwrap();
    let shop = street.start("shop", &plan("with api")).unwrap();
    street.until(|street| street.shares()[1] == 1.0);
    street.run(20);
    street.say(shop, "r", Answer::Value(2.0));
    street.run(20);
    assert_eq!(street.shares()[shop], 0.0);
}

#[test]
fn one_that_waits_is_aborted_as_any() {
    let mut street = Street::new();
    street.start("api", PLAN).unwrap();
    let shop = street.start("shop", &plan("after api")).unwrap();
    let abort = RolloutCommand::Abort {
        reason: "not wanted".to_owned(),
        past_no_return: false,
    };
    street.worlds[shop].command(abort, "bob", Role::Operator).unwrap();
    street.run(5);
    assert!(matches!(
        street.rollout(shop).phase,
        Phase::Ended {
            ending: Ending::Aborted,
            ..
        }
    ));
    assert_eq!(street.worlds[shop].flag.pin, None);
}

#[test]
fn windows_and_freezes_hold_what_waits_no_longer() {
    let mut street = Street::new();
    let api = street.start("api", PLAN).unwrap();
    // Open from midnight, when it all begins, for two minutes.
    let shop = street
        .start("shop", &plan("after api\nallow \"0 0 * * *\" for 2m UTC nights"))
        .unwrap();
    street.until(|street| has_completed(street, api));
    street.run(60);
    assert!(street.rollout(shop).is_waiting());
    assert!(
        street.says(shop).contains("window opens"),
        "{}",
        street.says(shop)
    );
    street.run(24 * 3600);
    assert!(!street.rollout(shop).is_waiting());
}

#[test]
fn a_waiting_rollout_survives_a_restart() {
    let mut street = Street::new();
    let api = street.start("api", PLAN).unwrap();
    let shop = street.start("shop", &plan("after api")).unwrap();
    street.run(30);
    street.worlds[shop].restart().unwrap();
    assert!(street.rollout(shop).is_waiting());
    assert!(
        street.worlds[shop].observed.asked.is_empty(),
        "nothing is measured"
    );
    street.until(|street| has_completed(street, api));
    street.worlds[shop].restart().unwrap();
    street.run(30);
    assert_eq!(street.shares()[shop], 1.0);
}

#[test]
fn cycles_are_refused_with_the_way_round() {
    let mut street = Street::new();
    let refused = street.start("a", &plan("after a")).unwrap_err();
    assert!(refused.to_string().contains("a after a"), "{refused}");
    street.start("a", &plan("after b")).unwrap();
    street.start("b", &plan("with c")).unwrap();
    let refused = street.start("c", &plan("after a")).unwrap_err();
    assert!(matches!(refused, Fault::Refused(_)));
    assert!(
        refused.to_string().contains("c after a, a after b, b with c"),
        "{refused}"
    );
    // By the id of a rollout it is the same way round.
    let refused = street.start("c", &plan("with a.1")).unwrap_err();
    assert!(
        refused.to_string().contains("c with a, a after b, b with c"),
        "{refused}"
    );
    // Keeping away from somebody is no waiting that could go round.
    street.start("c", &plan("not-with a")).unwrap();
}
