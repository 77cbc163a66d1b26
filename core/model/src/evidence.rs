//! What came back when the source of a rule was asked, before it is judged.

use crate::verdict::{Measurement, SequentialTest, UnknownReason};

/// What came back when the source of a rule was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What the source said.
    pub found: Found,
    /// How many samples stand behind it, if the rule has a query that counts them.
    pub samples: Result<Option<f64>, UnknownReason>,
}

/// What a source said: one kind for each kind of rule.
#[derive(Debug, Clone, PartialEq)]
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
        rates: Vec<(Measurement, Measurement)>,
        /// The share of errors within the whole period, if the rule asks for what is left of the budget.
        period: Option<Measurement>,
    },
}

/// Several values of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The values, all finite, or why there are none.
    pub values: Result<Vec<f64>, UnknownReason>,
    /// The provider's own words when there are none.
    pub detail: String,
}

/// What was counted on one side.
#[derive(Debug, Clone, PartialEq)]
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
