//! What the log asks the system for and what may fail, in one place.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What this user may still use, in bytes.
    pub free: u64,
    /// All there is, in bytes.
    pub all: u64,
}

/// The calls on which it depends whether a batch is kept. Proofs put one in place that fails.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// How much room the file system of `folder` has.
    ///
    /// # Errors
    /// When the system does not say.
    fn space(&self, folder: &Path) -> io::Result<Space>;

    /// Writes all of it behind the end.
    ///
    /// # Errors
    /// When not all of it was written.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// When it returns, what was written survives a power cut.
    ///
    /// # Errors
    /// When it may not. Nobody knows then what is on disk.
    fn sync(&self, file: &File) -> io::Result<()>;
}

/// The disk that there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn space(&self, folder: &Path) -> io::Result<Space> {
        let about = rustix::fs::statvfs(folder)?;
        Ok(Space {
            free: about.f_bavail.saturating_mul(about.f_frsize),
            all: about.f_blocks.saturating_mul(about.f_frsize),
        })
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

impl Space {
    /// Whether there is too little for observations. The store stops saving at a twentieth of the disk or 1 GiB, whichever is
    /// less (`store/src/room.rs`); observations stop at twice that: an experiment never takes the room of a rollout.
    pub(crate) fn is_low(self) -> bool {
        self.free < (self.all / 10).min(2 << 30)
    }
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// When it returns, the names in the folder survive a power cut.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_stop_before_the_store_does() {
        let low = |free, all| Space { free, all }.is_low();
        assert!(low(9, 100) && !low(10, 100), "a tenth of a small disk");
        let (gib, large) = (1 << 30, 1 << 50);
        assert!(
            low(2 * gib - 1, large) && !low(2 * gib, large),
            "2 GiB of a large one"
        );
    }
}
