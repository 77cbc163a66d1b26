//! Copies of a store: made beside a running server, and put back as another life of it.

use crate::api::StoreError;
use crate::checkpoint;
use crate::folder::{self, sync};
use crate::heads;
use crate::journal::{self, Chain, Scan, SegmentFile};
use crate::lists::{self, ListFolder};
use crate::walk::{Walked, walk};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use tidegate_model::snapshot::Digest;

/// How much is copied between two words about progress, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// Which life of the store the copy is.
    pub epoch: u64,
    /// Sequence of its newest record.
    pub head: u64,
    /// Segments of its journal.
    pub segments: u32,
    /// Bytes of its journal.
    pub bytes: u64,
    /// Lists of units that its segments name.
    pub lists: u64,
    /// What stands for its whole journal.
    pub chain: Chain,
}

/// Which life of the store a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The same: a backup.
    Same,
    /// A new one, whose number is above this and above that of the original. Whoever has seen snapshots of the
    /// original takes those of the copy for newer.
    Above(u64),
}

/// Copies the store in `from` to `to`, which must not be there yet, or be an empty folder. Every byte of the journal and
/// of the lists is checked on the way. The copy holds every commit that was acknowledged before this began, and is there
/// as a whole or not at all. Files of the folder that are no part of the store are copied if `beside` names them and they
/// are there. `progress` is told how many bytes of how many are done.
///
/// May run beside a server: nothing is locked, and what is written meanwhile is not waited for.
///
/// # Errors
/// [`StoreError::Damaged`] when the store is not as it should be, [`StoreError::Io`] when `to` is there already or
/// something cannot be read or written; there is no copy then.
pub fn copy(
    from: &Path,
    to: &Path,
    life: Life,
    beside: &[&str],
    mut progress: impl FnMut(u64, u64),
) -> Result<CopyReport, StoreError> {
    folder::require_format(from)?;
    let epoch = folder::read_epoch(from)?;
    let fresh = begin(to)?;
    let held = journal::hold(&folder::journal(from))?;
    let Walked {
        scan,
        table,
        checkpoints,
        ..
    } = walk(from, None, |_| Ok(()))?;
    let named = lists::named(&table);
    let mut done = 0;
    let mut told = |bytes| {
        done += bytes;
        progress(done, scan.bytes);
    };
    copy_journal(from, &fresh, &scan, &mut told)?;
    for sequence in checkpoints {
        checkpoint::write(&fresh, &checkpoint::read(from, sequence)?)?;
    }
    drop(held);
    copy_lists(from, &fresh, &named)?;
    // Heads that were signed meanwhile are of records that the copy does not have.
    heads::put(&fresh, &heads::up_to(from, scan.head)?)?;
    for name in beside {
        copy_beside(&from.join(name), &fresh.join(name))?;
    }
    let epoch = match life {
        Life::Same => epoch,
        Life::Above(number) => epoch.max(number) + 1,
    };
    folder::write_epoch(&fresh, epoch)?;
    folder::write_format(&fresh)?;
    finish(&fresh, to)?;
    Ok(CopyReport {
        epoch,
        head: scan.head,
        segments: scan.segments,
        bytes: scan.bytes,
        lists: named.len() as u64,
        chain: scan.chain,
    })
}

/// An empty folder beside `to`, which takes its name once it is whole.
fn begin(to: &Path) -> Result<PathBuf, StoreError> {
    let is_free = match fs::read_dir(to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(StoreError::Io {
            operation: format!("making {}", to.display()),
            cause: "there is something already; name a folder that is empty or not there".to_owned(),
        });
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", folder::UNFINISHED));
    let fresh = to.with_file_name(name);
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("removing", &fresh)(error));
        }
        _ => {}
    }
    fs::create_dir_all(&fresh).map_err(StoreError::io("making", &fresh))?;
    Ok(fresh)
}

fn finish(fresh: &Path, to: &Path) -> Result<(), StoreError> {
    sync(fresh)?;
    fs::rename(fresh, to).map_err(StoreError::io("renaming", fresh))?;
    match to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync(parent),
        None => sync(Path::new(".")),
    }
}

fn copy_journal(from: &Path, to: &Path, scan: &Scan, told: &mut impl FnMut(u64)) -> Result<(), StoreError> {
    let journal = folder::journal(to);
    fs::create_dir_all(&journal).map_err(StoreError::io("making", &journal))?;
    let whole = |file: &SegmentFile| file.number <= scan.segment;
    for file in journal::list(&folder::journal(from))?.into_iter().filter(whole) {
        // A server may be writing behind the end of the last one.
        let until = (file.number == scan.segment).then_some(scan.end);
        copy_file(&file.path, &journal::path(&journal, file.number), until, told)?;
    }
    sync(&journal)
}

fn copy_lists(from: &Path, to: &Path, named: &std::collections::BTreeSet<Digest>) -> Result<(), StoreError> {
    let (source, target) = (ListFolder::of(from), ListFolder::of(to));
    for digest in named {
        let bytes = source.load(digest)?.ok_or_else(|| {
            StoreError::damaged(
                &source.path(digest),
                0,
                "a segment names this list, and it is missing",
            )
        })?;
        target.put(&bytes)?;
    }
    Ok(())
}

/// Copies a file, or all files of a folder, with their permissions. What is not there is left out.
fn copy_beside(from: &Path, to: &Path) -> Result<(), StoreError> {
    let about = match fs::metadata(from) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::io("reading", from)(error)),
    };
    if !about.is_dir() {
        copy_file(from, to, None, &mut |_| {})?;
        return fs::set_permissions(to, about.permissions()).map_err(StoreError::io("writing", to));
    }
    fs::create_dir_all(to).map_err(StoreError::io("making", to))?;
    let entries = fs::read_dir(from).map_err(StoreError::io("reading", from))?;
    let entries: io::Result<Vec<fs::DirEntry>> = entries.collect();
    let mut entries = entries.map_err(StoreError::io("reading", from))?;
    // By name, and those that are there now: of files that are written one after the other none is missing in the middle.
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            copy_beside(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    sync(to)?;
    to.parent().map_or(Ok(()), sync)
}

/// Copies the first bytes of a file, or all, and syncs them.
fn copy_file(
    from: &Path,
    to: &Path,
    until: Option<u64>,
    told: &mut impl FnMut(u64),
) -> Result<(), StoreError> {
    let reading = |error| StoreError::io("reading", from)(error);
    let writing = |error| StoreError::io("writing", to)(error);
    let source = File::open(from).map_err(reading)?;
    let mut source = source.take(until.unwrap_or(u64::MAX));
    let mut target = File::create_new(to).map_err(writing)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = source.read(&mut chunk).map_err(reading)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        target.write_all(bytes).map_err(writing)?;
        told(read as u64);
    }
    target.sync_all().map_err(writing)
}
