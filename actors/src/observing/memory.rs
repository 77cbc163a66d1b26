//! Observations in memory: for whoever has no disk to keep them on, and for tests.

use super::{Moment, Observatory, ObserveError, periods};
use crate::clock::Clock;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_analytics::fold::Fold;
use tidegate_model::Timestamp;
use tidegate_model::experiment::ExperimentState;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::key::ExperimentKey;
use tidegate_model::observation::{Observation, ObservationBatch, ObservationReceipt};

/// Most observations that are kept. The oldest go first: with them goes what experiments that start later could know of
/// the time before.
const KEPT_MAX: usize = 1_000_000;

/// Keeps observations for as long as the process lives.
pub struct InMemory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: std::collections::VecDeque<(Timestamp, Observation)>,
    spools: BTreeMap<String, u64>,
    followed: BTreeMap<ExperimentKey, Followed>,
}

struct Followed {
    folds: Vec<Fold>,
    excluded: BTreeSet<String>,
    stopped: bool,
}

impl InMemory {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Observatory for InMemory {
    async fn take_in(&self, batch: ObservationBatch) -> Result<ObservationReceipt, ObserveError> {
        let now = self.clock.now();
        let mut state = self.state();
        let through = state.spools.entry(batch.spool).or_default();
        if batch.number <= *through {
            return Ok(ObservationReceipt { through: *through });
        }
        *through = batch.number;
        for observation in batch.observations {
            for followed in state.followed.values_mut() {
                for fold in &mut followed.folds {
                    fold.observe(&observation, now);
                }
            }
            state.kept.push_back((now, observation));
        }
        while state.kept.len() > KEPT_MAX {
            state.kept.pop_front();
        }
        Ok(ObservationReceipt {
            through: batch.number,
        })
    }

    async fn follow(&self, experiment: &ExperimentState) -> Result<(), ObserveError> {
        let mut state = self.state();
        let State { kept, followed, .. } = &mut *state;
        let key = &experiment.design.key;
        let known = followed.entry(key.clone()).or_insert_with(|| Followed {
            folds: Vec::new(),
            excluded: experiment.design.excluded.clone(),
            stopped: false,
        });
        let fresh = periods(experiment).skip(known.folds.len());
        for period in fresh.collect::<Vec<_>>() {
            if let Some(before) = known.folds.last_mut() {
                stop(before, period.from)?;
            }
            let mut fold = Fold::new(&experiment.design, period);
            for (received, observation) in kept.iter() {
                fold.observe(observation, *received);
            }
            known.folds.push(fold);
        }
        if known.excluded != experiment.design.excluded {
            let more = experiment.design.excluded.difference(&known.excluded);
            let more: Vec<&str> = more.map(String::as_str).collect();
            for fold in &mut known.folds {
                fold.exclude(more.iter().copied());
            }
            known.excluded.clone_from(&experiment.design.excluded);
        }
        if let (false, Some(until)) = (known.stopped, experiment.counts_until()) {
            known.stopped = true;
            if let Some(last) = known.folds.last_mut() {
                stop(last, until)?;
            }
        }
        Ok(())
    }

    async fn forget(&self, experiment: &ExperimentKey) {
        self.state().followed.remove(experiment);
    }

    async fn tallies(&self, experiment: &ExperimentKey) -> Result<Option<Vec<Tallies>>, ObserveError> {
        let mut state = self.state();
        let followed = state.followed.get_mut(experiment);
        Ok(followed.map(|one| one.folds.iter_mut().map(Fold::look).collect()))
    }

    async fn series(&self, _experiment: &ExperimentKey) -> Result<Vec<Moment>, ObserveError> {
        Ok(Vec::new())
    }

    fn trouble(&self) -> Option<ObserveError> {
        None
    }
}

fn stop(fold: &mut Fold, at: Timestamp) -> Result<(), ObserveError> {
    fold.stop(at)
        .map_err(|error| ObserveError::Stopped(error.to_string()))
}
