//! What nodes and the control plane say to each other besides snapshots.

use crate::key::{FlagKey, MetricName, NodeName, VariationKey};
use crate::snapshot::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How long a node counts as live after it was last heard of, in seconds (faults.md F48).
pub const NODE_LEASE_SECONDS: u64 = 60;

/// What a node tells the control plane about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeReport {
    /// Its name.
    pub node: NodeName,
    /// Drawn anew at each start of the process; with `batch` it makes repeats of a report harmless.
    pub instance: String,
    /// Counts the reports that carry tallies, from 1. A repeat carries the same number.
    pub batch: u64,
    /// The snapshot it serves; `None` when it serves none yet.
    pub serving: Option<Version>,
    /// What happened on it since the batch before. Empty for a mere sign of life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
}

/// How often something happened to one variation. Never per user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tally {
    /// Which flag.
    pub flag: FlagKey,
    /// Which variation.
    pub variation: VariationKey,
    /// What happened; `None` is that the variation was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricName>,
    /// How often.
    pub count: u64,
    /// The values added up; finite.
    #[serde(default)]
    pub sum: f64,
}

/// A node as the control plane sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// The snapshot it said it serves; `None` when it never said.
    pub serving: Option<Version>,
    /// Whether that is the newest.
    pub current: bool,
    /// When it was last heard of.
    pub last_seen: DateTime<Utc>,
    /// Whether its lease still runs.
    pub live: bool,
}
