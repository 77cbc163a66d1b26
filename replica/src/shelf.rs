//! Two generations of snapshots on disk, so that a node starts without the control plane.
//!
//! Each generation has a file of its own. A new snapshot replaces the one that is worth less: the
//! older, or the one that could not be read. It is written beside it, synced, and renamed over it,
//! so at every moment, a power cut included, the newest whole snapshot is untouched. The first line
//! is the digest of all that follows: the snapshot's own digest does not cover its header.

use crate::trust::Keyring;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{Digest, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotRefusal, Version};

/// The names of the two generations' files.
const SLOTS: [&str; 2] = ["snapshot-a", "snapshot-b"];

/// Larger than any snapshot with its header; a larger file is none.
const FILE_BYTES_MAX: u64 = SNAPSHOT_BYTES_MAX as u64 + (1 << 20);

/// A folder with at most two snapshots of one environment.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    /// What lies in each slot, as far as it can be used.
    slots: Mutex<[Option<Version>; 2]>,
}

/// What was found on the shelf.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whole snapshots, the newest first.
    pub(crate) snapshots: Vec<Snapshot>,
    /// Files that are none, with the reason.
    pub(crate) refused: Vec<(PathBuf, SnapshotRefusal)>,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}; give the node a folder that it may write, or none")]
