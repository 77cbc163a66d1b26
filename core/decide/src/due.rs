//! Which rules to look at now, and when to look again.

use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::change::EntityRef;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Policy, Rule, Source};
use tidegate_model::snapshot::Digest;
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

/// When each rule counts as asked before, for a rollout that is found again at `now`: its next looks are spread over
/// each rule's interval by a hash of whose they are (faults.md F43). Thousands of rollouts would all be due at once
/// otherwise. A rollout's place in the interval is always the same, so its rules stay together.
pub fn spread(plan: &Policy, whose: &EntityRef, now: Timestamp) -> BTreeMap<RuleName, Timestamp> {
    let digest = Digest::of(whose.to_string().as_bytes());
    let digits = digest.as_str().get(..8).unwrap_or_default();
    let place = u32::from_str_radix(digits, 16).unwrap_or_default();
    let asked = |rule: &Rule| {
        let whole = u64::try_from(interval(rule).duration().as_millis()).unwrap_or(u64::MAX);
        // At most ten years in milliseconds, times 32 bits: far below 128 bits.
        let wait = u64::try_from((u128::from(whole) * u128::from(place)) >> 32).unwrap_or(whole);
        let before = interval(rule).before(Span::millis(wait).after(now));
        (rule.name.clone(), before.min(now))
    };
    asked_by_itself(plan).map(asked).collect()
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
