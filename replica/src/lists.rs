//! Lists of units: fetched once, kept on disk beside the snapshots that name them.
//!
//! A list is named by the digest of its bytes, so it never changes, and one that arrived wrong shows.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::snapshot::Digest;
use tidegate_model::units::{LIST_BYTES_MAX, Lists, UnitSet, UnitSetRefusal};

/// What the name of a file that is being written ends with.
const UNFINISHED: &str = "unfinished";

/// The lists that the snapshot in force names, and those of the one before it.
#[derive(Debug)]
pub(crate) struct ListShelf {
    /// Where they are kept; `None` keeps them in memory only.
    folder: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    lists: Lists,
    /// What the snapshot in force names, and what the one before it named: two generations of
    /// snapshots are kept on disk.
    named: [BTreeSet<Digest>; 2],
}

/// Why the bytes of a list were not taken.
#[derive(Debug, thiserror::Error)]
pub enum ListRefusal {
    /// They are not those that were asked for.
    #[error("the digest of the list is {found}, asked for was {wanted}")]
    Altered {
        /// The digest of what arrived.
        found: Digest,
        /// The digest that was asked for.
        wanted: Digest,
    },
    /// They are none.
    #[error(transparent)]
    Unreadable(#[from] UnitSetRefusal),
}

impl ListShelf {
    /// The lists in a folder of the replica's own, if it has one.
    pub(crate) fn new(folder: Option<&Path>) -> Self {
        Self {
            folder: folder.map(|folder| folder.join("lists")),
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These lists, from memory or disk.
    ///
    /// # Errors
    /// Those that are not at hand.
    pub(crate) fn at_hand(&self, wanted: &BTreeSet<&Digest>) -> Result<Lists, BTreeSet<Digest>> {
        let mut found = Lists::new();
        let mut missing = BTreeSet::new();
        for digest in wanted {
            let held = self.held().lists.get(*digest).map(Arc::clone);
            match held.or_else(|| self.read(digest)) {
                Some(list) => drop(found.insert((*digest).clone(), list)),
                None => drop(missing.insert((*digest).clone())),
            }
        }
        if missing.is_empty() {
            Ok(found)
        } else {
            Err(missing)
        }
    }

    /// Takes a list that was fetched, if it is the one that was asked for, and keeps it.
    ///
    /// # Errors
    /// That it is not.
    pub(crate) fn take(&self, wanted: &Digest, bytes: &[u8]) -> Result<(), ListRefusal> {
        let found = Digest::of(bytes);
        if found != *wanted {
            let wanted = wanted.clone();
            return Err(ListRefusal::Altered { found, wanted });
        }
        let list = Arc::new(UnitSet::from_bytes(bytes)?);
        if let Some(Err(error)) = self.folder.as_ref().map(|folder| keep(folder, &found, bytes)) {
            tracing::error!(digest = %found, error = &error as &dyn std::error::Error,
                "a list of units is not kept on disk: a restart would have to fetch it again");
        }
        self.held().lists.insert(found, list);
        Ok(())
    }

    /// Whether there may be lists on disk.
    pub(crate) fn keeps_any(&self) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.exists())
    }

    /// Notes what the snapshot before the one that comes into force next names.
    pub(crate) fn before(&self, named: BTreeSet<Digest>) {
        let [current, _] = &mut self.held().named;
        *current = named;
    }

    /// Notes that a snapshot with these lists came into force. Those that neither it nor the one before
    /// it names are dropped.
    pub(crate) fn in_force(&self, lists: Lists) {
        let mut held = self.held();
        let now: BTreeSet<Digest> = lists.keys().cloned().collect();
        let [current, _] = std::mem::take(&mut held.named);
        held.named = [now, current];
        held.lists = lists;
        let named: BTreeSet<&Digest> = held.named.iter().flatten().collect();
        if let Some(Err(error)) = self.folder.as_ref().map(|folder| sweep(folder, &named)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "old lists of units cannot be removed"
            );
        }
    }

    /// The bytes of a list, to be handed on.
    pub(crate) fn bytes(&self, digest: &Digest) -> Option<Vec<u8>> {
        let list = self.held().lists.get(digest).map(Arc::clone);
        list.or_else(|| self.read(digest)).map(|list| list.to_bytes())
    }

    fn read(&self, digest: &Digest) -> Option<Arc<UnitSet>> {
        let path = self.folder.as_ref()?.join(digest.as_str());
        let large = fs::metadata(&path).ok()?.len() > LIST_BYTES_MAX as u64;
        let bytes = fs::read(&path).ok().filter(|_| !large)?;
        let list = UnitSet::from_bytes(&bytes).ok();
        let list = list.filter(|_| Digest::of(&bytes) == *digest);
        if list.is_none() {
            tracing::warn!(file = %path.display(), "a list of units on disk is damaged and fetched again");
        }
        list.map(Arc::new)
    }
}

/// Only for the node's own eyes. When this returns it survives a power cut.
fn keep(folder: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!("{digest}.{}.{UNFINISHED}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(digest.as_str()))?;
    File::open(folder)?.sync_all()
}

fn sweep(folder: &Path, named: &BTreeSet<&Digest>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let names: BTreeSet<&str> = named.iter().map(|digest| digest.as_str()).collect();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if !names.contains(name.to_string_lossy().as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(unit: &str) -> (Digest, Vec<u8>) {
        let bytes = UnitSet::of_hashes(vec![UnitSet::hash(unit)]).to_bytes();
        (Digest::of(&bytes), bytes)
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder.join("lists")).map_or(0, Iterator::count)
    }

    #[test]
    fn lists_are_kept_for_two_generations() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = ListShelf::new(Some(folder.path()));
        let lists: Vec<_> = ["a", "b", "c"].map(list).into();
        for (index, (digest, bytes)) in lists.iter().enumerate() {
            let wanted = BTreeSet::from([digest]);
            assert_eq!(
                shelf.at_hand(&wanted).unwrap_err(),
                BTreeSet::from([digest.clone()])
            );
            shelf.take(digest, bytes).unwrap();
            let found = shelf.at_hand(&wanted).unwrap();
            assert_eq!(shelf.bytes(digest).as_ref(), Some(bytes));
            shelf.in_force(found);
            assert_eq!(files(folder.path()), (index + 1).min(2));
        }
        // After a restart the two generations are there, and what is older is not.
        let shelf = ListShelf::new(Some(folder.path()));
        let at_hand = |index: usize| {
            let (digest, _) = &lists[index];
            shelf.at_hand(&BTreeSet::from([digest])).is_ok()
        };
        assert_eq!([at_hand(0), at_hand(1), at_hand(2)], [false, true, true]);
        assert!(
            ListShelf::new(None)
                .at_hand(&BTreeSet::from([&lists[2].0]))
                .is_err()
        );
    }

    #[test]
    fn bytes_that_were_not_asked_for_are_refused_and_damage_is_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = ListShelf::new(Some(folder.path()));
        let ((wanted, bytes), (_, others)) = (list("a"), list("b"));
        assert!(matches!(
            shelf.take(&wanted, &others),
            Err(ListRefusal::Altered { .. })
        ));
        let nonsense = b"no list".as_slice();
        assert!(matches!(
            shelf.take(&Digest::of(nonsense), nonsense),
            Err(ListRefusal::Unreadable(_))
        ));
        shelf.take(&wanted, &bytes).unwrap();
        let path = folder.path().join("lists").join(wanted.as_str());
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let shelf = ListShelf::new(Some(folder.path()));
        assert!(shelf.at_hand(&BTreeSet::from([&wanted])).is_err());
        shelf.take(&wanted, &bytes).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
