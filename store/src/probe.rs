//! What the disk under a folder has left, and how long it takes to keep something.

use crate::api::StoreError;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is written for each sync, in bytes: about one record.
const PROBE_BYTES: usize = 4096;

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this user may still use, in bytes.
    pub free: u64,
    /// All there is, in bytes.
    pub all: u64,
}

impl Space {
    /// Of the file system that has `folder`.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn of(folder: &Path) -> Result<Self, StoreError> {
        let about = rustix::fs::statvfs(folder);
        let about = about.map_err(|error| StoreError::io("asking for the room of", folder)(error.into()))?;
        Ok(Self {
            free: about.f_bavail.saturating_mul(about.f_frsize),
            all: about.f_blocks.saturating_mul(about.f_frsize),
        })
    }

    /// What is free of all, 0 to 1.
    #[must_use]
    pub fn share(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no byte")]
        let share = self.free as f64 / self.all.max(1) as f64;
        share
    }
}

/// How long `fdatasync` took, so many times after a write of 4 KiB to a file in `folder`, in ascending order. The file is
/// removed again.
///
/// # Errors
/// When it cannot be written there.
pub fn sync_times(folder: &Path, times: usize) -> Result<Vec<Duration>, StoreError> {
    let path = folder.join(format!("probe-{}", std::process::id()));
    let taken = take(&path, times).map_err(StoreError::io("writing", &path));
    fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
    taken
}

fn take(path: &Path, times: usize) -> std::io::Result<Vec<Duration>> {
    let mut file = File::create(path)?;
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        file.write_all(&[0x5a; PROBE_BYTES])?;
        let before = Instant::now();
        file.sync_data()?;
        taken.push(before.elapsed());
    }
    taken.sort_unstable();
    Ok(taken)
}
