//! A replica of its own for an application that has none.

use std::path::PathBuf;
use tidegate_model::invalid::Violation;
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_replica::{
    HttpUpstream, HttpUpstreamError, Replica, ReplicaError, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust,
};

/// Where snapshots come from. The replica counts as a node: it is listed, and a rollback waits for it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The control plane, or a node that relays, for example `https://tidegate.example`.
    pub control_plane: String,
    /// Whose flags are evaluated, for example `production`.
    pub environment: String,
    /// The secret of a token of the role `node`.
    pub token: String,
    /// What this process is called among the nodes. Two must not share one.
    pub name: String,
    /// Where the last two snapshots are kept, so that a start without a control plane has flags.
    pub folder: Option<PathBuf>,
    /// Whose signature under snapshots is believed. [`Trust::FirstContact`] with a folder suits most;
    /// name keys where the first contact cannot be trusted.
    pub trust: Trust,
}

/// Why a connection cannot be what was asked for. A control plane that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A name breaks the rules of names.
    #[error("{0}")]
    Name(Violation),
    /// The address or the token cannot be right.
    #[error(transparent)]
    Upstream(#[from] HttpUpstreamError),
    /// The replica cannot start.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
}

impl From<Violation> for ConnectError {
    fn from(violation: Violation) -> Self {
        Self::Name(violation)
    }
}

/// The replica, and what it will pull from.
pub(crate) fn open(connection: Connection) -> Result<(Replica, HttpUpstream), ConnectError> {
    let environment = EnvironmentKey::new(&connection.environment)?;
    let upstream = HttpUpstream::new(&connection.control_plane, &environment, &connection.token)?;
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new(&connection.name)?,
        environment,
        folder: connection.folder,
        trust: connection.trust,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    })?;
    Ok((replica, upstream))
}
