//! Whose signature a replica believes, and how it remembers that over a restart.

use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::snapshot::{
    KeyList, KeyListRefusal, PublicKey, SnapshotHeader, SnapshotRefusal, TrustedKeys,
};

/// The file's name in the replica's folder.
const FILE: &str = "trusted-keys.json";

/// Whose signature a replica believes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Snapshots come by function call from the same process: signatures are not looked at.
    #[default]
    Channel,
    /// These keys, and those that they vouch for.
    Named(Vec<PublicKey>),
    /// The keys that upstream tells at the first contact, and those that they vouch for. They are
    /// kept in the folder, so that there is one first contact in the folder's life.
    FirstContact,
}

/// The keys that are believed at present.
#[derive(Debug)]
pub(crate) struct Keyring {
    trust: Trust,
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    keys: Option<TrustedKeys>,
    /// The list that they are from, for nodes further down.
    list: Option<Arc<KeyList>>,
}

/// What the file says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    /// The keys that were named when this was written: other ones start anew.
    named: Vec<PublicKey>,
    keys: TrustedKeys,
    list: KeyList,
}

/// Why the keys that upstream tells are not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error(transparent)]
    Refused(#[from] KeyListRefusal),
    #[error("cannot keep the trusted keys in {file}")]
    Kept { file: PathBuf, source: io::Error },
}

impl Keyring {
    /// The keys that were believed before, if the folder has them; else those that are named.
    pub(crate) fn open(trust: Trust, folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join(FILE));
        let named = match &trust {
            Trust::Named(keys) => keys.as_slice(),
            Trust::Channel | Trust::FirstContact => &[],
        };
        let start = Known {
            keys: (!named.is_empty()).then(|| TrustedKeys::named(named.to_vec())),
            list: None,
        };
        let kept = file.as_deref().and_then(read);
        let kept = kept.filter(|kept| kept.named == named).map(|kept| Known {
            keys: Some(kept.keys),
            list: Some(Arc::new(kept.list)),
        });
        Self {
            trust,
            file,
            known: Mutex::new(kept.unwrap_or(start)),
        }
    }

    /// Whether signatures are looked at.
    pub(crate) fn looks(&self) -> bool {
        self.trust != Trust::Channel
    }

    /// Whether no key is known yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.known().keys.is_none()
    }

    /// The newest list that was believed.
    pub(crate) fn list(&self) -> Option<Arc<KeyList>> {
        self.known().list.clone()
    }

    /// Whether a snapshot that comes from upstream is believed.
    pub(crate) fn check(&self, header: &SnapshotHeader) -> Result<(), SnapshotRefusal> {
        self.check_with(header, |keys| keys.valid.clone())
    }

    /// Whether a snapshot that lies in the folder is believed: it was signed with a key that was
    /// valid when it was taken in.
    pub(crate) fn check_kept(&self, header: &SnapshotHeader) -> Result<(), SnapshotRefusal> {
        self.check_with(header, TrustedKeys::of_kept)
    }

    fn check_with(
        &self,
        header: &SnapshotHeader,
        keys: impl FnOnce(&TrustedKeys) -> Vec<PublicKey>,
    ) -> Result<(), SnapshotRefusal> {
        if !self.looks() {
            return Ok(());
        }
        let keys = self.known().keys.as_ref().map(keys).unwrap_or_default();
        header.check_signature(&keys)
    }

    /// Believes a list of keys that upstream tells, if a key that is believed already vouches for it,
    /// or there is none yet. Says whether anything changed. Writes to disk.
    pub(crate) fn follow(&self, list: KeyList) -> Result<bool, KeyringError> {
        let mut known = self.known();
        let (keys, changed) = match known.keys.clone() {
            Some(mut keys) => {
                let changed = keys.follow(&list)?;
                (keys, changed)
            }
            None => (list.at_first_contact()?, true),
        };
        if !changed && known.list.is_some() {
            return Ok(false);
        }
        if let Some(file) = &self.file {
            let named = match &self.trust {
                Trust::Named(named) => named.clone(),
                Trust::Channel | Trust::FirstContact => Vec::new(),
            };
            let written = Written {
                named,
                keys: keys.clone(),
                list: list.clone(),
            };
            write(file, &written).map_err(|source| KeyringError::Kept {
                file: file.clone(),
                source,
            })?;
        }
        *known = Known {
            keys: Some(keys),
            list: Some(Arc::new(list)),
        };
        Ok(changed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that cannot be read is as good as none: the keys are asked for again.
fn read(file: &Path) -> Option<Written> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the trusted keys cannot be read");
            return None;
        }
    };
    serde_json::from_slice(&bytes)
        .inspect_err(
            |error| tracing::warn!(file = %file.display(), %error, "the trusted keys cannot be read"),
        )
        .ok()
}

fn write(file: &Path, written: &Written) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    let mut open = File::create(&unfinished)?;
    open.write_all(&serde_json::to_vec_pretty(written)?)?;
    open.sync_all()?;
    fs::rename(&unfinished, file)?;
    File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::Timestamp;
    use tidegate_model::snapshot::{SigningKey, Snapshot, Version};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    fn signed(key: &SigningKey) -> SnapshotHeader {
        let content =
            serde_json::from_str(r#"{"environment":"production","flags":[],"segments":[]}"#).unwrap();
        let snapshot = Snapshot::seal(&content, Version::default(), Timestamp::default(), None).unwrap();
        snapshot.signed(key).header
    }

    #[test]
    fn f64_the_first_contact_is_remembered_and_no_second_one_believed() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Keyring::open(Trust::FirstContact, Some(folder.path()));
        let (a, b) = (key(1), key(2));
        assert!(open().is_empty());
        assert_eq!(open().check(&signed(&a)).unwrap_err().cause(), "unknown_key");
        assert!(open().follow(KeyList::sign(1, &[&a], &[])).unwrap());
        let later = open();
        assert_eq!(later.check(&signed(&a)), Ok(()));
        later.follow(KeyList::sign(2, &[&b], &[])).unwrap_err();
        assert_eq!(later.check(&signed(&b)).unwrap_err().cause(), "unknown_key");
        // The rotation is followed, and what was kept before stays good.
        assert!(later.follow(KeyList::sign(2, &[&b], &[&a])).unwrap());
        for ring in [later, open()] {
            assert_eq!(ring.check(&signed(&b)), Ok(()));
            assert_eq!(ring.check(&signed(&a)).unwrap_err().cause(), "unknown_key");
            assert_eq!(ring.check_kept(&signed(&a)), Ok(()));
            assert_eq!(ring.list().unwrap().serial, 2);
        }
    }

    #[test]
    fn other_named_keys_start_anew() {
        let folder = tempfile::tempdir().unwrap();
        let named = |key: &SigningKey| Keyring::open(Trust::Named(vec![*key.public()]), Some(folder.path()));
        let (a, b, c) = (key(1), key(2), key(3));
        assert!(named(&a).follow(KeyList::sign(7, &[&b], &[&a])).unwrap());
        assert_eq!(named(&a).check(&signed(&b)), Ok(()));
        assert_eq!(named(&c).check(&signed(&b)).unwrap_err().cause(), "unknown_key");
        assert_eq!(named(&c).check(&signed(&c)), Ok(()));
    }

    #[test]
    fn inside_a_process_nothing_is_asked() {
        let mut header = signed(&key(1));
        header.signature = None;
        assert_eq!(Keyring::open(Trust::Channel, None).check(&header), Ok(()));
        let named = Keyring::open(Trust::Named(vec![*key(1).public()]), None);
        assert_eq!(named.check(&header).unwrap_err().cause(), "unsigned");
    }
}
