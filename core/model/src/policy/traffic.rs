//! What a service is used to: what its stages can see depends on it.

use crate::key::RuleName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much a service is used, and how often that goes wrong without the candidate. Nothing is decided
/// by it: it is what a policy is checked with before it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// Requests of all users in a minute, more than 0; the candidate gets its share of them.
    pub per_minute: f64,
    /// For rules whose number is a share of requests: what that share usually is, from 0 to 1.
    #[serde(default)]
    pub baseline: BTreeMap<RuleName, f64>,
}
