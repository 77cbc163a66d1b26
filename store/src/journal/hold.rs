//! Keeping the segments of a journal where they are while somebody reads all of them.
//!
//! The lock is on the folder itself: it needs no file, so a backup on a medium that cannot be written is read like any
//! other. The system takes it back when the process ends, however it does.

use crate::api::StoreError;
use std::fs::File;
use std::io;
use std::path::Path;

/// As long as it lives, nobody moves a segment away.
#[derive(Debug)]
pub(crate) struct Held {
    /// `None` when there is nothing to hold.
    _folder: Option<File>,
}

/// Waits until no segment is being moved away, and holds off whoever wants to.
pub(crate) fn hold(journal: &Path) -> Result<Held, StoreError> {
    take(journal, File::lock_shared)
}

/// Waits until nobody reads all segments, and holds off whoever wants to.
pub(crate) fn hold_alone(journal: &Path) -> Result<Held, StoreError> {
    take(journal, File::lock)
}

fn take(journal: &Path, lock: fn(&File) -> io::Result<()>) -> Result<Held, StoreError> {
    let folder = match File::open(journal) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held { _folder: None }),
        Err(error) => return Err(StoreError::io("opening", journal)(error)),
    };
    lock(&folder).map_err(StoreError::io("locking", journal))?;
    Ok(Held {
        _folder: Some(folder),
    })
}
