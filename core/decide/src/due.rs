//! Which rules to look at now, and when to look again.

use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Policy, Rule, Source};
use tidegate_model::span::Span;

/// Shortest time between two looks at a rule: a slip in a policy must not become a flood of queries.
const INTERVAL_MIN_MILLIS: u64 = 100;

/// The rules whose sources are to be asked at `now`, given when each was last asked.
pub fn due(plan: &Policy, asked: &BTreeMap<RuleName, Timestamp>, now: Timestamp) -> Vec<RuleName> {
    let due = asked_by_itself(plan).filter(|rule| next(rule, asked, now) <= now);
    due.map(|rule| rule.name.clone()).collect()
}

/// When the next of the rules is due; not before `now`.
pub fn next_due(plan: &Policy, asked: &BTreeMap<RuleName, Timestamp>, now: Timestamp) -> Option<Timestamp> {
    asked_by_itself(plan).map(|rule| next(rule, asked, now)).min()
}

/// Scores are judged with the rules that they weigh.
fn asked_by_itself(plan: &Policy) -> impl Iterator<Item = &Rule> {
    let rules = plan.safety.rules.iter();
    rules.filter(|rule| !matches!(rule.source, Source::Score(_)))
}

fn next(rule: &Rule, asked: &BTreeMap<RuleName, Timestamp>, now: Timestamp) -> Timestamp {
    match asked.get(&rule.name) {
        // A rule that was asked in the future was asked before the clock went back: ask again.
        Some(asked) if *asked <= now => interval(rule).after(*asked).max(now),
        _ => now,
    }
}

fn interval(rule: &Rule) -> Span {
    rule.interval.max(Span::millis(INTERVAL_MIN_MILLIS))
}
