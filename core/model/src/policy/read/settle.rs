//! What is known of a rule only once all of them are read.

use super::cursor::Cursor;
use crate::policy::{Rule, Schedule, Source};

/// A score looks as far back, and as seldom, as the slowest of its rules.
pub(super) fn scores(rules: &mut [Rule]) {
    let known: Vec<_> = (rules.iter())
        .map(|rule| (rule.name.clone(), rule.window, rule.interval))
        .collect();
    for rule in rules {
        if let Source::Score(score) = &rule.source {
            let of = || {
                let named = |(name, ..): &&(_, _, _)| score.of.iter().any(|part| part.rule == *name);
                known.iter().filter(named)
            };
            rule.window = of().map(|(_, window, _)| *window).max().unwrap_or(rule.window);
            rule.interval = of()
                .map(|(_, _, interval)| *interval)
                .max()
                .unwrap_or(rule.interval);
        }
    }
}

/// Divides the chance of a false rollback among the sequential rules: chances of several add up to at
/// most their sum, whatever they have to do with each other. Dry runs roll nothing back; each is judged
/// by what it would get.
pub(super) fn spend(rules: &mut [Rule], budget: f64) {
    let acting = (rules.iter()).filter(|rule| matches!(rule.source, Source::Sequential(_)) && !rule.dry_run);
    let acting = u32::try_from(acting.count()).unwrap_or(u32::MAX);
    for rule in rules {
        if matches!(rule.source, Source::Sequential(_)) {
            let sharing = acting + u32::from(rule.dry_run);
            rule.threshold = budget / f64::from(sharing.max(1));
            rule.clear = rule.threshold;
        }
    }
}

/// Complains about rules that are each fine, but not together.
pub(super) fn check(at: &Cursor<'_>, rules: &[Rule]) {
    let acting = || rules.iter().filter(|rule| !rule.dry_run);
    if acting().next().is_none() && !rules.is_empty() {
        at.error(
            "every rule is a dry run, so nothing could ever be healthy",
            "leave 'dryRun' out of one",
        );
        return;
    }
    let is_absolute = |rule: &Rule| match &rule.source {
        Source::Score(score) => (score.of.iter()).any(|part| {
            let weighed = rules.iter().find(|one| one.name == part.rule);
            weighed.is_some_and(|one| !one.source.is_relative())
        }),
        source => !source.is_relative(),
    };
    if !rules.is_empty() && !acting().any(is_absolute) {
        at.warning(
            "every rule compares with the baseline: when both are bad, all of them are healthy",
            "add one with a 'query' and a 'threshold', or an 'slo'",
        );
    }
}

/// Complains about stages that wait for a rule that nothing may wait for.
pub(super) fn criteria(at: &Cursor<'_>, schedule: &Schedule, rules: &[Rule]) {
    for stage in &schedule.stages {
        for criterion in &stage.success_criteria {
            let dry = rules
                .iter()
                .any(|rule| rule.dry_run && rule.name == criterion.rule);
            if dry {
                at.error(
                    format!(
                        "stage {} waits for {}, which is a dry run",
                        stage.name, criterion.rule
                    ),
                    "name a rule that acts, or leave 'dryRun' out of this one",
                );
            }
        }
    }
}
