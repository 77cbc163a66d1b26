//! Faults and the right behaviour, one test for each that is decided here. What a single measurement
//! says is in [`super::judging`], what starts in [`super::starting`], time and nodes in [`super::nights`].

use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, monday};
use tidegate_model::access::Role;
use tidegate_model::because::Reason;
use tidegate_model::key::RuleName;
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

pub(crate) const TWO_STAGES: &str = "stage a 1 for 5m\nstage b 100 for 5m\nblind 2m pause";

pub(crate) fn world(text: &str) -> Simulation {
    Simulation::start(&policy(text), monday()).unwrap()
}

pub(crate) fn say(world: &mut Simulation, rule: &str, answer: Answer) {
    world.answers.insert(RuleName::new(rule).unwrap(), answer);
}

pub(crate) fn run(world: &mut Simulation, seconds: u64) {
    world.run(Span::seconds(seconds)).unwrap();
}

pub(crate) fn is_rolled_back(world: &Simulation) -> bool {
    let ended = matches!(
        world.rollout.phase,
        Phase::Ended {
            ending: Ending::RolledBack,
            ..
        }
    );
    ended && world.rollout.share.parts() == 0
}

pub(crate) fn waits_for(world: &Simulation, wanted: impl Fn(&Reason) -> bool) -> bool {
    world
        .taken
        .last()
        .unwrap()
        .step
        .because
        .reasons
        .iter()
        .any(wanted)
}

#[test]
fn f11_never_decided_is_one_alert_and_never_an_advance() {
    for answer in [
        Answer::Value(0.15),
        Answer::Unknown(UnknownReason::NoSeries),
        Answer::Unknown(UnknownReason::Timeout),
        Answer::Sampled(0.0, 3.0),
        Answer::Silence,
    ] {
        let text = "stage a 1 for 5m\nstage b 100 for 5m\nblind 2m hold\nrule r > 0.2 clear 0.1 minimum 100";
        let mut world = world(text);
        let answer = if answer == Answer::Value(0.15) {
            Answer::Sampled(0.15, 500.0)
        } else {
            answer
        };
        say(&mut world, "r", answer);
        run(&mut world, 10_000);
        assert_eq!(world.shares(), [1.0], "{answer:?} moved it");
        assert_eq!(world.alerts().len(), 1, "{answer:?}: {:?}", world.alerts());
    }
}

#[test]
fn f14_after_an_outage_the_first_verdict_needs_a_fresh_window() {
    let mut world = world("stage a 1 for 1m\nstage b 100 for 5m\nrule r > 1 window 60s\nblind 10m hold");
    say(&mut world, "r", Answer::Unknown(UnknownReason::ProviderError));
    run(&mut world, 300);
    say(&mut world, "r", Answer::Value(0.0));
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0]);
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 100.0]);

    // One answer that came too late is no outage.
    let mut world =
        self::world("stage a 1 for 1m\nstage b 100 for 5m\nrule r > 1 window 30s\nblind 10m hold");
    run(&mut world, 45);
    say(&mut world, "r", Answer::Unknown(UnknownReason::Timeout));
    run(&mut world, 10);
    say(&mut world, "r", Answer::Value(0.0));
    run(&mut world, 5);
    assert_eq!(world.shares(), [1.0, 100.0]);
}

#[test]
fn f15_one_good_look_forgives_nothing() {
    let mut world =
        world("stage a 1 for 80s\nstage b 100 for 5m\nrule r > 1 window 30s trip 2/4 alert\nblind 5m hold");
    run(&mut world, 49);
    for value in [2.0, 0.0, 2.0, 0.0] {
        say(&mut world, "r", Answer::Value(value));
        run(&mut world, 10);
    }
    assert_eq!(
        world.shares(),
        [1.0],
        "healthy now, but two of the last four were bad"
    );
    assert_eq!(world.alerts().len(), 1);
    run(&mut world, 10);
    assert_eq!(
        world.shares(),
        [1.0, 100.0],
        "the first of the two is out of the window"
    );
}

