//! Making a data folder smaller.

use crate::api::StoreError;
use crate::embedded::{Settings, open_taken};
use crate::folder::{Folder, quarantines};
use std::fs;
use std::io;
use std::path::Path;

/// What became smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the view before.
    pub before: u64,
    /// Bytes of the view after.
    pub after: u64,
    /// Views that were put aside once, and are gone now.
    pub removed: usize,
}

/// Makes the view of the store in `folder` again from its journal, and removes views that were put aside. Blocks
/// meanwhile. Whatever happens, the next start finds the journal as it was, and a view or none.
///
/// # Errors
/// When the folder is in use, damaged, or cannot be read or written.
pub fn compact(folder: impl AsRef<Path>) -> Result<Compacted, StoreError> {
    let folder = Folder::take(folder.as_ref())?;
    let view = folder.view();
    let before = bytes(&view)?;
    match fs::rename(&view, folder.quarantine()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("moving aside", &view)(error));
        }
        _ => {}
    }
    let aside = quarantines(&folder.root)?;
    let (store, _report) = open_taken(folder, Settings::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(StoreError::io("waiting for", &view))?;
    runtime.block_on(store.close())?;
    for path in &aside {
        fs::remove_dir_all(path).map_err(StoreError::io("removing", path))?;
    }
    Ok(Compacted {
        before,
        after: bytes(&view)?,
        removed: aside.len().saturating_sub(1),
    })
}

/// Bytes of all files in a folder and in the folders in it; none when it is not there.
pub(crate) fn bytes(folder: &Path) -> Result<u64, StoreError> {
    let reading = |error| StoreError::io("reading", folder)(error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(reading)?,
    };
    let mut sum = 0;
    for entry in entries {
        let entry = entry.map_err(reading)?;
        let about = entry.metadata().map_err(reading)?;
        sum += match about.is_dir() {
            true => bytes(&entry.path())?,
            false => about.len(),
        };
    }
    Ok(sum)
}
