//! Another plan for a rollout that runs: what tightens holds at once, what loosens waits for somebody.

use crate::faults::{is_rolled_back, run, say, waits_for, world};
use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, pass, person};
use tidegate_decide::amendment::differences;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Input;
use tidegate_model::access::Role;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_model::snapshot::Digest;
use tidegate_simulate::fault::Fault;

const TEXT: &str = "stage a 1 for 5m\nstage b 20 for 5m approval approver\nstage c 50 for 5m\nstage d 100 for 5m\n\
                    blind 5m retreat\nrule r > 2 clear 1 window 10s every 10s trip 2/3 rollback\n\
                    rule q > 1 window 10s every 10s pause";

fn amend(world: &mut Simulation, text: &str, by: &str) -> Result<(), Fault> {
    world.feed(Input::Amend {
        policy: Box::new(policy(text)),
        editor: Some(person("erin", Role::Editor)),
        by: person(by, Role::Operator),
    })
}

fn last(world: &Simulation) -> &'static str {
    let decided = world.taken.iter().rev().find(|taken| !taken.holds());
    decided.unwrap().step.because.decision.name()
}

fn approve_plan(world: &mut Simulation, name: &str, role: Role) -> Result<(), Fault> {
    let plan = world
        .rollout
        .proposal
        .as_ref()
        .map(|proposal| proposal.digest.clone());
    let plan = plan.unwrap_or_else(|| Digest::of(b"none"));
    world.command(RolloutCommand::ApprovePlan { plan }, name, role)
}

/// A change of a line of the text above, and whether it loosens anything; `None`: it changes nothing.
const CHANGES: &[(&str, &str, Option<bool>)] = &[
    ("> 2 clear 1", "> 1.5 clear 1", Some(false)),
    ("> 2 clear 1", "> 2 clear 0.5", Some(false)),
    ("> 2 clear 1", "> 3 clear 1", Some(true)),
    ("> 2 clear 1", "> 2 clear 1.5", Some(true)),
    ("rule r > 2 clear 1", "rule r < 2 clear 1", Some(true)),
    ("every 10s trip", "every 5s trip", Some(false)),
    ("every 10s trip", "every 20s trip", Some(true)),
    ("trip 2/3", "trip 1/3", Some(false)),
    ("trip 2/3", "trip 2/5", Some(false)),
    ("trip 2/3", "trip 3/3", Some(true)),
    (
        "window 10s every 10s pause",
        "window 20s every 10s pause",
        Some(true),
    ),
    ("every 10s pause", "every 10s retreat", Some(false)),
    ("every 10s pause", "every 10s alert", Some(true)),
    ("every 10s pause", "every 10s dry pause", Some(true)),
    (
        "every 10s pause",
        "every 10s pause no_series=breached",
        Some(false),
    ),
    ("every 10s pause", "every 10s pause no_series=healthy", Some(true)),
    ("every 10s pause", "every 10s pause no_series=zero", Some(true)),
    ("every 10s pause", "every 10s pause minimum 5", Some(true)),
    ("\nrule q > 1 window 10s every 10s pause", "", Some(true)),
    ("blind 5m", "rule s > 1 alert\nblind 5m", Some(false)),
    ("blind 5m retreat", "blind 2m retreat", Some(false)),
    ("blind 5m retreat", "blind 6m retreat", Some(true)),
    ("blind 5m retreat", "blind 5m rollback", Some(false)),
    ("blind 5m retreat", "blind 5m hold", Some(true)),
    ("c 50 for 5m", "c 50 for 10m", Some(false)),
    ("c 50 for 5m", "c 50 for 1m", Some(true)),
    ("stage c 50 for 5m\n", "", Some(true)),
    ("stage c", "stage b2 30 for 1m\nstage c", Some(false)),
    ("stage c 50", "stage c 60", Some(true)),
    ("c 50 for 5m", "c 50 for 5m wave staff 100", Some(true)),
    (
        "stage c",
        "stage b2 30 for 1m wave staff 100\nstage c",
        Some(true),
    ),
    ("approval approver", "", Some(true)),
    ("approval approver", "approval approver expires 1h", Some(false)),
    ("approval approver", "approval admin", Some(true)),
    ("c 50 for 5m", "c 50 for 5m approval approver", Some(false)),
    ("c 50 for 5m", "c 50 for 5m gate change 1h", Some(false)),
    ("c 50 for 5m", "c 50 for 5m healthy r 1m", Some(false)),
    ("c 50 for 5m", "c 50 for 5m no-return", Some(true)),
    ("blind 5m", "between 1m\nblind 5m", Some(false)),
    ("blind 5m", "monitor 1h\nblind 5m", Some(false)),
    ("blind 5m", "deny \"0 0 * * *\" for 1h UTC\nblind 5m", Some(false)),
    ("blind 5m", "allow \"0 0 * * *\" for 1h UTC\nblind 5m", Some(true)),
    ("blind 5m", "watchdog 1m\nblind 5m", Some(false)),
    ("blind 5m", "alert do pause\nblind 5m", Some(false)),
    ("blind 5m", "cooldown 1h\nblind 5m", Some(false)),
    ("blind 5m", "attempts 3\nblind 5m", Some(false)),
    // What is over is not compared.
    ("a 1 for 5m", "a 1 for 1m", None),
];

