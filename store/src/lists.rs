//! Lists of units: beside the journal, each in a file that is named by the digest of its bytes.
//!
//! A list never changes, so a file is either there as it should be, or not, or damaged; and that shows,
//! because its name says what it holds. A list is written before the change that names it, so a power
//! cut leaves at most one that nothing names.

use crate::api::StoreError;
use crate::folder::{UNFINISHED, put_file, sync};
use crate::table::Table;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_model::change::EntityState;
use tidegate_model::snapshot::Digest;

/// The folder of all lists.
#[derive(Debug)]
pub(crate) struct ListFolder {
    root: PathBuf,
    folder: PathBuf,
    /// Keeps two writers of one list from writing one file.
    writes: AtomicU64,
}

impl ListFolder {
    /// The lists of the store at `root`. The folder is made when the first list is put.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder: root.join("lists"),
            writes: AtomicU64::new(0),
        }
    }

    /// Where a list is, if it is there.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.as_str())
    }

    /// Keeps the bytes. When this returns, they survive a power cut.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        // A damaged file is written again.
        if !matches!(self.load(&digest), Ok(Some(_))) {
            let number = self.writes.fetch_add(1, Ordering::Relaxed);
            put_file(&self.folder, digest.as_str(), number, bytes)?;
        }
        // Even if the file was there: who put it may have been cut off before this.
        sync(&self.folder)?;
        sync(&self.root)?;
        Ok(digest)
    }

    /// The bytes of a list, if there is one.
    pub(crate) fn load(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("reading", &path)(error)),
        };
        if Digest::of(&bytes) != *digest {
            let what = "its bytes are not those that its name stands for";
            return Err(StoreError::damaged(&path, 0, what));
        }
        Ok(Some(bytes))
    }

    /// Removes what nothing names and nobody has touched for `grace`, and what was never finished.
    /// Returns how many files.
    pub(crate) fn sweep(&self, named: &BTreeSet<Digest>, grace: Duration) -> Result<usize, StoreError> {
        let mut removed = 0;
        for (path, name) in self.files()? {
            let unfinished = name.ends_with(UNFINISHED);
            let nameless = Digest::try_from(name).is_ok_and(|digest| !named.contains(&digest));
            if unfinished || (nameless && has_rested(&path, grace)?) {
                fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
                removed += 1;
            }
        }
        if removed > 0 {
            sync(&self.folder)?;
        }
        Ok(removed)
    }

    fn files(&self) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let reading = || StoreError::io("reading", &self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(reading()(error)),
        };
        entries
            .map(|entry| {
                let entry = entry.map_err(reading())?;
                Ok((entry.path(), entry.file_name().to_string_lossy().into_owned()))
            })
            .collect()
    }
}

fn has_rested(path: &Path, grace: Duration) -> Result<bool, StoreError> {
    let modified = fs::metadata(path).and_then(|about| about.modified());
    let modified = modified.map_err(StoreError::io("reading", path))?;
    // A file from the future has not rested.
    Ok(modified.elapsed().is_ok_and(|rested| rested >= grace))
}

/// The lists that existing segments name.
pub(crate) fn named(table: &Table) -> BTreeSet<Digest> {
    let states = table.slots().values().filter_map(|slot| slot.state.as_ref());
    states
        .filter_map(|state| match &**state {
            EntityState::Segment(segment) => Some(segment.definitions()),
            _ => None,
        })
        .flatten()
        .filter_map(|definition| definition.list.as_ref())
        .map(|list| list.digest.clone())
        .collect()
}
