//! A policy whose times are a few looks long, and every way in which its rules can answer.

use crate::answer::{Answer, sampled};
use crate::gates::gates_of;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::gate::GateVerdict;
use tidegate_model::key::{RuleName, TargetName};
use tidegate_model::policy::{Comparison, Policy, Rule, Source, Trip, UnknownMeans};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason;

/// The time between two looks.
pub(super) const TICK: Span = Span::seconds(10);
/// The first look at a stage still reaches back before it, and the second does not.
const WINDOW: Span = Span::seconds(15);
/// What is longer than a window: durations, the blind budget, the life of an approval or of a gate's pass,
/// and its deadline.
const LONG: Span = Span::seconds(20);
/// Most looks that are remembered of a rule.
const REMEMBERED_MAX: u32 = 3;

/// A policy that is small enough to be explored.
pub(super) struct Scaled {
    pub(super) plan: Policy,
    /// Rules that were left out, each with the one that speaks for it.
    pub(super) alike: BTreeMap<RuleName, RuleName>,
}

pub(super) fn scale(policy: &Policy) -> Scaled {
    let mut plan = policy.clone();
    // Windows are opened and shut from outside; alerts are not explored.
    plan.schedule.windows.clear();
    plan.schedule.freezes.clear();
    plan.schedule.bake_must_fit = false;
    plan.alerts.clear();
    plan.watchdog = None;
    let scale = |span: &mut Span, to: Span| *span = if span.is_zero() { Span::ZERO } else { to };
    scale(&mut plan.schedule.pause_between_stages, TICK);
    scale(&mut plan.schedule.monitor_after, LONG);
    for stage in &mut plan.schedule.stages {
        scale(&mut stage.duration, LONG);
        for criterion in &mut stage.success_criteria {
            scale(&mut criterion.healthy_for, TICK);
        }
        if let Some(expires) = stage
            .wait_for_approval
            .as_mut()
            .and_then(|asked| asked.expires.as_mut())
        {
            scale(expires, LONG);
        }
        for gate in &mut stage.gates {
            (gate.deadline, gate.every) = (LONG, TICK);
            gate.expires = gate.expires.map(|_| LONG);
        }
    }
    plan.blind.after = LONG;
    for rule in &mut plan.safety.rules {
        (rule.window, rule.interval) = (WINDOW, TICK);
        let of = rule.trip.of.min(REMEMBERED_MAX);
        let need = match rule.trip.need {
            need if need >= rule.trip.of => of,
            need => need.min(of.saturating_sub(1)).max(1),
        };
        rule.trip = Trip { of, need };
    }
    let alike = merge(&mut plan);
    Scaled { plan, alike }
}

/// Leaves one of each kind of rules that no step tells apart.
fn merge(plan: &mut Policy) -> BTreeMap<RuleName, RuleName> {
    let named: BTreeSet<RuleName> = (plan.schedule.stages.iter())
        .flat_map(|stage| &stage.success_criteria)
        .map(|criterion| criterion.rule.clone())
        .chain(weighed(plan))
        .collect();
    let mut kept: Vec<Rule> = Vec::new();
    let mut alike = BTreeMap::new();
    for rule in std::mem::take(&mut plan.safety.rules) {
        let same = |other: &&Rule| {
            (other.action, other.trip, other.dry_run) == (rule.action, rule.trip, rule.dry_run)
                && other.unknown == rule.unknown
                && kinds(other) == kinds(&rule)
                && !named.contains(&rule.name)
                && !named.contains(&other.name)
        };
        match kept.iter().find(same) {
            Some(other) => {
                alike.insert(rule.name, other.name.clone());
            }
            None => kept.push(rule),
        }
    }
    plan.safety.rules = kept;
    alike
}

/// Scores, and the rules that they weigh.
fn weighed(plan: &Policy) -> Vec<RuleName> {
    let mut names = Vec::new();
    for rule in &plan.safety.rules {
        if let Source::Score(score) = &rule.source {
            names.push(rule.name.clone());
            names.extend(score.of.iter().map(|part| part.rule.clone()));
        }
    }
    names
}

