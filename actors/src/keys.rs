//! The keys that the control plane signs snapshots with, and the file that they are kept in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::Timestamp;
use tidegate_model::snapshot::{KEYS_MAX, KeyId, KeyList, PublicKey, SigningKey};

/// The file's name in the data folder.
const FILE: &str = "signing-keys.json";

/// The signing keys of a control plane: at most two, of which the newer one signs.
#[derive(Debug)]
pub struct KeyBook {
    /// Where they are kept; `None` keeps them in memory only.
    file: Option<PathBuf>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Clone)]
struct Pages {
    /// The newest first.
    keys: Vec<Kept>,
    list: Arc<KeyList>,
}

#[derive(Clone)]
struct Kept {
    key: Arc<SigningKey>,
    seed: [u8; 32],
    created: Timestamp,
}

/// What the file says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    keys: Vec<WrittenKey>,
    list: KeyList,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenKey {
    seed: String,
    created: Timestamp,
}

/// Why the keys are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum KeyBookError {
    /// The system has no random numbers.
    #[error("the system gives no random numbers for a key")]
    Random(#[source] getrandom::Error),
    /// The file cannot be read or written.
    #[error("cannot {verb} {file}; see to it that only the control plane's user can read and write it")]
    File {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        file: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file has something else.
    #[error(
        "{file} holds no signing keys ({why}); put back the file from a backup, or move it away: nodes then have to be told the new key"
    )]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// There are two already.
    #[error("{KEYS_MAX} keys are valid already; retire the older one first: tidegate key retire {older}")]
    TooMany {
        /// The one to retire.
        older: KeyId,
    },
    /// There is no such key.
    #[error("there is no valid key {0}; see: tidegate key list")]
    Unknown(KeyId),
    /// The key signs.
    #[error("{0} is the key that signs; make another one first: tidegate key rotate")]
    Signs(KeyId),
}

impl KeyBook {
    /// A new key that is kept in memory only.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn in_memory(now: Timestamp) -> Result<Self, KeyBookError> {
        Ok(Self {
            file: None,
            pages: Mutex::new(Pages::first(now)?),
        })
    }

    /// The keys in the folder's file, which is made with a new key if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Self, KeyBookError> {
        let file = folder.join(FILE);
        let pages = match fs::read(&file) {
            Ok(bytes) => Pages::read(&bytes).map_err(|why| KeyBookError::Damaged {
                file: file.clone(),
                why,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pages = Pages::first(now)?;
                pages.write(&file)?;
                pages
            }
            Err(source) => {
                return Err(KeyBookError::File {
                    verb: "read",
                    file,
                    source,
                });
            }
        };
        Ok(Self {
            file: Some(file),
            pages: Mutex::new(pages),
        })
    }

    /// The list for nodes.
    #[must_use]
    pub fn list(&self) -> Arc<KeyList> {
        Arc::clone(&self.pages().list)
    }

    /// The key that signs; `None` never happens.
    pub(crate) fn signing(&self) -> Option<Arc<SigningKey>> {
        self.pages().keys.first().map(|kept| Arc::clone(&kept.key))
    }

    /// Makes a new key that signs from now on; the one before stays valid. Writes to disk.
    ///
    /// # Errors
    /// When there are two already, or the new one cannot be made or kept; then nothing has changed.
    pub fn rotate(&self, now: Timestamp) -> Result<(), KeyBookError> {
        let mut pages = self.pages();
        if let [_, older] = pages.keys.as_slice() {
            return Err(KeyBookError::TooMany {
                older: older.key.id().clone(),
            });
        }
        let mut keys = vec![Kept::new(now)?];
        keys.extend(pages.keys.iter().cloned());
        self.turn(&mut pages, keys, &[])
    }

    /// Retires the key that does not sign: what it signed before is refused from now on, except by
    /// nodes that have it on disk. Its secret half is gone for good. Writes to disk.
    ///
    /// # Errors
    /// When there is no such key, it signs, or the change cannot be kept; then nothing has changed.
    pub fn retire(&self, id: &KeyId) -> Result<(), KeyBookError> {
        let mut pages = self.pages();
        let (gone, stay): (Vec<Kept>, Vec<Kept>) =
            pages.keys.iter().cloned().partition(|kept| kept.key.id() == id);
        if gone.is_empty() {
            return Err(KeyBookError::Unknown(id.clone()));
        }
        if let Some(signs) = pages.keys.first().filter(|kept| kept.key.id() == id) {
            return Err(KeyBookError::Signs(signs.key.id().clone()));
        }
        let leaving: Vec<&SigningKey> = gone.iter().map(|kept| &*kept.key).collect();
        self.turn(&mut pages, stay, &leaving)
    }

    fn turn(&self, pages: &mut Pages, keys: Vec<Kept>, leaving: &[&SigningKey]) -> Result<(), KeyBookError> {
        let next = Pages::of(pages.list.serial + 1, keys, leaving);
        if let Some(file) = &self.file {
            next.write(file)?;
        }
        *pages = next;
        Ok(())
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key.fmt(f)
    }
}

