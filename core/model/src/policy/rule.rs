//! One thing that must stay on the good side of a threshold.

use super::{Ranks, Score, Sequential, Sides, Slo};
use crate::key::{MetricName, RuleName};
use crate::span::Span;
use crate::verdict::UnknownReason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// One thing that must stay on the good side of a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Names it in explanations.
    pub name: RuleName,
    /// Where the number comes from.
    pub source: Source,
    /// How far back the number looks; stands in queries as `{{window}}`.
    pub window: Span,
    /// How often it is looked at.
    pub interval: Span,
    /// Which side is bad.
    pub comparison: Comparison,
    /// Where the bad side begins.
    pub threshold: f64,
    /// Where the good side begins; the threshold itself unless given.
    pub clear: f64,
    /// How many of the last looks must be bad before it acts.
    pub trip: Trip,
    /// How many samples a value needs behind it to count.
    pub minimum: Option<Minimum>,
    /// What it means that the rule cannot be judged.
    pub unknown: UnknownPolicy,
    /// What to do when it trips.
    pub action: Action,
    /// Judged and shown, but never acting and never waited for.
    pub dry_run: bool,
    /// Whether its number does not say whose it is: none of its queries names the flag or the variation.
    /// Settled when the queries are filled in.
    #[serde(default)]
    pub shared: bool,
}

/// Where a rule's number comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A PromQL expression that yields one number.
    Query(String),
    /// Metric events that nodes received; works without any Prometheus.
    Events(EventSource),
    /// The candidate's number against the baseline's.
    Sides(Sides),
    /// The candidate's samples against the baseline's.
    Ranks(Ranks),
    /// The candidate's counters against the baseline's.
    Sequential(Sequential),
    /// How fast an error budget burns.
    Slo(Slo),
    /// Other rules, weighed.
    Score(Score),
}

impl Source {
    /// Whether it says only how the candidate compares with the baseline: when both are bad, it sees
    /// nothing (F16).
    pub fn is_relative(&self) -> bool {
        matches!(self, Self::Sides(_) | Self::Ranks(_) | Self::Sequential(_))
    }
}

/// A number made of metric events of the candidate variation inside the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSource {
    /// The metric counted or added up.
    pub metric: MetricName,
    /// What is made of it.
    pub aggregate: EventAggregate,
    /// What it is divided by.
    pub per: EventBase,
}

/// What is made of the events in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventAggregate {
    /// How many there were.
    #[default]
    Count,
    /// Their values added up.
    Sum,
}

/// What the number of events is divided by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EventBase {
    /// By nothing.
    #[default]
    Nothing,
    /// By the number of evaluations that served the variation.
    Exposure,
    /// By the number of events of another metric. With the rule's own metric and `aggregate: sum`
    /// this is the average value.
    Metric(MetricName),
    /// By the seconds of the window.
    Second,
}

/// Which side of the threshold is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Bad when larger.
    GreaterThan,
    /// Bad when smaller.
    LessThan,
    /// Bad when equal.
    Equals,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::GreaterThan => ">",
            Self::LessThan => "<",
            Self::Equals => "=",
        })
    }
}

/// A sliding window of looks: trips when `need` of the last `of` were bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trip {
    /// How many looks are remembered, 1 to 100.
    pub of: u32,
    /// How many of them must be bad, 1 to `of`.
    pub need: u32,
}

/// How many samples a value needs behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Minimum {
    /// What counts the samples; `None` counts the events of the rule's `per`.
    pub query: Option<String>,
    /// Below this the look is `too_few`.
    pub at_least: f64,
}

/// What it means that a rule cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnknownPolicy {
    /// For every reason not named below.
    pub default: UnknownMeans,
    /// For particular reasons. `window_overlaps_stage` always holds and cannot be named.
    pub by_reason: BTreeMap<UnknownReason, UnknownMeans>,
}

impl UnknownPolicy {
    /// What this reason means.
    pub fn means(&self, reason: UnknownReason) -> UnknownMeans {
        match reason {
            UnknownReason::WindowOverlapsStage => UnknownMeans::Hold,
            other => self.by_reason.get(&other).copied().unwrap_or(self.default),
        }
    }
}

/// What an unknown is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMeans {
    /// Neither good nor bad: no advance, and the blind budget runs.
    #[default]
    Hold,
    /// Good.
    Healthy,
    /// Bad.
    Breached,
    /// As if the value were zero, then judged. Only for `no_series`.
    Zero,
}

/// What a tripped rule does. Ordered: the strongest of several wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say so, and do not advance while it lasts.
    Alert,
    /// Stay, and wait for a person.
    Pause,
    /// Back to the last stage that was proven healthy, and wait for a person.
    Retreat,
    /// Back to the safe variation for everybody.
    Rollback,
}
