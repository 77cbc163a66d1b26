//! What a store's folder looks like from outside.

use crate::api::StoreError;
use crate::compact::bytes;
use crate::folder;
use crate::room;
use std::path::{Path, PathBuf};

/// What a store's folder looks like from outside, whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Which life of the store it is.
    pub epoch: u64,
    /// The process that has the folder, if one has and its number is known.
    pub holder: Option<String>,
    /// Bytes of the view.
    pub view_bytes: u64,
    /// Views that were put aside.
    pub quarantines: Vec<PathBuf>,
    /// Whether room is kept for what shuts things on a full disk.
    pub ballast: bool,
}

/// Looks at the folder of a store. Changes nothing, and may run beside a server.
///
/// # Errors
/// When there is no store, or one that this version cannot read.
pub fn about(folder: impl AsRef<Path>) -> Result<About, StoreError> {
    let root = folder.as_ref();
    folder::require_format(root)?;
    Ok(About {
        epoch: folder::read_epoch(root)?,
        holder: folder::holder(root)?,
        view_bytes: bytes(&folder::view(root))?,
        quarantines: folder::quarantines(root)?,
        ballast: room::is_kept(root),
    })
}
