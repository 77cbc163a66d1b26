//! The store's folder: who holds it, which format it has, which life of the store it is.

use crate::api::StoreError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The newest format that this version reads, and the one that it writes.
pub(crate) const FORMAT: u32 = 1;

/// What the names of views that were put aside begin with.
const QUARANTINE: &str = "quarantine-";

/// A folder that belongs to this process as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) root: PathBuf,
    /// Which life of the store this is.
    pub(crate) epoch: u64,
    /// Whether it was made just now.
    pub(crate) created: bool,
    /// Freed by the system when the file is closed, however the process ends.
    _lock: File,
}

impl Folder {
    /// Takes the folder, making it if there is none.
    pub(crate) fn take(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(root).map_err(StoreError::io("making", root))?;
        let lock = lock(root)?;
        let created = !check_format(root)?;
        if created {
            create(root)?;
        }
        Ok(Self {
            root: root.to_owned(),
            epoch: read_epoch(root)?,
            created,
            _lock: lock,
        })
    }

    /// Where the segments of the journal are.
    pub(crate) fn journal(&self) -> PathBuf {
        journal(&self.root)
    }

    /// Where the view is.
    pub(crate) fn view(&self) -> PathBuf {
        view(&self.root)
    }

    /// Where a view is put that is to be removed. Whatever is there is of no use.
    pub(crate) fn outgrown(&self) -> PathBuf {
        self.root.join("view-outgrown")
    }

    /// The first name of this kind that is free: where an odd view is put.
    pub(crate) fn quarantine(&self) -> PathBuf {
        let numbered = |n: u32| self.root.join(format!("{QUARANTINE}{n}"));
        (1..u32::MAX)
            .map(numbered)
            .find(|path| !path.exists())
            .unwrap_or_else(|| numbered(u32::MAX))
    }

    /// Says that the folder is whole.
    pub(crate) fn seal(&self) -> Result<(), StoreError> {
        write_format(&self.root)
    }
}

/// Where the segments of the journal of the store at `root` are.
pub(crate) fn journal(root: &Path) -> PathBuf {
    root.join("journal")
}

/// Where the view of the store at `root` is.
pub(crate) fn view(root: &Path) -> PathBuf {
    root.join("view")
}

/// Views of the store at `root` that were put aside.
pub(crate) fn quarantines(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let reading = || StoreError::io("reading", root);
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(reading())? {
        let entry = entry.map_err(reading())?;
        if entry.file_name().to_string_lossy().starts_with(QUARANTINE) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The process that has the store at `root`, if one has and it said which it is.
pub(crate) fn holder(root: &Path) -> Result<Option<String>, StoreError> {
    let path = root.join("lock");
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("opening", &path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(StoreError::io("locking", &path)(error)),
    }
    let mut holder = String::new();
    let _unknown = file.read_to_string(&mut holder);
    Ok(Some(holder.trim().to_owned()))
}

/// Makes what was written to the entries of a folder survive a power cut.
pub(crate) fn sync(folder: &Path) -> Result<(), StoreError> {
    let handle = File::open(folder).map_err(StoreError::io("opening", folder))?;
    handle.sync_all().map_err(StoreError::io("syncing", folder))
}

/// What the name of a file that is being written ends with.
pub(crate) const UNFINISHED: &str = "unfinished";

/// Puts a file into a folder, which is made if need be: whole or not at all, whatever happens meanwhile. `number`
/// keeps two writers of one file apart. The folder is still to be synced.
pub(crate) fn put_file(folder: &Path, name: &str, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(StoreError::io("making", folder))?;
    let fresh = folder.join(format!("{name}.{number}.{UNFINISHED}"));
    File::create(&fresh)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(StoreError::io("writing", &fresh))?;
    fs::rename(&fresh, folder.join(name)).map_err(StoreError::io("renaming", &fresh))
}

/// Whether there is a store at `root` at all; an error if it is one that this version cannot read.
pub(crate) fn check_format(root: &Path) -> Result<bool, StoreError> {
    let path = root.join("FORMAT");
    let Some(found) = read_number(&path)? else {
        return Ok(false);
    };
    if found > u64::from(FORMAT) {
        return Err(StoreError::TooNew {
            file: path.display().to_string(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: FORMAT,
        });
    }
    if found == 0 {
        return Err(StoreError::damaged(&path, 0, "there is no format 0"));
    }
    Ok(true)
}

/// There must be a store at `root`, and one that this version can read.
pub(crate) fn require_format(root: &Path) -> Result<(), StoreError> {
    match check_format(root)? {
        true => Ok(()),
        false => Err(StoreError::damaged(
            &root.join("FORMAT"),
            0,
            "the file is missing",
        )),
    }
}

/// Says which life of the store at `root` this is.
pub(crate) fn write_epoch(root: &Path, epoch: u64) -> Result<(), StoreError> {
    write_number(root, "epoch", epoch)
}

/// Says that the folder at `root` is whole: from now on a missing journal is damage, not a new store.
pub(crate) fn write_format(root: &Path) -> Result<(), StoreError> {
    write_number(root, "FORMAT", u64::from(FORMAT))
}

/// Which life of the store at `root` this is.
pub(crate) fn read_epoch(root: &Path) -> Result<u64, StoreError> {
    let path = root.join("epoch");
    read_number(&path)?.ok_or_else(|| StoreError::damaged(&path, 0, "the file is missing"))
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let mut options = OpenOptions::new();
    let opened = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let mut file = opened.map_err(StoreError::io("opening", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who it is makes the message kinder; not knowing changes nothing.
            if file.read_to_string(&mut holder).is_err() || holder.trim().is_empty() {
                holder.clear();
            } else {
                holder = format!(" (process {})", holder.trim());
            }
            let folder = root.display().to_string();
            return Err(StoreError::InUse { folder, holder });
        }
        Err(TryLockError::Error(error)) => return Err(StoreError::io("locking", &path)(error)),
    }
    // Who it is makes messages kinder. A disk that has no room for it may still be read.
    let _unsaid = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Everything but the first segment and the seal. Repeats what an interrupted creation began.
fn create(root: &Path) -> Result<(), StoreError> {
    let journal = journal(root);
    fs::create_dir_all(&journal).map_err(StoreError::io("making", &journal))?;
    if !root.join("epoch").exists() {
        write_epoch(root, 1)?;
    }
    if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync(parent)?;
    }
    Ok(())
}

/// One line: the number and the CRC32C of its digits in hex.
fn line(number: u64) -> String {
    let digits = number.to_string();
    format!("{digits} {:08x}\n", crc32c::crc32c(digits.as_bytes()))
}

fn read_number(path: &Path) -> Result<Option<u64>, StoreError> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("reading", path)(error)),
    };
    let digits = text.split(' ').next().unwrap_or_default();
    match digits.parse() {
        Ok(number) if line(number) == text => Ok(Some(number)),
        _ => Err(StoreError::damaged(
            path,
            0,
            "it is not a number followed by its checksum",
        )),
    }
}

/// Replaces the file in one step: a power cut leaves the old one or the new one.
fn write_number(root: &Path, name: &str, number: u64) -> Result<(), StoreError> {
    let path = root.join(name);
    let fresh = root.join(format!("{name}.new"));
    File::create(&fresh)
        .and_then(|mut file| {
            file.write_all(line(number).as_bytes())?;
            file.sync_all()
        })
        .map_err(StoreError::io("writing", &fresh))?;
    fs::rename(&fresh, &path).map_err(StoreError::io("renaming", &fresh))?;
    sync(root)
}
