//! Moving old segments of the journal to another place, once the state as of their end is kept.
//!
//! Every step leaves a folder that starts, whenever it is cut off: the state is kept first, then the segments are copied
//! and the copies read back, and only then do the originals go, the oldest first, each before the next. The journal goes
//! back to the older one of two checkpoints, so that one of them may be lost.

use crate::api::StoreError;
use crate::checkpoint::{self, Checkpoint};
use crate::folder::{self, UNFINISHED, sync};
use crate::journal::{self, SegmentFile};
use crate::walk::{Step, walk};
use rustix::fs::Advice;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use tidegate_model::Timestamp;

/// How much is copied between two words about progress, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// How many segments are in the archive now, and not in the folder any more.
    pub segments: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest record that is still in the folder.
    pub oldest: u64,
    /// The records that the folder has checkpoints of, in order.
    pub checkpoints: Vec<u64>,
}

/// A segment all of whose records are old, and the state at its end.
struct Old {
    file: SegmentFile,
    end: Option<Checkpoint>,
}

/// Moves the segments of the store in `folder` whose records were all written before `before` to the archive `to`, which
/// is made if it is not there. The newest one of them stays, and with it whatever follows. `progress` is told how many
/// bytes of how many are copied.
///
/// May run beside a server, whose readers are told [`StoreError::Archived`] from then on. It may be cut off at any moment,
/// and repeated.
///
/// # Errors
/// [`StoreError::InUse`] when another process is archiving, [`StoreError::Damaged`] when the store or the archive is not
/// as it should be, [`StoreError::Io`] when something cannot be read or written. Every record is then still in the folder
/// or, checked, in the archive.
pub fn archive(
    folder: impl AsRef<Path>,
    to: impl AsRef<Path>,
    before: Timestamp,
    progress: impl FnMut(u64, u64),
) -> Result<Archived, StoreError> {
    let (root, to) = (folder.as_ref(), to.as_ref());
    folder::require_format(root)?;
    let checkpoints = checkpoint::folder(root);
    fs::create_dir_all(&checkpoints).map_err(StoreError::io("making", &checkpoints))?;
    sync(root)?;
    let _alone = alone(&checkpoints)?;
    let mut old = old_segments(root, before)?;
    // The newest one stays: the journal goes back to the older one of the two checkpoints.
    let Some((newest, older)) = old.pop().zip(old.last_mut().and_then(|old| old.end.take())) else {
        let left = left(root, 0, 0)?;
        checkpoint::tidy(root, left.oldest - 1)?;
        return Ok(left);
    };
    let reached = older.table.head();
    for checkpoint in [Some(older), newest.end].into_iter().flatten() {
        keep(root, &checkpoint)?;
    }
    let files: Vec<SegmentFile> = old.into_iter().map(|old| old.file).collect();
    let bytes = copy_all(&files, to, progress)?;
    remove(root, &files)?;
    checkpoint::tidy(root, reached)?;
    left(root, u32::try_from(files.len()).unwrap_or(u32::MAX), bytes)
}

/// The segments of an archive, from which those of a store go on; the same bytes where both have one.
pub(crate) fn segments(archive: &Path, here: &[SegmentFile]) -> Result<Vec<SegmentFile>, StoreError> {
    folder::require_format(archive)?;
    let journal = folder::journal(archive);
    let files = journal::list(&journal)?;
    for file in here {
        if let Some(copy) = files.iter().find(|copy| copy.number == file.number) {
            compare(&file.path, &copy.path)?;
        }
    }
    let (last, oldest) = (files.last(), here.first());
    if let Some((last, oldest)) = last.zip(oldest)
        && last.number + 1 < oldest.number
    {
        let missing = journal::path(&journal, last.number + 1);
        return Err(StoreError::damaged(&missing, 0, "the file is missing"));
    }
    Ok(files)
}

/// Keeps others from archiving the same folder.
fn alone(checkpoints: &Path) -> Result<File, StoreError> {
    let folder = File::open(checkpoints).map_err(StoreError::io("opening", checkpoints))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            folder: checkpoints.display().to_string(),
            holder: " (which archives)".to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("locking", checkpoints)(error)),
    }
}

/// The first segments whose records are all old, and the states at the ends of the last two.
fn old_segments(root: &Path, before: Timestamp) -> Result<Vec<Old>, StoreError> {
    let _held = journal::hold(&folder::journal(root))?;
    let mut old: Vec<Old> = Vec::new();
    let mut current: Option<(PathBuf, bool)> = None;
    let (files, _) = crate::walk::files(root, None)?;
    let mut unread = files.into_iter();
    let mut done = false;
    let walked = walk(
        root,
        None,
        |Step {
             place,
             at,
             before: state,
         }| {
            let (path, is_old) = current.get_or_insert_with(|| (place.file.to_owned(), true));
            if path != place.file {
                // The segment before is whole, and the state is that of its end.
                if !*is_old {
                    done = true;
                    return Err(StoreError::Stopped("the rest is new".to_owned()));
                }
                let end = state.map(|(table, chain)| Checkpoint {
                    chain,
                    table: table.clone(),
                });
                if let Some(file) = unread.next() {
                    if let Some(place) = old.len().checked_sub(2).and_then(|place| old.get_mut(place)) {
                        place.end = None;
                    }
                    old.push(Old { file, end });
                }
                (*path, *is_old) = (place.file.to_owned(), true);
            }
            *is_old &= at < before;
            Ok(())
        },
    );
    match walked {
        Err(_) if done => Ok(old),
        walked => walked.map(|_| old),
    }
}

