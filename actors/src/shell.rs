//! What all actors share: the store, the clock, the sources, and where to find each other.

use crate::alerts::AlertDesk;
use crate::clock::Clock;
use crate::control::{ControlError, Published};
use crate::definitions::DefinitionDesk;
use crate::freeze::FreezeSwitch;
use crate::ingest::Ingest;
use crate::keeper::Keeper;
use crate::keys::KeyBook;
use crate::measures::Measures;
use crate::neighbours::NeighbourDesk;
use crate::notices::{Cursors, Targets};
use crate::observing::Observatory;
use crate::poller::Poller;
use crate::publisher::{Nudge, Publisher};
use crate::repeats::RepeatDesk;
use crate::serving::Serving;
use actix::Addr;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed};
use tidegate_decide::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::access::Token;
use tidegate_model::change::{EntityRef, Record};
use tidegate_model::key::{EnvironmentKey, FlagKey};
use tidegate_model::rollout::Rollout;
use tidegate_model::snapshot::Digest;
use tidegate_store::{CommitError, Proposal, Store};
use tokio::sync::{Mutex, Semaphore, watch};

/// How long a commit may take before its caller is told that nothing can be stored (F54).
const COMMIT_DEADLINE: Duration = Duration::from_secs(10);

/// The step function of rollouts. A value, so that tests can put one in that fails.
pub(crate) type StepFn = fn(&Rollout, &Observed, &Input, Timestamp) -> Result<Step, Refusal>;

/// What all actors share.
pub(crate) struct Shell {
    pub(crate) step: StepFn,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) poller: Poller,
    /// Where it may send something.
    pub(crate) targets: Targets,
    /// How far couriers are in the journal.
    pub(crate) cursors: Cursors,
    /// The newest record that was committed.
    pub(crate) committed: watch::Sender<u64>,
    pub(crate) measures: Measures,
    pub(crate) environments: BTreeMap<EnvironmentKey, Environment>,
    pub(crate) environment_keys: Vec<EnvironmentKey>,
    /// What snapshots are signed with.
    pub(crate) keys: Arc<KeyBook>,
    pub(crate) tokens: RwLock<BTreeMap<Digest, Token>>,
    pub(crate) keeper: OnceLock<Addr<Keeper>>,
    /// Requests that may come again.
    pub(crate) repeats: RepeatDesk,
    /// Who may read a history at the moment.
    pub(crate) readers: Semaphore,
    /// Whether it only serves, and why.
    pub(crate) serving: Serving,
    /// Why nothing can be stored any more; set once.
    pub(crate) storage_failure: OnceLock<String>,
}

/// What belongs to one environment.
pub(crate) struct Environment {
    pub(crate) key: EnvironmentKey,
    /// Flags, segments and settings: held while one is checked against the others and stored.
    pub(crate) definitions: DefinitionDesk,
    /// Held while a drill goes on.
    pub(crate) drills: Mutex<()>,
    pub(crate) ingest: Ingest,
    /// Keeps what was seen of single units, and folds it for experiments.
    pub(crate) observatory: Arc<dyn Observatory>,
    pub(crate) alerts: AlertDesk,
    /// What its rollouts know of each other.
    pub(crate) neighbours: NeighbourDesk,
    /// Whether anything opens.
    pub(crate) switch: FreezeSwitch,
    pub(crate) published: watch::Sender<Option<Arc<Published>>>,
    /// Flags whose loss waits for somebody's word.
    pub(crate) waiting: RwLock<Vec<FlagKey>>,
    /// Replaced by the keeper when the publisher had to be built anew.
    pub(crate) publisher: RwLock<Option<Addr<Publisher>>>,
}

impl Environment {
    pub(crate) fn new(key: EnvironmentKey, observatory: Arc<dyn Observatory>) -> Self {
        Self {
            observatory,
            ingest: Ingest::new(key.clone()),
            alerts: AlertDesk::new(key.clone()),
            neighbours: NeighbourDesk::new(key.clone()),
            switch: FreezeSwitch::new(key.clone()),
            definitions: DefinitionDesk::new(key.clone()),
            key,
            drills: Mutex::new(()),
            published: watch::Sender::new(None),
            waiting: RwLock::default(),
            publisher: RwLock::new(None),
        }
    }

