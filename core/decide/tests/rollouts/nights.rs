//! Faults of time, of nodes and of the nights between, one test for each that is decided here.

use crate::faults::{TWO_STAGES, is_rolled_back, run, say, waits_for, world};
use crate::simulation::{Answer, Simulation};
use tidegate_decide::rollout::{Fleet, Input, step};
use tidegate_decide::step::Effect;
use tidegate_model::access::Role;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::rollout::{Phase, RolloutCommand};
use tidegate_model::span::Span;

#[test]
fn f30_after_a_night_without_a_control_plane_one_stage_is_left_not_three() {
    let stages = "stage a 1 for 1m\nstage b 10 for 1m\nstage c 50 for 1m\nstage d 100 for 1m";
    let mut world = world(&format!("{stages}\nblind 5m hold\nrule r > 1 window 30s"));
    run(&mut world, 30);
    world.now = Span::seconds(9 * 3600).after(world.now);
    world.restart().unwrap();
    assert_eq!(world.shares(), [1.0, 10.0]);
    run(&mut world, 59);
    assert_eq!(world.shares(), [1.0, 10.0]);
    run(&mut world, 11);
    assert_eq!(world.shares(), [1.0, 10.0, 50.0]);
}

#[test]
fn f38_a_clock_that_leaps_over_a_restart_leaves_one_stage_and_only_with_a_fresh_look() {
    let stages = "stage a 1 for 1h\nstage b 10 for 1h\nstage c 100 for 1h";
    for silent in [false, true] {
        let mut world = world(&format!(
            "{stages}\nblind 48h hold\nrule r > 1 window 30s every 10s"
        ));
        run(&mut world, 600);
        if silent {
            say(&mut world, "r", Answer::Silence);
        }
        world.now = Span::seconds(30 * 24 * 3600).after(world.now);
        world.restart().unwrap();
        run(&mut world, 120);
        let shares: &[f64] = if silent { &[1.0] } else { &[1.0, 10.0] };
        assert_eq!(world.shares(), shares, "the leap itself proves nothing");
    }
}

#[test]
fn f36_silence_counts_towards_blindness() {
    let mut world = world(&format!("{TWO_STAGES}\nrule r > 1 window 10s every 10s"));
    run(&mut world, 60);
    say(&mut world, "r", Answer::Silence);
    run(&mut world, 29 + 119);
    assert_eq!(world.alerts().len(), 0);
    run(&mut world, 2);
    assert_eq!(world.alerts().len(), 1, "three intervals and the budget are over");
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::PausedBy { .. } | Reason::Blind { .. }
    )));
}

#[test]
fn f37_a_clock_that_goes_back_stops_no_rollback_and_repeats_no_stage() {
    let mut world = world(&format!("{TWO_STAGES}\nrule r > 1 window 10s every 10s trip 2/2"));
    run(&mut world, 330);
    assert_eq!(world.shares(), [1.0, 100.0]);
    world.now -= chrono::TimeDelta::seconds(3600);
    world.feed(Input::Wake).unwrap();
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 20);
    assert!(
        is_rolled_back(&world),
        "{}",
        world.taken.last().unwrap().step.because
    );
    assert_eq!(world.shares(), [1.0, 100.0, 0.0]);
}

#[test]
fn f41_a_window_that_closes_inside_a_stage_holds_it() {
    let stages = "stage a 1 for 2h\nstage b 100 for 1m";
    let mut world = world(&format!(
        "{stages}\nallow \"0 0 * * *\" for 1h UTC\nblind 5m hold\nrule r > 1 every 1m"
    ));
    run(&mut world, 23 * 3600);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::Window { opens: Some(_), .. }
    )));
    run(&mut world, 3660);
    assert_eq!(world.shares(), [1.0, 100.0]);
}

#[test]
fn f44_rolled_back_is_said_when_every_live_node_confirmed() {
    let mut world = world(&format!("{TWO_STAGES}\nrule r > 1"));
    run(&mut world, 10);
    for node in world.nodes.values_mut() {
        node.follows = false;
    }
    world
        .command(
            RolloutCommand::Rollback {
                reason: String::new(),
                past_no_return: false,
            },
            "bob",
            Role::Operator,
        )
        .unwrap();
    let mut tell = |change: &dyn Fn(&mut Fleet)| {
        let mut fleet = world.fleet();
        change(&mut fleet);
        world.observed.take_in(&Input::Fleet(fleet.clone()));
        step(&world.rollout, &world.observed, &Input::Fleet(fleet), world.now)
            .unwrap()
            .because
            .decision
    };
    let target = |fleet: &mut Fleet| {
        let published = fleet.published;
        for serves in fleet.live.values_mut() {
            *serves = published;
        }
    };
    let holds = |decision: Decision| matches!(decision, Decision::Holds { .. });
    assert!(holds(tell(&|_| {})), "no node has it");
    assert!(
        holds(tell(
            &|fleet| *fleet.live.values_mut().next().unwrap() = fleet.published
        )),
        "one has not"
    );
    assert!(
        holds(tell(&|fleet| {
            target(fleet);
            fleet.all_heard = false;
        })),
        "there may be others"
    );
    assert!(
        holds(tell(&|fleet| {
            target(fleet);
            fleet.published = Default::default();
        })),
        "it is not published"
    );
    assert!(matches!(tell(&target), Decision::RolledBack { .. }));
    assert!(
        matches!(tell(&|fleet| fleet.live.clear()), Decision::RolledBack { .. }),
        "nobody is left to serve it"
    );
}

