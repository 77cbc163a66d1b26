//! What a stage can see of the traffic that a policy declares.
//!
//! A rule sees what trips it: the chances are those of the rule as it is written, with its window and its
//! `trip`, in a stage that lasts as long as it must. Looks at windows that overlap are taken for one, so a
//! stage has as many tries as whole windows fit into it.

use super::Concern;
use serde::Serialize;
use std::fmt;
use tidegate_model::because::Figure;
use tidegate_model::key::{RuleName, StageName};
use tidegate_model::policy::{Comparison, Policy, Rule, SidesBy, Source, Stage, Traffic};
use tidegate_model::share::Share;
use tidegate_model::span::Span;
use tidegate_stats::power::{self, Side};

/// The chance that something is noticed from which on it counts as seen: what tests are usually planned
/// with.
pub const POWER: f64 = 0.8;
/// The chance from which on a healthy candidate is taken for a bad one too often.
const FALSE_ALARM_MAX: f64 = 0.05;
/// A threshold is where the bad side begins, and just there any rule is a coin toss: seen must be what is
/// so many times as far from the usual.
const SLACK: f64 = 2.0;

/// What one rule sees in one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sight {
    /// The stage.
    pub stage: StageName,
    /// The rule.
    pub rule: RuleName,
    /// How many requests of the candidate one decision of the rule rests on.
    pub requests: f64,
    /// What the rule usually counts, as a share.
    pub usual: f64,
    /// The smallest share that is noticed within the stage with a chance of [`POWER`]; `None`: not even
    /// if every request of the candidate is bad.
    pub smallest: Option<f64>,
    /// Where the rule says that the bad side begins, as a share of the candidate's requests.
    pub named: Option<f64>,
    /// The chance that a candidate like the usual trips the rule within the stage.
    pub false_alarm: f64,
}

/// What every rule sees in every stage, and where that is not enough. Nothing without declared traffic.
pub(super) fn of(policy: &Policy) -> (Vec<Sight>, Vec<Concern>) {
    let mut concerns: Vec<Concern> = without_baseline(policy)
        .into_iter()
        .chain(others_than_the_baseline(policy))
        .collect();
    let mut sights = Vec::new();
    let Some(traffic) = &policy.traffic else {
        return (sights, concerns);
    };
    for (index, stage) in policy.schedule.stages.iter().enumerate() {
        for rule in &policy.safety.rules {
            let Some(eye) = Eye::of(policy, stage, rule, traffic) else {
                continue;
            };
            let sight = eye.sight();
            concerns.extend(eye.concern(&sight, &format!("schedule.stages[{index}]")));
            sights.push(sight);
        }
    }
    (sights, concerns)
}

/// When everybody has the candidate, nobody has the baseline, and whoever compares with it decides nothing.
fn without_baseline(policy: &Policy) -> Option<Concern> {
    let acting = |rule: &&Rule| !rule.dry_run && rule.source.is_relative();
    let rule = policy.safety.rules.iter().find(acting)?;
    let last = policy.schedule.stages.len().checked_sub(1)?;
    let stage = policy
        .stage(last)
        .filter(|stage| stage.percentage == Share::ALL)?;
    Some(Concern::new(
        format!("schedule.stages[{last}]"),
        format!(
            "in {} nobody has the baseline that {} compares with: it decides nothing there, and the rollout waits for it",
            stage.name, rule.name
        ),
        "fine if others than the rollout's users keep the baseline; else weigh it in a score, or compare with a threshold",
    ))
}

/// A wave's users are others than those who keep the baseline: what differs between them may be themselves.
fn others_than_the_baseline(policy: &Policy) -> Option<Concern> {
    let acting = |rule: &&Rule| !rule.dry_run && rule.source.is_relative();
    let rule = policy.safety.rules.iter().find(acting)?;
    let stages = policy.schedule.stages.iter().enumerate();
    let (index, stage, wave) = stages
        .filter_map(|(index, stage)| Some((index, stage, stage.wave.as_ref()?)))
        .find(|(_, _, wave)| wave.share == Share::ALL)?;
    Some(Concern::new(
        format!("schedule.stages[{index}]"),
        format!(
            "in {} all of segment {} have the candidate, and {} compares them with others",
            stage.name, wave.segment, rule.name
        ),
        "open to a part of the segment with 'of', and let the rule's queries ask for that segment alone; or compare with a threshold",
    ))
}

/// A rule in a stage.
pub(crate) struct Eye<'a> {
    stage: &'a Stage,
    rule: &'a Rule,
    per_minute: f64,
    /// The usual share of bad requests: of good ones, if that is what the rule counts.
    usual: f64,
    /// How long the stage lasts at least.
    lasts: Span,
}