impl Kept {
    fn new(created: Timestamp) -> Result<Self, KeyBookError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyBookError::Random)?;
        // 32 random bytes always make a key; if ever they do not, there is no good randomness.
        Self::of(seed, created).map_err(|_| KeyBookError::Random(getrandom::Error::UNSUPPORTED))
    }

    fn of(seed: [u8; 32], created: Timestamp) -> Result<Self, String> {
        let key = Arc::new(SigningKey::from_seed(&seed)?);
        Ok(Self { key, seed, created })
    }
}

impl Pages {
    fn first(now: Timestamp) -> Result<Self, KeyBookError> {
        Ok(Self::of(1, vec![Kept::new(now)?], &[]))
    }

    fn of(serial: u64, keys: Vec<Kept>, leaving: &[&SigningKey]) -> Self {
        let signing: Vec<&SigningKey> = keys.iter().map(|kept| &*kept.key).collect();
        let list = Arc::new(KeyList::sign(serial, &signing, leaving));
        Self { keys, list }
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let kept = |key: WrittenKey| {
            let seed = STANDARD.decode(&key.seed).ok();
            let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
            Kept::of(seed.ok_or("a seed is not 32 bytes in base64")?, key.created)
        };
        let keys = written
            .keys
            .into_iter()
            .map(kept)
            .collect::<Result<Vec<_>, _>>()?;
        let public: Vec<PublicKey> = keys.iter().map(|kept| *kept.key.public()).collect();
        if keys.is_empty() || public != written.list.keys {
            return Err("the keys are not those of the list".to_owned());
        }
        Ok(Self {
            keys,
            list: Arc::new(written.list),
        })
    }

    /// Beside it, synced, renamed over it: a power cut leaves the old keys or the new ones.
    fn write(&self, file: &Path) -> Result<(), KeyBookError> {
        let written = Written {
            keys: self
                .keys
                .iter()
                .map(|kept| WrittenKey {
                    seed: STANDARD.encode(kept.seed),
                    created: kept.created,
                })
                .collect(),
            list: (*self.list).clone(),
        };
        let attempt = || -> io::Result<()> {
            let unfinished = file.with_extension("unfinished");
            match fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut open = options.open(&unfinished)?;
            open.write_all(&serde_json::to_vec_pretty(&written)?)?;
            open.sync_all()?;
            fs::rename(&unfinished, file)?;
            fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        attempt().map_err(|source| KeyBookError::File {
            verb: "write",
            file: file.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(book: &KeyBook) -> Vec<KeyId> {
        assert_eq!(book.signing().unwrap().public(), &book.list().keys[0]);
        book.list().keys.iter().map(PublicKey::id).collect()
    }

    #[test]
    fn keys_turn_over_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::default();
        let book = KeyBook::open(folder.path(), now).unwrap();
        let mut node = book.list().at_first_contact().unwrap();
        let [first] = ids(&book).try_into().unwrap();
        assert!(matches!(book.retire(&first), Err(KeyBookError::Signs(_))));
        book.rotate(now).unwrap();
        assert!(node.follow(&book.list()).unwrap());
        let [second, older] = ids(&book).try_into().unwrap();
        assert_eq!(older, first);
        assert!(matches!(book.rotate(now), Err(KeyBookError::TooMany { older }) if older == first));
        let again = KeyBook::open(folder.path(), now).unwrap();
        assert_eq!(ids(&again), ids(&book));
        again.retire(&first).unwrap();
        assert!(node.follow(&again.list()).unwrap());
        assert_eq!(ids(&KeyBook::open(folder.path(), now).unwrap()), [second]);
        assert!(matches!(again.retire(&first), Err(KeyBookError::Unknown(_))));
        assert_eq!(node.valid, again.list().keys);
    }

    #[cfg(unix)]
    #[test]
    fn x10_only_the_owner_reads_the_file_and_no_output_shows_a_seed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let book = KeyBook::open(folder.path(), Timestamp::default()).unwrap();
        let file = folder.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        let written: Written = serde_json::from_str(&text).unwrap();
        let shown = format!("{book:?}{:?}", book.list());
        assert!(!shown.contains(&written.keys[0].seed));
    }

    #[test]
    fn a_damaged_file_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        KeyBook::open(folder.path(), Timestamp::default()).unwrap();
        let file = folder.path().join(FILE);
        let good = fs::read_to_string(&file).unwrap();
        for bad in [
            "",
            "{}",
            &good[..good.len() / 2],
            &good.replacen("\"seed\": \"", "\"seed\": \"AA", 1),
        ] {
            fs::write(&file, bad).unwrap();
            let error = KeyBook::open(folder.path(), Timestamp::default()).unwrap_err();
            assert!(matches!(error, KeyBookError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains(FILE));
        }
    }
}
