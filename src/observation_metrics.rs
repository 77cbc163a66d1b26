//! What the logs of observations say of themselves, told whenever Prometheus asks.

use crate::observation_logs::ObservationLogs;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};
use std::sync::{Mutex, PoisonError};
use tidegate_model::key::EnvironmentKey;
use tidegate_observations::{Status, Taking};

/// Tells how the log of each environment is, and each experiment that is followed.
pub(crate) struct ObservationCollector {
    logs: ObservationLogs,
    /// One scrape after the other: everything is set anew, so that an experiment that nobody follows any more is gone.
    shown: Mutex<Shown>,
    described: Vec<Desc>,
}

struct Shown {
    batches: IntCounterVec,
    observations: IntCounterVec,
    repeats: IntCounterVec,
    missing: IntGaugeVec,
    lines: IntGaugeVec,
    bytes: IntGaugeVec,
    segments: IntGaugeVec,
    damaged: IntGaugeVec,
    taking: IntGaugeVec,
    units: IntGaugeVec,
    fold_bytes: IntGaugeVec,
    behind: IntGaugeVec,
}

impl ObservationCollector {
    /// Of these logs.
    ///
    /// # Errors
    /// Never: the names are valid.
    pub(crate) fn new(logs: ObservationLogs) -> prometheus::Result<Self> {
        let shown = Shown::new()?;
        let described = shown.all().iter().flat_map(|one| one.desc()).cloned().collect();
        Ok(Self {
            logs,
            shown: Mutex::new(shown),
            described,
        })
    }
}

impl Shown {
    fn new() -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), &["environment"]);
        let of_log = |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["environment"]);
        let of_experiment =
            |name: &str, help: &str| IntGaugeVec::new(Opts::new(name, help), &["environment", "experiment"]);
        Ok(Self {
            batches: counter(
                "tidegate_observations_batches_total",
                "Batches of observations that were taken in since the log began",
            )?,
            observations: counter(
                "tidegate_observations_total",
                "Observations that were taken in since the log began",
            )?,
            repeats: counter(
                "tidegate_observations_repeats_total",
                "Batches that came again since the start, and were not taken in again",
            )?,
            missing: of_log(
                "tidegate_observations_missing_batches",
                "Batches that never came: numbers that their lines passed over",
            )?,
            lines: of_log("tidegate_observations_lines", "Lines of batches that are known")?,
            bytes: of_log(
                "tidegate_observations_log_bytes",
                "Bytes of the log of observations",
            )?,
            segments: of_log(
                "tidegate_observations_log_segments",
                "Files of the log of observations",
            )?,
            damaged: of_log(
                "tidegate_observations_damaged_parts",
                "Parts of the log that cannot be read, found since the start",
            )?,
            taking: of_log(
                "tidegate_observations_taking",
                "1 while observations are taken in; 0 on a full disk, or after one that failed",
            )?,
            units: of_experiment(
                "tidegate_experiment_units",
                "Units that something is known of, of an experiment that is counted",
            )?,
            fold_bytes: of_experiment(
                "tidegate_experiment_fold_bytes",
                "Memory that the counting of an experiment takes",
            )?,
            behind: of_experiment(
                "tidegate_experiment_behind_batches",
                "Batches of the log that are not counted yet for an experiment",
            )?,
        })
    }

    fn all(&self) -> [&dyn Collector; 12] {
        [
            &self.batches,
            &self.observations,
            &self.repeats,
            &self.missing,
            &self.lines,
            &self.bytes,
            &self.segments,
            &self.damaged,
            &self.taking,
            &self.units,
            &self.fold_bytes,
            &self.behind,
        ]
    }

    fn reset(&self) {
        for counters in [&self.batches, &self.observations, &self.repeats] {
            counters.reset();
        }
        for gauges in [&self.units, &self.fold_bytes, &self.behind] {
            gauges.reset();
        }
    }

    fn show(&self, environment: &EnvironmentKey, status: &Status) {
        let label = [environment.as_str()];
        for (counter, value) in [
            (&self.batches, status.batches),
            (&self.observations, status.observations),
            (&self.repeats, status.repeats),
        ] {
            counter.with_label_values(&label).inc_by(value);
        }
        for (gauge, value) in [
            (&self.missing, status.missing),
            (&self.lines, status.spools),
            (&self.bytes, status.bytes),
            (&self.segments, status.segments),
            (&self.damaged, status.damaged.len() as u64),
            (&self.taking, u64::from(status.taking == Taking::Open)),
        ] {
            gauge.with_label_values(&label).set(whole(value));
        }
        for (experiment, fold) in &status.experiments {
            let labels = [environment.as_str(), experiment.as_str()];
            self.units
                .with_label_values(&labels)
                .set(whole(fold.participants));
            self.fold_bytes.with_label_values(&labels).set(whole(fold.bytes));
            self.behind.with_label_values(&labels).set(whole(fold.behind));
        }
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Collector for ObservationCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.described.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.reset();
        for (environment, log) in self.logs.each() {
            shown.show(environment, &log.status());
        }
        shown.all().iter().flat_map(|one| one.collect()).collect()
    }
}
