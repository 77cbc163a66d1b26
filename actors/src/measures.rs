//! What the control plane measures of itself, for Prometheus.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use tidegate_model::fleet::Tally;
use tidegate_model::key::EnvironmentKey;

/// The control plane's metrics. Labels never hold a user, a context or a secret.
#[derive(Debug, Clone)]
pub struct Measures {
    registry: Registry,
    /// Decisions of rollouts by what was decided; holds are not counted.
    pub(crate) decisions: IntCounterVec,
    /// Looks at safety rules by verdict.
    pub(crate) looks: IntCounterVec,
    /// What others said, were told and were asked.
    pub(crate) others: Others,
    /// How far each running rollout is open, per cent.
    pub(crate) share: GaugeVec,
    /// Experiments by environment and phase.
    pub(crate) experiments: IntGaugeVec,
    /// From the decision to roll back to the last live node's confirmation.
    pub(crate) time_to_safe: Histogram,
    /// How much later than planned rollouts wake up.
    pub(crate) wake_lag: Histogram,
    /// What Prometheus was asked.
    pub(crate) asked: Asked,
    /// Actors built anew after they failed, by kind.
    pub(crate) restarts: IntCounterVec,
    /// Things whose actors are kept apart.
    pub(crate) quarantined: IntGauge,
    /// Wake-ups that a sweep found missing.
    pub(crate) missed_wakes: IntCounter,
    /// Snapshots published by environment.
    pub(crate) publishes: IntCounterVec,
    /// Snapshots that the publish gate refused.
    pub(crate) refused_publishes: IntCounter,
    /// Flags whose loss waits for somebody's word, by environment.
    pub(crate) waiting_flags: IntGaugeVec,
    /// The newest published version's number by environment.
    pub(crate) version: IntGaugeVec,
    /// What flagd's clients get, where flagd is a target.
    pub(crate) flagd: FlagdGauges,
    /// What is known of nodes.
    pub(crate) nodes: NodeGauges,
    /// Commits that lost a race.
    pub(crate) conflicts: IntCounter,
    pub(crate) repeated_batches: IntCounter,
    pub(crate) dropped_tallies: IntCounter,
    events: Events,
}

/// Buckets of the time to safe, in seconds.
const SAFE_SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// What nodes handed in, by flag and variation.
#[derive(Debug, Clone)]
struct Events {
    counts: IntCounterVec,
    values: GaugeVec,
    exposures: IntCounterVec,
}

/// What flagd's clients get, by environment.
#[derive(Debug, Clone)]
pub(crate) struct FlagdGauges {
    /// Length of the configuration.
    pub(crate) bytes: IntGaugeVec,
    /// Flags that they do not get.
    pub(crate) left_out: IntGaugeVec,
}

/// What others said, were told and were asked.
#[derive(Debug, Clone)]
pub(crate) struct Others {
    /// Alerts by rollouts.
    pub(crate) alerts: IntCounter,
    /// Changes that were refused for what has nothing to do with them, by cause.
    pub(crate) refused: IntCounterVec,
    /// 1 for each reason for which the control plane only serves.
    pub(crate) serves_only: IntGaugeVec,
    /// How far the wall clock has moved away since the start.
    pub(crate) clock_offset: Gauge,
    /// How late the thread of the actors is, measured four times a second.
    pub(crate) lag: Histogram,
    /// How long commits take, from the proposal to its answer.
    pub(crate) commits: Histogram,
    /// Alerts that an Alertmanager delivered, by environment and what became of them.
    pub(crate) heard_alerts: IntCounterVec,
    /// What was sent to targets, by target and outcome.
    pub(crate) notices: IntCounterVec,
    /// Answers of gates by target and what they said.
    pub(crate) gates: IntCounterVec,
    /// Requests that came again, by what they were told.
    pub(crate) repeats: IntCounterVec,
}

