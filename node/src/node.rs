//! A node: what it is made of, and its life.

use crate::access::ClientAccess;
use crate::contact::{Contact, Standing};
use crate::metrics::Counters;
use crate::pull::Pull;
use crate::report::Reporter;
use crate::serving::{OfferRefusal, Served, Serving};
use crate::shelf::{Found, Shelf, ShelfError};
use crate::tally::Tallies;
use crate::upstream::Upstream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::snapshot::{SnapshotRefusal, Version};
use tokio::sync::watch;
use tokio::time::Instant;

/// How often changed client tokens are looked for (X7 of faults.md asks for five seconds).
const ACCESS_REFRESH: Duration = Duration::from_secs(4);

/// What a node needs to know at its start.
pub struct NodeSettings {
    /// Its name in the environment. Two nodes must not share one.
    pub name: NodeName,
    /// Whose flags it serves.
    pub environment: EnvironmentKey,
    /// Who may evaluate and send events.
    pub access: Arc<dyn ClientAccess>,
    /// Where the last two snapshots are kept; `None` keeps none, which suits a node inside the
    /// control plane.
    pub folder: Option<PathBuf>,
}

/// Why a node cannot start. Bad snapshots on disk are no reason.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
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

/// An evaluation node. Cloning gives another handle to the same node; every method may be called
/// from any thread.
#[derive(Clone)]
pub struct Node {
    parts: Arc<Parts>,
}

struct Parts {
    name: NodeName,
    instance: String,
    environment: EnvironmentKey,
    access: Arc<dyn ClientAccess>,
    counters: Arc<Counters>,
    tallies: Tallies,
    serving: Serving,
    contact: Contact,
    shelf: Option<Shelf>,
}

impl Node {
    /// A node that serves the newest whole snapshot found in its folder, if there is one.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn new(settings: NodeSettings) -> Result<Self, NodeError> {
        let counters = Arc::new(Counters::new(&settings.environment).map_err(NodeError::Metrics)?);
        let shelf = settings
            .folder
            .map(|folder| Shelf::open(&folder, &settings.environment));
        let (shelf, found) = shelf.transpose()?.unzip();
        let node = Self {
            parts: Arc::new(Parts {
                name: settings.name,
                instance: format!("{:016x}", getrandom::u64().map_err(NodeError::Randomness)?),
                access: settings.access,
                tallies: Tallies::new(Arc::clone(&counters)),
                counters,
                serving: Serving::nothing_yet(settings.environment.clone()),
                environment: settings.environment,
                contact: Contact::default(),
                shelf,
            }),
        };
        node.recover(found.unwrap_or_default());
        Ok(node)
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
            self.parts.counters.refused_snapshot(refusal.cause());
        })?;
        tracing::info!(node = %self.name(), environment = %self.environment(), %version, "serving a new snapshot");
        if let Some(Err(error)) = self.parts.shelf.as_ref().map(|shelf| shelf.keep(bytes, version)) {
            self.parts.counters.shelf_failed();
            tracing::error!(node = %self.name(), %version, error = &error as &dyn std::error::Error,
                "the snapshot is served but not kept on disk: a restart would go back to an older one");
        }
        Ok(version)
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
                tokio::join!(pull.run(), reporter.run(), self.refresh_access());
            } => {}
        }
        reporter.finish().await;
    }

    async fn refresh_access(&self) {
        loop {
            tokio::time::sleep(ACCESS_REFRESH).await;
            let access = Arc::clone(&self.parts.access);
            // A panic in there leaves the tokens as they were.
            let _ = tokio::task::spawn_blocking(move || access.refresh()).await;
        }
    }

    fn recover(&self, found: Found) {
        for (file, refusal) in found.refused {
            let refusal = OfferRefusal::Unfit(refusal);
            self.parts.counters.refused_snapshot(refusal.cause());
            tracing::warn!(file = %file.display(), error = &refusal as &dyn std::error::Error,
                "a snapshot on disk cannot be used");
        }
        for snapshot in found.snapshots {
            let version = snapshot.header.version;
            let compiled = self.parts.serving.compile(snapshot, &self.parts.tallies);
            match compiled.and_then(|served| self.parts.serving.put_in_force(served)) {
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
        let served = self.parts.serving.compile(snapshot, &self.parts.tallies)?;
        // First, so that nobody sees the new snapshot as unconfirmed.
        self.parts.contact.confirmed(Instant::now());
        self.parts.serving.put_in_force(served)
    }

    pub(crate) fn standing_of(&self, served: &Served) -> Standing {
        let created = served.header().created;
        self.parts
            .contact
            .standing(served.version(), created, Instant::now())
    }

    pub(crate) fn instance(&self) -> &str {
        &self.parts.instance
    }

    pub(crate) fn access(&self) -> &dyn ClientAccess {
        &*self.parts.access
    }

    pub(crate) fn contact(&self) -> &Contact {
        &self.parts.contact
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.parts.counters
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.parts.tallies
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<Served>>> {
        self.parts.serving.watch()
    }

    /// Brings the metrics about the snapshot up to date.
    pub(crate) fn note_serving(&self) {
        let version = self.served().map(|served| served.version());
        self.parts.counters.note_serving(version, self.standing().age());
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("name", self.name())
            .field("environment", self.environment())
            .finish_non_exhaustive()
    }
}

/// A name for a node that was given none: the machine's name and the port it listens on, so that it
/// has the same name after a restart.
pub fn default_name(port: u16) -> NodeName {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_default();
    name_of(machine.trim(), port)
}

fn name_of(machine: &str, port: u16) -> NodeName {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let machine: String = machine.chars().filter(allowed).take(200).collect();
    #[expect(
        clippy::expect_used,
        reason = "at most 211 characters, all of them allowed in names"
    )]
    NodeName::new(&format!("node-{machine}-{port}")).expect("a valid name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_machine_makes_a_name() {
        assert_eq!(name_of("web-1.example", 7).as_str(), "node-web-1.example-7");
        assert_eq!(name_of("", 7).as_str(), "node--7");
        assert_eq!(name_of("größe/..", u16::MAX).as_str(), "node-gre..-65535");
        assert!(name_of(&"x".repeat(5000), 1).as_str().len() < 255);
    }
}
