//! Giving way to another rollout.

use crate::key::{RolloutId, RuleName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A breach that could be another rollout's: that one's newer advance is undone first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenWay {
    /// Whose advance is undone first.
    pub to: RolloutId,
    /// When that was opened; `None`: it was undone already, and has not had its time yet.
    #[serde(default)]
    pub advance: Option<DateTime<Utc>>,
    /// Which rules are breached.
    pub rules: BTreeSet<RuleName>,
    /// To whom it gave way before in the same breach, in vain.
    #[serde(default)]
    pub passed: BTreeSet<RolloutId>,
    /// Since when.
    pub since: DateTime<Utc>,
}