impl<'a> Eye<'a> {
    /// `None` for a rule of which nothing can be said: no baseline is declared, or it counts no share.
    pub(crate) fn of(policy: &Policy, stage: &'a Stage, rule: &'a Rule, traffic: &Traffic) -> Option<Self> {
        let usual = *traffic.baseline.get(&rule.name)?;
        let counts = match &rule.source {
            Source::Query(_) | Source::Events(_) => rule.comparison != Comparison::Equals,
            Source::Sides(_) | Source::Sequential(_) | Source::Slo(_) => true,
            Source::Ranks(_) | Source::Score(_) => false,
        };
        counts.then(|| Self {
            stage,
            rule,
            per_minute: traffic.per_minute,
            usual: if counts_good(rule) { 1.0 - usual } else { usual },
            lasts: stage.duration.max(policy.longest_window()),
        })
    }

    /// The usual share of what is bad.
    pub(crate) fn usual(&self) -> f64 {
        self.usual
    }

    /// Requests of everybody in so much time.
    fn requests(&self, within: Span) -> f64 {
        self.per_minute * within.as_seconds() / 60.0
    }

    /// The part of the candidate.
    fn part(&self) -> f64 {
        f64::from(self.stage.percentage.parts()) / f64::from(Share::ALL.parts())
    }

    /// How far back a decision looks: a sequential test at all of the stage.
    fn within(&self) -> Span {
        match self.rule.source {
            Source::Sequential(_) => self.lasts,
            _ => self.rule.window,
        }
    }

    /// How many requests of the candidate one decision rests on.
    fn counted(&self) -> f64 {
        self.requests(self.within()) * self.part()
    }

    /// The chance that the rule trips within the stage if the share `rate` of the candidate's requests is bad.
    pub(crate) fn chance(&self, rate: f64) -> f64 {
        let candidate = Side {
            trials: self.counted(),
            rate,
        };
        let baseline = Side {
            trials: self.requests(self.within()) * (1.0 - self.part()),
            rate: self.usual,
        };
        let threshold = self.rule.threshold;
        match &self.rule.source {
            Source::Sequential(test) => power::sequential(candidate, baseline, test.ratio, threshold),
            Source::Sides(sides) => self.tries(match (sides.by, self.rule.comparison) {
                (SidesBy::Difference, Comparison::LessThan) => {
                    power::apart(candidate, baseline, 1.0, -threshold)
                }
                (SidesBy::Difference, _) => power::apart(candidate, baseline, 1.0, threshold),
                // Good ones fell below the tolerated part: bad ones rose above what that leaves.
                (SidesBy::Ratio, Comparison::LessThan) => {
                    power::apart(candidate, baseline, threshold, 1.0 - threshold)
                }
                (SidesBy::Ratio, _) => power::apart(candidate, baseline, threshold, 0.0),
            }),
            Source::Slo(slo) => {
                // The whole service burns its budget, the candidate only by its part.
                let service = rate * self.part() + self.usual * (1.0 - self.part());
                let budget = 1.0 - slo.objective;
                let burns = slo.burn_rates.iter().map(|burn| {
                    let bound = (burn.rate * budget).min(1.0);
                    power::above(self.requests(burn.long.window), service, bound)
                });
                burns.fold(0.0, f64::max)
            }
            Source::Query(_) | Source::Events(_) if self.is_too_few() => 0.0,
            Source::Query(_) | Source::Events(_) => {
                self.tries(power::above(candidate.trials, rate, self.bound(threshold)))
            }
            Source::Ranks(_) | Source::Score(_) => 0.0,
        }
    }

    /// A level of the rule, as a share of what is bad.
    fn bound(&self, level: f64) -> f64 {
        if counts_good(self.rule) {
            1.0 - level
        } else {
            level
        }
    }

    /// Whether a window never holds as many samples as the rule asks for.
    fn is_too_few(&self) -> bool {
        let minimum = self.rule.minimum.as_ref();
        minimum.is_some_and(|minimum| minimum.at_least > self.counted())
    }

    /// The chance that a rule trips in the stage that is bad in one window with the chance `one`.
    fn tries(&self, one: f64) -> f64 {
        let (window, interval) = (self.rule.window, self.rule.interval);
        let apart = window.max(interval).as_seconds().max(0.001);
        let windows = (self.lasts.as_seconds() / apart).floor().max(1.0);
        // So many windows in a row must be bad for as many looks to be.
        let looks = f64::from(self.rule.trip.need) * interval.as_seconds();
        let row = (looks / apart).ceil().max(1.0);
        let tries = (windows / row).floor().max(1.0);
        1.0 - (1.0 - one.powf(row)).powf(tries)
    }

