//! Reading the whole journal, checking every byte of it.

use super::frame::{self, Chain, Flaw};
use super::read::Index;
use super::segment::{self, HEADER_BYTES, Header, NO_HEADER, SegmentFile};
use crate::api::StoreError;
use crate::folder::{self, FORMAT};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// Where a record stands.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// In which segment.
    pub(crate) file: &'a Path,
    /// Where its frame begins, in bytes.
    pub(crate) offset: u64,
    /// Its place in the journal, by counting.
    pub(crate) sequence: u64,
    /// The chain up to and with it.
    pub(crate) chain: Chain,
}

impl Place<'_> {
    /// Damage of this record.
    pub(crate) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::damaged(self.file, self.offset, what)
    }
}

/// What a write left behind that was interrupted and never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// In which segment.
    pub file: PathBuf,
    /// Where it begins, in bytes; 0 when the segment itself is not whole.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What the journal holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// How many segments are whole.
    pub(crate) segments: u32,
    /// The sequence of the first record that is there, or would be; 1 unless earlier ones are in an archive.
    pub(crate) first: u64,
    /// The chain before that record.
    pub(crate) before: Chain,
    /// The number of the last segment that is whole; 0 when there is none.
    pub(crate) segment: u32,
    /// Where that segment ends, in bytes, without what is torn.
    pub(crate) end: u64,
    /// Bytes of all segments, without what is torn.
    pub(crate) bytes: u64,
    /// The sequence of the last record.
    pub(crate) head: u64,
    /// The chain up to and with the last record.
    pub(crate) chain: Chain,
    /// Where records are.
    pub(crate) index: Index,
    /// What is to be cut off.
    pub(crate) torn: Option<Torn>,
}

/// Reads these segments, which follow each other, and shows each record's text to `visit`.
///
/// # Errors
/// Damage anywhere but in a write that was never acknowledged; what `visit` says.
pub(crate) fn scan(
    files: &[SegmentFile],
    mut visit: impl FnMut(&Place<'_>, &[u8]) -> Result<(), StoreError>,
) -> Result<Scan, StoreError> {
    let (first, before) = segment::beginning(files)?;
    let mut scan = Scan {
        first,
        before,
        head: first - 1,
        chain: before,
        ..Scan::default()
    };
    for (place, file) in files.iter().enumerate() {
        let bytes = fs::read(&file.path).map_err(StoreError::io("reading", &file.path))?;
        let last = place + 1 == files.len();
        scan.segment(file, &bytes, last, &mut visit)?;
    }
    Ok(scan)
}

impl Scan {
    fn segment(
        &mut self,
        SegmentFile { number, path }: &SegmentFile,
        bytes: &[u8],
        last: bool,
        visit: &mut impl FnMut(&Place<'_>, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some((header, mut rest)) = Header::decode(bytes) else {
            // Headers are synced before the first frame is written behind them.
            if last && bytes.len() as u64 <= HEADER_BYTES {
                self.torn = Some(Torn {
                    file: path.to_owned(),
                    offset: 0,
                    bytes: bytes.len() as u64,
                });
                return Ok(());
            }
            return Err(StoreError::damaged(path, 0, NO_HEADER));
        };
        self.check_header(path, &header)?;
        self.begin_segment(*number, header.first);
        while !rest.is_empty() {
            let (sequence, offset) = (self.head + 1, self.end);
            let frame = match frame::decode(rest) {
                Ok(frame) => frame,
                Err(flaw) => return self.tail(path, rest, flaw, last),
            };
            let place = Place {
                file: path,
                offset,
                sequence,
                chain: self.chain.follow(frame.text),
            };
            if place.chain != frame.chain {
                return Err(place.damaged(format!("record {sequence} does not follow the one before it")));
            }
            visit(&place, frame.text)?;
            self.index.add(sequence, offset);
            self.head = sequence;
            self.chain = place.chain;
            self.end += frame.bytes() as u64;
            self.bytes += frame.bytes() as u64;
            rest = rest.get(frame.bytes()..).unwrap_or_default();
        }
        Ok(())
    }

    /// A segment that holds its header only, so far.
    pub(super) fn begin_segment(&mut self, number: u32, first: u64) {
        self.segment = number;
        self.segments += 1;
        self.end = HEADER_BYTES;
        self.bytes += HEADER_BYTES;
        self.index.begin_segment(number, first);
    }

    fn check_header(&self, path: &Path, header: &Header) -> Result<(), StoreError> {
        if header.format > FORMAT {
            return Err(StoreError::TooNew {
                file: path.display().to_string(),
                found: header.format,
                known: FORMAT,
            });
        }
        if header.first != self.head + 1 || header.chain != self.chain {
            let what = format!("the segment does not follow record {}", self.head);
            return Err(StoreError::damaged(path, 0, what));
        }
        Ok(())
    }

    /// What is not a frame is torn if no later write stands behind it: writes are synced one after
    /// the other, so a later one proves that this one was whole and acknowledged.
    fn tail(&mut self, path: &Path, rest: &[u8], flaw: Flaw, last: bool) -> Result<(), StoreError> {
        let sequence = self.head + 1;
        if !last || later_write(rest, sequence) {
            return Err(StoreError::damaged(
                path,
                self.end,
                format!("record {sequence}: {flaw}"),
            ));
        }
        self.torn = Some(Torn {
            file: path.to_owned(),
            offset: self.end,
            bytes: rest.len() as u64,
        });
        Ok(())
    }
}

/// Whether a frame stands anywhere behind the start of `bytes` that was written after record
/// `sequence` was synced.
fn later_write(bytes: &[u8], sequence: u64) -> bool {
    let mut at = 1;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match frame::decode(rest) {
            Ok(frame) if frame.group > sequence => return true,
            Ok(frame) => at += frame.bytes(),
            Err(_) => at += 1,
        }
    }
    false
}

/// Takes away what is torn, so that the next record stands behind the last whole one.
pub(crate) fn cut(journal: &Path, torn: &Torn) -> Result<(), StoreError> {
    let path = &torn.file;
    if torn.offset == 0 {
        fs::remove_file(path).map_err(StoreError::io("removing", path))?;
        return folder::sync(journal);
    }
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| {
            file.set_len(torn.offset)?;
            file.sync_all()
        })
        .map_err(StoreError::io("cutting", path))
}
