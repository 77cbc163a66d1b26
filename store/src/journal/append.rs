//! Writing behind the end of the journal.

use super::frame::{Chain, Frame, TEXT_BYTES_MAX};
use super::scan::Scan;
use super::segment::{self, HEADER_BYTES, Header};
use crate::api::StoreError;
use crate::folder::FORMAT;
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
    /// Bytes that the journal grew by.
    pub(crate) bytes: u64,
    /// The chain after it.
    pub(crate) chain: Chain,
    /// How long the sync took.
    pub(crate) sync: Duration,
}

impl Appender {
    /// At the end of what was scanned. Begins the first segment if there is none.
    pub(crate) fn new(journal: &Path, scan: &mut Scan, segment_bytes_max: u64) -> Result<Self, StoreError> {
        let file = if scan.segment == 0 {
            scan.begin_segment(1, scan.head + 1);
            segment::create(journal, scan.segment, &Header::after(scan.head, scan.chain))?
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
        let frame = Frame {
            group: self.head + 1,
            chain: self.staged.chain,
            text,
        };
        frame.encode(&mut self.staged.bytes);
        true
    }

    /// Writes what is staged, once, and syncs it. `Ok` means that it survives a power cut.
    pub(crate) fn write(&mut self) -> Result<Written, StoreError> {
        let bytes = self.staged.bytes.len() as u64;
        let full = self.end + bytes > self.segment_bytes_max && self.end > HEADER_BYTES;
        if full {
            self.file = segment::create(
                &self.journal,
                self.segment + 1,
                &Header::after(self.head, self.chain),
            )?;
            self.segment += 1;
            self.end = HEADER_BYTES;
        }
        let path = segment::path(&self.journal, self.segment);
        let written = self.file.write_all(&self.staged.bytes);
        written.map_err(StoreError::io("writing", &path))?;
        let before = Instant::now();
        self.file.sync_data().map_err(StoreError::io("syncing", &path))?;
        let sync = before.elapsed();
        let starts = std::mem::take(&mut self.staged.starts);
        let written = Written {
            segment: self.segment,
            began_segment: full,
            first: self.head + 1,
            offsets: starts.iter().map(|start| self.end + start).collect(),
            bytes: bytes + if full { HEADER_BYTES } else { 0 },
            chain: self.staged.chain,
            sync,
        };
        self.head += starts.len() as u64;
        self.chain = self.staged.chain;
        self.end += bytes;
        self.staged.bytes.clear();
        Ok(written)
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
