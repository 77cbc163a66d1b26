//! Where what nodes saw of single units is kept and folded.

mod memory;
mod on_disk;

pub use memory::InMemory;

use async_trait::async_trait;
use tidegate_analytics::fold::Period;
use tidegate_model::Timestamp;
use tidegate_model::experiment::ExperimentState;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::invalid::Invalid;
use tidegate_model::key::ExperimentKey;
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};

/// Keeps the observations of one environment, and folds them into the tallies of its experiments.
#[async_trait]
pub trait Observatory: Send + Sync + 'static {
    /// Takes a batch in. When this returns, it survives a power cut. A repeat changes nothing.
    ///
    /// # Errors
    /// When it is nonsense, or cannot be kept.
    async fn take_in(&self, batch: ObservationBatch) -> Result<ObservationReceipt, ObserveError>;

    /// Folds for this experiment from now on, with what is kept from before. Asking again with a newer state (other
    /// dealings, an end, more excluded units) follows that.
    ///
    /// # Errors
    /// When nothing can be folded.
    async fn follow(&self, experiment: &ExperimentState) -> Result<(), ObserveError>;

    /// Folds for this experiment no more.
    async fn forget(&self, experiment: &ExperimentKey);

    /// The numbers of an experiment, one entry for each dealing; `None` while what is kept from before is being folded,
    /// or when nobody follows it.
    ///
    /// # Errors
    /// When nothing can be folded.
    async fn tallies(&self, experiment: &ExperimentKey) -> Result<Option<Vec<Tallies>>, ObserveError>;

    /// The numbers as they were, the earliest first, at most some hundred moments evenly spread; none where they are not
    /// kept.
    ///
    /// # Errors
    /// When nothing can be folded.
    async fn series(&self, experiment: &ExperimentKey) -> Result<Vec<Moment>, ObserveError>;

    /// Why nothing is taken in at the moment; `None` while everything is.
    fn trouble(&self) -> Option<ObserveError>;
}

/// The numbers of an experiment at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The numbers, of all dealings together.
    pub tallies: Tallies,
}

/// Why observations cannot be taken in or folded.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// They are nonsense. Nothing was taken in.
    #[error("{0}")]
    Invalid(Invalid),
    /// There is no room for them at the moment; rollbacks keep theirs.
    #[error("the disk is nearly full: observations are taken in again when there is room")]
    Full,
    /// They cannot be kept any more until a restart.
    #[error("observations cannot be kept any more: {0}")]
    Stopped(String),
}

/// The periods of an experiment: one for each dealing.
fn periods(experiment: &ExperimentState) -> impl Iterator<Item = Period> + '_ {
    let next = experiment
        .dealings
        .iter()
        .skip(1)
        .map(|dealing| Some(dealing.from));
    let ends = next.chain(std::iter::once(experiment.counts_until()));
    experiment
        .dealings
        .iter()
        .zip(ends)
        .map(|(dealing, until)| Period {
            from: dealing.from,
            until,
            batch: dealing.batch,
        })
}
