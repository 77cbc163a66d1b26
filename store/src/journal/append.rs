//! Writing behind the end of the journal.

use super::frame::{Chain, Frame, TEXT_BYTES_MAX};
use super::scan::Scan;
use super::segment::{self, HEADER_BYTES, Header};
use crate::api::StoreError;
use crate::folder::FORMAT;
use crate::room;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The end of the journal, and what is to be written there.
///
/// After an error it must not be used again: what is on disk is not known any more, and a second
/// sync may say yes to data that the system has already dropped.
#[derive(Debug)]
pub(crate) struct Appender {
    journal: PathBuf,
    segment_bytes_max: u64,
    segment: u32,
    file: File,
    end: u64,
    /// Whether the segment was begun since the last write that succeeded.
    fresh: bool,
    head: u64,
    chain: Chain,
    staged: Staged,
}

/// Frames that wait for the next write.
#[derive(Debug, Default)]
struct Staged {
    bytes: Vec<u8>,
    /// Where each begins, in bytes.
    starts: Vec<u64>,
    /// The chain after each.
    chains: Vec<Chain>,
    chain: Chain,
}

/// What a write added.
#[derive(Debug)]
pub(crate) struct Written {
    /// In which segment.
    pub(crate) segment: u32,
    /// Whether the segment was begun for this write.
    pub(crate) began_segment: bool,
    /// Sequence of the first record.
    pub(crate) first: u64,
    /// Where each record begins in the segment, in bytes.
    pub(crate) offsets: Vec<u64>,
    /// The chain after each record.
    pub(crate) chains: Vec<Chain>,
    /// The chain after it.
    pub(crate) chain: Chain,
    /// How long the sync took.
    pub(crate) sync: Duration,
}

/// Why nothing was appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There is no room. The journal is as it was before; what is staged still is.
    Full,
    /// What is on disk is not known any more.
    Broken(StoreError),
}

impl AppendError {
    /// The same, for whoever cannot begin without.
    fn at_start(self, journal: &Path) -> StoreError {
        match self {
            Self::Full => StoreError::io("beginning", journal)(std::io::ErrorKind::StorageFull.into()),
            Self::Broken(error) => error,
        }
    }
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

impl Appender {
    /// At the end of what was scanned. Begins the first segment if there is none.
    pub(crate) fn new(journal: &Path, scan: &mut Scan, segment_bytes_max: u64) -> Result<Self, StoreError> {
        let file = if scan.segment == 0 {
            scan.begin_segment(1, scan.head + 1);
            let header = Header::after(scan.head, scan.chain);
            segment::create(journal, scan.segment, &header).map_err(|error| error.at_start(journal))?
        } else {
            let path = segment::path(journal, scan.segment);
            let opened = OpenOptions::new().append(true).open(&path);
            opened.map_err(StoreError::io("opening", &path))?
        };
        Ok(Self {
            journal: journal.to_owned(),
            segment_bytes_max,
            segment: scan.segment,
            file,
            end: scan.end,
            fresh: false,
            head: scan.head,
            chain: scan.chain,
            staged: Staged {
                chain: scan.chain,
                ..Staged::default()
            },
        })
    }

    /// The sequence of the next record to be staged.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.head + self.staged.starts.len() as u64 + 1
    }

    /// Bytes that wait to be written.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.staged.bytes.len()
    }

    /// Adds a record's text to the next write; says whether any frame can hold it.
    pub(crate) fn stage(&mut self, text: &[u8]) -> bool {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return false;
        }
        self.staged.starts.push(self.staged.bytes.len() as u64);
        self.staged.chain = self.staged.chain.follow(text);
        self.staged.chains.push(self.staged.chain);
        let frame = Frame {
            group: self.head + 1,
            chain: self.staged.chain,
            text,
        };
        frame.encode(&mut self.staged.bytes);
        true
    }

    /// Forgets what is staged.
    pub(crate) fn unstage(&mut self) {
        self.staged = Staged {
            chain: self.chain,
            ..Staged::default()
        };
    }

    /// Writes what is staged, once, and syncs it. `Ok` means that it survives a power cut.
    pub(crate) fn write(&mut self) -> Result<Written, AppendError> {
        let bytes = self.staged.bytes.len() as u64;
        let full = self.end + bytes > self.segment_bytes_max && self.end > HEADER_BYTES;
        if full {
            self.begin_segment()?;
        }
        let path = segment::path(&self.journal, self.segment);
        if let Err(error) = self.file.write_all(&self.staged.bytes) {
            if room::is_full(&error) {
                // Nothing behind the end was ever synced, so taking it away takes nothing from anybody.
                self.file
                    .set_len(self.end)
                    .map_err(StoreError::io("cutting", &path))?;
                return Err(AppendError::Full);
            }
            return Err(StoreError::io("writing", &path)(error).into());
        }
        let before = Instant::now();
        self.file.sync_data().map_err(StoreError::io("syncing", &path))?;
        let sync = before.elapsed();
        let starts = std::mem::take(&mut self.staged.starts);
        let written = Written {
            segment: self.segment,
            began_segment: std::mem::take(&mut self.fresh),
            first: self.head + 1,
            offsets: starts.iter().map(|start| self.end + start).collect(),
            chains: std::mem::take(&mut self.staged.chains),
            chain: self.staged.chain,
            sync,
        };
        self.head += starts.len() as u64;
        self.chain = self.staged.chain;
        self.end += bytes;
        self.staged.bytes.clear();
        Ok(written)
    }

    fn begin_segment(&mut self) -> Result<(), AppendError> {
        let number = self.segment + 1;
        let header = Header::after(self.head, self.chain);
        self.file = segment::create(&self.journal, number, &header)?;
        self.segment = number;
        self.end = HEADER_BYTES;
        self.fresh = true;
        Ok(())
    }
}

impl Header {
    fn after(head: u64, chain: Chain) -> Self {
        Self {
            format: FORMAT,
            first: head + 1,
            chain,
        }
    }
}
