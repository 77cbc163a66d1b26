//! What a store does.

use async_trait::async_trait;
use bytes::Bytes;
use std::io;
use std::path::Path;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::basis::Basis;
use tidegate_model::because::Because;
use tidegate_model::change::{Change, EntityRef, EntityState, Kind, Record};
use tidegate_model::key::{EnvironmentKey, Revision};
use tidegate_model::snapshot::Digest;

/// Keeps what became true. Cheap to share.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes all writes true together, or none. When this returns, they survive a power cut.
    ///
    /// The record that is returned is the one that will be read back. Dropping the future does not
    /// take the proposal back: it may still become true.
    async fn commit(&self, proposal: Proposal) -> Result<Record, CommitError>;

    /// The state of one thing; `None` when there is no such thing.
    async fn load(&self, entity: &EntityRef) -> Result<Option<Stored>, StoreError>;

    /// The state of all things of a kind, sorted by environment and name; of one environment or of all.
    async fn list(&self, kind: Kind, environment: Option<&EnvironmentKey>)
    -> Result<Vec<Stored>, StoreError>;

    /// The things of an environment, of these kinds, that a record above `after` has changed: all as they are at one
    /// moment.
    async fn changed(
        &self,
        environment: &EnvironmentKey,
        kinds: &[Kind],
        after: u64,
    ) -> Result<Changed, StoreError>;

    /// Records with a sequence above `after`, oldest first, at most `limit`. [`StoreError::Archived`] when the first of
    /// them is not here any more.
    async fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Keeps the bytes of a list of units, by their digest. When this returns, they survive a power cut,
    /// and a change that names them may be committed. Putting them again changes nothing.
    async fn put_list(&self, bytes: Bytes) -> Result<Digest, StoreError>;

    /// The bytes of a list; `None` when there is none of this digest.
    async fn load_list(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError>;

    /// Keeps an answer for whoever repeats the request that `name` stands for, in place of one that was kept before.
    /// When this returns, it survives a power cut.
    async fn keep_answer(&self, name: &Digest, kept: KeptAnswer) -> Result<(), StoreError>;

    /// The answer that was kept under this name, if it is still there.
    async fn load_answer(&self, name: &Digest) -> Result<Option<KeptAnswer>, StoreError>;

    /// Forgets answers that were kept at `until` or before, and the oldest of more than `at_most`. Returns how many
    /// are left.
    async fn sweep_answers(&self, until: Timestamp, at_most: usize) -> Result<usize, StoreError>;

    /// The sequence of the newest record; 0 when there is none.
    fn head(&self) -> u64;

    /// Which life of the store this is: 1 for a new one.
    fn epoch(&self) -> u64;
}

/// An answer that is kept for whoever repeats the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// When it was given, to the millisecond.
    pub at: Timestamp,
    /// What was answered. What it looks like is the caller's business.
    pub bytes: Bytes,
}

/// Changes that are to become true together.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Author,
    /// Why.
    pub because: Option<Because>,
    /// On what: for decisions of rollouts.
    pub basis: Option<Box<Basis>>,
    /// What. Never empty; each thing at most once.
    pub writes: Vec<Write>,
}

/// The changes of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Which thing.
    pub entity: EntityRef,
    /// What its revision must be before.
    pub expect: Expect,
    /// What becomes true, in order. Never empty.
    pub changes: Vec<Change>,
}

/// What a thing's revision must be before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Whatever it is.
    Any,
    /// Exactly this; [`Revision::ABSENT`] for a thing that must not exist. A deleted thing does not
    /// exist, though its revision goes on counting when it is made again.
    Revision(Revision),
}

/// A thing as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Which thing.
    pub entity: EntityRef,
    /// How many changes it has seen. Goes on counting when a deleted thing is made again.
    pub revision: Revision,
    /// Its state.
    pub state: EntityState,
}

/// What has changed, as it is at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The newest record at that moment.
    pub head: u64,
    /// The things, each once; `None` for one that is gone.
    pub things: Vec<(EntityRef, Option<Stored>)>,
}

/// Why a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else was first.
    #[error("{entity} is at revision {actual}, not {expected}")]
    Conflict {
        /// Which thing.
        entity: EntityRef,
        /// What was expected.
        expected: Revision,
        /// What it is.
        actual: Revision,
    },
    /// A change cannot follow the state: a bug, and nothing was written.
    #[error("the change does not fit the state of {entity}")]
    Unfit {
        /// Which thing.
        entity: EntityRef,
        /// Why not.
        #[source]
        source: tidegate_model::rollout::FoldError,
    },
    /// The proposal is not one: nothing in it, a thing twice, or a change that cannot be written
    /// down so that it can be read back. Nothing was written.
    #[error("the proposal is malformed: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// There is too little room on the disk for anything but what shuts things. Nothing was written.
    #[error(
        "the disk is full: there is room for rollbacks, pauses and what else shuts things, and for nothing more"
    )]
    Full,
    /// The store cannot take it.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Why the store cannot be used. After a failed write or sync it acknowledges nothing more.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The folder is in use by another process.
    #[error("{folder} is in use by another process{holder}")]
    InUse {
        /// Which folder.
        folder: String,
        /// Who, if known, as ` (process 123)`.
        holder: String,
    },
    /// Reading or writing failed.
    #[error("{operation} failed: {cause}")]
    Io {
        /// What was tried, and on which file.
        operation: String,
        /// The system's answer.
        cause: String,
    },
    /// What is on disk is not what was written.
    #[error("{file} is damaged at offset {offset}: {what}")]
    Damaged {
        /// Which file.
        file: String,
        /// Where, in bytes.
        offset: u64,
        /// How it shows.
        what: String,
    },
    /// What is on disk was written by a newer version.
    #[error("{file} has format {found}, this version reads up to {known}")]
    TooNew {
        /// Which file.
        file: String,
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// Records that were asked for are not in the folder any more: they were moved to an archive.
    #[error("records before {oldest} were moved to an archive")]
    Archived {
        /// The oldest record that is there.
        oldest: u64,
    },
    /// The store stopped after an earlier failure.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// For `map_err`: what was tried, on which file.
    pub(crate) fn io(operation: &str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        let operation = format!("{operation} {}", file.display());
        move |cause| Self::Io {
            operation,
            cause: cause.to_string(),
        }
    }

    /// Damage in `file` at `offset`.
    pub(crate) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.display().to_string(),
            offset,
            what: what.into(),
        }
    }
}