/// Stages, what happens before the breach, and what the rollout then waits for.
type Wait = (&'static str, fn(&mut Simulation), fn(&Reason) -> bool);

#[test]
fn f19_a_breach_acts_whatever_the_rollout_waits_for() {
    let waits: [Wait; 6] = [
        (
            "stage a 1 for 1d\nstage b 100 for 1d",
            |_| {},
            |reason| matches!(reason, Reason::Soaking { .. }),
        ),
        (
            "stage a 1 for 1s\nbetween 1d\nstage b 100 for 1d",
            |_| {},
            |reason| matches!(reason, Reason::BetweenStages { .. }),
        ),
        (
            "stage a 1 for 1s\nstage b 100 for 1d approval approver",
            |_| {},
            |reason| matches!(reason, Reason::ApprovalMissing { .. }),
        ),
        (
            "allow \"0 0 * * *\" for 1m UTC\nstage a 1 for 5m\nstage b 100 for 1d",
            |_| {},
            |reason| matches!(reason, Reason::Window { .. }),
        ),
        (
            "stage a 1 for 1m\nstage b 100 for 1d",
            |world| {
                for node in world.nodes.values_mut() {
                    node.follows = false;
                }
            },
            |reason| matches!(reason, Reason::Acknowledgement { .. }),
        ),
        (
            "stage a 1 for 1m\nstage b 100 for 1d",
            |world| {
                let reason = "lunch".to_owned();
                world
                    .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
                    .unwrap();
            },
            |reason| matches!(reason, Reason::PausedBy { .. }),
        ),
    ];
    for (stages, prepare, wanted) in waits {
        let mut world = world(&format!(
            "{stages}\nblind 5m hold\nrule r > 1 window 30s every 10s rollback"
        ));
        run(&mut world, 5);
        prepare(&mut world);
        run(&mut world, 600);
        assert!(
            waits_for(&world, wanted),
            "{stages}: {}",
            world.taken.last().unwrap().step.because
        );
        say(&mut world, "r", Answer::Value(2.0));
        run(&mut world, 10);
        assert_eq!(world.rollout.share.parts(), 0, "{stages}");
        assert!(matches!(
            world.rollout.phase,
            Phase::RollingBack { .. } | Phase::Ended { .. }
        ));
    }
}

#[test]
fn f20_f21_a_rollback_outranks_all_and_nothing_follows_it() {
    let rollback = || RolloutCommand::Rollback {
        reason: String::new(),
        past_no_return: false,
    };
    let abort = || RolloutCommand::Abort {
        reason: "spring".to_owned(),
        past_no_return: false,
    };
    let others = || {
        let why = "why".to_owned();
        [
            RolloutCommand::Pause { reason: why.clone() },
            RolloutCommand::Resume {
                owner: "operator".to_owned().try_into().unwrap(),
                reason: why.clone(),
            },
            RolloutCommand::Approve {
                stage: "b".parse().unwrap(),
                plan: None,
            },
            RolloutCommand::Retreat { reason: why },
        ]
    };
    for (command, ending) in [(rollback(), Ending::RolledBack), (abort(), Ending::Aborted)] {
        let mut world = world(&format!("{TWO_STAGES}\nrule r > 1 retreat"));
        for node in world.nodes.values_mut() {
            node.follows = false;
        }
        world.command(command, "bob", Role::Operator).unwrap();
        for again in [rollback(), abort()] {
            world.command(again, "bob", Role::Operator).unwrap();
        }
        assert!(
            matches!(world.rollout.phase, Phase::RollingBack { ending: planned, .. } if planned == ending)
        );
        for other in others() {
            assert!(world.command(other, "carol", Role::Approver).is_err());
        }
        world.nodes.clear();
        run(&mut world, 10);
        for late in others().into_iter().chain([rollback(), abort()]) {
            let refusal = world
                .command(late, "carol", Role::Approver)
                .unwrap_err()
                .to_string();
            assert!(refusal.contains(&format!("checkout.1 was {ending}")), "{refusal}");
        }
    }
}

#[test]
fn f23_an_approval_is_for_this_plan_and_this_stage() {
    let text = "stage a 1 for 1m\nstage b 100 for 1m approval approver\nrule r > 1 window 10s\nblind 5m hold";
    let mut world = world(text);
    world
        .command(
            RolloutCommand::Approve {
                stage: "b".parse().unwrap(),
                plan: None,
            },
            "carol",
            Role::Approver,
        )
        .unwrap();
    let other = Digest::of(b"another plan");
    world.rollout.approval.as_mut().unwrap().plan_digest = other;
    run(&mut world, 120);
    assert_eq!(world.shares(), [1.0], "the approval is void");
    world
        .command(
            RolloutCommand::Approve {
                stage: "b".parse().unwrap(),
                plan: None,
            },
            "carol",
            Role::Approver,
        )
        .unwrap();
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 100.0]);
}

#[test]
fn f25_each_pause_is_cleared_on_its_own() {
    let mut world = world(&format!(
        "{TWO_STAGES}\nrule r > 1 window 10s pause\nrule q > 1 window 10s pause"
    ));
    run(&mut world, 30);
    world
        .command(
            RolloutCommand::Pause {
                reason: "lunch".to_owned(),
            },
            "bob",
            Role::Operator,
        )
        .unwrap();
    say(&mut world, "r", Answer::Value(2.0));
    say(&mut world, "q", Answer::Value(2.0));
    run(&mut world, 10);
    let standing = |world: &Simulation| {
        world
            .rollout
            .pauses
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(standing(&world), ["operator", "rule:q", "rule:r"]);
    say(&mut world, "r", Answer::Value(0.0));
    say(&mut world, "q", Answer::Value(0.0));
    run(&mut world, 600);
    assert_eq!(
        standing(&world),
        ["operator", "rule:q", "rule:r"],
        "no good number clears a failure"
    );
    for (owner, reason, left) in [
        ("operator", "", vec!["rule:q", "rule:r"]),
        ("rule:r", "fixed", vec!["rule:q"]),
        ("rule:q", "fixed", vec![]),
    ] {
        assert_eq!(world.shares(), [1.0]);
        let owner = owner.to_owned().try_into().unwrap();
        let reason = reason.to_owned();
        world
            .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
            .unwrap();
        assert_eq!(standing(&world), left);
        run(&mut world, 20);
    }
    assert_eq!(world.shares(), [1.0, 100.0]);
}
