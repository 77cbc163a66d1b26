//! Rules that weigh other rules.

use crate::key::RuleName;
use serde::{Deserialize, Serialize};

/// The weighted share of rules that are healthy. The rule's threshold is the score below which it is
/// bad, its clear level the score from which it is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Score {
    /// What is weighed. Never empty.
    pub of: Vec<ScorePart>,
}

/// A rule and its weight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScorePart {
    /// Which rule; not a score itself.
    pub rule: RuleName,
    /// How much it weighs; more than 0.
    pub weight: f64,
}