    /// Flags whose loss waits for somebody's word.
    pub(crate) fn waiting(&self) -> Vec<FlagKey> {
        self.waiting
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn publisher(&self) -> Option<Addr<Publisher>> {
        self.publisher
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Tells the publisher to look at the journal. One that missed this finds out by itself.
    pub(crate) fn nudge(&self) {
        if let Some(publisher) = self.publisher() {
            publisher.do_send(Nudge);
        }
    }
}

impl Shell {
    pub(crate) fn environment(&self, key: &EnvironmentKey) -> Result<&Environment, ControlError> {
        let known = self.environments.get(key);
        known.ok_or_else(|| ControlError::NotFound {
            what: format!("environment {key}"),
        })
    }

    pub(crate) fn keeper(&self) -> Result<&Addr<Keeper>, ControlError> {
        self.keeper.get().ok_or(ControlError::Busy { retry_after: 1 })
    }

    /// Stores what is proposed, then tells whom it concerns. While the control plane only serves, what opens or edits
    /// anything goes no further than this.
    pub(crate) async fn commit(&self, proposal: Proposal) -> Result<Record, ControlError> {
        if let Err(error) = self.serving.check_proposal(&proposal) {
            self.measures.count_refused("serves_only");
            return Err(error);
        }
        let began = tokio::time::Instant::now();
        let commit = tokio::time::timeout(COMMIT_DEADLINE, self.store.commit(proposal)).await;
        self.measures
            .others
            .commits
            .observe(began.elapsed().as_secs_f64());
        let record = match commit {
            Ok(Ok(record)) => record,
            Ok(Err(error)) => return Err(self.failed_commit(error)),
            Err(_elapsed) => {
                self.serving.note_stuck();
                self.measures.count_refused("storage");
                let cause = format!("no answer within {COMMIT_DEADLINE:?}");
                let error = tidegate_store::StoreError::Io {
                    operation: "commit".to_owned(),
                    cause,
                };
                return Err(ControlError::Store(error));
            }
        };
        self.repeats.note_done(&record);
        self.committed.send_replace(record.sequence);
        let concerned = record
            .entries
            .iter()
            .filter_map(|entry| entry.entity.environment());
        for environment in concerned.collect::<std::collections::BTreeSet<_>>() {
            if let Some(environment) = self.environments.get(environment) {
                environment.nudge();
            }
        }
        Ok(record)
    }

    fn failed_commit(&self, error: CommitError) -> ControlError {
        match error {
            CommitError::Conflict {
                entity,
                expected,
                actual,
            } => {
                self.measures.conflicts.inc();
                ControlError::Stale {
                    what: describe(&entity),
                    expected,
                    actual,
                }
            }
            CommitError::Unfit { entity, source } => {
                incident(&format!("a change does not fit the state of {entity}: {source}"))
            }
            CommitError::Malformed { .. } => incident(&error.to_string()),
            CommitError::Full => {
                self.measures.count_refused("full");
                ControlError::Full
            }
            CommitError::Store(error) => {
                self.measures.count_refused("storage");
                // After a failed write nothing is acknowledged any more; the process ends so that a
                // clean start can read what is really on disk (F55).
                let first = self.storage_failure.set(error.to_string()).is_ok();
                if first {
                    tracing::error!(error = %error, "the store failed; nothing is acknowledged any more");
                }
                ControlError::Store(error)
            }
        }
    }
}

/// How a thing is called in messages: `flag new-checkout`.
pub(crate) fn describe(entity: &EntityRef) -> String {
    format!("{} {}", entity.kind(), entity.name())
}

/// Something went wrong in Tidegate itself: logged under an id that the caller is told.
pub(crate) fn incident(what: &str) -> ControlError {
    static STARTED: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let id = format!(
        "{:x}-{:x}-{count}",
        std::process::id(),
        STARTED.elapsed().as_micros()
    );
    tracing::error!(incident = %id, "{what}");
    ControlError::Incident { id }
}

/// What a panic said, as far as it can be read.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}
