//! The logs of observations of a control plane: opened when it starts, kept short while it runs, closed when it stops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};
use tidegate_actors::clock::Clock;
use tidegate_actors::control::ControlPlane;
use tidegate_actors::observing::Observatory;
use tidegate_model::Timestamp;
use tidegate_model::experiment::ExperimentState;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::span::Span;
use tidegate_observations::{LogError, Observations};
use tokio::sync::watch;

/// How long observations are kept that no experiment needs: what one that starts today may know of the time before.
const KEPT: Span = Span::seconds(30 * 24 * 3600);

/// How often older ones are removed.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// When that is tried again if it was not possible.
const AGAIN: Duration = Duration::from_secs(60);

/// The folder of the logs in a data folder.
pub(crate) const FOLDER: &str = "observations";

/// The environments that a data folder has logs of, in order.
///
/// # Errors
/// When the folder is there and cannot be read.
pub(crate) fn environments_in(data: &Path) -> io::Result<Vec<EnvironmentKey>> {
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let key = entry
            .file_name()
            .to_str()
            .and_then(|name| EnvironmentKey::new(name).ok());
        found.extend(key.filter(|_| entry.path().is_dir()));
    }
    found.sort();
    Ok(found)
}

/// Where the observations that an embedded node acknowledged wait for the log of its environment, in a data folder.
pub(crate) fn line_of_embedded(data: &Path, environment: &EnvironmentKey) -> PathBuf {
    data.join("embedded").join(environment.as_str())
}

/// The log of each environment.
#[derive(Clone)]
pub(crate) struct ObservationLogs {
    logs: BTreeMap<EnvironmentKey, Observations>,
}

impl ObservationLogs {
    /// Those in a data folder, made where there are none.
    ///
    /// # Errors
    /// See [`Observations::open`].
    pub(crate) fn open(
        data: &Path,
        environments: &[EnvironmentKey],
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, LogError> {
        let mut logs = BTreeMap::new();
        for environment in environments {
            let time = Arc::clone(clock);
            let log = Observations::open(data, environment, move || time.now())?;
            logs.insert(environment.clone(), log);
        }
        Ok(Self { logs })
    }

    /// As the actors want them.
    pub(crate) fn observatories(&self) -> BTreeMap<EnvironmentKey, Arc<dyn Observatory>> {
        let each = self.logs.iter();
        each.map(|(key, log)| (key.clone(), Arc::new(log.clone()) as Arc<dyn Observatory>))
            .collect()
    }

    /// Each with its environment.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&EnvironmentKey, &Observations)> {
        self.logs.iter()
    }

