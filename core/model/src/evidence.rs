//! What came back when the source of a rule was asked, before it is judged.

use crate::Timestamp;
use crate::snapshot::Digest;
use crate::span::Span;
use crate::verdict::{Look, Measurement, SequentialTest, UnknownReason, no_samples, without_samples};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Longest text of a query that is kept with what it brought, in characters. The plan has all of it.
const QUERY_CHARS_MAX: usize = 1000;

/// What came back when the source of a rule was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// What the source said.
    pub found: Found,
    /// How many samples stand behind it, if the rule has a query that counts them.
    #[serde(default = "no_samples", skip_serializing_if = "without_samples")]
    #[schema(value_type = Object)]
    pub samples: Result<Option<f64>, UnknownReason>,
}

/// What a source said: one kind for each kind of rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives for one look, and never beside many others"
)]
pub enum Found {
    /// One number.
    Number(Measurement),
    /// One number of each side.
    Sides {
        /// The candidate's.
        candidate: Measurement,
        /// The baseline's.
        baseline: Measurement,
    },
    /// Samples of each side.
    Samples {
        /// The candidate's.
        candidate: Samples,
        /// The baseline's.
        baseline: Samples,
    },
    /// What ranks say of samples that are too many to be kept.
    Ranked(Ranked),
    /// What was counted on each side since the last look.
    Counts {
        /// The test before this look; `None` before it can begin.
        before: Option<SequentialTest>,
        /// The candidate's counts.
        candidate: Counted,
        /// The baseline's counts.
        baseline: Counted,
    },
    /// The share of errors within the windows of an objective.
    Burns {
        /// Long and short window of each burn rate, in the order of the rule.
        #[schema(value_type = Vec<Vec<Measurement>>)]
        rates: Vec<(Measurement, Measurement)>,
        /// The share of errors within the whole period, if the rule asks for what is left of the budget.
        period: Option<Measurement>,
    },
}

/// What ranks say of two sets of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// Cliff's delta, from -1 to 1.
    pub effect: f64,
    /// The chance of it if both sides were the same; `None` when all samples are.
    pub p: Option<f64>,
    /// How many samples the candidate has.
    pub candidate: usize,
    /// How many the baseline has.
    pub baseline: usize,
}

/// Several values of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Samples {
    /// The values, all finite, or why there are none.
    #[schema(value_type = Object)]
    pub values: Result<Vec<f64>, UnknownReason>,
    /// The provider's own words when there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What was counted on one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// By how much the counters of errors rose.
    pub errors: Measurement,
    /// By how much the counters of requests rose.
    pub requests: Measurement,
}

impl Samples {
    /// No values, for this reason.
    pub fn unknown(reason: UnknownReason, detail: impl Into<String>) -> Self {
        Self {
            values: Err(reason),
            detail: detail.into(),
        }
    }
}

impl From<Found> for Evidence {
    fn from(found: Found) -> Self {
        Self {
            found,
            samples: Ok(None),
        }
    }
}

impl From<Measurement> for Evidence {
    fn from(measurement: Measurement) -> Self {
        Self {
            samples: measurement.samples,
            found: Found::Number(measurement),
        }
    }
}

/// One question that was asked of a source, and what stands for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// As it was asked; for metric events, what was counted.
    pub text: String,
    /// From when on, for a question about a range; it ends when the look was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// SHA-256 of the body that came back; `None` when nothing did, or when nobody had to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Digest>,
}

impl Query {
    /// A question about one moment.
    pub fn new(text: &str) -> Self {
        let mut kept: String = text.chars().take(QUERY_CHARS_MAX).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        Self {
            text: kept,
            since: None,
            answer: None,
        }
    }

    /// A question about all that was since then.
    pub fn since(text: &str, since: Timestamp) -> Self {
        Self {
            since: Some(since),
            ..Self::new(text)
        }
    }
}

/// Where a rollout stood when a look was judged: what a verdict depends on beside the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The stage in force, from 0; `None` when there was none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<usize>,
    /// Since when the nodes had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<DateTime<Utc>>,
    /// Whether it was entered by a retreat.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retreated: bool,
    /// Whether what a sequential test had counted before was spent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spent: bool,
}

/// How a look came about: enough to take it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// What was asked, in the order of the rule.
    pub asked: Vec<Query>,
    /// How far back the rule looked.
    pub window: Span,
    /// What it was judged from.
    pub evidence: Evidence,
    /// Where the rollout stood.
    pub standing: Standing,
}

/// A look, and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The look.
    pub look: Look,
    /// How it came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}
