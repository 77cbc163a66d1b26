//! What a replica exports to Prometheus.

mod observations;
mod travel;

use crate::contact::Standing;
use crate::replica::Replica;
use crate::serving::Served;
pub(crate) use observations::ObservationCounters;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::{BTreeMap, HashMap};
use tidegate_model::fleet::NodeHealth;
use tidegate_model::key::{EnvironmentKey, FlagKey, MetricName, VariationKey};
use tidegate_model::snapshot::Version;
use travel::Travel;

/// The counters of one replica. All carry the label `environment`.
#[derive(Debug)]
pub struct Counters {
    registry: Registry,
    evaluations: IntCounterVec,
    defaults: IntCounterVec,
    events: IntCounterVec,
    event_values: GaugeVec,
    dropped: IntCounterVec,
    refused_snapshots: IntCounterVec,
    pull_failures: IntCounterVec,
    report_failures: IntCounterVec,
    shelf_failures: IntCounter,
    travel: Travel,
    observations: ObservationCounters,
    epoch: IntGauge,
    version: IntGauge,
    age: Gauge,
    state: IntGaugeVec,
}

impl Counters {
    /// Counters at nought.
    ///
    /// # Errors
    /// When Prometheus would not accept a name; the tests prove that it does.
    pub(crate) fn new(environment: &EnvironmentKey) -> Result<Self, prometheus::Error> {
        let common = HashMap::from([("environment".to_owned(), environment.to_string())]);
        let registry = Registry::new_custom(None, Some(common))?;
        let new = Make(&registry);
        let event_labels = ["flag", "variation", "metric"];
        Ok(Self {
            evaluations: new.counters(
                "tidegate_evaluations_total",
                "Evaluations that served a variation",
                &["flag", "variation"],
            )?,
            defaults: new.counters(
                "tidegate_evaluation_defaults_total",
                "Evaluations that left the caller with its own default",
                &["reason"],
            )?,
            events: new.counters(
                "tidegate_node_events_total",
                "Metric events that this node took in",
                &event_labels,
            )?,
            event_values: new.kept(GaugeVec::new(
                Opts::new(
                    "tidegate_node_events_value_sum",
                    "Values of the metric events that this node took in, added up; falls when they are negative",
                ),
                &event_labels,
            )?)?,
            dropped: new.causes(
                "tidegate_node_dropped_tallies_total",
                "Events and tallies that were not counted upstream",
            )?,
            refused_snapshots: new.causes(
                "tidegate_node_refused_snapshots_total",
                "Snapshots that were not served",
            )?,
            pull_failures: new.causes(
                "tidegate_node_pull_failures_total",
                "Pulls that brought nothing to judge",
            )?,
            report_failures: new.causes(
                "tidegate_node_report_failures_total",
                "Reports that upstream did not take",
            )?,
            shelf_failures: new.kept(IntCounter::new(
                "tidegate_node_shelf_failures_total",
                "Snapshots that are served but could not be kept on disk",
            )?)?,
            travel: Travel::new(&new)?,
            observations: ObservationCounters::new(&new)?,
            epoch: new.kept(IntGauge::new(
                "tidegate_node_snapshot_epoch",
                "Which life of the store the served snapshot is from; 0 while blind",
            )?)?,
            version: new.kept(IntGauge::new(
                "tidegate_node_snapshot_version",
                "Number of the served snapshot in its epoch; 0 while blind",
            )?)?,
            age: new.kept(Gauge::new(
                "tidegate_node_snapshot_age_seconds",
                "Seconds since upstream last said that nothing is newer; NaN while blind",
            )?)?,
            state: new.kept(IntGaugeVec::new(
                Opts::new(
                    "tidegate_node_state",
                    "1 for the state that the node is in: current, stale or blind; 0 for the others",
                ),
                &["state"],
            )?)?,
            registry,
        })
    }

    pub(crate) fn evaluations(&self, flag: &FlagKey, variation: &VariationKey) -> IntCounter {
        self.evaluations
            .with_label_values(&[flag.as_str(), variation.as_str()])
    }

