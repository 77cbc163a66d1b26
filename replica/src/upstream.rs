//! Where snapshots come from and reports go to.

pub(crate) mod http;
mod latest;
mod news;

pub(crate) use latest::Latest;

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, KeyList, Version};

/// The control plane as a node sees it: over HTTP ([`crate::HttpUpstream`]), or in the same process.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// The newest snapshot as soon as it is newer than `after`, whole or as the way from there;
    /// `None` when nothing newer was published within `wait`. Without `after` it is whole.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError>;

    /// Word of every version above `after`, as it is published; `None` when upstream tells none, and
    /// has to be asked again and again.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn news(&self, _after: Option<Version>) -> Result<Option<Box<dyn News>>, UpstreamError> {
        Ok(None)
    }

    /// The keys that snapshots are signed with; `None` when upstream signs none.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn keys(&self) -> Result<Option<KeyList>, UpstreamError> {
        Ok(None)
    }

    /// The bytes of a list of units that a snapshot names.
    ///
    /// # Errors
    /// When upstream gave no usable answer.
    async fn list(&self, digest: &Digest) -> Result<Bytes, UpstreamError>;

    /// Hands in a report. The same batch may come twice and counts once.
    ///
    /// # Errors
    /// When it is not certain that the report was taken in.
    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError>;

    /// Hands in a batch of observations. The same batch may come twice and counts once.
    ///
    /// # Errors
    /// When it is not certain that the batch was taken in.
    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError>;
}

/// A newer snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// A [`tidegate_model::snapshot::Snapshot`] as JSON.
    Whole(Bytes),
    /// A [`tidegate_model::snapshot::Delta`] as JSON.
    Delta(Bytes),
}

/// Word of new versions, as they are published.
#[async_trait]
pub trait News: Send {
    /// The next word; `None` when upstream ended the stream. May be dropped at any point.
    ///
    /// # Errors
    /// When the stream broke.
    async fn next(&mut self) -> Result<Option<Tiding>, UpstreamError>;
}

/// What upstream tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiding {
    /// The newest version; `None` when nothing was published yet.
    pub version: Option<Version>,
    /// The way to it from the version told before, if it is short: a
    /// [`tidegate_model::snapshot::Delta`] as JSON.
    pub delta: Option<Bytes>,
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
    /// It was not asked: it failed too often.
    #[error("the control plane is left alone for {wait:?}, because half of the last calls failed")]
    BreakerOpen {
        /// For how long.
        wait: Duration,
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
            Self::BreakerOpen { .. } => "breaker_open",
        }
    }

    /// Whether the answer means that upstream fails; `None` when it says nothing about that.
    pub(crate) fn speaks_against_upstream(&self) -> Option<bool> {
        match self {
            Self::Away(_) => Some(true),
            Self::Refused { status, .. } => Some(*status >= 500),
            Self::Credential { .. } | Self::TooLarge { .. } => Some(false),
            // It works, and has a lot to do.
            Self::Busy { .. } | Self::BreakerOpen { .. } => None,
        }
    }
}
