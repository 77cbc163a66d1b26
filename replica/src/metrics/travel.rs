//! What a replica counts of how snapshots travel to it and on.

use super::Make;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts};
use tidegate_model::fleet::{BreakerState, NodeHealth};

/// How snapshots travel.
#[derive(Debug)]
pub(super) struct Travel {
    pub(super) snapshots: IntCounterVec,
    pub(super) refused_keys: IntCounter,
    pub(super) kept_back: IntCounter,
    breaker: IntGauge,
    streams: IntGauge,
    shut: IntGauge,
    propagation: Gauge,
}

impl Travel {
    pub(super) fn new(new: &Make<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            snapshots: new.kept(IntCounterVec::new(
                Opts::new(
                    "tidegate_node_snapshots_total",
                    "Snapshots that came into force, by how they came",
                ),
                &["form"],
            )?)?,
            refused_keys: new.kept(IntCounter::new(
                "tidegate_node_refused_key_lists_total",
                "Lists of signing keys that no trusted key vouches for, or that could not be kept",
            )?)?,
            kept_back: new.kept(IntCounter::new(
                "tidegate_node_kept_back_calls_total",
                "Calls to upstream that were not made because the breaker is open",
            )?)?,
            breaker: new.kept(IntGauge::new(
                "tidegate_node_breaker_state",
                "Where the breaker in front of upstream stands: 0 closed, 1 half-open, 2 open",
            )?)?,
            streams: new.kept(IntGauge::new(
                "tidegate_node_followers",
                "Nodes that follow this one by a stream",
            )?)?,
            shut: new.kept(IntGauge::new(
                "tidegate_node_rollouts_shut",
                "1 while the control plane does not hear of this node, so that flags in rollout serve their safe variations",
            )?)?,
            propagation: new.kept(Gauge::new(
                "tidegate_node_propagation_seconds",
                "From the making of the served snapshot to its coming into force here; NaN when it was found on disk",
            )?)?,
        })
    }

    pub(super) fn note_shut(&self, shut: bool) {
        self.shut.set(i64::from(shut));
    }

    pub(super) fn note(&self, health: &NodeHealth, streams: usize) {
        self.breaker.set(match health.breaker {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        });
        self.streams.set(i64::try_from(streams).unwrap_or(i64::MAX));
        let seconds = |milliseconds: i64| milliseconds as f64 / 1000.0;
        self.propagation
            .set(health.propagation_ms.map_or(f64::NAN, seconds));
    }
}
