//! A replica: what it is made of, and its life.

use crate::contact::{Contact, Standing};
use crate::lists::{ListRefusal, ListShelf};
use crate::metrics::Counters;
use crate::pull::Pull;
use crate::report::Reporter;
use crate::serving::{OfferRefusal, Served, Serving};
use crate::shelf::{Found, Shelf, ShelfError};
use crate::tally::Tallies;
use crate::upstream::Upstream;
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Digest, SnapshotRefusal, Version};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a replica needs to know at its start.
pub struct ReplicaSettings {
    /// Its name in the environment. Two nodes must not share one.
    pub name: NodeName,
    /// Whose flags it serves.
    pub environment: EnvironmentKey,
    /// Where the last two snapshots are kept; `None` keeps none, which suits a node inside the
    /// control plane.
    pub folder: Option<PathBuf>,
}

/// Why a replica cannot start. Bad snapshots on disk are no reason.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The folder for snapshots cannot be used.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The metrics could not be set up.
    #[error("cannot set up the node's metrics")]
    Metrics(#[source] prometheus::Error),
    /// The system gives no random numbers, so the reports of two lives could not be told apart.
    #[error("the system gives no random numbers")]
    Randomness(#[source] getrandom::Error),
}

/// The newest snapshot of one environment, kept in this process. Cloning gives another handle to the
/// same replica; every method may be called from any thread.
#[derive(Clone)]
pub struct Replica {
    parts: Arc<Parts>,
}

struct Parts {
    name: NodeName,
    instance: String,
    environment: EnvironmentKey,
    counters: Arc<Counters>,
    tallies: Tallies,
    serving: Serving,
    contact: Contact,
    shelf: Option<Shelf>,
    lists: ListShelf,
}

impl Replica {
    /// A replica that serves the newest whole snapshot found in its folder, if there is one.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn new(settings: ReplicaSettings) -> Result<Self, ReplicaError> {
        let counters = Arc::new(Counters::new(&settings.environment).map_err(ReplicaError::Metrics)?);
        let lists = ListShelf::new(settings.folder.as_deref());
        let shelf = settings
            .folder
            .map(|folder| Shelf::open(&folder, &settings.environment));
        let (shelf, found) = shelf.transpose()?.unzip();
        let replica = Self {
            parts: Arc::new(Parts {
                name: settings.name,
                instance: format!("{:016x}", getrandom::u64().map_err(ReplicaError::Randomness)?),
                tallies: Tallies::new(Arc::clone(&counters)),
                counters,
                serving: Serving::nothing_yet(settings.environment.clone()),
                environment: settings.environment,
                contact: Contact::default(),
                shelf,
                lists,
            }),
        };
        replica.recover(found.unwrap_or_default());
        Ok(replica)
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.parts.name
    }

    /// Whose flags it serves.
    pub fn environment(&self) -> &EnvironmentKey {
        &self.parts.environment
    }

    /// The snapshot in force; `None` while there is none.
    pub fn served(&self) -> Option<Arc<Served>> {
        self.parts.serving.current()
    }

    /// How what is served stands to what is published.
    pub fn standing(&self) -> Standing {
        self.served()
            .map_or(Standing::Blind, |served| self.standing_of(&served))
    }

    /// Puts a snapshot (a [`tidegate_model::snapshot::Snapshot`] as JSON, fresh from upstream) in force, and keeps it in the
    /// node's folder. Compiles and writes to disk: not for an event loop's thread.
    ///
    /// # Errors
    /// Why it is not in force. What was served before stays.
    pub fn offer(&self, bytes: &[u8]) -> Result<Version, OfferRefusal> {
        let version = self.take(bytes).inspect_err(|refusal| {
            // Missing lists are fetched, and the snapshot is offered again.
            if !matches!(refusal, OfferRefusal::ListsMissing(_)) {
                self.parts.counters.refused_snapshot(refusal.cause());
            }
        })?;
        tracing::info!(node = %self.name(), environment = %self.environment(), %version, "serving a new snapshot");
        if let Some(Err(error)) = self.parts.shelf.as_ref().map(|shelf| shelf.keep(bytes, version)) {
            self.parts.counters.shelf_failed();
            tracing::error!(node = %self.name(), %version, error = &error as &dyn std::error::Error,
                "the snapshot is served but not kept on disk: a restart would go back to an older one");
        }
        Ok(version)
    }

    /// Takes a list of units, fresh from upstream, that a snapshot names. Writes to disk: not for an event
    /// loop's thread.
    ///
    /// # Errors
    /// When the bytes are not what the digest stands for.
    pub fn take_list(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ListRefusal> {
        self.parts.lists.take(digest, bytes)
    }

    /// The bytes of a list of units that the snapshot in force names, or the one before it did.
    pub fn list(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.parts.lists.bytes(digest)
    }

    /// Pulls snapshots from upstream and reports to it until `shutdown` completes; then hands in
    /// what was counted last. Failures are retried for ever and never reach evaluation.
    pub async fn run(&self, upstream: Arc<dyn Upstream>, shutdown: impl Future<Output = ()>) {
        let mut reporter = Reporter::new(self.clone(), Arc::clone(&upstream));
        let pull = Pull::new(self.clone(), upstream);
        tokio::select! {
            () = shutdown => {}
            () = async {
                reporter.introduce().await;
                tokio::join!(pull.run(), reporter.run());
            } => {}
        }
        reporter.finish().await;
    }

    fn recover(&self, found: Found) {
        for (file, refusal) in found.refused {
            let refusal = OfferRefusal::Unfit(refusal);
            self.parts.counters.refused_snapshot(refusal.cause());
            tracing::warn!(file = %file.display(), error = &refusal as &dyn std::error::Error,
                "a snapshot on disk cannot be used");
        }
        // The list of the generation that does not come into force stays too, for the next start.
        if let (true, Some(older)) = (self.parts.lists.keeps_any(), found.snapshots.get(1)) {
            let content = older.open(&self.parts.environment);
            let lists = content.map(|content| content.lists().into_iter().cloned().collect());
            self.parts.lists.before(lists.unwrap_or_default());
        }
        for snapshot in found.snapshots {
            let version = snapshot.header.version;
            let compiled = self
                .parts
                .serving
                .compile(snapshot, &self.parts.tallies, &self.parts.lists);
            match compiled.and_then(|served| self.put_in_force(served)) {
                Ok(version) => {
                    tracing::info!(node = %self.name(), environment = %self.environment(), %version,
                        "serving the snapshot found on disk");
                    return;
                }
                Err(refusal) => {
                    self.parts.counters.refused_snapshot(refusal.cause());
                    tracing::warn!(%version, error = &refusal as &dyn std::error::Error,
                        "a snapshot on disk cannot be used");
                }
            }
        }
    }

    fn take(&self, bytes: &[u8]) -> Result<Version, OfferRefusal> {
        let unreadable = |error: serde_json::Error| SnapshotRefusal::Unreadable(error.to_string());
        let snapshot = serde_json::from_slice(bytes).map_err(unreadable)?;
        let served = self
            .parts
            .serving
            .compile(snapshot, &self.parts.tallies, &self.parts.lists)?;
        // First, so that nobody sees the new snapshot as unconfirmed.
        self.parts.contact.confirmed(Instant::now());
        self.put_in_force(served)
    }

    fn put_in_force(&self, served: Served) -> Result<Version, OfferRefusal> {
        let lists = served.lists().clone();
        let version = self.parts.serving.put_in_force(served)?;
        self.parts.lists.in_force(lists);
        Ok(version)
    }

    /// How this snapshot, which was in force a moment ago, stands to what is published.
    pub fn standing_of(&self, served: &Served) -> Standing {
        let created = served.header().created;
        self.parts
            .contact
            .standing(served.version(), created, Instant::now())
    }

    pub(crate) fn instance(&self) -> &str {
        &self.parts.instance
    }

    pub(crate) fn contact(&self) -> &Contact {
        &self.parts.contact
    }

    /// What is exported to Prometheus.
    pub fn counters(&self) -> &Counters {
        &self.parts.counters
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.parts.tallies
    }

    /// Wakes when another snapshot comes into force.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Served>>> {
        self.parts.serving.watch()
    }

    /// Brings the metrics about the snapshot up to date.
    pub(crate) fn note_serving(&self) {
        let version = self.served().map(|served| served.version());
        self.parts.counters.note_serving(version, self.standing());
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("name", self.name())
            .field("environment", self.environment())
            .finish_non_exhaustive()
    }
}