    /// Where the rule says that the bad side begins, as a share of the candidate's requests.
    fn named(&self) -> Option<f64> {
        let threshold = self.rule.threshold;
        let named = match &self.rule.source {
            Source::Query(_) | Source::Events(_) => self.bound(threshold),
            Source::Sides(sides) => match (sides.by, self.rule.comparison) {
                (SidesBy::Difference, Comparison::LessThan) => self.usual - threshold,
                (SidesBy::Difference, _) => self.usual + threshold,
                (SidesBy::Ratio, Comparison::LessThan) => 1.0 - threshold * (1.0 - self.usual),
                (SidesBy::Ratio, _) => self.usual * threshold,
            },
            Source::Sequential(test) if test.ratio > 1.0 => self.usual * test.ratio,
            Source::Slo(slo) => {
                let budget = 1.0 - slo.objective;
                let rates = slo.burn_rates.iter().map(|burn| burn.rate * budget);
                rates.fold(f64::INFINITY, f64::min)
            }
            Source::Sequential(_) | Source::Ranks(_) | Source::Score(_) => return None,
        };
        Some(named).filter(|named| named.is_finite())
    }

    pub(crate) fn sight(&self) -> Sight {
        Sight {
            stage: self.stage.name.clone(),
            rule: self.rule.name.clone(),
            requests: self.counted(),
            usual: self.usual,
            smallest: power::smallest(self.usual, POWER, |rate| self.chance(rate)),
            named: self.named(),
            false_alarm: self.chance(self.usual),
        }
    }

    /// What is wrong with that.
    fn concern(&self, sight: &Sight, path: &str) -> Option<Concern> {
        let (rule, stage) = (&self.rule.name, &self.stage.name);
        let requests = Figure(sight.requests);
        if matches!(self.rule.source, Source::Query(_) | Source::Events(_)) && self.is_too_few() {
            let at_least = self.rule.minimum.as_ref().map_or(0.0, |minimum| minimum.at_least);
            return Some(Concern::new(
                path,
                format!(
                    "{rule} asks for {at_least} samples, and {} bring {requests} at {}: it is never judged there, and {stage} is never left",
                    self.rule.window, self.stage.percentage
                ),
                "open further, lengthen the rule's window, or ask for fewer",
            ));
        }
        // With nobody to compare with it decides nothing, which is said once for all such rules.
        if self.rule.source.is_relative() && self.stage.percentage == Share::ALL {
            return None;
        }
        if sight.false_alarm > FALSE_ALARM_MAX {
            return Some(Concern::new(
                path,
                format!(
                    "a healthy candidate trips {rule} in {stage} with a chance of {}: one look rests on {requests} requests, of which {} are usually bad",
                    Percent(sight.false_alarm),
                    Percent(sight.usual)
                ),
                "open further, lengthen the rule's window, ask for a 'minimum', or raise 'trip'",
            ));
        }
        let enough = |smallest: f64| {
            let named = sight.named?;
            Some(smallest - sight.usual <= SLACK * (named - sight.usual))
        };
        match sight.smallest {
            None => Some(Concern::new(
                path,
                format!(
                    "{rule} sees nothing in {stage}: not even if every request of the candidate is bad ({requests} requests)"
                ),
                "open further, lengthen the stage, or have another rule that looks at the candidate alone",
            )),
            Some(smallest) if enough(smallest) == Some(false) => Some(Concern::new(
                path,
                format!(
                    "{rule} is to see {} in {stage}, and sees nothing below {}: it rests on {requests} requests, of which {} are usually bad",
                    Percent(sight.named.unwrap_or_default()),
                    Percent(smallest),
                    Percent(sight.usual)
                ),
                "open further, lengthen the stage and the rule's window, or use a sequential test",
            )),
            Some(_) => None,
        }
    }
}

/// Whether the rule counts what is good: then what is bad is the rest.
fn counts_good(rule: &Rule) -> bool {
    let counts = matches!(
        rule.source,
        Source::Query(_) | Source::Events(_) | Source::Sides(_)
    );
    counts && rule.comparison == Comparison::LessThan
}

/// A share in per cent.
#[derive(Debug, Clone, Copy)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Less than one in a million is as good as nothing to whoever reads it.
        let percent = if self.0.abs() < 1e-6 { 0.0 } else { self.0 * 100.0 };
        f.pad(&format!("{} %", Figure(percent)))
    }
}
