//! What tells two states of a rollout apart: everything that a step reads, with times as ages.

use super::scaled::TICK;
use crate::answer::Script;
use crate::simulation::Simulation;
use std::fmt::Write as _;
use tidegate_model::Timestamp;
use tidegate_model::key::RuleName;
use tidegate_model::rollout::{Phase, Rollout};
use tidegate_model::span::Span;

/// Older than this is as old as this: no time in a scaled policy is longer, nor are two that follow each
/// other.
const OLD: Span = Span::seconds(30);

/// What tells this state from others.
pub(super) fn key(world: &Simulation<Script>) -> String {
    let rollout = &world.rollout;
    let age = |at: Timestamp| Span::between(at, world.now).min(OLD).duration().as_secs();
    let mut key = String::new();
    let _ = match rollout.phase {
        Phase::Running { stage, effective, .. } => write!(key, "r{stage},{:?};", effective.map(age)),
        Phase::RollingBack { ending, .. } => write!(key, "b{ending};"),
        // Nothing follows.
        Phase::Ended { ending, .. } => return format!("e{ending}"),
    };
    for owner in rollout.pauses.keys() {
        let _ = write!(key, "{owner},");
    }
    if let Some(approval) = &rollout.approval {
        let _ = write!(key, "a{},{};", approval.stage, age(approval.at));
    }
    let _ = write!(
        key,
        "{:?},{},{:?},{:?};",
        rollout.proven_stage,
        rollout.retreated,
        rollout.monitoring.map(age),
        rollout.no_return
    );
    for rule in &rollout.start.plan.safety.rules {
        if let Some(memory) = rollout.rules.get(&rule.name) {
            // The age of the newest look that is journalled says when the next one has to be, if a streak
            // must be without a break.
            let beats = asked_for(rollout, &rule.name).then(|| age(memory.last.at));
            let _ = write!(
                key,
                "m{:?},{},{},{beats:?},{:?},{};",
                memory.looks,
                age(memory.since),
                memory.last.verdict,
                memory.recovered.map(age),
                memory.alerted
            );
        }
        if let Some(look) = world.observed.looks.get(&rule.name) {
            let _ = write!(key, "l{},{};", look.verdict, age(look.at));
        }
        // A look is due a tick after the newest.
        let asked = world.observed.asked.get(&rule.name);
        let _ = write!(key, "q{:?};", asked.map(|asked| TICK.after(*asked) <= world.now));
    }
    for (target, gate) in &rollout.gates {
        let answer = gate
            .answer
            .as_ref()
            .map(|answer| (answer.verdict, age(answer.at)));
        let _ = write!(key, "g{target},{},{answer:?},{};", age(gate.asked), gate.overdue);
    }
    for (target, asked) in &world.observed.asked_gates {
        let again = Span::between(world.now, asked.next).duration().as_secs();
        let current = rollout.next_stage() == Some(asked.question.stage)
            && matches!(rollout.phase, Phase::Running { since, .. } if since == asked.question.entered);
        let _ = write!(key, "w{target},{again},{current};");
    }
    // How long nothing was heard counts from here for a rule of which nothing was heard yet.
    let rules = &rollout.start.plan.safety.rules;
    if rules
        .iter()
        .any(|rule| !world.observed.looks.contains_key(&rule.name))
    {
        let _ = write!(key, "s{:?}", world.observed.since.map(age));
    }
    key
}

/// Whether any stage asks for the rule's health without a break.
fn asked_for(rollout: &Rollout, rule: &RuleName) -> bool {
    let stages = rollout.start.plan.schedule.stages.iter();
    let mut criteria = stages.flat_map(|stage| &stage.success_criteria);
    criteria.any(|criterion| criterion.rule == *rule)
}
