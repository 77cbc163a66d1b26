//! What is asked of a source of metrics, and what it tells.

use async_trait::async_trait;
use tidegate_model::Timestamp;
use tidegate_model::evidence::Samples;
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_model::verdict::Measurement;

/// What is asked. Questions that are equal have the same answer while one is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The one number of an expression, now.
    Number {
        /// PromQL.
        promql: String,
    },
    /// The values of an expression at even distances.
    Samples {
        /// PromQL that yields one series.
        promql: String,
        /// The first moment.
        from: Timestamp,
        /// The last moment.
        to: Timestamp,
        /// The time between two.
        step: Span,
    },
    /// By how much counters rose, all of them added up.
    Increase {
        /// A bare selector.
        selector: String,
        /// From here.
        since: Timestamp,
        /// To here.
        until: Timestamp,
        /// Whether counters that nobody scrapes any more are no answer.
        alive: bool,
    },
}

/// What a source tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a question for one number.
    Number(Measurement),
    /// To a question for several.
    Samples(Samples),
}

/// An answer, and what stands for the body that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Digest of the body; `None` when none came back.
    pub digest: Option<Digest>,
}

/// Something that answers questions about metrics.
#[async_trait]
pub trait MetricSource: Send + Sync + 'static {
    /// The answer, or why there is none.
    async fn ask(&self, question: &Question) -> Reply;
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self { answer, digest: None }
    }
}

impl Answer {
    /// As one number.
    pub(crate) fn number(self) -> Measurement {
        match self {
            Self::Number(measurement) => measurement,
            Self::Samples(samples) => match samples.values {
                Ok(_several) => Measurement::unknown(
                    tidegate_model::verdict::UnknownReason::ManySeries,
                    "several values where one is expected",
                ),
                Err(reason) => Measurement::unknown(reason, samples.detail),
            },
        }
    }

    /// As several.
    pub(crate) fn samples(self) -> Samples {
        match self {
            Self::Samples(samples) => samples,
            Self::Number(measurement) => Samples {
                values: measurement.value.map(|value| vec![value]),
                detail: measurement.detail,
            },
        }
    }
}