#[test]
fn f17_what_loosens_and_what_does_not() {
    let before = policy(TEXT);
    for (old, new, loosens) in CHANGES {
        assert!(TEXT.contains(old), "{old}");
        let after = policy(&TEXT.replacen(old, new, 1));
        // In the second stage; the approval that it has had is compared all the same.
        let found = differences(&before, &after, 1);
        let worst = found.iter().map(|difference| difference.loosens).max();
        assert_eq!(worst, *loosens, "{old} -> {new}: {found:?}");
        // The way back is never as tight: whatever tightens loosens when it is undone.
        if *loosens == Some(false) {
            let undone = differences(&after, &before, 1);
            assert!(
                undone.iter().any(|difference| difference.loosens),
                "{new} -> {old}: {undone:?}"
            );
        }
    }
    assert_eq!(differences(&before, &before, 0), []);
}

#[test]
fn f17_what_tightens_holds_at_once_and_its_evidence_starts_empty() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    say(&mut world, "r", Answer::Value(3.0));
    run(&mut world, 10);
    assert_eq!(world.rollout.rules["r"].bad(), 1);
    let plan = world.rollout.start.plan_digest.clone();
    amend(&mut world, &TEXT.replace("> 2 clear 1", "> 1.5 clear 1"), "bob").unwrap();
    assert_eq!(last(&world), "plan_changed");
    assert_ne!(world.rollout.start.plan_digest, plan);
    assert!(
        !world.rollout.rules.contains_key("r"),
        "what was seen was judged by the old rule"
    );
    assert!(
        world.rollout.rules.contains_key("q"),
        "the other is the same rule as before"
    );
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0], "one bad look of two");
    say(&mut world, "r", Answer::Value(1.7));
    run(&mut world, 10);
    assert!(is_rolled_back(&world), "by the new threshold");
}

#[test]
fn f17_what_loosens_waits_for_somebody_else() {
    let looser = TEXT.replace("> 2 clear 1", "> 3 clear 1");
    let mut world = world(TEXT);
    run(&mut world, 60);
    let plan = world.rollout.start.plan_digest.clone();
    amend(&mut world, &looser, "bob").unwrap();
    assert_eq!(
        (last(&world), &world.rollout.start.plan_digest),
        ("plan_proposed", &plan)
    );
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::PlanWaits { .. }
    )));
    for (name, role) in [
        ("alice", Role::Approver),
        ("bob", Role::Admin),
        ("erin", Role::Approver),
        ("carol", Role::Operator),
    ] {
        let refused = approve_plan(&mut world, name, role).unwrap_err();
        assert!(
            matches!(refused, Fault::Refused(Refusal::Forbidden { .. })),
            "{name} as {role}: {refused}"
        );
    }
    let other = RolloutCommand::ApprovePlan { plan: plan.clone() };
    let refused = world.command(other, "carol", Role::Approver).unwrap_err();
    assert!(
        matches!(refused, Fault::Refused(Refusal::Conflict { .. })),
        "{refused}"
    );
    // Until then the old plan holds, and safety goes on.
    assert_eq!(world.rollout.start.plan_digest, plan);
    approve_plan(&mut world, "carol", Role::Approver).unwrap();
    assert_eq!((last(&world), &world.rollout.proposal), ("plan_changed", &None));
    assert_ne!(world.rollout.start.plan_digest, plan);
    say(&mut world, "r", Answer::Value(2.5));
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0], "not bad any more, and not healthy either");
    assert!(approve_plan(&mut world, "carol", Role::Approver).is_err(), "once");
    // Both hands of it may not approve a stage of it.
    for name in ["alice", "bob", "erin"] {
        let (stage, plan) = ("b".parse().unwrap(), None);
        let approve = RolloutCommand::Approve { stage, plan };
        assert!(world.command(approve, name, Role::Approver).is_err(), "{name}");
    }
}

#[test]
fn a_breach_rolls_back_while_another_plan_is_proposed() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    amend(&mut world, &TEXT.replace("> 2 clear 1", "> 30 clear 1"), "bob").unwrap();
    say(&mut world, "r", Answer::Value(3.0));
    run(&mut world, 20);
    assert!(is_rolled_back(&world));
    assert!(approve_plan(&mut world, "carol", Role::Approver).is_err());
    assert!(amend(&mut world, TEXT, "bob").is_err());
}

