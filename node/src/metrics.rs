//! What a node counts beside its replica.

use crate::result_cache::ResultCache;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::sync::Arc;

/// The node's own metrics. They carry the labels of the replica's registry.
pub(crate) struct Metrics {
    /// Streams of change notices that are open.
    pub(crate) streams: IntGauge,
    /// Notices sent on them.
    pub(crate) notices: IntCounter,
    pub(crate) cache_hits: IntCounter,
    pub(crate) cache_misses: IntCounter,
    refused: IntCounterVec,
    enrolments: IntCounterVec,
    no_exposures: IntCounterVec,
}

impl Metrics {
    /// Metrics at nought, in a registry.
    ///
    /// # Errors
    /// When the registry has metrics of these names already.
    pub(crate) fn register(
        registry: &Registry,
        results: &Arc<ResultCache>,
    ) -> Result<Self, prometheus::Error> {
        let lookups = kept(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "tidegate_node_result_cache_lookups_total",
                    "Look-ups of bulk answers that were given before",
                ),
                &["outcome"],
            )?,
        )?;
        registry.register(Box::new(Sizes::new(Arc::clone(results))?))?;
        Ok(Self {
            streams: kept(
                registry,
                IntGauge::new("tidegate_node_streams", "Open streams of change notices")?,
            )?,
            notices: kept(
                registry,
                IntCounter::new(
                    "tidegate_node_stream_notices_total",
                    "Change notices sent on streams",
                )?,
            )?,
            cache_hits: lookups.with_label_values(&["hit"]),
            cache_misses: lookups.with_label_values(&["miss"]),
            refused: kept(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "tidegate_node_refused_requests_total",
                        "Requests of known callers that were turned away",
                    ),
                    &["cause"],
                )?,
            )?,
            enrolments: kept(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "tidegate_node_enrolments_total",
                        "Enrolments in experiments, by what became of them",
                    ),
                    &["outcome"],
                )?,
            )?,
            no_exposures: kept(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "tidegate_node_dropped_exposures_total",
                        "Exposures that clients reported and that are none",
                    ),
                    &["cause"],
                )?,
            )?,
        })
    }

    /// A request of a known caller was turned away for this cause.
    pub(crate) fn refused(&self, cause: &str) {
        self.refused.with_label_values(&[cause]).inc();
    }
}

/// What becomes of what is said of single units.
impl Metrics {
    /// A unit was enrolled, or why it was not.
    pub(crate) fn enrolled(&self, outcome: &str) {
        self.enrolments.with_label_values(&[outcome]).inc();
    }

    /// A client reported an exposure that is none, for this cause.
    pub(crate) fn no_exposure(&self, cause: &str) {
        self.no_exposures.with_label_values(&[cause]).inc();
    }
}

fn kept<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// How much the result cache holds at the moment somebody looks.
struct Sizes {
    results: Arc<ResultCache>,
    entries: IntGauge,
    bytes: IntGauge,
}

impl Sizes {
    fn new(results: Arc<ResultCache>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            results,
            entries: IntGauge::new(
                "tidegate_node_result_cache_entries",
                "Bulk answers kept for whoever asks the same again",
            )?,
            bytes: IntGauge::new("tidegate_node_result_cache_bytes", "Memory of these answers")?,
        })
    }
}

impl Collector for Sizes {
    fn desc(&self) -> Vec<&Desc> {
        [self.entries.desc(), self.bytes.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (entries, bytes) = self.results.size();
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        [self.entries.collect(), self.bytes.collect()].concat()
    }
}