    /// Removes what is too old, now and once a day, until the process is to stop. The threads of the logs do the work.
    pub(crate) async fn keep_short(self, control: ControlPlane, mut stopped: watch::Receiver<bool>) {
        loop {
            let mut pause = EVERY;
            for (environment, log) in &self.logs {
                if !forget_old(&control, environment, log).await {
                    pause = AGAIN;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // The sender is gone only when the process is ending, which is a reason to stop too.
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        }
    }

    /// Finishes what was begun in each log, all at once.
    pub(crate) async fn close(&self) {
        futures_util::future::join_all(self.logs.values().map(Observations::close)).await;
    }
}

/// Removes what is too old from one log; whether that is done.
async fn forget_old(control: &ControlPlane, environment: &EnvironmentKey, log: &Observations) -> bool {
    let experiments = match control.experiments(environment).await {
        Ok(experiments) => experiments,
        Err(error) => {
            tracing::warn!(%environment, %error, "old observations stay: nobody knows which experiments need them");
            return false;
        }
    };
    let states = experiments.iter().map(|experiment| &experiment.value);
    if !all_are_followed(states, log) {
        tracing::debug!(%environment, "old observations stay until every experiment has said what it needs");
        return false;
    }
    match log.forget(too_old(control.clock().now())).await {
        Ok(0) => true,
        Ok(bytes) => {
            tracing::info!(%environment, bytes, "observations that no experiment needs any more were removed");
            true
        }
        Err(error) => {
            tracing::warn!(%environment, %error, "old observations could not be removed");
            false
        }
    }
}

/// What was received before may go.
fn too_old(now: Timestamp) -> Timestamp {
    KEPT.before(now)
}

/// Whether the log knows of every experiment that counts. After a start they come one after the other, and the log would
/// remove what those need that have not come yet.
fn all_are_followed<'e>(states: impl IntoIterator<Item = &'e ExperimentState>, log: &Observations) -> bool {
    let followed = log.status().experiments;
    let counts = |state: &&ExperimentState| state.is_watched() && state.started.is_some();
    states
        .into_iter()
        .filter(counts)
        .all(|state| followed.contains_key(&state.design.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation_metrics::ObservationCollector;
    use prometheus::{Registry, TextEncoder};
    use serde_json::{Value, json};
    use std::sync::Mutex;
    use tempfile::TempDir;
    use tidegate_model::observation::ObservationBatch;
    use tidegate_observations::{Period, Settings};

    const START: &str = "2030-06-01T12:00:00Z";

    fn environment() -> EnvironmentKey {
        EnvironmentKey::new("production").unwrap()
    }

    fn state(more: Value) -> ExperimentState {
        let design = json!({
            "key": "green", "hypothesis": "Green sells.", "flag": "checkout", "control": "off",
            "arms": [{"variation": "off", "weight": 50}, {"variation": "on", "weight": 50}],
            "metrics": [{"name": "purchase", "measure": {"kind": "conversion", "event": "purchase"}}],
        });
        let mut state = json!({"design": design, "phase": "running", "by": "tidegate", "created": START, "started": START});
        for (name, value) in more.as_object().unwrap() {
            state[name] = value.clone();
        }
        serde_json::from_value(state).unwrap()
    }

    fn batch(number: u64, at: Timestamp) -> ObservationBatch {
        let seen = |unit: u64| json!({"kind": "exposure", "experiment": "green", "unit": format!("u{unit}"), "arm": "on", "at": at});
        let seen: Vec<Value> = (0..20).map(|unit| seen(number * 20 + unit)).collect();
        serde_json::from_value(json!({"spool": "line", "number": number, "observations": seen})).unwrap()
    }

    /// A log whose clock says what it is told, in segments of one batch each.
    fn log() -> (TempDir, Observations, Arc<Mutex<Timestamp>>) {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(Mutex::new(START.parse().unwrap()));
        let clock = Arc::clone(&time);
        let settings = Settings {
            segment_bytes_max: 1,
            ..Settings::default()
        };
        let now = move || *clock.lock().unwrap();
        let log = Observations::open_with(folder.path(), &environment(), now, settings).unwrap();
        (folder, log, time)
    }

    #[tokio::test]
    async fn what_is_thirty_days_old_goes_unless_an_experiment_needs_it() {
        let (_folder, log, time) = log();
        let start = *time.lock().unwrap();
        for number in 1..=3 {
            log.take_in(&batch(number, start)).await.unwrap();
        }
        let later = start + chrono::TimeDelta::days(31);
        *time.lock().unwrap() = later;
        log.take_in(&batch(4, later)).await.unwrap();

        let running = state(json!({}));
        assert!(
            !all_are_followed([&running], &log),
            "nobody has said yet what it needs"
        );
        let period = Period {
            from: start,
            until: None,
            batch: 0,
        };
        log.watch(&running.design, &[period]);
        log.caught_up(&running.design.key).await.unwrap();
        assert!(all_are_followed([&running], &log));
        assert_eq!(log.forget(too_old(later)).await.unwrap(), 0, "it needs all of it");

        log.unwatch(&running.design.key);
        let before = log.status().bytes;
        let freed = log.forget(too_old(later)).await.unwrap();
        assert!(freed > 0);
        assert_eq!(log.status().bytes, before - freed);
        assert_eq!(
            log.forget(too_old(start)).await.unwrap(),
            0,
            "what is younger stays"
        );
    }

    #[tokio::test]
    async fn only_what_counts_is_waited_for() {
        let (_folder, log, _) = log();
        let waiting = [
            json!({"phase": "draft", "started": null}),
            json!({"phase": "scheduled", "started": null}),
            json!({"phase": "stopped", "tallies": []}),
            json!({"phase": "archived", "tallies": []}),
        ];
        let waiting: Vec<ExperimentState> = waiting.into_iter().map(state).collect();
        assert!(all_are_followed(&waiting, &log));
        for phase in ["running", "paused", "stopped"] {
            assert!(
                !all_are_followed([&state(json!({ "phase": phase }))], &log),
                "{phase}"
            );
        }
    }

    #[tokio::test]
    async fn prometheus_hears_how_the_log_is_and_of_no_experiment_that_is_gone() {
        let (_folder, log, time) = log();
        let now = *time.lock().unwrap();
        let logs = ObservationLogs {
            logs: BTreeMap::from([(environment(), log.clone())]),
        };
        let registry = Registry::new();
        let collector = ObservationCollector::new(logs).unwrap();
        registry.register(Box::new(collector)).unwrap();
        let value = |name: &str, labels: &str| -> Option<f64> {
            let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            let wanted = format!("{name}{{environment=\"production\"{labels}}} ");
            let found = text.lines().find_map(|line| line.strip_prefix(&wanted));
            found.map(|value| value.parse().unwrap())
        };
        let running = state(json!({}));
        let period = Period {
            from: now,
            until: None,
            batch: 0,
        };
        log.watch(&running.design, &[period]);
        for number in [1, 2, 2, 5] {
            log.take_in(&batch(number, now)).await.unwrap();
        }
        log.caught_up(&running.design.key).await.unwrap();
        let green = ",experiment=\"green\"";
        for _scrape in 0..2 {
            assert_eq!(value("tidegate_observations_batches_total", ""), Some(3.0));
            assert_eq!(value("tidegate_observations_total", ""), Some(60.0));
            assert_eq!(value("tidegate_observations_repeats_total", ""), Some(1.0));
            assert_eq!(value("tidegate_observations_missing_batches", ""), Some(2.0));
            assert_eq!(value("tidegate_observations_lines", ""), Some(1.0));
            assert_eq!(value("tidegate_observations_damaged_parts", ""), Some(0.0));
            assert_eq!(value("tidegate_observations_taking", ""), Some(1.0));
            assert_eq!(value("tidegate_experiment_units", green), Some(60.0));
            assert_eq!(value("tidegate_experiment_behind_batches", green), Some(0.0));
        }
        let status = log.status();
        assert_eq!(
            value("tidegate_observations_log_bytes", ""),
            Some(status.bytes as f64)
        );
        assert_eq!(
            value("tidegate_observations_log_segments", ""),
            Some(status.segments as f64)
        );
        assert!(value("tidegate_experiment_fold_bytes", green).unwrap() > 0.0);

        log.unwatch(&running.design.key);
        while log.status().experiments.contains_key(&running.design.key) {
            tokio::task::yield_now().await;
        }
        assert_eq!(value("tidegate_experiment_units", green), None);
        log.close().await;
        assert_eq!(value("tidegate_observations_taking", ""), Some(0.0));
    }
}
