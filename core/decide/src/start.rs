//! Starting a rollout.

use crate::refusal::Refusal;
use crate::step::Step;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::flag::FlagState;
use tidegate_model::key::{EnvironmentKey, FlagKey, PolicyName, RolloutId, VariationKey};
use tidegate_model::policy::Policy;
use tidegate_model::rollout::Rollout;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartRollout {
    /// Which flag to open.
    pub flag: FlagKey,
    /// By which policy.
    pub policy: PolicyName,
    /// Which variation to open; by default `on` if the flag has one.
    #[serde(default)]
    pub candidate: Option<VariationKey>,
    /// What the policy asks for.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
}

/// The first step of a rollout: it exists, and holds the flag.
///
/// `latest` is the flag's latest rollout, if it ever had one.
///
/// # Errors
/// Why it cannot start: everything at once where that is possible.
pub fn start(
    _request: &StartRollout,
    _environment: &EnvironmentKey,
    _flag: &FlagState,
    _policy: &Policy,
    _latest: Option<&Rollout>,
    _by: &Author,
    _now: Timestamp,
) -> Result<(RolloutId, Step), Refusal> {
    Err(Refusal::conflict("", ""))
}