/// What is known of nodes, by environment.
#[derive(Debug, Clone)]
pub(crate) struct NodeGauges {
    /// Those whose lease runs.
    pub(crate) live: IntGaugeVec,
    /// Those of them whose clock is wrong.
    pub(crate) wrong_clocks: IntGaugeVec,
}

impl NodeGauges {
    fn new(new: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            live: new.int_gauges("tidegate_live_nodes", "Nodes whose lease runs", &["environment"])?,
            wrong_clocks: new.int_gauges(
                "tidegate_nodes_with_wrong_clock",
                "Live nodes whose clock is more than 30 s off",
                &["environment"],
            )?,
        })
    }
}

/// What Prometheus was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Queries by outcome.
    pub(crate) queries: IntCounterVec,
    /// Queries that another one answered.
    pub(crate) coalesced: IntCounter,
}

impl Asked {
    fn new(new: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            queries: new.counters(
                "tidegate_prometheus_queries_total",
                "Queries to Prometheus",
                &["outcome"],
            )?,
            coalesced: new.counter(
                "tidegate_prometheus_queries_coalesced_total",
                "Queries answered by another one",
            )?,
        })
    }
}

impl Others {
    fn new(new: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            alerts: new.counter("tidegate_alerts_total", "Alerts by rollouts")?,
            refused: new.counters(
                "tidegate_refused_changes_total",
                "Changes refused for what has nothing to do with them: flood, full, serves_only, storage",
                &["cause"],
            )?,
            serves_only: new.int_gauges(
                "tidegate_serves_only",
                "1 for each reason for which nothing is taken that opens or edits anything: actors, late, storage",
                &["cause"],
            )?,
            clock_offset: new.number(
                "tidegate_clock_offset_seconds",
                "How far the wall clock has moved away since the start: it was set, or the machine slept",
            )?,
            lag: new.histogram(
                "tidegate_arbiter_lag_seconds",
                "How late the thread of the actors is, measured four times a second",
                vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0],
            )?,
            commits: new.histogram(
                "tidegate_commit_seconds",
                "How long commits take, from the proposal to its answer",
                vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0],
            )?,
            heard_alerts: new.counters(
                "tidegate_heard_alerts_total",
                "Alerts of an Alertmanager: fired, resolved, repeated; cut_off: not delivered, for its list is cut",
                &["environment", "outcome"],
            )?,
            notices: new.counters(
                "tidegate_notices_total",
                "What was sent to targets: taken, later, refused, stale",
                &["target", "outcome"],
            )?,
            gates: new.counters(
                "tidegate_gate_answers_total",
                "Answers of gates: pass, hold, fail, broken",
                &["target", "answer"],
            )?,
            repeats: new.counters(
                "tidegate_repeated_requests_total",
                "Requests that came again: answered, done, under_way, other_request",
                &["outcome"],
            )?,
        })
    }
}

impl FlagdGauges {
    fn new(new: &Make<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            bytes: new.int_gauges(
                "tidegate_flagd_configuration_bytes",
                "Length of the flagd configuration; clients accept 4194304",
                &["environment"],
            )?,
            left_out: new.int_gauges(
                "tidegate_flagd_left_out_flags",
                "Flags that flagd's clients do not get",
                &["environment"],
            )?,
        })
    }
}

