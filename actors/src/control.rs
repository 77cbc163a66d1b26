//! The control plane's handle: cheap to clone, safe from every thread.

use crate::clock::{self, Clock};
use crate::keeper::{Keeper, ListQuarantined, LookAfter, Resume};
use crate::keys::KeyBook;
use crate::measures::Measures;
use crate::notices::{self, Cursors, Targets};
use crate::observing::{InMemory, Observatory};
use crate::poller::Poller;
use crate::publisher::{Content, Heard, ListNodes, Publisher};
use crate::question::MetricSource;
use crate::repeats::RepeatDesk;
use crate::serving::{self, Serving};
use crate::shell::{Environment, Shell, StepFn, incident};
use actix::prelude::*;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use tidegate_decide::serving::Cause;
use tidegate_model::change::{EntityRef, EntityState, Kind, Record};
use tidegate_model::fleet::{NodeReport, NodeView, Receipt};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{SnapshotHeader, Version};
use tidegate_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};

mod alerts;
mod definitions;
mod drills;
mod environments;
mod error;
mod experiments;
mod freezes;
mod keys;
mod lists;
mod losses;
mod repeats;
mod rollouts;
mod tokens;
mod trail;

pub use drills::DrillView;
pub use error::ControlError;
pub(crate) use error::check_expected;
pub(crate) use lists::check_list;

/// The control plane. Every method may be called from any thread with a tokio runtime.
///
/// A call that changes something runs to its end even if its caller goes away: a client that hangs
/// up leaves nothing half done.
#[derive(Clone)]
pub struct ControlPlane {
    pub(crate) shell: Arc<Shell>,
}

/// A snapshot as it left the publisher.
#[derive(Debug)]
pub struct Published {
    /// What identifies it.
    pub header: SnapshotHeader,
    /// [`tidegate_model::snapshot::Snapshot`] as JSON, ready to be sent.
    pub bytes: bytes::Bytes,
}

/// How the control plane is doing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    /// Whether it can store and publish; why not, otherwise.
    pub not_ready: Option<String>,
    /// Why it only serves, if it does; then nothing opens and nothing is edited.
    pub serves_only: Vec<Cause>,
    /// Things whose actors failed too often and are kept apart.
    pub quarantined: Vec<String>,
    /// How many flags vanish only when somebody confirms it.
    pub waiting_flags: usize,
    /// Environments that take in no observations, and why.
    pub not_observing: BTreeMap<EnvironmentKey, String>,
    /// How far the wall clock has moved away since the start, in seconds.
    pub clock_offset_seconds: f64,
}

/// What a control plane is made of.
pub struct Parts {
    /// Keeps what became true.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Answers PromQL; without one only `events` rules can be judged.
    pub source: Option<Arc<dyn MetricSource>>,
    /// The environments it serves; at least one.
    pub environments: Vec<EnvironmentKey>,
    /// What it measures of itself.
    pub measures: Measures,
    /// What it signs snapshots with.
    pub keys: KeyBook,
    /// Where it may send something.
    pub targets: Targets,
    /// How far what is told was told.
    pub cursors: Cursors,
    /// Keep what was seen of single units, and fold it for experiments: in memory where an environment has none.
    pub observatories: BTreeMap<EnvironmentKey, Arc<dyn Observatory>>,
}

