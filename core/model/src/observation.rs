//! What nodes saw of single units: who met which arm of an experiment, and what units did.

use crate::Timestamp;
use crate::key::{ExperimentKey, MetricName, VariationKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most observations in one batch.
pub const OBSERVATIONS_MAX: usize = 10_000;

/// Longest name of a unit, and of an event, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;

/// One thing that was seen of one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Observation {
    /// It met its arm of an experiment. The first time counts; more of them change nothing.
    Exposure {
        /// Which experiment.
        experiment: ExperimentKey,
        /// Under which dealing of it: [`crate::experiment::Experiment::batch`].
        #[serde(default, skip_serializing_if = "is_first")]
        batch: u32,
        /// Who.
        unit: String,
        /// Which arm.
        arm: VariationKey,
        /// When.
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        /// What the context said about the dimensions of the experiment.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        dimensions: BTreeMap<String, String>,
    },
    /// It did something.
    Event {
        /// Who.
        unit: String,
        /// What.
        metric: MetricName,
        /// How much: money, minutes; 1 for what only happens.
        value: f64,
        /// When.
        #[schema(value_type = String, format = DateTime)]
        at: Timestamp,
        /// Tells it from the unit's other events: the same id is the same event, however often it is sent.
        id: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_first(batch: &u32) -> bool {
    *batch == 0
}

impl Observation {
    /// Who was seen.
    pub fn unit(&self) -> &str {
        match self {
            Self::Exposure { unit, .. } | Self::Event { unit, .. } => unit,
        }
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Exposure { at, .. } | Self::Event { at, .. } => *at,
        }
    }
}

/// Observations that travel together, and are taken in once or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservationBatch {
    /// Names the line that they waited in; drawn at random when the line was made.
    pub spool: String,
    /// Its place in that line, from 1, without gaps. A repeat carries the same number.
    pub number: u64,
    /// What was seen, at most [`OBSERVATIONS_MAX`].
    pub observations: Vec<Observation>,
}

/// What the control plane says to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservationReceipt {
    /// The last number of that line that survives a power cut: batches up to it need not be sent again.
    pub through: u64,
}
