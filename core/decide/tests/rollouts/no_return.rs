//! Points of no return: what leads back from one, and what does not.

use crate::faults::{is_rolled_back, run, say, waits_for, world};
use crate::simulation::{Answer, Simulation, labelled};
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Role;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::rollout::{PauseOwner, Phase, RolloutCommand};
use tidegate_model::verdict::UnknownReason;
use tidegate_simulate::fault::Fault;

/// Three stages, the second of which is a point of no return, and a rule that does `action`.
fn text(action: &str) -> String {
    format!(
        "stage a 1 for 1m\nstage b 20 for 1m no-return\nstage c 50 for 1m\nstage d 100 for 1h\n\
         blind 1m rollback\nalert do rollback\nrule r > 1 window 10s every 10s {action}"
    )
}

pub(crate) fn in_stage(action: &str, share: f64) -> Simulation {
    let mut world = world(&text(action));
    while world.rollout.share.percent() < share {
        run(&mut world, 5);
    }
    run(&mut world, 5);
    assert_eq!(world.rollout.share.percent(), share);
    world
}

fn rollback(reason: &str, past_no_return: bool) -> RolloutCommand {
    RolloutCommand::Rollback {
        reason: reason.to_owned(),
        past_no_return,
    }
}

fn last(world: &Simulation) -> &Decision {
    let decided = world.taken.iter().rev().find(|taken| !taken.holds());
    &decided.unwrap().step.because.decision
}

#[test]
fn before_it_takes_effect_everything_leads_back() {
    let mut world = in_stage("rollback", 1.0);
    run(&mut world, 50);
    for node in world.nodes.values_mut() {
        node.follows = false;
    }
    run(&mut world, 60);
    assert_eq!(
        world.rollout.share.percent(),
        20.0,
        "opened, and confirmed by nobody"
    );
    assert_eq!(world.rollout.no_return, None);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert!(matches!(world.rollout.phase, Phase::RollingBack { .. }));
}

#[test]
fn past_it_a_breach_pauses_and_wakes_a_person_once() {
    for action in ["rollback", "retreat"] {
        let mut world = in_stage(action, 20.0);
        assert_eq!(world.rollout.no_return, Some(1));
        say(&mut world, "r", Answer::Value(2.0));
        run(&mut world, 300);
        assert_eq!(world.shares(), [1.0, 20.0], "{action}");
        assert_eq!(world.alerts().len(), 1, "{action}: {:?}", world.alerts());
        assert!(
            world.alerts()[0].contains("b is a point of no return"),
            "{:?}",
            world.alerts()
        );
        let owner = PauseOwner::try_from("rule:r".to_owned()).unwrap();
        assert!(world.rollout.pauses.contains_key(&owner));
        // Good numbers clear nothing, and a person who resumes is heard; a new breach pauses again.
        say(&mut world, "r", Answer::Value(0.0));
        run(&mut world, 60);
        assert_eq!(world.shares(), [1.0, 20.0], "{action}");
        let reason = "mended forward".to_owned();
        world
            .command(
                RolloutCommand::Resume {
                    owner: owner.clone(),
                    reason,
                },
                "bob",
                Role::Operator,
            )
            .unwrap();
        say(&mut world, "r", Answer::Value(2.0));
        run(&mut world, 10);
        assert!(world.rollout.pauses.contains_key(&owner), "{action}");
        assert_eq!(world.alerts().len(), 2, "{action}");
    }
}

#[test]
fn past_it_a_breach_leads_back_as_far_as_the_point() {
    for action in ["rollback", "retreat"] {
        let mut world = in_stage(action, 50.0);
        say(&mut world, "r", Answer::Value(2.0));
        run(&mut world, 300);
        assert_eq!(world.shares(), [1.0, 20.0, 50.0, 20.0], "{action}");
        assert!(!world.rollout.pauses.is_empty(), "{action}");
        assert_eq!(
            world.rollout.no_return,
            Some(1),
            "it does not come back by retreating"
        );
    }
}

#[test]
fn past_it_alerts_and_blindness_lead_no_further() {
    let mut world = in_stage("rollback", 20.0);
    world.fires("a1", labelled("tidegate_flag=checkout")).unwrap();
    assert_eq!(
        last(&world),
        &Decision::Paused {
            share: world.rollout.share
        }
    );
    world.over("a1").unwrap();
    assert_eq!(
        world.rollout.pauses.len(),
        1,
        "it called for more than a pause: a person resumes it"
    );

    let mut world = in_stage("rollback", 20.0);
    say(&mut world, "r", Answer::Unknown(UnknownReason::Timeout));
    run(&mut world, 600);
    assert_eq!(world.shares(), [1.0, 20.0]);
    assert!(world.rollout.pauses.contains_key(&PauseOwner::Blind));
    assert_eq!(world.alerts().len(), 1, "{:?}", world.alerts());

    let mut world = in_stage("rollback", 50.0);
    say(&mut world, "r", Answer::Unknown(UnknownReason::Timeout));
    run(&mut world, 90);
    assert_eq!(world.shares(), [1.0, 20.0, 50.0, 20.0]);
}

#[test]
fn past_it_a_person_goes_back_by_an_explicit_word_with_a_reason() {
    let mut world = in_stage("rollback", 20.0);
    let refused = world
        .command(rollback("", false), "bob", Role::Operator)
        .unwrap_err();
    assert!(
        matches!(&refused, Fault::Refused(Refusal::Conflict { why, fix })
            if why.contains("point of no return") && fix.contains("--past-no-return")),
        "{refused}"
    );
    let reason = "why".to_owned();
    let refused = world
        .command(RolloutCommand::Retreat { reason }, "bob", Role::Operator)
        .unwrap_err();
    assert!(
        matches!(&refused, Fault::Refused(Refusal::Conflict { why, .. }) if why.contains("point of no return"))
    );
    let refused = world
        .command(rollback(" ", true), "bob", Role::Operator)
        .unwrap_err();
    assert!(
        matches!(refused, Fault::Refused(Refusal::Invalid(_))),
        "{refused}"
    );
    assert_eq!(world.shares(), [1.0, 20.0]);
    let why = "orders are lost; the new rows are migrated back by hand";
    world.command(rollback(why, true), "bob", Role::Operator).unwrap();
    run(&mut world, 10);
    assert!(is_rolled_back(&world));

    let mut world = in_stage("rollback", 20.0);
    let abort = |past_no_return| RolloutCommand::Abort {
        reason: "not wanted".to_owned(),
        past_no_return,
    };
    assert!(world.command(abort(false), "bob", Role::Operator).is_err());
    world.command(abort(true), "bob", Role::Operator).unwrap();
    // Where there is none, the word changes nothing.
    let mut world = in_stage("rollback", 1.0);
    world.command(rollback("", false), "bob", Role::Operator).unwrap();
    run(&mut world, 10);
    assert!(is_rolled_back(&world));
}

#[test]
fn a_person_retreats_as_far_as_the_point() {
    let mut world = in_stage("rollback", 50.0);
    let reason = "slow".to_owned();
    world
        .command(RolloutCommand::Retreat { reason }, "bob", Role::Operator)
        .unwrap();
    assert_eq!(world.shares(), [1.0, 20.0, 50.0, 20.0]);
}

#[test]
fn a_restart_remembers_the_point() {
    let mut world = in_stage("rollback", 50.0);
    world.restart().unwrap();
    assert_eq!(world.rollout.no_return, Some(1));
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 60);
    assert_eq!(world.rollout.share.percent(), 20.0);
    assert!(!waits_for(&world, |reason| matches!(reason, Reason::Finished)));
}
