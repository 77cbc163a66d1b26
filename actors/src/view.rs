//! What the API, the command line and the dashboard are shown.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::key::{EnvironmentKey, FlagKey, NodeName, PolicyName, Revision, RolloutId, RuleName, VariationKey};
use tidegate_model::rollout::{GivenApproval, Pause, PauseOwner, Phase};
use tidegate_model::share::Share;
use tidegate_model::verdict::Look;

/// A thing and the revision at which it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised<T> {
    /// The thing.
    pub value: T,
    /// Its revision.
    pub revision: Revision,
}

/// A rollout, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Its name.
    pub id: RolloutId,
    /// Where.
    pub environment: EnvironmentKey,
    /// Which flag it opens.
    pub flag: FlagKey,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// By which policy.
    pub policy: PolicyName,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation that a rollback returns to.
    pub safe: VariationKey,
    /// Counts its changes; what `If-Match` compares.
    pub revision: Revision,
    /// In one word: `running`, `paused`, `rolling_back`, `completed`, `rolled_back`, `aborted`.
    pub status: String,
    /// Where it is.
    pub phase: Phase,
    /// The name of the stage in force, if there is one.
    pub stage: Option<String>,
    /// The stages, with name and percentage.
    pub stages: Vec<StageView>,
    /// How far the flag is, or is being, opened.
    pub share: Share,
    /// Who or what keeps it from advancing.
    #[schema(value_type = BTreeMap<String, Pause>)]
    pub pauses: BTreeMap<PauseOwner, Pause>,
    /// The word given for the next stage, if any.
    pub approval: Option<GivenApproval>,
    /// The newest look at each rule.
    #[schema(value_type = BTreeMap<String, Look>)]
    pub looks: BTreeMap<RuleName, Look>,
    /// In one line: what was decided last and why, or why nothing is.
    pub because: String,
    /// The same, one reason a line, most important first.
    pub reasons: Vec<String>,
    /// Live nodes that serve the rollout's newest share.
    pub confirmed: Vec<NodeName>,
    /// Live nodes that do not yet.
    pub waiting_for: Vec<NodeName>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// Who began it.
    pub by: String,
    /// Whether its actor failed too often and is kept apart; the keeper acts for it when blind.
    pub quarantined: bool,
}

/// A stage, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Its name.
    pub name: String,
    /// How far it opens.
    pub percentage: Share,
    /// Whether it needs somebody's word before it opens.
    pub needs_approval: bool,
}
