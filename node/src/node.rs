//! A node: a replica, and who may ask it.

use crate::access::ClientAccess;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::key::EnvironmentKey;
use tidegate_replica::{Replica, Upstream};

/// How often changed client tokens are looked for (X7 of faults.md asks for five seconds).
const ACCESS_REFRESH: Duration = Duration::from_secs(4);

/// An evaluation node: a replica that callers with the right token may ask. Cloning gives another
/// handle to the same node.
#[derive(Clone)]
pub struct Node {
    replica: Replica,
    access: Arc<dyn ClientAccess>,
}

impl Node {
    /// A node over a replica. `access` decides who may evaluate and send events.
    pub fn new(replica: Replica, access: Arc<dyn ClientAccess>) -> Self {
        Self { replica, access }
    }

    /// What it evaluates with.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whose flags it serves.
    pub fn environment(&self) -> &EnvironmentKey {
        self.replica.environment()
    }

    /// Runs the replica, and follows changes of who may ask, until `shutdown` completes.
    pub async fn run(&self, upstream: Arc<dyn Upstream>, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = self.replica.run(upstream, shutdown) => {}
            () = self.refresh_access() => {}
        }
    }

    pub(crate) fn access(&self) -> &dyn ClientAccess {
        &*self.access
    }

    async fn refresh_access(&self) {
        loop {
            tokio::time::sleep(ACCESS_REFRESH).await;
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