#[test]
fn f46_what_happens_in_one_step_is_published_once() {
    let text = "stage a 1 for 1m\nstage b 50 for 1h\nstage c 100 for 1h\nblind 5m hold";
    let rules = "rule r > 1 window 10s retreat\nrule q > 1 window 10s pause\nrule p > 1 window 10s alert";
    let mut world = world(&format!("{text}\n{rules}"));
    run(&mut world, 120);
    for rule in ["r", "q", "p"] {
        say(&mut world, rule, Answer::Value(2.0));
    }
    run(&mut world, 10);
    let retreat = world
        .taken
        .iter()
        .rev()
        .find(|taken| taken.after.stage() < taken.before.stage())
        .unwrap();
    assert_eq!(
        retreat
            .step
            .effects
            .iter()
            .filter(|effect| **effect == Effect::Publish)
            .count(),
        1
    );
    assert_eq!(retreat.after.share.percent(), 1.0);
    let owners: Vec<String> = retreat.after.pauses.keys().map(ToString::to_string).collect();
    assert_eq!(owners, ["rule:q", "rule:r"]);
}

#[test]
fn time_alone_advances_nothing() {
    let mut world = world(&format!(
        "{TWO_STAGES}\nrule r > 1 window 10s every 1m\nrule q > 1 window 10s every 1m"
    ));
    run(&mut world, 299);
    world.now = Span::seconds(2).after(world.now);
    // The stage has lasted its time and the newest looks are still fresh.
    for input in [
        Input::Wake,
        Input::Looked(Vec::new()),
        Input::Fleet(world.fleet()),
    ] {
        let step = step(&world.rollout, &world.observed, &input, world.now).unwrap();
        assert!(
            matches!(step.because.decision, Decision::Holds { .. }),
            "{input:?} moved it"
        );
    }
    // One rule's fresh look does not vouch for the other's old one.
    let look = |world: &Simulation, rule: &str| world.observed.looks[rule].clone();
    world.now = Span::seconds(130).after(world.now);
    let mut fresh = look(&world, "r");
    fresh.at = world.now;
    world.observed.take_in(&Input::Looked(vec![fresh.clone()]));
    let one = step(
        &world.rollout,
        &world.observed,
        &Input::Looked(vec![fresh.clone()]),
        world.now,
    )
    .unwrap();
    assert!(
        matches!(one.because.decision, Decision::Holds { .. }),
        "{}",
        one.because
    );
    let mut other = look(&world, "q");
    other.at = world.now;
    world.observed.take_in(&Input::Looked(vec![other.clone()]));
    let both = step(
        &world.rollout,
        &world.observed,
        &Input::Looked(vec![other]),
        world.now,
    )
    .unwrap();
    assert!(
        matches!(both.because.decision, Decision::Advanced { .. }),
        "{}",
        both.because
    );
}

#[test]
fn a_stage_that_no_node_serves_takes_no_effect() {
    let mut world = world(&format!("{TWO_STAGES}\nrule r > 1"));
    world.nodes.clear();
    run(&mut world, 600);
    assert!(matches!(
        world.rollout.phase,
        Phase::Running { effective: None, .. }
    ));
    // Nine of ten are enough, eight are not.
    for index in 0..10 {
        world.join(&format!("m{index}")).unwrap();
    }
    let behind = |count: usize| {
        let mut fleet = world.fleet();
        for serves in fleet.live.values_mut().take(count) {
            *serves = Default::default();
        }
        let mut observed = world.observed.clone();
        observed.take_in(&Input::Fleet(fleet.clone()));
        step(&world.rollout, &observed, &Input::Fleet(fleet), world.now)
            .unwrap()
            .because
            .decision
    };
    assert!(matches!(behind(2), Decision::Holds { .. }));
    assert!(matches!(behind(1), Decision::TookEffect { .. }));
}

/// A streak of health is one even if a rule is looked at less than once in three of its windows.
#[test]
fn a_rule_that_is_seldom_looked_at_can_be_healthy_without_a_break() {
    let mut world = world(
        "stage a 1 for 10m\nstage b 100 for 1h healthy r 20m\nblind 1h hold\nrule r > 1 window 30s every 5m",
    );
    run(&mut world, 660);
    assert_eq!(world.shares(), [1.0, 100.0]);
    run(&mut world, 3600);
    assert!(world.rollout.has_ended(), "{:?}", world.rollout.phase);
}
