//! Why something could not be done.

use std::io;
use std::path::Path;
use tidegate_model::invalid::Invalid;

/// Why the log cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Another process, or another handle of this one, has the folder.
    #[error("{folder} is in use by another process")]
    InUse {
        /// Which folder.
        folder: String,
    },
    /// Reading or writing failed.
    #[error("{operation} failed: {cause}")]
    Io {
        /// What was tried, and on which file.
        operation: String,
        /// The system's answer.
        cause: String,
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
    /// It stopped after an earlier failure.
    #[error("the log of observations has stopped: {why}; a restart reads the disk again")]
    Stopped {
        /// What happened.
        why: String,
    },
}

impl LogError {
    /// For `map_err`: what was tried on which file.
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let operation = format!("{doing} {}", path.display());
        move |error| Self::Io {
            operation,
            cause: error.to_string(),
        }
    }
}

/// Why a batch was not taken in. It is in no tally then, and may be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeInError {
    /// It never will be: something is wrong with it.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The disk is nearly full. Send it again later.
    #[error("the disk has no room for observations; what rollouts need is kept free")]
    Full,
    /// The log stopped after a write or a sync failed. Whether this batch survives is not known: send it again after a
    /// restart, which knows.
    #[error("the log of observations has stopped: {why}; a restart reads the disk again")]
    Stopped {
        /// What happened.
        why: String,
    },
}

/// Why there are no tallies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TalliesError {
    /// Nobody watches this experiment.
    #[error("the experiment is not watched")]
    NotWatched,
    /// The log is still being read for it: tallies of a part would be taken for those of the whole.
    #[error("the log of observations is still being read, {batches} batches are left")]
    Behind {
        /// How many batches are left.
        batches: u64,
    },
    /// Folding has ended.
    #[error("observations are not folded any more")]
    Stopped,
}
