//! Reading a log beside its owner or without one: for whoever wants to count again.

use crate::at_millis;
use crate::cursor::{Cursor, Step};
use crate::error::LogError;
use crate::handle::folder_of;
use crate::open::look_through;
use crate::status::Damage;
use std::path::Path;
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::observation::ObservationBatch;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Batches.
    pub batches: u64,
    /// Observations.
    pub observations: u64,
    /// What could not be read. At the very end of the log it may be a write that was interrupted, or is under way.
    pub damaged: Vec<Damage>,
}

/// Shows every batch of the log of an environment in a data folder, in its order, with the time at which it was received.
/// Nothing on disk is changed.
///
/// # Errors
/// When the folder cannot be read, or is of a newer version.
pub fn replay(
    data: &Path,
    environment: &EnvironmentKey,
    mut visit: impl FnMut(Timestamp, ObservationBatch),
) -> Result<Replayed, LogError> {
    let extent = look_through(&folder_of(data, environment))?;
    let mut cursor = Cursor::at(&extent, 0);
    let mut replayed = Replayed::default();
    loop {
        match cursor.step(&extent) {
            Step::End => return Ok(replayed),
            Step::Damage(_, damage) => replayed.damaged.push(damage),
            Step::Batch { received, batch } => {
                replayed.batches += 1;
                replayed.observations += batch.observations.len() as u64;
                visit(at_millis(received), *batch);
            }
        }
    }
}