/// What tells the answers of two rules apart.
fn kinds(rule: &Rule) -> (bool, Comparison) {
    (has_room_between(rule), rule.comparison)
}

#[expect(
    clippy::float_cmp,
    reason = "both are as they were written; by default one is a copy of the other"
)]
fn has_room_between(rule: &Rule) -> bool {
    rule.comparison != Comparison::Equals && rule.clear != rule.threshold
}

/// Every way in which all rules together can answer, and whether that is really all.
pub(super) fn answers(plan: &Policy) -> (Vec<BTreeMap<RuleName, Answer>>, bool) {
    let asked = |rule: &&Rule| !matches!(rule.source, Source::Score(_));
    let rules: Vec<(RuleName, Vec<Answer>)> = (plan.safety.rules.iter().filter(asked))
        .map(|rule| (rule.name.clone(), answers_of(rule)))
        .collect();
    together(&rules, super::ANSWERS_MAX)
}

/// Every way in which all gates together can answer, and whether that is really all.
pub(super) fn gates(plan: &Policy) -> (Vec<BTreeMap<TargetName, GateVerdict>>, bool) {
    let targets: BTreeSet<&TargetName> = gates_of(plan).collect();
    let verdicts = vec![GateVerdict::Pass, GateVerdict::Hold, GateVerdict::Fail];
    let gates: Vec<_> = targets
        .into_iter()
        .map(|target| (target.clone(), verdicts.clone()))
        .collect();
    together(&gates, super::GATES_MAX)
}

/// Every combination of what each can say; with more than `most`, only those in which one says something
/// else than its first.
fn together<K: Ord + Clone, V: Copy>(said: &[(K, Vec<V>)], most: usize) -> (Vec<BTreeMap<K, V>>, bool) {
    let counts = said.iter().map(|(_, ways)| ways.len());
    let all = counts.fold(1_usize, usize::saturating_mul);
    if all <= most {
        let mut ways = vec![BTreeMap::new()];
        for (who, words) in said {
            let with = |way: &BTreeMap<K, V>, word: &V| {
                let mut way = way.clone();
                way.insert(who.clone(), *word);
                way
            };
            let longer =
                |way: BTreeMap<K, V>| -> Vec<_> { words.iter().map(|word| with(&way, word)).collect() };
            ways = ways.into_iter().flat_map(longer).collect();
        }
        return (ways, true);
    }
    let first: BTreeMap<K, V> = (said.iter())
        .filter_map(|(who, words)| Some((who.clone(), *words.first()?)))
        .collect();
    let mut ways = vec![first.clone()];
    for (who, words) in said {
        for word in words.iter().skip(1) {
            let mut way = first.clone();
            way.insert(who.clone(), *word);
            ways.push(way);
        }
    }
    (ways, false)
}

/// What one rule can answer: well first, then every other way that the policy tells apart.
fn answers_of(rule: &Rule) -> Vec<Answer> {
    let beyond = rule.threshold.abs().max(1.0);
    let (good, bad) = match rule.comparison {
        Comparison::GreaterThan => (rule.clear, rule.threshold + beyond),
        Comparison::LessThan => (rule.clear, rule.threshold - beyond),
        Comparison::Equals => (rule.threshold + beyond, rule.threshold),
    };
    let mut answers = vec![sampled(rule, good), sampled(rule, bad)];
    if has_room_between(rule) {
        answers.push(sampled(rule, f64::midpoint(rule.clear, rule.threshold)));
    }
    let mut meanings: Vec<UnknownMeans> = Vec::new();
    for reason in UnknownReason::ALL {
        let means = rule.unknown.means(reason);
        if reason != UnknownReason::WindowOverlapsStage && !meanings.contains(&means) {
            meanings.push(means);
            answers.push(Answer::Unknown(reason));
        }
    }
    answers
}
