//! Everything that an experiment says at one moment: the result that counts, the one of today, what follows from it, its
//! bandit, its parts, and how it came about.

mod breakdown;

pub use breakdown::{Breakdown, breakdown};

use crate::bandit::{self, Standing};
use crate::decision::{Decision, decide};
use crate::plan::{Baseline, Traffic};
use crate::result::{Answer, Asked, Bounds, End, ExperimentResult, Kind, result, result_of_dealings};
use crate::sufficient::{MetricMoments as _, count};
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::experiment::tally::{ArmTally, MetricTally, Tallies};
use tidegate_model::experiment::{Design, Discipline, ExperimentState};
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_model::span::Span;

const SECONDS_A_DAY: f64 = 86_400.0;

/// What an experiment says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The result that counts: of the last look that did, else of now under the always-valid rule.
    pub headline: ExperimentResult,
    /// The result of now, where the one that counts is older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<ExperimentResult>,
    /// What follows from the one that counts.
    pub decision: Decision,
    /// Where its bandit stands, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandit: Option<Standing>,
}

/// What an experiment says by these tallies, one for each dealing.
#[must_use]
pub fn findings(state: &ExperimentState, tallies: &[Tallies]) -> Findings {
    let asked = asked(state);
    let now = result_of_dealings(&state.design, &state.dealings, tallies, &asked);
    let older = state
        .last_look
        .as_deref()
        .filter(|_| !now.look.counts())
        .map(|then| result(&state.design, then, &asked));
    let (headline, now) = match older {
        Some(older) => (older, Some(now)),
        None => (now, None),
    };
    let batches: Vec<bandit::Seen<'_>> = state.dealings.iter().zip(tallies).collect();
    Findings {
        decision: bandit::decided(&state.design, &batches, decide(&headline)),
        bandit: bandit::standing(&state.design, &batches),
        headline,
        now,
    }
}

/// Which looks were taken, and whether more can come.
#[must_use]
pub fn asked(state: &ExperimentState) -> Asked {
    Asked {
        looks: state.looks.iter().map(|look| look.units).collect(),
        end: match &state.ended {
            None => End::Running,
            Some(ended) if ended.as_planned => match state.looks.last() {
                Some(last) if last.at >= ended.at => End::Closed,
                _ => End::AsPlanned,
            },
            Some(_) => End::Early,
        },
    }
}

/// A metric of a treatment at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// Units in all arms together.
    pub units: u64,
    /// Treatment less control, in the metric's unit.
    pub difference: Answer<f64>,
    /// Where the truth may lie, whenever one looks.
    pub interval: Answer<Bounds>,
    /// Where it may lie by all looks up to this one: each of them holds at once with the chance that was accepted. `None`
    /// at a look that excludes what all before allowed, which a change of the effect over time does; then it begins anew.
    pub so_far: Option<Bounds>,
}

/// How each metric of each treatment came about, under the always-valid rule.
#[must_use]
pub fn course(
    design: &Design,
    moments: &[(Timestamp, &Tallies)],
) -> BTreeMap<MetricName, BTreeMap<VariationKey, Vec<Point>>> {
    let mut found: BTreeMap<MetricName, BTreeMap<VariationKey, Vec<Point>>> = BTreeMap::new();
    for (at, tallies) in moments {
        let result = anytime(design, &tallies.arms);
        for metric in result.metrics {
            let arms = found.entry(metric.metric).or_default();
            for comparison in metric.comparisons {
                let points = arms.entry(comparison.arm).or_default();
                let interval = match &comparison.difference {
                    Answer::Given(effect) => effect.interval.clone(),
                    Answer::Refused(refusal) => Answer::Refused(*refusal),
                };
                let before = points.last().map(|point: &Point| point.so_far);
                points.push(Point {
                    at: *at,
                    units: tallies.units(),
                    difference: comparison.difference.map(|effect| effect.estimate),
                    so_far: narrowed(before, interval.given()),
                    interval,
                });
            }
        }
    }
    found
}

/// What is left of the bounds so far.
fn narrowed(before: Option<Option<Bounds>>, now: Option<&Bounds>) -> Option<Bounds> {
    let (before, now) = match (before, now) {
        (Some(None), Some(now)) => return Some(*now),
        (None, now) => return now.copied(),
        (Some(before), None) => return before,
        (Some(Some(before)), Some(now)) => (before, now),
    };
    let tighter = |one: Option<f64>, other: Option<f64>, pick: fn(f64, f64) -> f64| match (one, other) {
        (Some(one), Some(other)) => Some(pick(one, other)),
        (one, other) => one.or(other),
    };
    let both = Bounds {
        lower: tighter(before.lower, now.lower, f64::max),
        upper: tighter(before.upper, now.upper, f64::min),
    };
    let empty = both
        .lower
        .zip(both.upper)
        .is_some_and(|(lower, upper)| lower > upper);
    (!empty).then_some(both)
}

/// The result under the always-valid rule, whatever was declared: for what is looked at again and again.
fn anytime(design: &Design, arms: &BTreeMap<VariationKey, ArmTally>) -> ExperimentResult {
    let tuned_for = match design.discipline {
        Discipline::Fixed { units } | Discipline::GroupSequential { units, .. } => units,
        Discipline::AlwaysValid { tuned_for } => tuned_for,
    };
    let design = Design {
        discipline: Discipline::AlwaysValid { tuned_for },
        ..design.clone()
    };
    let tallies = Tallies {
        arms: arms.clone(),
        ..Tallies::default()
    };
    result(&design, &tallies, &Asked::default())
}

/// The traffic that an experiment had, and the values of its control: what the next one can be planned with. `None`
/// before it has run for a day and met somebody: hours are no days, for traffic comes and goes with the sun.
#[must_use]
pub fn traffic(state: &ExperimentState, tallies: &[Tallies], now: Timestamp) -> Option<Traffic> {
    let until = state.ended.as_ref().map_or(now, |ended| ended.at);
    let days = Span::between(state.started?, until).as_seconds() / SECONDS_A_DAY;
    let together = Tallies::together(tallies);
    let taken = state.design.traffic.percent() / 100.0;
    if together.units() == 0 || days < 1.0 || taken <= 0.0 {
        return None;
    }
    let control = together.arms.get(&state.design.control)?;
    let metrics = state.design.metrics.iter().filter_map(|metric| {
        let tally = control.metrics.get(&metric.name)?;
        Some((metric.name.clone(), baseline(Kind::of(metric), tally)?))
    });
    Some(Traffic {
        units_a_day: count(together.units()) / days / taken,
        metrics: metrics.collect(),
    })
}

fn baseline(kind: Kind, tally: &MetricTally) -> Option<Baseline> {
    match kind {
        Kind::Share => {
            let counts = tally.counts().ok().filter(|counts| counts.trials > 0)?;
            Some(Baseline {
                value: count(counts.events) / count(counts.trials),
                variance: None,
                correlation: None,
            })
        }
        Kind::Mean => {
            let moments = tally.moments().ok().filter(|moments| moments.n > 1)?;
            let known = tally.known.n > 1;
            let pair = tally.comoments().ok().filter(|_| known);
            let correlation = pair
                .map(|pair| pair.c_xy / (pair.m2_x * pair.m2_y).sqrt())
                .filter(|correlation| correlation.is_finite());
            Some(Baseline {
                value: moments.mean,
                variance: moments.variance(),
                correlation,
            })
        }
        // Their variance by unit is not what a mean's is: it has to be given.
        Kind::Ratio | Kind::Percentile { .. } => None,
    }
}