/// Keeps a state, and reads it back.
fn keep(root: &Path, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let sequence = checkpoint.table.head();
    if !checkpoint::path(root, sequence).exists() {
        checkpoint::write(root, checkpoint)?;
    }
    match checkpoint::read(root, sequence)? == *checkpoint {
        true => Ok(()),
        false => Err(StoreError::damaged(
            &checkpoint::path(root, sequence),
            0,
            "it is not the state that the journal makes",
        )),
    }
}

/// Copies segments to an archive and reads the copies back. How many bytes they have.
fn copy_all(files: &[SegmentFile], to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<u64, StoreError> {
    let journal = folder::journal(to);
    fs::create_dir_all(&journal).map_err(StoreError::io("making", &journal))?;
    if !folder::check_format(to)? {
        folder::write_format(to)?;
    }
    follows(&journal, files)?;
    let mut all = 0;
    for file in files {
        let about = fs::metadata(&file.path).map_err(StoreError::io("reading", &file.path))?;
        all += about.len();
    }
    let mut done = 0;
    for file in files {
        let copy = journal::path(&journal, file.number);
        if !copy.exists() {
            copy_file(&file.path, &copy, |bytes| {
                done += bytes;
                progress(done, all);
            })?;
            sync(&journal)?;
        }
        compare(&file.path, &copy)?;
    }
    sync(to)?;
    if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync(parent)?;
    }
    progress(all, all);
    Ok(all)
}

/// Whether the segment before these, if the archive has it, is the one that they follow.
fn follows(archive: &Path, files: &[SegmentFile]) -> Result<(), StoreError> {
    let (first, chain) = journal::beginning(files)?;
    let earlier = journal::list(archive)?;
    let before = earlier.into_iter().find(|file| {
        let next = files.first().map(|next| next.number);
        Some(file.number + 1) == next
    });
    let Some(before) = before else { return Ok(()) };
    let scan = journal::scan(std::slice::from_ref(&before), |_, _| Ok(()))?;
    if (scan.head + 1, scan.chain) == (first, chain) {
        return Ok(());
    }
    let what = format!("record {first} does not follow it: this is the archive of another journal");
    Err(StoreError::damaged(&before.path, scan.end, what))
}

/// Copies a file: whole or not at all.
fn copy_file(from: &Path, to: &Path, mut told: impl FnMut(u64)) -> Result<(), StoreError> {
    let reading = |error| StoreError::io("reading", from)(error);
    let fresh = to.with_extension(UNFINISHED);
    let writing = |error| StoreError::io("writing", &fresh)(error);
    let mut source = File::open(from).map_err(reading)?;
    let mut target = File::create(&fresh).map_err(writing)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = source.read(&mut chunk).map_err(reading)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        target.write_all(bytes).map_err(writing)?;
        told(read as u64);
    }
    target.sync_all().map_err(writing)?;
    fs::rename(&fresh, to).map_err(StoreError::io("renaming", &fresh))
}

/// Whether both have the same bytes, as the disk has them.
fn compare(one: &Path, copy: &Path) -> Result<(), StoreError> {
    let open = |path: &Path| -> Result<File, StoreError> {
        let file = File::open(path).map_err(StoreError::io("opening", path))?;
        // What the system has in memory says nothing about the disk. That it is not asked again does no harm.
        let _kept = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        Ok(file)
    };
    let (mut left, mut right) = (open(one)?, open(copy)?);
    if is_same(&left, &right).map_err(StoreError::io("reading", copy))? {
        return Err(StoreError::Io {
            operation: format!("archiving {}", one.display()),
            cause: "the archive is the folder itself; name another place".to_owned(),
        });
    }
    let (mut ours, mut theirs) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let mut offset = 0_u64;
    loop {
        let length = fill(&mut left, &mut ours).map_err(StoreError::io("reading", one))?;
        let found = fill(&mut right, &mut theirs).map_err(StoreError::io("reading", copy))?;
        let (ours, theirs) = (ours.get(..length), theirs.get(..found));
        if ours != theirs {
            let pairs = ours.into_iter().flatten().zip(theirs.into_iter().flatten());
            let same = pairs.take_while(|(ours, theirs)| ours == theirs).count() as u64;
            let what = format!("it differs from {}", one.display());
            return Err(StoreError::damaged(copy, offset + same, what));
        }
        if length == 0 {
            return Ok(());
        }
        offset += length as u64;
    }
}

/// Whether both are one file: then removing the one removes the other.
fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Removes the oldest segments, one after the other: whatever is left follows a checkpoint without a gap.
fn remove(root: &Path, files: &[SegmentFile]) -> Result<(), StoreError> {
    let journal = folder::journal(root);
    let _held = journal::hold_alone(&journal)?;
    for file in files {
        fs::remove_file(&file.path).map_err(StoreError::io("removing", &file.path))?;
        sync(&journal)?;
    }
    Ok(())
}

fn left(root: &Path, segments: u32, bytes: u64) -> Result<Archived, StoreError> {
    let files = journal::list(&folder::journal(root))?;
    Ok(Archived {
        segments,
        bytes,
        oldest: journal::beginning(&files)?.0,
        checkpoints: checkpoint::list(root)?,
    })
}
