//! How many of the nodes have to serve a stage before its clock starts.

use crate::share::Share;
use serde::{Deserialize, Serialize};

/// How much of what the nodes carry has to be on nodes that serve a stage, before the stage's clock starts.
///
/// A rollback is final only when every live node has confirmed it, whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quorum {
    /// How much of it.
    pub share: Share,
    /// Of what.
    pub by: QuorumBy,
}

/// What the nodes are weighed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuorumBy {
    /// Each live node counts the same.
    #[default]
    Nodes,
    /// Each by the evaluations a second that it reported; all the same while nobody evaluates.
    Requests,
}

impl Default for Quorum {
    /// Nine of ten nodes. Not all: one node that hangs must not hold up everybody, and a tenth of the units
    /// cannot turn a look healthy.
    fn default() -> Self {
        Self {
            share: Share::of_parts(Share::TOTAL / 10 * 9).unwrap_or(Share::ALL),
            by: QuorumBy::Nodes,
        }
    }
}
