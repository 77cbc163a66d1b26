//! Experiments whose weights follow what is seen.

use super::metric::{Goal, Measure, Metric, Role};
use super::{Design, Discipline};
use crate::invalid::Violation;
use crate::key::MetricName;
use crate::share::Share;
use crate::span::Span;
use serde::{Deserialize, Serialize};

/// Most dealings of one bandit; the last one stays.
pub const DEALINGS_MAX: u32 = 1_000;

/// How the weights of an experiment follow what is seen: Thompson sampling in batches. A unit counts with the batch in
/// which it met its arm, and what it does counts while that batch lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bandit {
    /// The metric that is to become as good as it can: one of role `success`, a conversion or an amount per unit.
    pub metric: MetricName,
    /// What every arm gets at least, however bad it looks, so that a change of its worth is found out.
    #[serde(default = "floor")]
    pub floor: Share,
    /// How long a batch lasts at least.
    #[serde(default = "every")]
    pub every: Span,
    /// How many units each arm must have met in all batches together before the weights change.
    #[serde(default = "units")]
    pub units: u64,
    /// The best arm is proposed for everybody once choosing it for good is expected to cost less than this share of its
    /// own value (Stucchio 2015).
    #[serde(default = "loss")]
    pub loss: f64,
}

fn floor() -> Share {
    Share::of_percent(1.0).unwrap_or(Share::ZERO)
}

fn every() -> Span {
    Span::seconds(3600)
}

fn units() -> u64 {
    100
}

fn loss() -> f64 {
    0.01
}

impl Bandit {
    /// Everything wrong with it in this design.
    pub(super) fn violations(&self, design: &Design) -> Vec<Violation> {
        let mut found = self.metric_violations(design);
        let mut refuse = |field: &str, value: String, rule: &str, fix: &str| {
            found.push(Violation::new(field, value, rule, fix));
        };
        if !matches!(design.discipline, Discipline::AlwaysValid { .. }) {
            refuse(
                "discipline",
                match design.discipline {
                    Discipline::Fixed { .. } => "fixed".to_owned(),
                    _ => "group_sequential".to_owned(),
                },
                "weights that follow what is seen leave no plan of looks",
                "leave the experiment's 'discipline' out, or write the kind 'always_valid'",
            );
        }
        let arms = u64::try_from(design.arms.len()).unwrap_or(u64::MAX);
        if u64::from(self.floor.parts()).saturating_mul(arms) > u64::from(Share::TOTAL) {
            refuse(
                "floor",
                self.floor.to_string(),
                "the floors of all arms fit into 100 %",
                "1 % is usual",
            );
        }
        if self.floor == Share::ZERO {
            refuse(
                "floor",
                self.floor.to_string(),
                "every arm gets something: who could not come to an arm says nothing of it",
                "1 % is usual",
            );
        }
        if self.every < Span::seconds(10) {
            refuse(
                "every",
                self.every.to_string(),
                "a batch lasts at least 10 s: every new dealing is published to all nodes",
                "1h is usual",
            );
        }
        if self.units < 10 {
            refuse(
                "units",
                self.units.to_string(),
                "each arm meets at least 10 units before the weights change",
                "100 is usual",
            );
        }
        if !(self.loss > 0.0 && self.loss < 1.0) {
            refuse(
                "loss",
                self.loss.to_string(),
                "the loss that does not matter is more than 0 and less than 1",
                "0.01 is usual: one per cent of the value",
            );
        }
        found.extend(apart(design));
        found
    }

    /// What is wrong with what its weights follow, and with what is measured beside it.
    fn metric_violations(&self, design: &Design) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut refuse = |name: &MetricName, rule: &str, fix: &str| {
            found.push(Violation::new("metric", name, rule, fix));
        };
        match design.metric(self.metric.as_str()) {
            Some(metric) if metric.role == Role::Success => {
                if metric.goal == Goal::Maintain {
                    refuse(
                        &self.metric,
                        "the weights follow what is to grow, or to shrink",
                        "choose a metric whose goal is increase or decrease",
                    );
                }
                let fits = matches!(
                    metric.measure,
                    Measure::Conversion { .. } | Measure::Revenue { .. } | Measure::Engagement { .. }
                );
                if !fits {
                    refuse(
                        &self.metric,
                        "the weights follow a conversion, or an amount per unit",
                        "choose a metric whose measure is conversion, revenue or engagement",
                    );
                }
            }
            Some(_) | None => refuse(
                &self.metric,
                "the weights follow a metric of role 'success'",
                "name one of the experiment's success metrics",
            ),
        }
        found
    }
}

/// What is found by a walk over the units of one batch, and cannot be put together of several.
fn apart(design: &Design) -> Vec<Violation> {
    let percentile = |metric: &&Metric| matches!(metric.measure, Measure::Percentile { .. });
    let mut found = Vec::new();
    if let Some(metric) = design.metrics.iter().find(percentile) {
        found.push(Violation::new(
            "metric",
            metric.name.to_string(),
            "percentiles of several batches cannot be put together",
            "leave the percentile out, or run an experiment with weights that stay",
        ));
    }
    if let Some(metric) = design.metrics.iter().find(|metric| metric.ranks) {
        found.push(Violation::new(
            "metric",
            metric.name.to_string(),
            "ranks of several batches cannot be put together",
            "leave 'ranks' out, or run an experiment with weights that stay",
        ));
    }
    found
}
