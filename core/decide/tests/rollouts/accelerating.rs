//! Other stages for those that are still ahead.

use crate::faults::{run, say, world};
use crate::policy_text::policy;
use crate::simulation::{Answer, Simulation, person};
use tidegate_decide::rollout::Input;
use tidegate_model::access::Role;
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_simulate::fault::Fault;

const TEXT: &str = "stage a 1 for 5m\nstage b 20 for 5m approval approver\nstage c 50 for 5m\nstage d 100 for 5m\n\
                    blind 5m retreat\nrule r > 1 window 10s every 10s rollback";

fn accelerate(world: &mut Simulation, stages: &str) -> Result<(), Fault> {
    world.feed(Input::Accelerate {
        stages: policy(stages).schedule.stages,
        by: person("bob", Role::Operator),
    })
}

fn approve(world: &mut Simulation) {
    let plan = world.rollout.proposal.as_ref().unwrap().digest.clone();
    let approve = RolloutCommand::ApprovePlan { plan };
    world.command(approve, "carol", Role::Approver).unwrap();
}

#[test]
fn looser_stages_wait_for_a_word_and_stricter_ones_hold_at_once() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    let stricter =
        "stage b 20 for 5m approval approver\nstage c 50 for 10m\nstage c2 70 for 5m\nstage d 100 for 5m";
    accelerate(&mut world, stricter).unwrap();
    assert!(world.rollout.proposal.is_none());
    assert_eq!(world.rollout.start.plan.schedule.stages.len(), 5);
    accelerate(&mut world, "stage fast 60 for 1m\nstage all 100 for 1m").unwrap();
    let proposal = world.rollout.proposal.clone().unwrap();
    assert!(
        proposal
            .differences
            .iter()
            .any(|text| text == "stage c (50 %) is gone (looser)"),
        "{:?}",
        proposal.differences
    );
    assert_eq!(world.rollout.start.plan.schedule.stages.len(), 5, "not yet");
    approve(&mut world);
    let stages = &world.rollout.start.plan.schedule.stages;
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["a", "fast", "all"]);
}

#[test]
fn no_stage_is_skipped_and_none_is_left_without_evidence() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    accelerate(&mut world, "stage fast 60 for 1m\nstage all 100 for 1m").unwrap();
    approve(&mut world);
    run(&mut world, 230);
    assert_eq!(world.shares(), [1.0], "the stage in force keeps its 5m");
    run(&mut world, 30);
    assert_eq!(world.shares(), [1.0, 60.0]);
    say(&mut world, "r", Answer::Silence);
    run(&mut world, 200);
    assert_eq!(world.shares(), [1.0, 60.0], "time alone opens nothing");
    say(&mut world, "r", Answer::Value(0.0));
    run(&mut world, 200);
    assert_eq!(world.shares(), [1.0, 60.0, 100.0]);
    assert!(matches!(
        world.rollout.phase,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        }
    ));
}

#[test]
fn what_lies_behind_is_passed_over_and_what_does_not_fit_is_refused() {
    let mut world = world(TEXT);
    run(&mut world, 60);
    for (stages, why) in [
        ("stage x 1 for 1m", "no stage of that schedule lies ahead"),
        (
            "stage a 60 for 1m\nstage all 100 for 1m",
            "has had a stage called a",
        ),
        ("stage x 60 for 1m", "is not 100 %"),
    ] {
        let refused = accelerate(&mut world, stages).unwrap_err();
        assert!(refused.to_string().contains(why), "{stages}: {refused}");
    }
    accelerate(&mut world, "stage x 1 for 1s\nstage y 100 for 1s").unwrap();
    approve(&mut world);
    let stages = &world.rollout.start.plan.schedule.stages;
    let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["a", "y"]);
}
