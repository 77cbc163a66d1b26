//! Notices: what is told to whom, in chat rooms and by webhooks.

use crate::because::Decision;
use crate::key::{EnvironmentKey, FlagKey, PolicyName, RolloutId, TargetName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What may be told of a rollout.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It began.
    Started,
    /// A stage took effect on the nodes.
    TookEffect,
    /// The next stage opened.
    Advanced,
    /// It waits for a person, or for an alert to be over.
    Paused,
    /// It goes on.
    Resumed,
    /// A stage may open.
    Approved,
    /// Another plan waits for somebody's word.
    PlanProposed,
    /// It follows another plan.
    PlanChanged,
    /// The last stage is done: everybody has the candidate, and it is still watched.
    Monitoring,
    /// Back to an earlier stage.
    Retreated,
    /// The safe variation was put in force for everybody.
    RollingBack,
    /// Every live node confirmed the safe variation.
    RolledBack,
    /// The candidate is what everybody gets.
    Completed,
    /// It is not wanted any more, and every live node confirmed the safe variation.
    Aborted,
    /// Something worth waking a person.
    Alerted,
}

impl Occasion {
    /// All occasions, in the order of a rollout's life.
    pub const ALL: [Self; 15] = [
        Self::Started,
        Self::TookEffect,
        Self::Advanced,
        Self::Paused,
        Self::Resumed,
        Self::Approved,
        Self::PlanProposed,
        Self::PlanChanged,
        Self::Monitoring,
        Self::Retreated,
        Self::RollingBack,
        Self::RolledBack,
        Self::Completed,
        Self::Aborted,
        Self::Alerted,
    ];

    /// What a decision is an occasion for; `None`: for nothing.
    pub fn of(decision: &Decision) -> Option<Self> {
        Some(match decision {
            Decision::Started { .. } => Self::Started,
            Decision::TookEffect { .. } => Self::TookEffect,
            Decision::Advanced { .. } => Self::Advanced,
            Decision::Paused { .. } => Self::Paused,
            Decision::Resumed { .. } => Self::Resumed,
            Decision::Approved { .. } => Self::Approved,
            Decision::Monitoring { .. } => Self::Monitoring,
            Decision::Retreated { .. } | Decision::Restarted { .. } => Self::Retreated,
            Decision::RollingBack => Self::RollingBack,
            Decision::RolledBack { .. } => Self::RolledBack,
            Decision::Completed => Self::Completed,
            Decision::Aborted => Self::Aborted,
            Decision::Alerted { .. } => Self::Alerted,
            Decision::PlanProposed { .. } => Self::PlanProposed,
            Decision::PlanChanged { .. } => Self::PlanChanged,
            Decision::Holds { .. }
            | Decision::PlanWithdrawn
            | Decision::Shadowed { .. }
            | Decision::Saved
            | Decision::Frozen
            | Decision::Thawed
            | Decision::Experiment { .. } => return None,
        })
    }

    /// What is told unless a policy says otherwise: whatever changes what users get or wants a person.
    pub fn usual() -> BTreeSet<Self> {
        let quiet = [Self::TookEffect, Self::Resumed, Self::Approved];
        Self::ALL
            .into_iter()
            .filter(|occasion| !quiet.contains(occasion))
            .collect()
    }
}

/// Who is told of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotifyRule {
    /// A target of the control plane, by name.
    pub to: TargetName,
    /// Of what. Never empty.
    pub on: BTreeSet<Occasion>,
}

/// What is told: the body of a webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Names it: told twice it is the same notice. Environment, record of the journal, rollout.
    pub id: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Where.
    pub environment: EnvironmentKey,
    /// To which rollout.
    pub rollout: RolloutId,
    /// Of which flag.
    pub flag: FlagKey,
    /// By which policy.
    pub policy: PolicyName,
    /// What happened.
    pub occasion: Occasion,
    /// The decision in words.
    pub summary: String,
    /// Why, most important first.
    pub reasons: Vec<String>,
    /// Who did it.
    pub by: String,
}
