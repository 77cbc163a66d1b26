//! Freezes, and windows that are too short: what they hold, and what they never hold.

use crate::faults::{is_rolled_back, run, say, waits_for};
use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, monday, person};
use tidegate_decide::freeze::{freeze, is_held, refusal, thaw};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Input;
use tidegate_model::Timestamp;
use tidegate_model::access::Role;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::change::Change;
use tidegate_model::freeze::Frozen;
use tidegate_model::policy::{Freeze, Policy};
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_model::span::Span;

const STAGES: &str = "stage a 1 for 1m\nstage b 50 for 1m\nstage c 100 for 1m\nblind 5m hold\n\
                      rule r > 1 window 10s every 10s rollback";

fn frozen(since: Timestamp) -> Frozen {
    Frozen {
        reason: "the database is on fire".to_owned(),
        by: person("ops", Role::Operator),
        since,
    }
}

fn stop(world: &mut Simulation) {
    world.frozen = Some(frozen(world.now));
    world.feed(Input::Wake).unwrap();
}

fn go_on(world: &mut Simulation) {
    world.frozen = None;
    world.feed(Input::Wake).unwrap();
}

fn planned(from: u64, to: u64) -> Freeze {
    Freeze {
        from: Span::seconds(from).after(monday()),
        to: Span::seconds(to).after(monday()),
        timezone: "UTC".to_owned(),
        reason: "end of year".to_owned(),
    }
}

fn with(freezes: &[Freeze]) -> Policy {
    let mut policy = policy(STAGES);
    policy.schedule.freezes = freezes.to_vec();
    policy
}

fn start(policy: &Policy) -> Simulation {
    Simulation::start(policy, monday()).unwrap()
}

#[test]
fn l02_a_frozen_line_holds_every_advance_and_no_rollback() {
    let mut world = start(&policy(STAGES));
    run(&mut world, 30);
    stop(&mut world);
    run(&mut world, 3600);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| {
        reason.to_string()
            == "frozen by ops (operator) since 2026-01-05 00:00:30 UTC: the database is on fire"
    }));
    go_on(&mut world);
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 50.0]);
    stop(&mut world);
    run(&mut world, 600);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert!(is_rolled_back(&world));
}

#[test]
fn l02_a_person_rolls_back_retreats_and_pauses_while_it_is_frozen() {
    let reason = || "why".to_owned();
    for (command, share) in [
        (
            RolloutCommand::Rollback {
                reason: reason(),
                past_no_return: false,
            },
            0.0,
        ),
        (
            RolloutCommand::Abort {
                reason: reason(),
                past_no_return: false,
            },
            0.0,
        ),
        (RolloutCommand::Retreat { reason: reason() }, 1.0),
        (RolloutCommand::Pause { reason: reason() }, 50.0),
    ] {
        let mut world = start(&policy(STAGES));
        run(&mut world, 70);
        assert_eq!(world.shares(), [1.0, 50.0]);
        stop(&mut world);
        world.command(command, "bob", Role::Operator).unwrap();
        assert_eq!(world.rollout.share.percent(), share);
    }
}

#[test]
fn a_frozen_line_completes_nothing() {
    let mut world = start(&policy(STAGES));
    run(&mut world, 150);
    assert_eq!(world.shares(), [1.0, 50.0, 100.0]);
    stop(&mut world);
    run(&mut world, 3600);
    assert!(
        matches!(world.rollout.phase, Phase::Running { .. }),
        "it is still watched"
    );
    go_on(&mut world);
    run(&mut world, 10);
    assert!(matches!(
        world.rollout.phase,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        }
    ));
}

