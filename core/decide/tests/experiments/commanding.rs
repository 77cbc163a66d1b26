//! What people want, in every phase.

use crate::world::{GREEN, World, hand_over, kind, pause, resume, ship, stop};
use serde_json::json;
use tidegate_decide::experiment::delete;
use tidegate_decide::refusal::Refusal;
use tidegate_model::because::ExperimentStep as S;
use tidegate_model::change::Change;
use tidegate_model::experiment::{ExperimentCommand as C, Outcome, Phase as P};
use tidegate_model::flag::FlagStatus;

/// From where a command leads where, and what is told of it.
type Move = (P, P, S);

#[test]
fn each_command_is_done_where_it_may_be_and_refused_elsewhere() {
    let table: Vec<(C, Vec<Move>)> = vec![
        (C::Schedule, vec![(P::Draft, P::Scheduled, S::Scheduled)]),
        (C::Unschedule, vec![(P::Scheduled, P::Draft, S::Unscheduled)]),
        (
            C::Start,
            vec![
                (P::Draft, P::Running, S::Started),
                (P::Scheduled, P::Running, S::Started),
            ],
        ),
        (pause(), vec![(P::Running, P::Paused, S::Paused)]),
        (resume(), vec![(P::Paused, P::Running, S::Resumed)]),
        (
            stop(Outcome::Revert),
            vec![
                (P::Running, P::Stopped, S::Stopped),
                (P::Paused, P::Stopped, S::Stopped),
                (P::Stopped, P::Stopped, S::Settled),
            ],
        ),
        (
            ship("on"),
            vec![
                (P::Running, P::Stopped, S::Stopped),
                (P::Paused, P::Stopped, S::Stopped),
                (P::Stopped, P::Stopped, S::Settled),
            ],
        ),
        (
            hand_over(),
            vec![
                (P::Running, P::Stopped, S::Stopped),
                (P::Paused, P::Stopped, S::Stopped),
                (P::Stopped, P::Stopped, S::Settled),
            ],
        ),
        (
            C::Archive,
            vec![
                (P::Draft, P::Archived, S::Archived),
                (P::Scheduled, P::Archived, S::Archived),
                (P::Stopped, P::Archived, S::Archived),
            ],
        ),
    ];
    for (command, moves) in table {
        for phase in P::ALL {
            let mut world = World::at(phase);
            let before = world.entities.clone();
            let expected = moves.iter().find(|(from, ..)| *from == phase);
            match (world.tell(&command), expected) {
                (Ok(step), Some((_, to, told))) => {
                    assert_eq!(
                        (world.green().phase, kind(&step)),
                        (*to, *told),
                        "{command:?} in {phase}"
                    );
                    assert_eq!(
                        world.flag("checkout").held.is_some(),
                        to.holds(),
                        "{command:?} in {phase}"
                    );
                    let running = world.flag("checkout").flag.running_experiment().is_some();
                    assert_eq!(running, *to == P::Running, "{command:?} in {phase}");
                }
                (Err(Refusal::Conflict { why, fix }), None) => {
                    assert!(why.contains(GREEN) && why.contains(phase.name()), "{why}");
                    assert!(fix.contains(GREEN), "{fix}");
                    assert_eq!(world.entities, before, "nothing has changed");
                }
                (answer, expected) => panic!("{command:?} in {phase}: {answer:?}, and not {expected:?}"),
            }
        }
    }
}

#[test]
fn whoever_touches_a_running_experiment_says_why() {
    let reasons = [String::new(), " \n".to_owned(), "x".repeat(1_001)];
    for reason in reasons {
        for (phase, command) in [
            (
                P::Running,
                C::Pause {
                    reason: reason.clone(),
                },
            ),
            (
                P::Paused,
                C::Resume {
                    reason: reason.clone(),
                },
            ),
            (
                P::Running,
                C::Stop {
                    outcome: Outcome::Revert,
                    reason: reason.clone(),
                },
            ),
        ] {
            let Err(Refusal::Invalid(invalid)) = World::at(phase).tell(&command) else {
                panic!("{command:?}")
            };
            assert_eq!(invalid.violations()[0].field, "reason");
        }
    }
    let long = C::Pause {
        reason: "ä".repeat(1_000),
    };
    assert!(World::at(P::Running).tell(&long).is_ok(), "characters, not bytes");
}

