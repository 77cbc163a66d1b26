//! How the log and the folds are, for people and their monitoring.

use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_model::key::ExperimentKey;

/// A part of the log that cannot be read any more. Its batches are in no tally.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{} is damaged at offset {offset}, {bytes} bytes: {what}", file.display())]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Where the damage begins, in bytes.
    pub offset: u64,
    /// How many bytes were passed over.
    pub bytes: u64,
    /// How many batches were lost; 0 when nothing behind it tells.
    pub batches: u64,
    /// How it shows.
    pub what: String,
}

/// What a write left behind that was interrupted and never acknowledged. It was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// In which file.
    pub file: PathBuf,
    /// Where it began, in bytes.
    pub offset: u64,
    /// How many bytes it had.
    pub bytes: u64,
}

/// Whether batches are acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Taking {
    /// They are.
    #[default]
    Open,
    /// Not at the moment: the disk is nearly full.
    Full,
    /// Not any more until a restart.
    Stopped {
        /// What happened.
        why: String,
    },
}

/// The log of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Whether batches are acknowledged.
    pub taking: Taking,
    /// On disk.
    pub bytes: u64,
    /// Files.
    pub segments: u64,
    /// Taken in since the log began, those that were forgotten since among them.
    pub batches: u64,
    /// Taken in since the log began, those that were forgotten since among them.
    pub observations: u64,
    /// Repeats since the start of the process: acknowledged, and not taken in again.
    pub repeats: u64,
    /// Lines of batches that are known.
    pub spools: u64,
    /// Batches that never came: numbers that their lines passed over.
    pub missing: u64,
    /// What cannot be read, as far as anybody came upon it since the start of the process.
    pub damaged: Vec<Damage>,
    /// What the start cut off.
    pub torn: Option<Torn>,
    /// Every watched experiment.
    pub experiments: BTreeMap<ExperimentKey, FoldStatus>,
}

/// One watched experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FoldStatus {
    /// Units that something is known of, of all its periods.
    pub participants: u64,
    /// Memory that they take.
    pub bytes: u64,
    /// Batches of the log that were not folded yet.
    pub behind: u64,
}
