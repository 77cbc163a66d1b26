//! The policies that come with Tidegate, from their files to the end of a rollout.

use crate::simulation::{Answer, Simulation, monday};
use tidegate_model::access::Role;
use tidegate_model::policy::{Action, Comparison, Policy, Rule, read};
use tidegate_model::rollout::{Ending, Phase, RolloutCommand};
use tidegate_model::span::Span;

/// Long stages cut to half an hour, for nothing new happens in the rest.
fn shipped() -> Vec<Policy> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let read = yaml.map(|path| read::read(&std::fs::read_to_string(path).unwrap()).0.unwrap());
    let mut policies: Vec<Policy> = read.collect();
    assert!(policies.len() >= 5, "the policies are gone");
    for stage in policies.iter_mut().flat_map(|policy| &mut policy.schedule.stages) {
        stage.duration = stage.duration.min(Span::seconds(1800));
    }
    policies
}

/// A Monday morning: working hours, if a policy asks for them.
fn start(policy: &Policy) -> Simulation {
    Simulation::start(policy, Span::seconds(10 * 3600).after(monday())).unwrap()
}

fn answer(world: &mut Simulation, value: impl Fn(&Rule) -> f64) {
    for rule in world.rollout.start.plan.safety.rules.clone() {
        let samples = rule.minimum.as_ref().map_or(1.0, |minimum| minimum.at_least);
        world
            .answers
            .insert(rule.name.clone(), Answer::Sampled(value(&rule), samples));
    }
}

fn good(rule: &Rule) -> f64 {
    match rule.comparison {
        Comparison::GreaterThan | Comparison::LessThan => rule.clear,
        Comparison::Equals => rule.threshold + 1.0,
    }
}

fn bad(rule: &Rule) -> f64 {
    match rule.comparison {
        Comparison::GreaterThan => rule.threshold + 1.0,
        Comparison::LessThan => rule.threshold - 1.0,
        Comparison::Equals => rule.threshold,
    }
}

#[test]
fn every_policy_opens_to_everybody_while_the_numbers_are_good() {
    for policy in shipped() {
        let mut world = start(&policy);
        answer(&mut world, good);
        for _ in 0..7 * 24 {
            world.run(Span::seconds(3600)).unwrap();
            let next = world.rollout.next_stage().and_then(|next| policy.stage(next));
            if let Some(asks) = next.filter(|next| next.wait_for_approval.is_some()) {
                let stage = asks.name.clone();
                let _already = world.command(
                    RolloutCommand::Approve { stage, plan: None },
                    "carol",
                    Role::Approver,
                );
            }
            if world.rollout.has_ended() {
                break;
            }
        }
        let last = &world.taken.last().unwrap().step.because;
        assert!(
            matches!(
                world.rollout.phase,
                Phase::Ended {
                    ending: Ending::Completed,
                    ..
                }
            ),
            "{}: {last}",
            policy.name
        );
        assert_eq!(
            world.alerts(),
            [""; 0],
            "{} woke somebody for nothing",
            policy.name
        );
        assert_eq!(world.replay().unwrap(), world.rollout);
    }
}

#[test]
fn every_policy_shuts_when_all_numbers_turn_bad() {
    for policy in shipped() {
        let strongest = policy.safety.rules.iter().map(|rule| rule.action).max();
        assert_eq!(
            strongest,
            Some(Action::Rollback),
            "{} never rolls back",
            policy.name
        );
        let mut world = start(&policy);
        answer(&mut world, good);
        world.run(Span::seconds(600)).unwrap();
        answer(&mut world, bad);
        let patience = policy
            .safety
            .rules
            .iter()
            .map(|rule| rule.interval.times(rule.trip.of))
            .max();
        world.run(patience.unwrap()).unwrap();
        assert_eq!(world.rollout.share.parts(), 0, "{}", policy.name);
        assert_eq!(world.alerts().len(), 1, "{}: {:?}", policy.name, world.alerts());
    }
}
