//! A replica: what it is made of, and its life.

use crate::breaker::{Guarded, SharedBreaker};
use crate::contact::{Contact, Standing};
use crate::handing_in::HandingIn;
use crate::lease::Lease;
use crate::lists::{ListRefusal, ListShelf};
use crate::metrics::Counters;
use crate::observations::Observations;
use crate::publication::Publication;
use crate::pull::Pull;
use crate::report::Reporter;
use crate::serving::{OfferRefusal, Served, Serving};
use crate::shelf::{Found, Shelf, ShelfError};
use crate::tally::Tallies;
use crate::trust::{Keyring, Trust};
use crate::upstream::Upstream;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tidegate_model::fleet::{NodeHealth, NodeState};
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{Delta, DeltaRefusal, Digest, KeyList, Snapshot, SnapshotRefusal, Version};
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
    /// Whose signature it believes.
    pub trust: Trust,
    /// How many bytes of observations may wait for upstream: [`SPOOL_BYTES_DEFAULT`](crate::SPOOL_BYTES_DEFAULT), if
    /// there is nothing to say. In memory never more than 32 MiB.
    pub spool_bytes_max: u64,
}

/// Why a replica cannot start. Bad snapshots on disk are no reason.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The folder for snapshots cannot be used.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The folder for observations cannot be used.
    #[error("cannot keep observations in the node's folder; give it a folder that it may write, or none")]
    Observations(#[source] std::io::Error),
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
    observations: Arc<Observations>,
    serving: Serving,
    contact: Contact,
    lease: Lease,
    shelf: Option<Shelf>,
    lists: ListShelf,
    keyring: Keyring,
    publication: Publication,
    breaker: Arc<SharedBreaker>,
    /// How long the snapshot in force was on its way; `NEVER` when it came from the disk.
    propagation_ms: AtomicI64,
}

const NEVER: i64 = i64::MIN;