    pub(crate) fn events(
        &self,
        flag: &FlagKey,
        variation: &VariationKey,
        metric: &MetricName,
    ) -> (IntCounter, Gauge) {
        let labels = [flag.as_str(), variation.as_str(), metric.as_str()];
        (
            self.events.with_label_values(&labels),
            self.event_values.with_label_values(&labels),
        )
    }

    /// An evaluation left the caller with its own default, for this reason.
    pub fn defaulted(&self, reason: &str) {
        self.defaults.with_label_values(&[reason]).inc();
    }

    /// So many events or tallies will not be counted upstream, for this cause.
    pub fn dropped(&self, cause: &str, many: u64) {
        self.dropped.with_label_values(&[cause]).inc_by(many);
    }

    pub(crate) fn refused_snapshot(&self, cause: &str) {
        self.refused_snapshots.with_label_values(&[cause]).inc();
    }

    pub(crate) fn keys_refused(&self) {
        self.travel.refused_keys.inc();
    }

    pub(crate) fn pull_failed(&self, cause: &str) {
        self.pull_failures.with_label_values(&[cause]).inc();
    }

    pub(crate) fn report_failed(&self, cause: &str) {
        self.report_failures.with_label_values(&[cause]).inc();
    }

    pub(crate) fn shelf_failed(&self) {
        self.shelf_failures.inc();
    }

    pub(crate) fn took_snapshot(&self, form: &str) {
        self.travel.snapshots.with_label_values(&[form]).inc();
    }

    /// What became of observations of single units.
    pub(crate) fn observations(&self) -> &ObservationCounters {
        &self.observations
    }

    pub(crate) fn kept_back(&self) {
        self.travel.kept_back.inc();
    }

    /// Notes how the replica is doing, right before the metrics are read.
    pub(crate) fn note_health(&self, health: &NodeHealth, streams: usize) {
        self.travel.note(health, streams);
    }

    /// Where to register what the surface over this replica counts; it gets the replica's labels.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Notes what is served, right before the metrics are read.
    pub(crate) fn note_serving(&self, served: Option<&Served>, standing: Standing) {
        let version = served.map(Served::version);
        self.travel.note_shut(served.is_some_and(Served::is_shut));
        let age = standing.age();
        for state in Standing::WORDS {
            let is_in = i64::from(state == standing.word());
            self.state.with_label_values(&[state]).set(is_in);
        }
        let Version { epoch, number } = version.unwrap_or_default();
        self.epoch.set(i64::try_from(epoch).unwrap_or(i64::MAX));
        self.version.set(i64::try_from(number).unwrap_or(i64::MAX));
        self.age.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
    }
}

/// Makes metrics and registers them.
struct Make<'a>(&'a Registry);

impl Make<'_> {
    fn kept<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.kept(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn causes(&self, name: &str, help: &str) -> Result<IntCounterVec, prometheus::Error> {
        self.counters(name, help, &["cause"])
    }
}

/// The metrics of replicas as part of another registry: a control plane's embedded ones.
pub fn collector(replicas: Vec<Replica>) -> impl Collector + 'static {
    Embedded(replicas)
}

struct Embedded(Vec<Replica>);

impl Collector for Embedded {
    /// None: which metrics there are depends on what was counted.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        families(&self.0)
    }
}

/// The metrics of a replica in Prometheus' text format.
///
/// # Errors
/// When the metrics contradict each other.
pub fn exposition(replica: &Replica) -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&families(std::slice::from_ref(replica)))
}

/// The metrics of these replicas, each name once.
fn families(replicas: &[Replica]) -> Vec<MetricFamily> {
    let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
    for replica in replicas {
        replica.note_serving();
        for mut family in replica.counters().registry.gather() {
            match families.get_mut(family.name()) {
                Some(known) => known.mut_metric().extend(family.take_metric()),
                None => {
                    families.insert(family.name().to_owned(), family);
                }
            }
        }
    }
    families.into_values().collect()
}