#[test]
fn the_switch_needs_a_reason_and_is_turned_once() {
    let by = person("ops", Role::Operator);
    let now = monday();
    for reason in ["", " \n", &"x".repeat(1001)] {
        assert!(matches!(freeze(None, reason, &by, now), Err(Refusal::Invalid(_))));
        assert!(matches!(
            thaw(Some(&frozen(now)), reason, &by),
            Err(Refusal::Invalid(_))
        ));
    }
    let (change, because) = freeze(None, "fire", &by, now).unwrap().unwrap();
    assert!(matches!(&change, Change::Frozen(frozen) if frozen.reason == "fire" && frozen.by == by));
    assert_eq!(because.decision, Decision::Frozen);
    assert!(because.to_string().contains("ops (operator): fire"), "{because}");
    assert_eq!(freeze(Some(&frozen(now)), "another", &by, now).unwrap(), None);
    let (change, because) = thaw(Some(&frozen(now)), "out", &by).unwrap().unwrap();
    assert_eq!((change, because.decision), (Change::Thawed, Decision::Thawed));
    assert_eq!(thaw(None, "out", &by).unwrap(), None);
    assert!(
        refusal(&frozen(now))
            .to_string()
            .contains("the database is on fire")
    );
}

#[test]
fn what_is_held_is_what_opens_and_nothing_else() {
    let mut world = start(&policy(STAGES));
    run(&mut world, 600);
    let held: Vec<&Change> = world
        .journal
        .iter()
        .map(|(_, _, change)| change)
        .filter(|change| is_held(change))
        .collect();
    assert_eq!(held.len(), 4, "started, two advances, completed: {held:?}");
    let mut world = start(&policy(STAGES));
    run(&mut world, 70);
    let opened = world.journal.len();
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert!(is_rolled_back(&world));
    assert!(
        world.journal[opened..]
            .iter()
            .all(|(_, _, change)| !is_held(change))
    );
}

#[test]
fn f41_a_planned_freeze_holds_until_it_is_over_and_no_rollback() {
    let policy = with(&[planned(30, 600), planned(900, 1000)]);
    let mut world = start(&policy);
    run(&mut world, 590);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| {
        reason.to_string() == "frozen until Mon 2026-01-05 00:10 UTC: end of year"
    }));
    assert!(
        !waits_for(&world, |reason| matches!(reason, Reason::Window { .. })),
        "said once"
    );
    run(&mut world, 20);
    assert_eq!(world.shares(), [1.0, 50.0]);
    let mut world = start(&policy);
    run(&mut world, 60);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert!(is_rolled_back(&world));
}

#[test]
fn f41_nothing_starts_in_a_planned_freeze() {
    let refused = Simulation::start(&with(&[planned(0, 60)]), monday())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("end of year") && refused.contains("start from 2026-01-05 00:01"),
        "{refused}"
    );
}

#[test]
fn f41_a_stage_that_would_outlast_the_window_waits_for_the_next() {
    let mut policy = policy(
        "allow \"0 0 * * *\" for 2h UTC\nstage a 1 for 30m\nstage b 50 for 91m\nstage c 100 for 30m\n\
         blind 5m hold\nrule r > 1 window 1m every 1m rollback",
    );
    policy.schedule.bake_must_fit = true;
    let mut world = start(&policy);
    run(&mut world, 3600);
    assert_eq!(
        world.shares(),
        [1.0],
        "half an hour and a look have passed, and less than 91 minutes are left"
    );
    assert!(waits_for(&world, |reason| {
        reason.to_string()
            == "b lasts 1h 31m, and the window closes Mon 2026-01-05 02:00 UTC: there is time enough from \
                Tue 2026-01-06 00:00 UTC on"
    }));
    run(&mut world, 23 * 3600);
    assert_eq!(world.shares(), [1.0, 50.0]);
    // What is open stays open, whatever the window does, and safety goes on.
    run(&mut world, 3 * 3600);
    assert_eq!(world.shares(), [1.0, 50.0]);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 60);
    assert!(is_rolled_back(&world));

    policy.schedule.bake_must_fit = false;
    let mut world = start(&policy);
    run(&mut world, 3600);
    assert_eq!(world.shares(), [1.0, 50.0]);
}

#[test]
fn f41_a_first_stage_that_would_outlast_the_window_does_not_start() {
    let mut policy =
        policy("allow \"0 0 * * *\" for 2h UTC\nstage a 1 for 3h\nstage c 100 for 1h\nrule r > 1");
    policy.schedule.bake_must_fit = true;
    let refused = Simulation::start(&policy, monday()).unwrap_err().to_string();
    assert!(
        refused.contains("stage a lasts 3h") && refused.contains("mend the policy"),
        "{refused}"
    );
}