impl Replica {
    /// A replica that serves the newest whole snapshot found in its folder, if there is one.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn new(settings: ReplicaSettings) -> Result<Self, ReplicaError> {
        let line = settings.folder.as_deref().map(Observations::folder_in);
        Self::with_line(settings, line.as_deref())
    }

    /// The same, with the observations that wait for upstream in this folder: for a replica that keeps no snapshots, for
    /// they are beside it, and must not lose what it acknowledged when the process ends.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn with_line_in(settings: ReplicaSettings, line: &Path) -> Result<Self, ReplicaError> {
        Self::with_line(settings, Some(line))
    }

    fn with_line(settings: ReplicaSettings, line: Option<&Path>) -> Result<Self, ReplicaError> {
        let counters = Arc::new(Counters::new(&settings.environment).map_err(ReplicaError::Metrics)?);
        let folder = settings.folder.as_deref();
        let lists = ListShelf::new(folder);
        let keyring = Keyring::open(settings.trust, folder);
        let shelf = folder.map(|folder| Shelf::open(folder, &settings.environment, &keyring));
        let (shelf, found) = shelf.transpose()?.unzip();
        let observations = Observations::open(line, settings.spool_bytes_max, &counters);
        let observations = Arc::new(observations.map_err(ReplicaError::Observations)?);
        let replica = Self {
            parts: Arc::new(Parts {
                name: settings.name,
                instance: format!("{:016x}", getrandom::u64().map_err(ReplicaError::Randomness)?),
                tallies: Tallies::new(Arc::clone(&counters)),
                counters,
                serving: Serving::nothing_yet(settings.environment.clone(), Arc::clone(&observations)),
                observations,
                environment: settings.environment,
                contact: Contact::default(),
                lease: Lease::default(),
                shelf,
                lists,
                keyring,
                publication: Publication::default(),
                breaker: Arc::default(),
                propagation_ms: AtomicI64::new(NEVER),
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

    /// Puts a snapshot (a [`Snapshot`] as JSON, fresh from upstream) in force, hands it on, and keeps it
    /// in the node's folder. Compiles and writes to disk: not for an event loop's thread.
    ///
    /// # Errors
    /// Why it is not in force. What was served before stays.
    pub fn offer(&self, bytes: &[u8]) -> Result<Version, OfferRefusal> {
        let read = self.read(bytes).map_err(OfferRefusal::from);
        let taken = read.and_then(|snapshot| self.take(snapshot, Bytes::copy_from_slice(bytes)));
        self.counted(taken, "whole")
    }

    /// A snapshot that is written otherwise than the control plane writes it was touched on its way,
    /// even if it says the same: a signature is over what the header says.
    fn read(&self, bytes: &[u8]) -> Result<Snapshot, SnapshotRefusal> {
        let unreadable = |error: serde_json::Error| SnapshotRefusal::Unreadable(error.to_string());
        let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(unreadable)?;
        if self.parts.keyring.looks() && serde_json::to_vec(&snapshot).map_err(unreadable)? != bytes {
            let why = "it is not written as the control plane writes it";
            return Err(SnapshotRefusal::Unreadable(why.to_owned()));
        }
        Ok(snapshot)
    }

    /// As [`offer`](Self::offer), given the way from the snapshot in force: a [`Delta`] as JSON.
    ///
    /// # Errors
    /// Why the snapshot that it leads to is not in force. What was served before stays.
    pub fn offer_delta(&self, bytes: &[u8]) -> Result<Version, OfferRefusal> {
        self.counted(self.follow(bytes), "delta")
    }

    fn follow(&self, bytes: &[u8]) -> Result<Version, OfferRefusal> {
        let unreadable = |error: serde_json::Error| DeltaRefusal::Unreadable(error.to_string());
        let delta: Delta = serde_json::from_slice(bytes).map_err(unreadable)?;
        let held = self.parts.publication.newest();
        let held = held
            .ok_or_else(|| DeltaRefusal::Unreadable("nothing is held that it could start from".to_owned()))?;
        let snapshot = delta.apply(&held.snapshot().map_err(unreadable)?)?;
        let bytes = serde_json::to_vec(&snapshot).map_err(unreadable)?;
        self.take(snapshot, bytes.into())
    }

    fn counted(&self, taken: Result<Version, OfferRefusal>, form: &str) -> Result<Version, OfferRefusal> {
        match &taken {
            Ok(_) => self.parts.counters.took_snapshot(form),
            // Missing lists are fetched, and the snapshot is offered again.
            Err(OfferRefusal::ListsMissing(_)) => {}
            Err(refusal) => self.parts.counters.refused_snapshot(refusal.cause()),
        }
        taken
    }

    fn take(&self, snapshot: Snapshot, bytes: Bytes) -> Result<Version, OfferRefusal> {
        let parts = &self.parts;
        parts.keyring.check(&snapshot.header)?;
        let created = snapshot.header.created;
        let served = parts.serving.compile(snapshot, &parts.tallies, &parts.lists)?;
        // First, so that nobody sees the new snapshot as unconfirmed.
        parts.contact.confirmed(Instant::now());
        let version = self.put_in_force(served)?;
        let took = (chrono::Utc::now() - created).num_milliseconds();
        parts.propagation_ms.store(took, Ordering::Relaxed);
        tracing::info!(node = %self.name(), environment = %self.environment(), %version, took_ms = took,
            "serving a new snapshot");
        self.hand_on(bytes.clone());
        if let Some(Err(error)) = parts.shelf.as_ref().map(|shelf| shelf.keep(&bytes, version)) {
            parts.counters.shelf_failed();
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

    fn hand_on(&self, bytes: Bytes) {
        if let Err(error) = self.parts.publication.hand_on(bytes) {
            tracing::error!(node = %self.name(), %error, "what is served cannot be handed on");
        }
    }

    /// What it hands on to nodes below it.
    pub fn publication(&self) -> &Publication {
        &self.parts.publication
    }

    /// The keys that it believes, as upstream told them; `None` when it was told none.
    pub fn key_list(&self) -> Option<Arc<KeyList>> {
        self.parts.keyring.list()
    }

    /// The upstream behind this replica's breaker.
    pub fn guarded(&self, upstream: Arc<dyn Upstream>) -> Arc<dyn Upstream> {
        Arc::new(Guarded {
            upstream,
            breaker: Arc::clone(&self.parts.breaker),
            counters: Arc::clone(&self.parts.counters),
        })
    }

    /// What it tells of itself.
    pub(crate) fn health(&self, evaluations_per_second: f64) -> NodeHealth {
        let propagation = self.parts.propagation_ms.load(Ordering::Relaxed);
        NodeHealth {
            state: match self.standing() {
                Standing::Blind => NodeState::Blind,
                Standing::Current { .. } => NodeState::Current,
                Standing::Stale { .. } => NodeState::Stale,
            },
            breaker: self.parts.breaker.state(),
            evaluations_per_second,
            propagation_ms: (propagation != NEVER).then_some(propagation),
            clock: Some(chrono::Utc::now()),
        }
    }

    /// Pulls snapshots from upstream and reports to it until `shutdown` completes; then hands in
    /// what was counted last. Failures are retried for ever and never reach evaluation.
    pub async fn run(&self, upstream: Arc<dyn Upstream>, shutdown: impl Future<Output = ()>) {
        let upstream = self.guarded(upstream);
        let mut reporter = Reporter::new(self.clone(), Arc::clone(&upstream));
        let mut handing_in = HandingIn::new(self.clone(), Arc::clone(&upstream));
        let pull = Pull::new(self.clone(), upstream);
        tokio::select! {
            () = shutdown => {}
            () = async {
                reporter.introduce().await;
                tokio::join!(pull.run(), reporter.run(), handing_in.run(), self.keep_lease());
            } => {}
        }
        tokio::join!(reporter.finish(), handing_in.finish());
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
            let bytes = serde_json::to_vec(&snapshot).unwrap_or_default();
            let compiled = self
                .parts
                .serving
                .compile(snapshot, &self.parts.tallies, &self.parts.lists);
            match compiled.and_then(|served| self.put_in_force(served)) {
                Ok(version) => {
                    tracing::info!(node = %self.name(), environment = %self.environment(), %version,
                        "serving the snapshot found on disk");
                    self.hand_on(bytes.into());
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

    /// Puts a snapshot in force; with its rollouts shut, if nobody vouches for this node.
    fn put_in_force(&self, served: Served) -> Result<Version, OfferRefusal> {
        let lists = served.lists().clone();
        let mut form = Arc::new(served);
        if !self.parts.lease.covers(form.version(), Instant::now())
            && let Some(shut) = form.shut(&self.parts.tallies)?
        {
            form = Arc::new(shut);
        }
        let version = self.parts.serving.put_in_force(form)?;
        self.parts.lists.in_force(lists);
        // The lease may have begun or ended meanwhile.
        self.settle();
        Ok(version)
    }

    pub(crate) fn replace(&self, of: &Arc<Served>, form: Arc<Served>) -> bool {
        self.parts.serving.replace(of, form)
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

    pub(crate) fn lease(&self) -> &Lease {
        &self.parts.lease
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.parts.keyring
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.parts.tallies
    }

    /// What takes in what is seen of single units.
    pub fn observations(&self) -> &Arc<Observations> {
        &self.parts.observations
    }

    /// Wakes when another snapshot comes into force.
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Served>>> {
        self.parts.serving.watch()
    }

    /// Brings the metrics about the snapshot up to date.
    pub(crate) fn note_serving(&self) {
        let served = self.served();
        let health = self.health(0.0);
        let waiting = self.parts.observations.spool().size();
        self.parts.counters.observations().note(waiting);
        self.parts
            .counters
            .note_serving(served.as_deref(), self.standing());
        self.parts
            .counters
            .note_health(&health, self.parts.publication.streams());
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
