//! A node: a replica, and who may ask it.

use crate::access::ClientAccess;
use crate::surface::Surface;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::Version;
use tidegate_replica::{Replica, Upstream};

/// How often changed client tokens are looked for (X7 of faults.md asks for five seconds).
const ACCESS_REFRESH: Duration = Duration::from_secs(4);

/// How long a caller who heard elsewhere of a newer snapshot waits for it. Snapshots are with all
/// nodes within a fraction of this; a longer wait would only hide that one is cut off.
const CATCH_UP: Duration = Duration::from_secs(1);

/// An evaluation node: a replica that callers with the right token may ask. Cloning gives another
/// handle to the same node.
#[derive(Clone)]
pub struct Node {
    replica: Replica,
    access: Arc<dyn ClientAccess>,
    surface: Arc<Surface>,
    clock: fn() -> Timestamp,
}

impl Node {
    /// A node over a replica. `access` decides who may evaluate and send events.
    ///
    /// # Errors
    /// When the replica has a node already: its metrics would be counted twice.
    pub fn new(replica: Replica, access: Arc<dyn ClientAccess>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            surface: Arc::new(Surface::new(&replica)?),
            replica,
            access,
            clock: chrono::Utc::now,
        })
    }

    /// With a limit for each credential: so many requests a second, and as many at once after a
    /// pause. Without it nobody is turned away.
    #[must_use]
    pub fn with_rate_limit(self, per_second: NonZeroU32) -> Self {
        self.surface.set_limit(per_second);
        self
    }

    /// With another clock, for trying out what depends on the moment.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> Timestamp) -> Self {
        Self { clock, ..self }
    }

    /// What it evaluates with.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whose flags it serves.
    pub fn environment(&self) -> &EnvironmentKey {
        self.replica.environment()
    }

    /// Runs the replica, and follows changes of who may ask, until `shutdown` completes. Then the
    /// streams end, so that a server can stop.
    pub async fn run(&self, upstream: Arc<dyn Upstream>, shutdown: impl Future<Output = ()>) {
        let shutdown = async {
            shutdown.await;
            self.surface.close();
        };
        tokio::select! {
            () = self.replica.run(upstream, shutdown) => {}
            () = self.refresh_access() => {}
        }
    }

    pub(crate) fn access(&self) -> &dyn ClientAccess {
        &*self.access
    }

    pub(crate) fn surface(&self) -> &Surface {
        &self.surface
    }

    /// The moment of an evaluation that says none itself.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Waits a little for a snapshot that a caller heard of, should this node not have it yet.
    pub(crate) async fn catch_up(&self, with: Version) {
        let mut served = self.replica.watch();
        let has_it = served.wait_for(|served| served.as_ref().is_some_and(|served| served.version() >= with));
        // Whoever waited long enough gets what there is.
        let _ = tokio::time::timeout(CATCH_UP, has_it).await;
    }

    async fn refresh_access(&self) {
        loop {
            tokio::time::sleep(ACCESS_REFRESH).await;
            if let Some(limit) = self.surface.limit() {
                limit.forget_idle();
            }
            let access = Arc::clone(&self.access);
            // A panic in there leaves the tokens as they were.
            let _ = tokio::task::spawn_blocking(move || access.refresh()).await;
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Node").field(&self.replica).finish()
    }
}
