//! What became of observations.

use super::Make;
use prometheus::{IntCounter, IntCounterVec, IntGauge};

/// The counters of what is seen of single units.
#[derive(Debug)]
pub(crate) struct ObservationCounters {
    taken: IntCounterVec,
    lost: IntCounterVec,
    failures: IntCounterVec,
    batches: IntCounter,
    bytes: IntGauge,
    waiting: IntGauge,
}

impl ObservationCounters {
    pub(super) fn new(new: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            taken: new.counters(
                "tidegate_node_observations_total",
                "Observations of single units that were taken in",
                &["kind"],
            )?,
            lost: new.causes(
                "tidegate_node_lost_observations_total",
                "Observations of single units that upstream will never get",
            )?,
            failures: new.causes(
                "tidegate_node_observe_failures_total",
                "Batches of observations that upstream did not take when they were sent",
            )?,
            batches: new.kept(IntCounter::new(
                "tidegate_node_observation_batches_total",
                "Batches of observations that upstream has",
            )?)?,
            bytes: new.kept(IntGauge::new(
                "tidegate_node_spool_bytes",
                "Room that observations take which upstream may not have yet",
            )?)?,
            waiting: new.kept(IntGauge::new(
                "tidegate_node_spool_observations",
                "Observations that upstream does not have yet",
            )?)?,
        })
    }

    /// So many were taken in.
    pub(crate) fn taken(&self, kind: &str, many: usize) {
        if many > 0 {
            self.taken.with_label_values(&[kind]).inc_by(many as u64);
        }
    }

    /// So many are lost, for this cause.
    pub(crate) fn lost(&self, cause: &str, many: u64) {
        self.lost.with_label_values(&[cause]).inc_by(many);
    }

    /// Upstream did not take a batch.
    pub(crate) fn failed(&self, cause: &str) {
        self.failures.with_label_values(&[cause]).inc();
    }

    /// Upstream has so many batches more.
    pub(crate) fn handed_in(&self, batches: u64) {
        self.batches.inc_by(batches);
    }

    /// Notes how much waits, right before the metrics are read.
    pub(crate) fn note(&self, (bytes, observations): (u64, usize)) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.waiting.set(i64::try_from(observations).unwrap_or(i64::MAX));
    }
}