impl Measures {
    /// Fresh metrics in a registry of their own.
    ///
    /// # Errors
    /// Only when two metrics have the same name: a bug.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let new = Make { registry: &registry };
        Ok(Self {
            decisions: new.counters(
                "tidegate_rollout_decisions_total",
                "Decisions of rollouts",
                &["decision"],
            )?,
            looks: new.counters("tidegate_rule_looks_total", "Looks at safety rules", &["verdict"])?,
            share: new.gauges(
                "tidegate_rollout_share_percent",
                "How far a rollout is open",
                &["environment", "flag"],
            )?,
            experiments: new.int_gauges(
                "tidegate_experiments",
                "Experiments, by where they stand",
                &["environment", "phase"],
            )?,
            time_to_safe: new.histogram(
                "tidegate_time_to_safe_seconds",
                "From the decision to roll back to the last live node's confirmation",
                SAFE_SECONDS.to_vec(),
            )?,
            wake_lag: new.histogram(
                "tidegate_rollout_wake_lag_seconds",
                "How much later than planned rollouts wake up",
                vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0],
            )?,
            asked: Asked::new(&new)?,
            restarts: new.counters(
                "tidegate_actor_restarts_total",
                "Actors built anew after they failed",
                &["kind"],
            )?,
            quarantined: new.gauge("tidegate_quarantined", "Things whose actors are kept apart")?,
            missed_wakes: new.counter(
                "tidegate_missed_wakes_total",
                "Wake-ups that a sweep found missing",
            )?,
            publishes: new.counters(
                "tidegate_publishes_total",
                "Snapshots published",
                &["environment"],
            )?,
            waiting_flags: new.int_gauges(
                "tidegate_waiting_flags",
                "Flags that vanish only when somebody confirms it",
                &["environment"],
            )?,
            refused_publishes: new.counter(
                "tidegate_refused_publishes_total",
                "Snapshots refused by the publish gate",
            )?,
            version: new.int_gauges(
                "tidegate_snapshot_version",
                "Newest published version",
                &["environment"],
            )?,
            others: Others::new(&new)?,
            flagd: FlagdGauges::new(&new)?,
            nodes: NodeGauges::new(&new)?,
            conflicts: new.counter("tidegate_commit_conflicts_total", "Commits that lost a race")?,
            repeated_batches: new
                .counter("tidegate_repeated_batches_total", "Event batches that came again")?,
            dropped_tallies: new
                .counter("tidegate_dropped_tallies_total", "Event tallies beyond the limit")?,
            events: Events::new(&new)?,
            registry,
        })
    }

    /// Where the metrics are registered; others may add theirs.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts a change that was refused for what has nothing to do with it.
    pub(crate) fn count_refused(&self, cause: &str) {
        self.others.refused.with_label_values(&[cause]).inc();
    }

    pub(crate) fn count_events(&self, environment: &EnvironmentKey, tally: &Tally) {
        let (environment, flag, variation) = (
            environment.as_str(),
            tally.flag.as_str(),
            tally.variation.as_str(),
        );
        let labels = [environment, flag, variation];
        match &tally.metric {
            None => self
                .events
                .exposures
                .with_label_values(&labels)
                .inc_by(tally.count),
            Some(metric) => {
                let labels = [environment, flag, variation, metric.as_str()];
                self.events.counts.with_label_values(&labels).inc_by(tally.count);
                self.events.values.with_label_values(&labels).add(tally.sum);
            }
        }
    }
}

impl Events {
    fn new(new: &Make<'_>) -> prometheus::Result<Self> {
        let by_variation = ["environment", "flag", "variation"];
        let by_metric = ["environment", "flag", "variation", "metric"];
        Ok(Self {
            counts: new.counters("tidegate_events_total", "Metric events from nodes", &by_metric)?,
            values: new.gauges(
                "tidegate_events_value_sum",
                "Values of metric events from nodes, added up",
                &by_metric,
            )?,
            exposures: new.counters(
                "tidegate_exposures_total",
                "Evaluations that served a variation",
                &by_variation,
            )?,
        })
    }
}

/// Makes metrics and registers them.
struct Make<'a> {
    registry: &'a Registry,
}

impl Make<'_> {
    fn keep<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: prometheus::Result<M>,
    ) -> prometheus::Result<M> {
        let metric = metric?;
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep(IntCounter::new(name, help))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(IntGauge::new(name, help))
    }

    fn number(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.keep(Gauge::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.keep(GaugeVec::new(Opts::new(name, help), labels))
    }

    fn int_gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> prometheus::Result<Histogram> {
        self.keep(Histogram::with_opts(
            HistogramOpts::new(name, help).buckets(buckets),
        ))
    }
}
