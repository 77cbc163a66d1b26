//! Answers for those who repeat a request: beside the journal, each in a file that is named by its request.
//!
//! They are no facts, so they are in no record, and they go after a while. A file is the time at which it was kept, in
//! milliseconds, then the CRC32C of all the rest, then what was answered; numbers are little-endian.

use crate::api::{KeptAnswer, StoreError};
use crate::folder::{UNFINISHED, put_file, sync};
use bytes::Bytes;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_model::Timestamp;
use tidegate_model::snapshot::Digest;

/// The folder of all answers.
#[derive(Debug)]
pub(crate) struct AnswerFolder {
    root: PathBuf,
    folder: PathBuf,
    /// Keeps two writers of one answer from writing one file.
    writes: AtomicU64,
}

/// Which of these go: those kept at `until` or before, and the oldest of more than `at_most`.
pub(crate) fn leaving<N: Ord>(mut all: Vec<(Timestamp, N)>, until: Timestamp, at_most: usize) -> Vec<N> {
    all.sort();
    let expired = all.partition_point(|(at, _)| *at <= until);
    let going = expired.max(all.len().saturating_sub(at_most));
    all.into_iter().take(going).map(|(_, name)| name).collect()
}

impl AnswerFolder {
    /// The answers of the store at `root`. The folder is made when the first one is kept.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder: root.join("answers"),
            writes: AtomicU64::new(0),
        }
    }

    /// Keeps an answer. When this returns, it survives a power cut.
    pub(crate) fn keep(&self, name: &Digest, kept: &KeptAnswer) -> Result<(), StoreError> {
        let at = kept.at.timestamp_millis().to_le_bytes();
        let checksum = checksum(&at, &kept.bytes);
        let file = [&at[..], &checksum, &kept.bytes].concat();
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        put_file(&self.folder, name.as_str(), number, &file)?;
        sync(&self.folder)?;
        sync(&self.root)
    }

    /// The answer of this name, if there is one.
    pub(crate) fn load(&self, name: &Digest) -> Result<Option<KeptAnswer>, StoreError> {
        let path = self.folder.join(name.as_str());
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("reading", &path)(error)),
        };
        let damaged = || StoreError::damaged(&path, 0, "it does not begin with a time and its checksum");
        let (at, rest) = file.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (said, bytes) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        if checksum(at, bytes) != *said {
            return Err(damaged());
        }
        let at = Timestamp::from_timestamp_millis(i64::from_le_bytes(*at)).ok_or_else(damaged)?;
        Ok(Some(KeptAnswer {
            at,
            bytes: Bytes::copy_from_slice(bytes),
        }))
    }

    /// Removes what has had its time, the oldest of what is too much, and what was never finished. Returns how many
    /// are left.
    pub(crate) fn sweep(&self, until: Timestamp, at_most: usize) -> Result<usize, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(StoreError::io("reading", &self.folder)(error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.map_err(StoreError::io("reading", &self.folder))?.path();
            // What is being written at this moment is younger than any that goes.
            let unfinished = path.extension().is_some_and(|extension| extension == UNFINISHED);
            if !unfinished {
                all.push((kept_at(&path).unwrap_or_default(), path));
            }
        }
        let count = all.len();
        let going = leaving(all, until, at_most);
        for path in &going {
            fs::remove_file(path).map_err(StoreError::io("removing", path))?;
        }
        if !going.is_empty() {
            sync(&self.folder)?;
        }
        Ok(count - going.len())
    }

    /// Removes what a process before this one did not finish.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Ok(());
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                fs::remove_file(&path).map_err(StoreError::io("removing", &path))?;
            }
        }
        Ok(())
    }
}

/// When an answer was kept; nothing if the file does not say so.
fn kept_at(path: &Path) -> Option<Timestamp> {
    let mut at = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut at))
        .ok()?;
    Timestamp::from_timestamp_millis(i64::from_le_bytes(at))
}

fn checksum(at: &[u8], bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(at), bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f29_a_damaged_answer_is_not_given() {
        let root = tempfile::tempdir().unwrap();
        let folder = AnswerFolder::of(root.path());
        let name = Digest::of(b"a request");
        let kept = KeptAnswer {
            at: Timestamp::default(),
            bytes: Bytes::from_static(b"an answer"),
        };
        folder.keep(&name, &kept).unwrap();
        let path = root.path().join("answers").join(name.as_str());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 1;
            fs::write(&path, bent).unwrap();
            assert!(
                matches!(folder.load(&name), Err(StoreError::Damaged { .. })),
                "{at}"
            );
            fs::write(&path, &whole[..at]).unwrap();
            assert!(
                matches!(folder.load(&name), Err(StoreError::Damaged { .. })),
                "{at}"
            );
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(folder.load(&name).unwrap(), Some(kept));
    }
}
