//! Rules that compare the candidate with the baseline.

use crate::span::Span;
use serde::{Deserialize, Serialize};

/// A number of the candidate against the same number of the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sides {
    /// PromQL that yields the candidate's number.
    pub candidate: String,
    /// PromQL that yields the baseline's.
    pub baseline: String,
    /// What is made of the two.
    pub by: SidesBy,
}

/// What is made of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SidesBy {
    /// Candidate minus baseline.
    Difference,
    /// Candidate divided by baseline. Without a baseline, or with one of 0, nothing is decided (F9).
    Ratio,
}

/// Samples of the candidate against samples of the baseline, by the test of Mann and Whitney. The rule's
/// threshold is a size of effect, Cliff's delta: from -1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ranks {
    /// PromQL that yields the candidate's number, asked for every `step` of the window.
    pub candidate: String,
    /// PromQL that yields the baseline's.
    pub baseline: String,
    /// The time between two samples.
    pub step: Span,
    /// How small the chance must be that a difference is luck, for one look.
    pub significance: f64,
}

/// Counted errors and requests of both sides, by a sequential test. The rule's threshold is its share of
/// the false-rollback budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sequential {
    /// The candidate's counters.
    pub candidate: Counters,
    /// The baseline's counters.
    pub baseline: Counters,
    /// How many times the baseline's rate of errors the candidate's may be; 1 is no worse at all.
    pub ratio: f64,
}

/// Selectors of counters, as many series as there are; all of them are added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counters {
    /// Counts what went wrong.
    pub errors: String,
    /// Counts everything that was tried.
    pub requests: String,
}
