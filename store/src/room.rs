//! Room on the disk for what shuts things, kept by a file that is removed when it is needed (faults.md F54).

use crate::api::StoreError;
use crate::folder::sync;
use crate::probe::Space;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Below this there is no room, however large the file system: a twentieth of a large one is nothing to stop for.
const LEAST_BYTES_MAX: u64 = 1 << 30;

/// What sled needs to begin, in bytes.
const VIEW_BYTES: u64 = 4 << 20;

/// The file's name.
const BALLAST: &str = "ballast";

/// What is left of the disk.
#[derive(Debug)]
pub(crate) struct Room {
    root: PathBuf,
    /// How large the ballast is, in bytes.
    bytes: u64,
    /// Less than this is too little, in bytes; `None` for a twentieth of the file system, up to 1 GiB.
    least: Option<u64>,
    /// Whether the ballast is there.
    kept: bool,
}

impl Room {
    /// Of the disk under `root`. Makes the ballast if there is room for it.
    pub(crate) fn of(root: &Path, bytes: u64, least: Option<u64>) -> Self {
        let kept = is_kept(root);
        let mut room = Self {
            root: root.to_owned(),
            bytes,
            least,
            kept,
        };
        room.keep();
        room
    }

    /// Whether there is too little for anything but what shuts things. A system that does not say is believed to have
    /// some: a write will tell.
    pub(crate) fn is_low(&self) -> bool {
        Space::of(&self.root).is_ok_and(|space| space.free < self.least(space))
    }

    /// Whether sled could open a view: it writes when it does.
    pub(crate) fn fits_view(&self) -> bool {
        Space::of(&self.root).map_or(true, |space| space.free >= VIEW_BYTES)
    }

    /// Gives the ballast up. Says whether there was any.
    pub(crate) fn release(&mut self) -> bool {
        if !self.kept {
            return false;
        }
        self.kept = false;
        match fs::remove_file(self.root.join(BALLAST)) {
            Ok(()) => {
                tracing::error!("the disk is full: what was kept for rollbacks is used now");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the disk is full, and what was kept for rollbacks cannot be used");
                false
            }
        }
    }

    /// Makes the ballast again, once there is room.
    pub(crate) fn keep(&mut self) {
        let fits = |space: Space| space.free >= self.least(space).saturating_add(self.bytes);
        if self.kept || self.bytes == 0 || !Space::of(&self.root).is_ok_and(fits) {
            return;
        }
        match make(&self.root, self.bytes) {
            Ok(()) => self.kept = true,
            Err(error) => tracing::warn!(%error, "no room is kept for rollbacks on a full disk"),
        }
    }

    fn least(&self, space: Space) -> u64 {
        self.least.unwrap_or((space.all / 20).min(LEAST_BYTES_MAX))
    }
}

/// Whether a store's ballast is there.
pub(crate) fn is_kept(root: &Path) -> bool {
    root.join(BALLAST).is_file()
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn make(root: &Path, bytes: u64) -> Result<(), StoreError> {
    let fresh = root.join(format!("{BALLAST}.new"));
    let made = File::create(&fresh).and_then(|file| {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        file.sync_all()
    });
    if let Err(error) = made {
        // What was taken so far is given back.
        let _gone = fs::remove_file(&fresh);
        return Err(StoreError::io("making", &fresh)(error));
    }
    let ballast = root.join(BALLAST);
    fs::rename(&fresh, &ballast).map_err(StoreError::io("renaming", &fresh))?;
    sync(root)
}
