//! How much of the users' time the candidate has had.

use super::{Phase, Rollout};
use crate::Timestamp;
use crate::policy::Exposure;
use crate::share::Share;
use crate::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// How much of everybody's time the candidate has had, up to the last change of the share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exposed {
    /// So many milliseconds of everybody: an hour of a tenth is six minutes.
    pub millis: u64,
    /// Since when the share is what it is.
    pub since: Option<DateTime<Utc>>,
    /// The budgets of which a person was told that they are spent.
    pub told: BTreeSet<Budget>,
}

/// A budget of exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Minutes of units.
    UserMinutes,
    /// Units at a time.
    Units,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::UserMinutes => "user-minutes",
            Self::Units => "units",
        })
    }
}

impl Exposed {
    /// Takes in the time for which `share` was in force, before it changes at `at`.
    pub(super) fn account(&mut self, share: Share, at: Timestamp) {
        self.millis = self.until(share, at);
        self.since = Some(at);
    }

    fn until(&self, share: Share, at: Timestamp) -> u64 {
        let lasted = self.since.map_or(Span::ZERO, |since| Span::between(since, at));
        let part = lasted.duration().as_millis() * u128::from(share.parts()) / u128::from(Share::TOTAL);
        self.millis
            .saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

impl Rollout {
    /// How many minutes of its units the candidate has had at `now`.
    pub fn user_minutes(&self, exposure: &Exposure, now: Timestamp) -> u64 {
        let millis = match self.phase {
            Phase::Ended { .. } => self.exposed.millis,
            _ => self.exposed.until(self.share, now),
        };
        let minutes = u128::from(millis) * u128::from(exposure.audience) / 60_000;
        u64::try_from(minutes).unwrap_or(u64::MAX)
    }
}
