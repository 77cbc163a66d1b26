//! What a look at a safety rule can say. Never a bare boolean: silence is not health.

use crate::key::RuleName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a rule could not be judged.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum UnknownReason {
    /// The answer is empty (F1).
    NoSeries,
    /// The answer is not a number (F2).
    Nan,
    /// The answer is infinite (F3).
    Inf,
    /// The newest sample is too old, or from the future (F6).
    StaleSample,
    /// The window reaches back before the stage took effect (F7). Passes by itself; not blindness.
    WindowOverlapsStage,
    /// Fewer samples than the rule's minimum (F10).
    TooFew,
    /// Several series where one is expected (F4).
    ManySeries,
    /// The provider said that its answer is incomplete (F5).
    Partial,
    /// Refused, unreachable, or an answer that is not one (F12, F13).
    ProviderError,
    /// No answer in time (F12).
    Timeout,
}

impl UnknownReason {
    /// All reasons, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::NoSeries,
        Self::Nan,
        Self::Inf,
        Self::StaleSample,
        Self::WindowOverlapsStage,
        Self::TooFew,
        Self::ManySeries,
        Self::Partial,
        Self::ProviderError,
        Self::Timeout,
    ];

    /// The reason's name in policies and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSeries => "no_series",
            Self::Nan => "nan",
            Self::Inf => "inf",
            Self::StaleSample => "stale_sample",
            Self::WindowOverlapsStage => "window_overlaps_stage",
            Self::TooFew => "too_few",
            Self::ManySeries => "many_series",
            Self::Partial => "partial",
            Self::ProviderError => "provider_error",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one look at one rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// On the good side of the threshold.
    Healthy,
    /// Between the clear level and the threshold: neither advances nor trips.
    Undecided,
    /// Could not be judged.
    Unknown(UnknownReason),
    /// On the bad side of the threshold.
    Breached,
}

impl Verdict {
    /// The verdict in one word, without its reason: a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Undecided => "undecided",
            Self::Unknown(_) => "unknown",
            Self::Breached => "breached",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.pad("healthy"),
            Self::Undecided => f.pad("undecided"),
            Self::Unknown(reason) => f.pad(&format!("unknown ({reason})")),
            Self::Breached => f.pad("breached"),
        }
    }
}

/// Longest words of a provider that are kept, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// What came back when a rule's source was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// The value, or why there is none. Finite.
    #[schema(value_type = Object)]
    pub value: Result<f64, UnknownReason>,
    /// How many samples stand behind it, if the rule asks for a minimum.
    #[serde(default = "no_samples", skip_serializing_if = "without_samples")]
    #[schema(value_type = Object)]
    pub samples: Result<Option<f64>, UnknownReason>,
    /// The provider's own words when there is no value: an error text, warnings. Shown to people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

pub(crate) fn no_samples() -> Result<Option<f64>, UnknownReason> {
    Ok(None)
}

pub(crate) fn without_samples(samples: &Result<Option<f64>, UnknownReason>) -> bool {
    *samples == Ok(None)
}

impl Measurement {
    /// No value, for this reason. Of long words the beginning is kept.
    pub fn unknown(reason: UnknownReason, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
            detail.truncate(end);
            detail.push('…');
        }
        Self {
            value: Err(reason),
            samples: Ok(None),
            detail,
        }
    }

    /// A finite value; anything else becomes the reason why it is not one.
    pub fn of(value: f64) -> Self {
        let value = match value {
            value if value.is_nan() => Err(UnknownReason::Nan),
            value if value.is_infinite() => Err(UnknownReason::Inf),
            value => Ok(value),
        };
        Self {
            value,
            samples: Ok(None),
            detail: String::new(),
        }
    }
}

/// One look at one rule: the measurement and what it was taken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Which rule.
    pub rule: RuleName,
    /// What the look says. An unknown that the policy takes for healthy or breached stands here as
    /// that, and `detail` says so.
    pub verdict: Verdict,
    /// The value, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The samples behind it, if the rule asks for a minimum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<f64>,
    /// What the value was made of, or the provider's own words when there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What a sequential test knows after this look; the next one goes on from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SequentialTest>,
    /// When the source was asked: the end of the look's window.
    pub at: DateTime<Utc>,
}

/// What a sequential test knows: everything that was counted since it began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SequentialTest {
    /// Until when it has counted.
    pub until: DateTime<Utc>,
    /// What it counted of the candidate.
    pub candidate: Tried,
    /// What it counted of the baseline.
    pub baseline: Tried,
    /// What each bet of the mixture has made of its stake, as natural logarithms; empty before the first
    /// count.
    pub ln_bets: Vec<f64>,
}

/// What a sequential test counted of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Errors.
    pub errors: u64,
    /// Requests, errors among them.
    pub requests: u64,
    /// When it last had any request, or when the test began.
    pub served: DateTime<Utc>,
}

impl SequentialTest {
    /// A test that counts from `since` on.
    pub fn beginning(since: DateTime<Utc>) -> Self {
        let nothing = Tried {
            errors: 0,
            requests: 0,
            served: since,
        };
        Self {
            until: since,
            candidate: nothing.clone(),
            baseline: nothing,
            ln_bets: Vec::new(),
        }
    }
}
