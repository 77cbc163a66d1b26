//! Where snapshots come from and reports go to.

pub(crate) mod http;

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tidegate_model::fleet::NodeReport;
use tidegate_model::snapshot::{Digest, Version};

/// The control plane as a node sees it: over HTTP ([`crate::HttpUpstream`]), or in the same process.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// The newest [`tidegate_model::snapshot::Snapshot`] as JSON, as soon as it is newer than
    /// `after`; `None` when nothing newer was published within `wait`.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Bytes>, UpstreamError>;

    /// The bytes of a list of units that a snapshot names.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn list(&self, digest: &Digest) -> Result<Bytes, UpstreamError>;

    /// Hands in a report. The same batch may come twice and counts once.
    ///
    /// # Errors
    /// When it is not certain that the report was taken in.
    async fn report(&self, report: &NodeReport) -> Result<(), UpstreamError>;
}

/// Why upstream gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It does not answer: refused, timed out, or cut off in the middle.
    #[error("the control plane does not answer")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It asks to come back later.
    #[error("the control plane is too busy (status {status})")]
    Busy {
        /// The HTTP status.
        status: u16,
        /// After how long, if it said so.
        retry_after: Option<Duration>,
    },
    /// It refuses the node's token.
    #[error(
        "the control plane refuses the node's token (status {status}); give the node a valid token of the role node"
    )]
    Credential {
        /// The HTTP status.
        status: u16,
    },
    /// It will not do what was asked, however often.
    #[error("the control plane answers with status {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The start of what it said.
        detail: String,
    },
    /// The answer is larger than what was asked for may be.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
}

impl UpstreamError {
    /// The cause, as the label of `tidegate_node_pull_failures_total`.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Busy { .. } => "busy",
            Self::Credential { .. } => "credential",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
        }
    }
}