#[test]
fn only_an_arm_is_shipped() {
    for phase in [P::Running, P::Paused, P::Stopped] {
        let Err(Refusal::Invalid(invalid)) = World::at(phase).tell(&ship("green")) else {
            panic!("{phase}")
        };
        let violation = &invalid.violations()[0];
        assert_eq!(
            (violation.field.as_str(), violation.value.as_str()),
            ("outcome.variation", "green")
        );
        assert!(violation.fix.contains("off, on"), "{violation}");
    }
}

#[test]
fn what_is_only_designed_is_deleted_and_what_ran_is_kept() {
    for phase in P::ALL {
        let deleted = delete(World::at(phase).green());
        match phase {
            P::Draft | P::Scheduled => assert_eq!(deleted, Ok(Change::ExperimentDeleted)),
            _ => assert!(
                deleted.unwrap_err().to_string().contains("has started"),
                "{phase}"
            ),
        }
    }
    let mut world = World::at(P::Draft);
    world.tell(&C::Archive).unwrap();
    assert_eq!(
        delete(world.green()),
        Ok(Change::ExperimentDeleted),
        "it never started"
    );
}

#[test]
fn a_schedule_needs_a_time_to_come() {
    let mut world = World::new();
    let past = (world.now - chrono::TimeDelta::seconds(1)).to_rfc3339();
    for start_at in [
        json!({}),
        json!({ "startAt": past }),
        json!({ "startAt": world.now.to_rfc3339() }),
    ] {
        world.draft(GREEN, &start_at).unwrap();
        let Err(Refusal::Invalid(invalid)) = world.tell(&C::Schedule) else {
            panic!("{start_at}")
        };
        assert_eq!(invalid.violations()[0].field, "startAt");
    }
}

#[test]
fn numbers_that_are_not_known_are_not_archived() {
    let mut world = World::at(P::Stopped);
    let refused = world.tell_to(GREEN, &C::Archive, None).unwrap_err().to_string();
    assert!(refused.contains("not known yet"), "{refused}");
    world.tell(&C::Archive).unwrap();
    assert!(world.green().tallies.is_some());
}

#[test]
fn a_flag_that_has_changed_since_is_settled_only_where_that_can_be() {
    let green = json!([{ "key": "on", "value": true }, { "key": "off", "value": false }]);
    let archived = json!({ "status": "archived" });
    let own = json!({ "status": "experiment", "experiment": { "key": "own",
        "arms": [{ "variation": "on", "weight": 50 }, { "variation": "off", "weight": 50 }] } });
    let asleep = json!({ "experiment": own["experiment"] });
    let renamed = json!({ "type": "string", "fallback": { "variation": "off" },
        "variations": [{ "key": "off", "value": "a" }, { "key": "green", "value": "b" }] });
    for (flag, why) in [
        (archived, "is archived"),
        (own, "written into its definition"),
        (asleep, "written into its definition"),
        (renamed, "no such variation any more"),
    ] {
        for command in [ship("on"), hand_over()] {
            let mut world = World::at(P::Stopped);
            world.save(crate::world::flag("checkout", &flag));
            let refused = world.tell(&command).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
    let mut world = World::at(P::Stopped);
    world.save(crate::world::flag(
        "checkout",
        &json!({ "status": "inactive", "variations": green }),
    ));
    world.tell(&ship("on")).unwrap();
    let flag = &world.flag("checkout").flag;
    assert_eq!(flag.definition().status, FlagStatus::Inactive, "off stays off");
    assert_eq!(flag.fallback().unwrap().variations()[0].as_str(), "on");
}

#[test]
fn what_was_shipped_is_not_reverted_to_what_nobody_kept() {
    let mut world = World::at(P::Running);
    world.tell(&ship("on")).unwrap();
    let refused = world.tell(&stop(Outcome::Revert)).unwrap_err().to_string();
    assert!(
        refused.contains("has shipped on") && refused.contains("--ship off"),
        "{refused}"
    );
    world.tell(&ship("off")).unwrap();
    assert_eq!(
        world.flag("checkout").flag.fallback().unwrap().variations()[0].as_str(),
        "off"
    );
    assert_eq!(
        world.green().ended.as_ref().unwrap().outcome,
        Outcome::Ship {
            variation: "off".parse().unwrap()
        }
    );
}