impl ControlPlane {
    /// Builds every actor from the store. Runs inside an actix system, on whose thread the actors
    /// live.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(parts: Parts) -> Result<Self, StoreError> {
        Self::start_with(parts, tidegate_decide::rollout::step).await
    }

    /// As [`start`](Self::start), deciding by `step`.
    pub(crate) async fn start_with(parts: Parts, step: StepFn) -> Result<Self, StoreError> {
        let environment_keys = parts.environments;
        let environments = environment_keys
            .iter()
            .map(|key| {
                let observatory = parts.observatories.get(key).cloned();
                let observatory =
                    observatory.unwrap_or_else(|| Arc::new(InMemory::new(Arc::clone(&parts.clock))));
                (key.clone(), Environment::new(key.clone(), observatory))
            })
            .collect();
        let shell = Arc::new(Shell {
            step,
            poller: Poller::new(parts.source, parts.measures.clone()),
            committed: watch::Sender::new(parts.store.head()),
            targets: parts.targets,
            cursors: parts.cursors,
            store: parts.store,
            clock: parts.clock,
            measures: parts.measures,
            environments,
            environment_keys,
            keys: Arc::new(parts.keys),
            tokens: RwLock::default(),
            keeper: OnceLock::new(),
            repeats: RepeatDesk::default(),
            readers: Semaphore::new(trail::READERS_MAX),
            serving: Serving::default(),
            storage_failure: OnceLock::new(),
        });
        actix::spawn(serving::watch(shell.clone()));
        actix::spawn(clock::watch(shell.clone()));
        shell.repeats.load(shell.store.as_ref()).await?;
        for environment in shell.environments.values() {
            environment.switch.load(shell.store.as_ref()).await?;
            environment.neighbours.load(shell.store.as_ref()).await?;
            environment
                .alerts
                .load(shell.store.as_ref(), shell.clock.now())
                .await?;
            let (content, head) = Content::load(shell.store.as_ref(), &environment.key).await?;
            let publisher = Publisher::new(shell.clone(), environment.key.clone(), content, head).start();
            *environment
                .publisher
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Some(publisher);
        }
        let keeper = shell.keeper.get_or_init(|| Keeper::new(shell.clone()).start());
        for key in &shell.environment_keys {
            for stored in shell.store.list(Kind::Rollout, Some(key)).await? {
                if let EntityState::Rollout(rollout) = stored.state {
                    keeper.do_send(Resume(stored.entity, *rollout, stored.revision));
                }
            }
            for stored in shell.store.list(Kind::Experiment, Some(key)).await? {
                if let (EntityRef::Experiment(environment, key), EntityState::Experiment(state)) =
                    (stored.entity, stored.state)
                    && state.is_watched()
                {
                    keeper.do_send(LookAfter(environment, key));
                }
            }
        }
        let control = Self { shell: shell.clone() };
        control.load_tokens().await?;
        notices::start(&shell);
        Ok(control)
    }

    /// The environments it serves.
    #[must_use]
    pub fn environments(&self) -> &[EnvironmentKey] {
        &self.shell.environment_keys
    }

    /// The newest snapshot of an environment; `None` when there is no such environment.
    #[must_use]
    pub fn published(&self, environment: &EnvironmentKey) -> Option<Arc<Published>> {
        self.shell
            .environments
            .get(environment)?
            .published
            .borrow()
            .clone()
    }

    /// The newest snapshot as soon as it is newer than `than`; whatever is newest when `patience`
    /// ends; `None` when there is no such environment.
    pub async fn newer_than(
        &self,
        environment: &EnvironmentKey,
        than: Option<Version>,
        patience: Duration,
    ) -> Option<Arc<Published>> {
        let mut published = self.shell.environments.get(environment)?.published.subscribe();
        let newer = published.wait_for(|newest| {
            let version = newest.as_ref().map(|newest| newest.header.version);
            version.is_some() && version > than
        });
        if let Ok(Ok(newest)) = tokio::time::timeout(patience, newer).await {
            return newest.clone();
        }
        self.published(environment)
    }

    /// Follows what is published in an environment; `None` when there is no such environment.
    #[must_use]
    pub fn follow(&self, environment: &EnvironmentKey) -> Option<watch::Receiver<Option<Arc<Published>>>> {
        Some(self.shell.environments.get(environment)?.published.subscribe())
    }

    /// Takes in what a node says of itself. A report that was taken in before changes nothing.
    ///
    /// # Errors
    /// When there is no such environment, or it is too busy.
    pub async fn report(
        &self,
        environment: &EnvironmentKey,
        report: NodeReport,
    ) -> Result<Receipt, ControlError> {
        let publisher = self.shell.environment(environment)?.publisher();
        let publisher = publisher.ok_or(ControlError::Busy { retry_after: 1 })?;
        publisher
            .send(Heard(report))
            .await
            .map_err(|_dead| ControlError::Busy { retry_after: 1 })
    }

    /// All nodes heard of since the start, sorted by name.
    ///
    /// # Errors
    /// When there is no such environment, or it is too busy.
    pub async fn nodes(&self, environment: &EnvironmentKey) -> Result<Vec<NodeView>, ControlError> {
        let publisher = self.shell.environment(environment)?.publisher();
        let publisher = publisher.ok_or(ControlError::Busy { retry_after: 1 })?;
        publisher
            .send(ListNodes)
            .await
            .map_err(|_dead| ControlError::Busy { retry_after: 1 })
    }

    /// Records with a sequence above `after`, oldest first, at most `limit`, with entries of other
    /// environments left out (and of tokens, unless `environment` is `None`), and records without
    /// entries left out. Also answers the sequence to continue after: that of the last record
    /// looked at.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn records(
        &self,
        environment: Option<&EnvironmentKey>,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Record>, u64), ControlError> {
        let mut found = Vec::new();
        let mut after = after;
        loop {
            let records = self
                .shell
                .store
                .records(after, limit.max(1))
                .await
                .map_err(ControlError::Store)?;
            if records.is_empty() {
                return Ok((found, after));
            }
            for mut record in records {
                if found.len() >= limit {
                    return Ok((found, after));
                }
                after = record.sequence;
                if environment.is_some() {
                    record
                        .entries
                        .retain(|entry| entry.entity.environment() == environment);
                }
                if !record.entries.is_empty() {
                    found.push(record);
                }
            }
        }
    }

    /// How it is doing.
    pub async fn health(&self) -> Health {
        let unpublished = |environment: &&Environment| environment.published.borrow().is_none();
        let unpublished = self.shell.environments.values().find(unpublished);
        let not_ready = match (self.shell.storage_failure.get(), unpublished) {
            (Some(failure), _) => Some(format!("nothing can be stored: {failure}")),
            (None, Some(environment)) => Some(format!("nothing is published for {} yet", environment.key)),
            (None, None) => None,
        };
        let quarantined = match self.shell.keeper.get() {
            Some(keeper) => keeper.send(ListQuarantined).await.unwrap_or_default(),
            None => Vec::new(),
        };
        Health {
            not_ready,
            serves_only: self.shell.serving.causes(),
            quarantined: quarantined.iter().map(ToString::to_string).collect(),
            waiting_flags: self
                .shell
                .environments
                .values()
                .map(|one| one.waiting().len())
                .sum(),
            not_observing: self
                .shell
                .environments
                .values()
                .filter_map(|one| Some((one.key.clone(), one.observatory.trouble()?.to_string())))
                .collect(),
            clock_offset_seconds: self.shell.clock.offset().as_seconds_f64(),
        }
    }

    /// Resolves when nothing can be stored any more, with the reason: the process should end, so
    /// that a clean start can read what is really on disk (faults.md F55).
    pub async fn storage_failed(&self) -> String {
        loop {
            if let Some(failure) = self.shell.storage_failure.get() {
                return failure.clone();
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What it measures of itself.
    #[must_use]
    pub fn registry(&self) -> &prometheus::Registry {
        self.shell.measures.registry()
    }

    /// The clock it lives by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shell.clock
    }

    /// The store it keeps.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shell.store
    }
}

/// Runs a change to its end whatever becomes of its caller.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ControlError> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(panic) => Err(incident(&format!("a change ended early: {panic}"))),
    }
}
