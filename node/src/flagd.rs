//! flagd's protocols, for the clients that speak nothing else: evaluation (gRPC v1 and v2, and
//! Connect for browsers) and sync (gRPC and HTTP). `docs/flagd.md` is this folder in prose.
//!
//! Oddities in the answers are there for real clients. What is not the same for everybody is never
//! called STATIC: clients keep a STATIC answer until they are told that the flag changed.

mod admit;
mod calls;
mod changes;
mod connect;
mod definitions;
mod evaluation;
mod events;
mod front;
mod listen;
mod proto;
mod resolve;
mod streams;
mod structs;
mod sync;
mod sync_http;

pub use admit::Door;
pub use front::Protocol;

use crate::node::Node;
use calls::Calls;
use changes::Changes;
use definitions::Definitions;
use front::Front;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use streams::Streams;
use tokio::sync::watch;

/// flagd's protocols over nodes, one for each environment. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Flagd {
    realms: Arc<[Arc<Realm>]>,
    streams: Streams,
}

/// One environment, as flagd's clients see it.
struct Realm {
    node: Node,
    definitions: Definitions,
    changes: Changes,
    calls: Calls,
}

impl Flagd {
    /// The protocols over these nodes. A caller that names no environment gets the first that admits
    /// it.
    ///
    /// # Errors
    /// When the nodes' metrics have these names already.
    pub fn new(nodes: Vec<Node>) -> Result<Self, prometheus::Error> {
        let realm = |node: Node| {
            Ok(Arc::new(Realm {
                definitions: Definitions::default(),
                changes: Changes::default(),
                calls: Calls::new(node.replica().counters().registry())?,
                node,
            }))
        };
        let realms: Result<Vec<_>, prometheus::Error> = nodes.into_iter().map(realm).collect();
        Ok(Self {
            realms: realms?.into(),
            streams: Streams::default(),
        })
    }

    /// Answers one of the protocols at an address until `stopping` turns true; then ends its streams
    /// in an orderly way. Wants a runtime with I/O and time.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn serve(
        &self,
        protocol: Protocol,
        door: Door,
        listener: TcpListener,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let front = Front::new(self.clone(), protocol, door, stopping.clone());
        listen::serve(listener, front, stopping).await;
        Ok(())
    }
}

impl std::fmt::Debug for Flagd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nodes = self.realms.iter().map(|realm| &realm.node);
        f.debug_list().entries(nodes).finish()
    }
}
