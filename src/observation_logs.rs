//! The logs of observations of a control plane: opened when it starts, kept short while it runs, closed when it stops.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
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
