//! Whose word opens a stage, for how long, and of which plan.

use crate::faults::{run, say, waits_for, world};
use crate::simulation::{Answer, Simulation, person};
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::{Author, Role};
use tidegate_model::because::Reason;
use tidegate_model::rollout::RolloutCommand;
use tidegate_model::snapshot::Digest;
use tidegate_simulate::fault::Fault;

const TEXT: &str = "stage a 1 for 1m\nstage b 50 for 1m approval approver expires 10m\nstage c 100 for 1h\n\
                    rule r > 1 window 10s every 10s retreat\nblind 5m hold";

fn approve(world: &mut Simulation, name: &str, role: Role, plan: Option<Digest>) -> Result<(), Fault> {
    let stage = "b".parse().unwrap();
    world.command(RolloutCommand::Approve { stage, plan }, name, role)
}

#[test]
fn f23_a_word_is_for_the_plan_that_was_read() {
    let mut world = world(TEXT);
    let other = Some(Digest::of(b"another plan"));
    let refused = approve(&mut world, "carol", Role::Approver, other).unwrap_err();
    assert!(
        matches!(refused, Fault::Refused(Refusal::Conflict { .. })),
        "{refused}"
    );
    assert!(world.rollout.approval.is_none());
    run(&mut world, 300);
    assert_eq!(world.shares(), [1.0]);
    let this = Some(world.rollout.start.plan_digest.clone());
    approve(&mut world, "carol", Role::Approver, this).unwrap();
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 50.0]);
}

#[test]
fn f23_a_word_for_another_plan_is_void_and_asked_for_again() {
    let mut world = world(TEXT);
    approve(&mut world, "carol", Role::Approver, None).unwrap();
    world.rollout.start.plan_digest = Digest::of(b"the plan changed");
    run(&mut world, 300);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::ApprovalVoid { .. }
    )));
    approve(&mut world, "carol", Role::Approver, None).unwrap();
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 50.0]);
}

#[test]
fn f23_a_word_is_spent_once_its_stage_was_entered() {
    let mut world = world(TEXT);
    approve(&mut world, "carol", Role::Approver, None).unwrap();
    run(&mut world, 70);
    assert_eq!(world.shares(), [1.0, 50.0]);
    say(&mut world, "r", Answer::Value(2.0));
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 50.0, 1.0]);
    say(&mut world, "r", Answer::Value(0.0));
    let owner = "rule:r".to_owned().try_into().unwrap();
    let reason = "mended".to_owned();
    world
        .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut world, 300);
    assert_eq!(
        world.shares(),
        [1.0, 50.0, 1.0],
        "the word was for the first time"
    );
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::ApprovalMissing { .. }
    )));
}

#[test]
fn f23_a_word_expires() {
    let mut world = world(TEXT);
    run(&mut world, 30);
    approve(&mut world, "carol", Role::Approver, None).unwrap();
    let reason = "lunch".to_owned();
    world
        .command(RolloutCommand::Pause { reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut world, 601);
    let owner = "operator".to_owned().try_into().unwrap();
    let reason = String::new();
    world
        .command(RolloutCommand::Resume { owner, reason }, "bob", Role::Operator)
        .unwrap();
    run(&mut world, 300);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::ApprovalExpired { .. }
    )));
}

#[test]
fn x6_nobody_approves_their_own_work() {
    let mut world = world(TEXT);
    world.rollout.start.editor = Some(person("erin", Role::Editor));
    // A token of the same name is the same person, whatever its role is by now.
    for (name, role) in [
        ("alice", Role::Operator),
        ("alice", Role::Approver),
        ("alice", Role::Admin),
        ("erin", Role::Editor),
        ("erin", Role::Approver),
    ] {
        let refused = approve(&mut world, name, role, None).unwrap_err();
        assert!(
            matches!(refused, Fault::Refused(Refusal::Forbidden { .. })),
            "{name} as {role}: {refused}"
        );
    }
    // The policy asks for approvers only.
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Approver) {
        let refused = approve(&mut world, "carol", role, None).unwrap_err();
        assert!(
            matches!(refused, Fault::Refused(Refusal::Forbidden { .. })),
            "{role}: {refused}"
        );
    }
    assert!(world.rollout.approval.is_none());
    approve(&mut world, "carol", Role::Approver, None).unwrap();
    // What comes out of a file of the policy folder was written by nobody who has a token.
    world.rollout.start.editor = Some(Author::PolicyFile {
        file: "rings.yaml".to_owned(),
    });
    approve(&mut world, "dave", Role::Approver, None).unwrap();
}
