//! Rules that weigh other rules.

use super::judge;
use crate::rollout::{Observed, is_fresh};
use tidegate_model::Timestamp;
use tidegate_model::because::Figure;
use tidegate_model::evidence::Evidence;
use tidegate_model::key::RuleName;
use tidegate_model::policy::{Rule, Score, Source};
use tidegate_model::rollout::Rollout;
use tidegate_model::verdict::{Look, Measurement, UnknownReason, Verdict};

/// Looks at the scores that weigh the rule of `look`, the newest of what was `observed`.
pub fn scores(rollout: &Rollout, observed: &Observed, look: &Look, now: Timestamp) -> Vec<Look> {
    let scored = scored(rollout, observed, look, now).into_iter();
    scored
        .map(|(rule, evidence)| judge(rollout, rule, &evidence, now))
        .collect()
}

/// The scores that weigh the rule of `look`, the newest of what was `observed`, each with what it is judged from.
pub fn scored<'r>(
    rollout: &'r Rollout,
    observed: &Observed,
    look: &Look,
    now: Timestamp,
) -> Vec<(&'r Rule, Evidence)> {
    let rules = rollout.start.plan.safety.rules.iter();
    let scored = rules.filter_map(|rule| match &rule.source {
        Source::Score(score) if score.of.iter().any(|part| part.rule == look.rule) => Some((rule, score)),
        _ => None,
    });
    scored
        .map(|(rule, score)| {
            let measurement = weigh(rule, score, |name| {
                let newest = if *name == look.rule {
                    Some(look)
                } else {
                    observed.looks.get(name)
                };
                let rule = rollout.start.plan.rule(name)?;
                newest.filter(|look| is_fresh(rule, look, now))
            });
            (rule, measurement.into())
        })
        .collect()
}

/// The weighted share of rules that are healthy; one that is undecided counts half. Rules that cannot be
/// judged leave it open, unless the others settle it whatever they would say.
fn weigh<'l>(rule: &Rule, score: &Score, newest: impl Fn(&RuleName) -> Option<&'l Look>) -> Measurement {
    let (mut sure, mut open, mut all) = (0.0, 0.0, 0.0);
    let mut unknown: Option<UnknownReason> = None;
    let mut words = Vec::new();
    for part in &score.of {
        all += part.weight;
        let verdict = newest(&part.rule).map(|look| look.verdict);
        match verdict {
            Some(Verdict::Healthy) => sure += part.weight,
            Some(Verdict::Undecided) => sure += part.weight / 2.0,
            Some(Verdict::Breached) => {}
            Some(Verdict::Unknown(reason)) => {
                open += part.weight;
                // What passes by itself is the least of the reasons.
                if unknown.is_none_or(|known| known == UnknownReason::WindowOverlapsStage) {
                    unknown = Some(reason);
                }
            }
            None => {
                open += part.weight;
                unknown.get_or_insert(UnknownReason::WindowOverlapsStage);
            }
        }
        if verdict != Some(Verdict::Healthy) {
            let said = verdict.map_or_else(|| "not looked at".to_owned(), |verdict| verdict.to_string());
            words.push(format!("{} {said}", part.rule));
        }
    }
    let (least, most) = (sure / all, (sure + open) / all);
    let detail = words.join(", ");
    let settled = |value: f64| Measurement {
        detail: detail.clone(),
        ..Measurement::of(value)
    };
    match unknown {
        _ if most < rule.threshold => settled(most),
        _ if least >= rule.clear => settled(least),
        None => settled(least),
        Some(reason) => {
            let between = format!("between {} and {}: {detail}", Figure(least), Figure(most));
            Measurement::unknown(reason, between)
        }
    }
}
