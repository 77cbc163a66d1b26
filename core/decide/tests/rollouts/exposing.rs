//! Budgets of exposure: how many users, and how much of their time, before a person says more.

use crate::faults::{is_rolled_back, run, world};
use crate::simulation::Simulation;
use tidegate_model::access::Role;
use tidegate_model::rollout::{PauseOwner, RolloutCommand};

/// A thousand users: a stage of 20 % is 200 user-minutes a minute.
const TEXT: &str = "stage a 1 for 10m\nstage b 20 for 10m\nstage c 100 for 10m\nblind 5m hold\n\
                    rule r > 1 window 10s every 10s rollback";

fn minutes(world: &Simulation) -> u64 {
    let exposure = world.rollout.start.plan.exposure.as_ref().unwrap();
    world.rollout.user_minutes(exposure, world.now)
}

fn is_paused(world: &Simulation) -> bool {
    world.rollout.pauses.contains_key(&PauseOwner::Exposure)
}

fn resume(world: &mut Simulation, reason: &str) -> bool {
    let resume = RolloutCommand::Resume {
        owner: PauseOwner::Exposure,
        reason: reason.to_owned(),
    };
    world.command(resume, "bob", Role::Operator).is_ok()
}

#[test]
fn minutes_add_up_by_the_share_and_survive_a_restart() {
    let mut world = world(&format!("{TEXT}\nexposure 1000 minutes 100000"));
    run(&mut world, 600);
    assert_eq!(minutes(&world), 100, "10 minutes of 10 users");
    assert_eq!(world.shares(), [1.0, 20.0]);
    run(&mut world, 300);
    assert_eq!(minutes(&world), 100 + 5 * 200);
    world.restart().unwrap();
    assert_eq!(minutes(&world), 1100);
    run(&mut world, 1200);
    let all = minutes(&world);
    assert_eq!(all, 100 + 2000 + 10_000);
    run(&mut world, 600);
    assert_eq!(minutes(&world), all, "it has completed");
}

#[test]
fn spent_minutes_pause_until_a_person_says_more() {
    let mut world = world(&format!("{TEXT}\nexposure 1000 minutes 500"));
    run(&mut world, 600 + 110);
    assert!(!is_paused(&world), "{}", minutes(&world));
    run(&mut world, 30);
    assert!(is_paused(&world));
    let told = world.rollout.pauses[&PauseOwner::Exposure].reason.clone();
    assert!(told.contains("user-minutes of at most 500 are spent"), "{told}");
    run(&mut world, 3600);
    assert_eq!(world.shares(), [1.0, 20.0]);
    assert_eq!(world.alerts().len(), 1);
    assert!(!resume(&mut world, ""));
    assert!(resume(&mut world, "three thousand more are fine"));
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0, 20.0, 100.0], "told once");
}

#[test]
fn spent_minutes_lead_back_where_the_policy_says_so() {
    let mut retreats = world(&format!("{TEXT}\nexposure 1000 minutes 500 retreat"));
    run(&mut retreats, 800);
    assert_eq!(retreats.shares(), [1.0, 20.0, 1.0]);
    assert!(is_paused(&retreats));
    let mut goes_back = world(&format!("{TEXT}\nexposure 1000 minutes 500 rollback"));
    run(&mut goes_back, 800);
    assert!(is_rolled_back(&goes_back));
    assert!(goes_back.rollout.cause[0].to_string().contains("are spent"));
}

#[test]
fn a_stage_that_would_reach_too_many_units_waits_for_a_person() {
    let mut world = world(&format!("{TEXT}\nexposure 1000 units 200"));
    run(&mut world, 590);
    assert!(!is_paused(&world), "200 are allowed");
    run(&mut world, 30);
    assert!(is_paused(&world));
    let told = world.rollout.pauses[&PauseOwner::Exposure].reason.clone();
    assert_eq!(told, "c would reach 1000 units of at most 200");
    run(&mut world, 3600);
    assert_eq!(world.shares(), [1.0, 20.0]);
    assert!(resume(&mut world, "everybody is meant"));
    run(&mut world, 60);
    assert_eq!(world.shares(), [1.0, 20.0, 100.0]);
}
