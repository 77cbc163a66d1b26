//! Watching on after everybody has it.

use crate::faults::{is_rolled_back, run, say, waits_for, world};
use crate::simulation::{Answer, Simulation};
use tidegate_model::access::Role;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_model::verdict::UnknownReason;

const TEXT: &str = "stage a 50 for 1m\nstage b 100 for 1m\nmonitor 1h\nblind 10m hold\n\
                    rule r > 1 window 10s every 10s rollback";

fn monitored() -> Simulation {
    let mut world = world(TEXT);
    run(&mut world, 130);
    assert!(world.rollout.monitoring.is_some());
    world
}

fn has_completed(world: &Simulation) -> bool {
    matches!(
        world.rollout.phase,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        }
    )
}

#[test]
fn it_is_watched_for_the_declared_time_and_only_then_completed() {
    let mut world = monitored();
    run(&mut world, 3500);
    assert!(!has_completed(&world));
    assert!(waits_for(&world, |reason| {
        reason.to_string() == "still watched until 2026-01-05 01:02:00 UTC"
    }));
    run(&mut world, 100);
    assert!(has_completed(&world));
    let said: Vec<&'static str> = world
        .taken
        .iter()
        .filter(|taken| !taken.holds())
        .map(|taken| taken.step.because.decision.name())
        .collect();
    assert_eq!(
        said,
        [
            "started",
            "took_effect",
            "advanced",
            "took_effect",
            "monitoring",
            "completed"
        ]
    );
}

#[test]
fn a_breach_while_monitored_rolls_back() {
    let mut world = monitored();
    run(&mut world, 3000);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert!(is_rolled_back(&world));
}

#[test]
fn a_retreat_while_monitored_begins_it_anew() {
    let mut world = monitored();
    run(&mut world, 3000);
    let reason = "slow".to_owned();
    world
        .command(RolloutCommand::Retreat { reason }, "bob", Role::Operator)
        .unwrap();
    assert_eq!(
        (world.rollout.share.percent(), world.rollout.monitoring),
        (50.0, None)
    );
    let (owner, reason) = ("operator".to_owned().try_into().unwrap(), String::new());
    world
        .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut world, 3600);
    assert!(!has_completed(&world));
    run(&mut world, 200);
    assert!(has_completed(&world));
}

#[test]
fn f30_silence_and_time_complete_nothing() {
    for answer in [Answer::Silence, Answer::Unknown(UnknownReason::Timeout)] {
        let mut world = monitored();
        say(&mut world, "r", answer);
        run(&mut world, 20_000);
        assert!(!has_completed(&world), "{answer:?}");
    }
    // Away for longer than it is watched: a fresh healthy look ends it, not the time that has passed.
    let mut world = monitored();
    world.now += chrono::TimeDelta::hours(5);
    say(&mut world, "r", Answer::Silence);
    world.restart().unwrap();
    run(&mut world, 60);
    assert!(!has_completed(&world));
    assert!(world.rollout.monitoring.is_some());
    say(&mut world, "r", Answer::Value(0.0));
    run(&mut world, 60);
    assert!(has_completed(&world));
}

#[test]
fn a_pause_while_monitored_keeps_it_from_completing() {
    let mut world = monitored();
    let reason = "support asks".to_owned();
    world
        .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut world, 8000);
    assert!(!has_completed(&world));
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::PausedBy { .. }
    )));
}

#[test]
fn without_a_time_it_completes_at_once() {
    let mut world = world(&TEXT.replace("monitor 1h\n", ""));
    run(&mut world, 130);
    assert!(has_completed(&world));
    let monitored =
        |taken: &crate::simulation::Taken| matches!(taken.step.because.decision, Decision::Monitoring { .. });
    assert!(!world.taken.iter().any(monitored));
}
