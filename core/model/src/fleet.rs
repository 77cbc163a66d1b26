//! What nodes and the control plane say to each other besides snapshots.

use crate::key::{FlagKey, MetricName, NodeName, VariationKey};
use crate::snapshot::Version;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How long a node counts as live after it was last heard of, in seconds (faults.md F48).
pub const NODE_LEASE_SECONDS: u64 = 60;

/// Most nodes between a node and the control plane.
pub const HOPS_MAX: usize = 8;

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
    /// How it is doing; `None` when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<NodeHealth>,
    /// The nodes that the report came through, the nearest to its author first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<NodeName>,
    /// What happened on it since the batch before. Empty for a mere sign of life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
}

/// What the control plane says to a report that it took in. Until the node's lease is over, counted from when
/// the report was sent, a rollback waits for this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The newest version that was published at that moment; `None` when nothing was yet.
    pub newest: Option<Version>,
}

/// From here on a node's clock is wrong: 30 seconds, in milliseconds (faults.md F39).
pub const CLOCK_OFF_MAX_MS: i64 = 30_000;

/// How a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeHealth {
    /// How what it serves stands to what is published, as far as it knows.
    pub state: NodeState,
    /// Where the breaker in front of its upstream stands.
    pub breaker: BreakerState,
    /// Evaluations that served a variation, a second.
    pub evaluations_per_second: f64,
    /// From the making of the snapshot it serves to its coming into force there, in milliseconds by the
    /// two clocks; `None` when it was found on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation_ms: Option<i64>,
    /// What its clock showed when it said this. It decides nothing: nodes never ask their clock what is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<DateTime<Utc>>,
}

/// How what a node serves stands to what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It has nothing to serve.
    Blind,
    /// It heard within the last minute that nothing is newer.
    Current,
    /// There may be something newer.
    Stale,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Every call is made.
    Closed,
    /// One call is made, and decides.
    HalfOpen,
    /// No call is made.
    Open,
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
    /// Since when a version that it does not serve is published, in milliseconds; 0 while it is
    /// current, `None` when that is not remembered.
    #[serde(default)]
    pub behind_ms: Option<i64>,
    /// How it said it is doing; `None` when it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<NodeHealth>,
    /// The nodes between it and the control plane, the nearest to it first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<NodeName>,
    /// How much later than its upstream it served the snapshot that both serve, in milliseconds by their
    /// clocks; `None` when they serve different ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop_lag_ms: Option<i64>,
    /// How far its clock is before the control plane's, in milliseconds, less what its word took to arrive; negative
    /// if it is behind; `None` when it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_off_ms: Option<i64>,
    /// When it was last heard of.
    pub last_seen: DateTime<Utc>,
    /// Whether its lease still runs.
    pub live: bool,
}
