//! Records from the middle of the journal.

use super::frame::{self, HEAD_BYTES};
use super::segment;
use crate::api::StoreError;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tidegate_model::change::Record;

/// Every so many records their place is remembered; between two of them frames are skipped.
const STRIDE: u64 = 64;

/// Where some of the records are: the first of each segment and every 64th.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    marks: BTreeMap<u64, Mark>,
    segment: u32,
}

/// A place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    sequence: u64,
    segment: u32,
    offset: u64,
}

impl Index {
    /// The records from `first` on are in this segment.
    pub(crate) fn begin_segment(&mut self, segment: u32, first: u64) {
        self.segment = segment;
        self.mark(first, segment::HEADER_BYTES);
    }

    /// A record begins here.
    pub(crate) fn add(&mut self, sequence: u64, offset: u64) {
        if sequence.is_multiple_of(STRIDE) {
            self.mark(sequence, offset);
        }
    }

    /// The sequence of the first record that was there when the journal was opened.
    pub(crate) fn first(&self) -> Option<u64> {
        self.marks.keys().next().copied()
    }

    /// The nearest known place at or before a record.
    pub(crate) fn before(&self, sequence: u64) -> Option<Mark> {
        self.marks.range(..=sequence).next_back().map(|(_, mark)| *mark)
    }

    fn mark(&mut self, sequence: u64, offset: u64) {
        let mark = Mark {
            sequence,
            segment: self.segment,
            offset,
        };
        self.marks.insert(sequence, mark);
    }
}

/// Reads records one after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    journal: PathBuf,
    mark: Mark,
    path: PathBuf,
    file: BufReader<File>,
}

impl Reader {
    /// From this place on.
    pub(crate) fn open(journal: PathBuf, mark: Mark) -> Result<Self, StoreError> {
        let path = segment::path(&journal, mark.segment);
        let mut file = File::open(&path).map_err(|error| absent(&journal, mark.segment, &path, error))?;
        let sought = file.seek(SeekFrom::Start(mark.offset));
        sought.map_err(StoreError::io("reading", &path))?;
        Ok(Self {
            journal,
            mark,
            path,
            file: BufReader::new(file),
        })
    }

    /// The records `first` to `last`, which must both be there and not before the reader's place.
    pub(crate) fn take(mut self, first: u64, last: u64) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let mut bytes = Vec::new();
        while self.mark.sequence <= last {
            self = self.next_frame(&mut bytes)?;
            if self.mark.sequence >= first {
                records.push(self.record(&bytes)?);
            }
            self.mark.sequence += 1;
            self.mark.offset += bytes.len() as u64;
        }
        Ok(records)
    }

    /// Reads the frame of the next record, in the next segment if this one is at its end.
    fn next_frame(mut self, bytes: &mut Vec<u8>) -> Result<Self, StoreError> {
        let rest = self
            .file
            .fill_buf()
            .map_err(StoreError::io("reading", &self.path))?;
        if rest.is_empty() {
            let mark = Mark {
                segment: self.mark.segment + 1,
                offset: segment::HEADER_BYTES,
                ..self.mark
            };
            self = Self::open(self.journal, mark)?;
        }
        let mut head = [0; HEAD_BYTES];
        self.file
            .read_exact(&mut head)
            .map_err(StoreError::io("reading", &self.path))?;
        let length = head.first_chunk().copied().unwrap_or_default();
        let text_bytes = frame::text_bytes(length).map_err(|flaw| self.damaged(&flaw.to_string()))?;
        bytes.clear();
        bytes.extend_from_slice(&head);
        bytes.resize(HEAD_BYTES + text_bytes, 0);
        let text = bytes.get_mut(HEAD_BYTES..).unwrap_or_default();
        self.file
            .read_exact(text)
            .map_err(StoreError::io("reading", &self.path))?;
        Ok(self)
    }

    fn record(&self, bytes: &[u8]) -> Result<Record, StoreError> {
        let frame = frame::decode(bytes).map_err(|flaw| self.damaged(&flaw.to_string()))?;
        let record: Record =
            serde_json::from_slice(frame.text).map_err(|error| self.damaged(&error.to_string()))?;
        if record.sequence != self.mark.sequence {
            return Err(self.damaged(&format!("record {} stands there", record.sequence)));
        }
        Ok(record)
    }

    fn damaged(&self, what: &str) -> StoreError {
        let what = format!("record {}: {what}", self.mark.sequence);
        StoreError::damaged(&self.path, self.mark.offset, what)
    }
}

/// Why a segment cannot be opened. Segments are moved to an archive beside a running store, oldest first; whoever has one
/// open already reads it to its end.
fn absent(journal: &Path, number: u32, path: &Path, error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::NotFound
        && let Ok(files) = segment::list(journal)
        && let Some(oldest) = files.first().filter(|file| file.number > number)
        && let Ok(header) = segment::read_header(&oldest.path)
    {
        return StoreError::Archived { oldest: header.first };
    }
    StoreError::io("opening", path)(error)
}