#[test]
fn accelerating_needs_a_word_and_keeps_what_was_reached() {
    let faster = "stage a 1 for 5m\nstage b 20 for 1m\nstage d 100 for 1m\nblind 5m retreat\n\
                  rule r > 2 clear 1 window 10s every 10s trip 2/3 rollback\nrule q > 1 window 10s every 10s pause";
    let mut world = world(TEXT);
    run(&mut world, 60);
    amend(&mut world, faster, "bob").unwrap();
    assert_eq!(last(&world), "plan_proposed");
    let proposal = world.rollout.proposal.clone().unwrap();
    for said in [
        "stage c (50 %) is gone (looser)",
        "stage b: lasts 5m -> 1m (looser)",
        "stage b: another approval (looser)",
    ] {
        assert!(
            proposal.differences.iter().any(|text| text == said),
            "{said}: {:?}",
            proposal.differences
        );
    }
    approve_plan(&mut world, "carol", Role::Approver).unwrap();
    run(&mut world, 500);
    assert_eq!(world.shares(), [1.0, 20.0, 100.0]);
    assert!(matches!(
        world.rollout.phase,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        }
    ));
}

#[test]
fn a_plan_that_changes_the_past_is_refused() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    for text in [
        TEXT.replace("stage a 1 for", "stage a 2 for"),
        TEXT.replace("stage a 1 for", "stage first 1 for"),
        TEXT.replace("stage d 100", "stage d 90"),
    ] {
        let refused = amend(&mut world, &text, "bob").unwrap_err();
        assert!(
            matches!(refused, Fault::Refused(Refusal::Conflict { .. })),
            "{text}: {refused}"
        );
    }
    // A plan that did fit does not any more once its stage was entered.
    let faster = TEXT.replace("stage b 20 for 5m approval approver", "stage b 30 for 5m");
    amend(&mut world, &faster, "bob").unwrap();
    let (stage, plan) = ("b".parse().unwrap(), None);
    let approve = RolloutCommand::Approve { stage, plan };
    world.command(approve, "carol", Role::Approver).unwrap();
    run(&mut world, 300);
    assert_eq!(world.shares(), [1.0, 20.0]);
    let refused = approve_plan(&mut world, "carol", Role::Approver).unwrap_err();
    assert!(refused.to_string().contains("b (20 %)"), "{refused}");
}

#[test]
fn f23_another_plan_voids_the_word_for_a_stage() {
    let mut world = world(TEXT);
    let (stage, plan) = ("b".parse().unwrap(), None);
    let approve = RolloutCommand::Approve { stage, plan };
    world.command(approve, "carol", Role::Approver).unwrap();
    amend(&mut world, &TEXT.replace("blind 5m", "blind 2m"), "bob").unwrap();
    run(&mut world, 600);
    assert_eq!(world.shares(), [1.0]);
    assert!(waits_for(&world, |reason| matches!(
        reason,
        Reason::ApprovalVoid { .. }
    )));
}

#[test]
fn a_proposal_is_withdrawn_or_replaced_and_survives_a_restart() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    let looser = |threshold: u32| TEXT.replace("> 2 clear 1", &format!("> {threshold} clear 1"));
    amend(&mut world, &looser(3), "bob").unwrap();
    let first = world.rollout.proposal.clone().unwrap();
    amend(&mut world, &looser(4), "bob").unwrap();
    world.restart().unwrap();
    assert_ne!(world.rollout.proposal.as_ref().unwrap().digest, first.digest);
    let old = RolloutCommand::ApprovePlan { plan: first.digest };
    assert!(world.command(old, "carol", Role::Approver).is_err());
    world
        .command(RolloutCommand::WithdrawPlan, "bob", Role::Operator)
        .unwrap();
    assert_eq!(
        (world.rollout.proposal.is_none(), last(&world)),
        (true, "plan_withdrawn")
    );
    // The plan that it follows is no other plan: what was proposed is not wanted any more.
    amend(&mut world, &looser(3), "bob").unwrap();
    amend(&mut world, TEXT, "bob").unwrap();
    assert!(world.rollout.proposal.is_none());
    amend(&mut world, TEXT, "bob").unwrap();
    assert!(matches!(
        world.taken.last().unwrap().step.because.decision,
        Decision::Holds { .. }
    ));
}

#[test]
fn f24_an_answer_to_the_plan_before_is_no_answer_to_this_one() {
    let text = "stage a 1 for 1m\nstage b 50 for 1m gate change 1h\nstage c 100 for 1m\nblind 5m hold\n\
                rule r > 1 window 10s every 10s rollback";
    let mut world = world(text);
    run(&mut world, 70);
    let old = world.questions.last().unwrap().clone();
    amend(&mut world, &text.replace("blind 5m", "blind 2m"), "bob").unwrap();
    run(&mut world, 40);
    let new = world.questions.last().unwrap().clone();
    assert_ne!(old.id(&world.rollout), new.id(&world.rollout));
    let late = world.answered(&old, &pass());
    world.feed(late).unwrap();
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0]);
    let now = world.answered(&new, &pass());
    world.feed(now).unwrap();
    run(&mut world, 10);
    assert_eq!(world.shares(), [1.0, 50.0]);
}