pub struct ShelfError {
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Shelf {
    /// Opens the folder, making it if need be, and reads what is there.
    ///
    /// # Errors
    /// When the folder cannot be made or read. What lies in it is never an error.
    pub(crate) fn open(
        folder: &Path,
        environment: &EnvironmentKey,
        keyring: &Keyring,
    ) -> Result<(Self, Found), ShelfError> {
        fs::create_dir_all(folder).map_err(failed("create the folder", folder))?;
        let mut found = Found::default();
        let mut slots = [None; 2];
        for (slot, name) in slots.iter_mut().zip(SLOTS) {
            let path = folder.join(name);
            let Some(bytes) = read(&path)? else { continue };
            let believed = parse(&bytes, environment).and_then(|snapshot| {
                keyring.check_kept(&snapshot.header)?;
                Ok(snapshot)
            });
            match believed {
                Ok(snapshot) => {
                    *slot = Some(snapshot.header.version);
                    found.snapshots.push(snapshot);
                }
                Err(refusal) => found.refused.push((path, refusal)),
            }
        }
        found
            .snapshots
            .sort_by_key(|snapshot| std::cmp::Reverse(snapshot.header.version));
        let shelf = Self {
            folder: folder.to_owned(),
            slots: Mutex::new(slots),
        };
        Ok((shelf, found))
    }

    /// Keeps a snapshot, byte for byte as it is carried. When this returns it survives a power cut.
    ///
    /// # Errors
    /// When it could not be written; the other generation is untouched then.
    pub(crate) fn keep(&self, bytes: &[u8], version: Version) -> Result<(), ShelfError> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // `None` is less than any version, so an empty or unusable slot goes first.
        let [first, second] = *slots;
        if [first, second].contains(&Some(version)) {
            return Ok(());
        }
        let (slot, name) = match (&mut *slots, SLOTS) {
            ([slot, _], [name, _]) if first <= second => (slot, name),
            ([_, slot], [_, name]) => (slot, name),
        };
        let path = self.folder.join(name);
        let unfinished = self
            .folder
            .join(format!("{name}.{}.unfinished", std::process::id()));
        write(&unfinished, bytes).map_err(failed("write", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(failed("replace", &path))?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("sync the folder", &self.folder))?;
        *slot = Some(version);
        Ok(())
    }
}

fn parse(file: &[u8], environment: &EnvironmentKey) -> Result<Snapshot, SnapshotRefusal> {
    let unreadable = |why: &dyn fmt::Display| SnapshotRefusal::Unreadable(why.to_string());
    let line_end = file.iter().position(|byte| *byte == b'\n');
    let (line, rest) = line_end
        .and_then(|end| file.split_at_checked(end))
        .ok_or_else(|| unreadable(&"the file has no first line"))?;
    let bytes = rest.get(1..).unwrap_or_default();
    let found = Digest::of(bytes);
    if found.as_str().as_bytes() != line {
        let stated = serde_json::from_value(String::from_utf8_lossy(line).into());
        let stated = stated.map_err(|error| unreadable(&error))?;
        return Err(SnapshotRefusal::Altered { found, stated });
    }
    let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    // Its content is read when it is put in force: of two generations, one is.
    snapshot.check(environment)?;
    Ok(snapshot)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ShelfError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// Only for the node's own eyes: a snapshot names individual users.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(Digest::of(bytes).as_str().as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShelfError {
    let path = path.to_owned();
    move |source| ShelfError { verb, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Trust;
    use tempfile::TempDir;
    use tidegate_model::Timestamp;
    use tidegate_model::snapshot::{SigningKey, SnapshotContent};

    fn environment() -> EnvironmentKey {
        EnvironmentKey::new("production").unwrap()
    }

    fn version(number: u64) -> Version {
        Version { epoch: 1, number }
    }

    /// The shelf as it is without anybody's signature, and what lies on it.
    fn open(folder: &Path) -> Result<(Shelf, Found), ShelfError> {
        let keyring = Keyring::open(Trust::Channel, None);
        Shelf::open(folder, &environment(), &keyring)
    }

    fn bytes_of(environment: EnvironmentKey, number: u64) -> Vec<u8> {
        let content = SnapshotContent {
            environment,
            bucketing: tidegate_model::environment::Bucketing::default(),
            flags: vec![],
            segments: vec![],
            staged: Vec::new(),
            drill: None,
        };
        let snapshot = Snapshot::seal(&content, version(number), Timestamp::default(), None).unwrap();
        serde_json::to_vec(&snapshot).unwrap()
    }

    fn bytes(number: u64) -> Vec<u8> {
        bytes_of(environment(), number)
    }

    fn numbers(folder: &Path) -> Vec<u64> {
        let (_, found) = open(folder).unwrap();
        let versions = found.snapshots.iter().map(|one| one.header.version.number);
        versions.collect()
    }

    /// A folder in which these were kept in this order.
    fn shelf_with(versions: &[u64]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let (shelf, _) = open(&folder.path().join("new")).unwrap();
        for number in versions {
            shelf.keep(&bytes(*number), version(*number)).unwrap();
        }
        folder
    }

    fn replaced(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    }

    #[test]
    fn f64_two_generations_are_kept() {
        for (kept, found) in [
            (&[][..], &[][..]),
            (&[1], &[1]),
            (&[1, 2], &[2, 1]),
            (&[1, 2, 3], &[3, 2]),
            (&[1, 2, 3, 3, 4], &[4, 3]),
        ] {
            assert_eq!(numbers(&shelf_with(kept).path().join("new")), found);
        }
    }

    #[test]
    fn f64_a_torn_or_altered_generation_is_refused_and_the_other_used() {
        type Spoil = fn(Vec<u8>) -> Vec<u8>;
        let spoilt: [(&str, Spoil); 6] = [
            ("empty", |_| vec![]),
            ("torn", |bytes| bytes[..bytes.len() / 2].to_vec()),
            ("altered in the content", |bytes| {
                replaced(bytes, "\"flags\":[]", "\"flags\": []")
            }),
            ("altered in the header", |bytes| {
                replaced(bytes, "\"number\":2", "\"number\":9")
            }),
            ("of another environment", |_| {
                let bytes = bytes_of(EnvironmentKey::new("staging").unwrap(), 9);
                [Digest::of(&bytes).as_str().as_bytes(), b"\n", &bytes].concat()
            }),
            ("no text", |_| vec![0xff; 100]),
        ];
        for (what, spoil) in spoilt {
            let folder = shelf_with(&[1, 2]);
            let folder = folder.path().join("new");
            // The newest lies in the second slot.
            let newest = folder.join(SLOTS[1]);
            fs::write(&newest, spoil(fs::read(&newest).unwrap())).unwrap();
            let (shelf, found) = open(&folder).unwrap();
            assert_eq!(found.refused.len(), 1, "{what}");
            assert_eq!(found.snapshots.len(), 1, "{what}");
            assert_eq!(found.snapshots[0].header.version, version(1), "{what}");
            // The next one replaces what could not be used, not the last good one.
            shelf.keep(&bytes(3), version(3)).unwrap();
            assert_eq!(numbers(&folder), [3, 1], "{what}");
        }
    }

    #[test]
    fn f64_a_write_cut_short_leaves_both_generations() {
        let folder = shelf_with(&[1, 2]);
        let folder = folder.path().join("new");
        fs::write(folder.join(format!("{}.1.unfinished", SLOTS[0])), b"{\"header\":").unwrap();
        assert_eq!(numbers(&folder), [2, 1]);
    }

    #[test]
    fn f64_a_generation_that_nobody_trusted_signed_is_refused() {
        let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (shelf, _) = open(folder.path()).unwrap();
        for (number, signer) in [(1, 1), (2, 9)] {
            let snapshot: Snapshot = serde_json::from_slice(&bytes(number)).unwrap();
            let signed = serde_json::to_vec(&snapshot.signed(&key(signer))).unwrap();
            shelf.keep(&signed, version(number)).unwrap();
        }
        let keyring = Keyring::open(Trust::Named(vec![*key(1).public()]), None);
        let (_, found) = Shelf::open(folder.path(), &environment(), &keyring).unwrap();
        assert_eq!(found.refused[0].1.cause(), "unknown_key");
        let versions: Vec<_> = found.snapshots.iter().map(|one| one.header.version).collect();
        assert_eq!(versions, [version(1)]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let error = open(&file.join("shelf")).unwrap_err();
        assert!(error.to_string().contains("file/shelf"), "{error}");
    }
}
