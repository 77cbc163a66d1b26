//! Gates: others who are asked before a stage opens.

use crate::key::TargetName;
use crate::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a gate may take unless the policy says otherwise.
pub const DEFAULT_DEADLINE: Span = Span::seconds(30 * 60);
/// How often a gate is asked unless the policy or the gate says otherwise.
pub const DEFAULT_EVERY: Span = Span::seconds(30);
/// A gate is not asked more often than this, whatever it says itself.
pub const EVERY_MIN: Span = Span::seconds(1);
/// Nor more seldom: its answer may have changed.
pub const EVERY_MAX: Span = Span::seconds(3600);

/// Whom to ask before a stage opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// A target of the control plane, by name.
    pub target: TargetName,
    /// How long after the first question a person is woken because it has not passed.
    pub deadline: Span,
    /// How long to wait before asking again.
    pub every: Span,
    /// How long a pass counts; `None`: until the stage opens.
    pub expires: Option<Span>,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// The stage may open.
    Pass,
    /// Not yet: ask again.
    Hold,
    /// The stage must not open: the rollout pauses, and a person decides.
    Fail,
}

impl fmt::Display for GateVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Hold => "hold",
            Self::Fail => "fail",
        })
    }
}

/// How far a gate of the next stage is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateState {
    /// When it was first asked: when its deadline begins to run.
    pub asked: DateTime<Utc>,
    /// What it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<GateAnswer>,
    /// Whether a person was woken because it has not passed in time.
    #[serde(default)]
    pub overdue: bool,
}

/// What a gate said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateAnswer {
    /// What it says.
    pub verdict: GateVerdict,
    /// In its own words.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}
