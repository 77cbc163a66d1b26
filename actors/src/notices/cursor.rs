//! How far each courier is in the journal.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_model::key::TargetName;

/// The folder's name in the data folder.
const FOLDER: &str = "notices";

/// Keeps how far each courier is: a file for each, or in memory only.
#[derive(Debug, Clone, Default)]
pub struct Cursors {
    folder: Option<PathBuf>,
    kept: Arc<Mutex<BTreeMap<TargetName, u64>>>,
}

impl Cursors {
    /// Kept in memory only.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Kept in files of this data folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(data: &std::path::Path) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder: Some(folder),
            kept: Arc::default(),
        })
    }

    /// How far the target's courier is; `None` when it never was anywhere.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub(super) fn load(&self, target: &TargetName) -> io::Result<Option<u64>> {
        let Some(file) = self.file(target) else {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(kept.get(target).copied());
        };
        match fs::read_to_string(file) {
            Ok(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps how far it is: all of the new number, or all of the old one, also after a power cut.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self, target: &TargetName, sequence: u64) -> io::Result<()> {
        let Some(file) = self.file(target) else {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(target.clone(), sequence);
            return Ok(());
        };
        let new = file.with_extension("new");
        let mut writing = File::create(&new)?;
        writing.write_all(format!("{sequence}\n").as_bytes())?;
        writing.sync_data()?;
        fs::rename(new, file)
    }

    fn file(&self, target: &TargetName) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(format!("{target}.cursor")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let data = tempfile::tempdir().unwrap();
        let name = TargetName::new("releases").unwrap();
        let cursors = Cursors::open(data.path()).unwrap();
        assert_eq!(cursors.load(&name).unwrap(), None);
        for sequence in [7, u64::MAX] {
            cursors.save(&name, sequence).unwrap();
            let again = Cursors::open(data.path()).unwrap();
            assert_eq!(again.load(&name).unwrap(), Some(sequence));
        }
        fs::write(data.path().join("notices/releases.cursor"), "soon").unwrap();
        assert!(cursors.load(&name).is_err());
    }
}
