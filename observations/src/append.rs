//! Writing behind the end of the log.

use crate::disk::{Disk, is_full};
use crate::error::LogError;
use crate::extent::Shared;
use crate::frame::{Frame, FrameHead};
use crate::open::Opened;
use crate::segment::{self, CreateError, SegmentHead};
use crate::spool::Ledger;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The end of the log, and what is to be written there.
///
/// After [`CreateError::Broken`] it must not be used again: what is on disk is not known any more, and a second sync may
/// say yes to data that the system has already dropped.
#[derive(Debug)]
pub(crate) struct Appender {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    segment_bytes_max: u64,
    /// The segment that is written to; none until the first batch when there is none that may be.
    open: Option<Open>,
    /// Sequence of the last batch that is synced.
    sequence: u64,
    /// When it was received, in milliseconds since 1970.
    received: i64,
    staged: Vec<u8>,
    frames: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    path: PathBuf,
    file: File,
    start: u64,
    end: u64,
}

impl Appender {
    /// At the end of what was found.
    pub(crate) fn new(
        folder: &Path,
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        opened: &Opened,
        segment_bytes_max: u64,
    ) -> Result<Self, LogError> {
        let last = opened.extent.segments.last().filter(|_| opened.goes_on);
        let open = match last {
            None => None,
            Some(last) => Some(Open {
                number: last.number,
                path: last.path.clone(),
                file: OpenOptions::new()
                    .append(true)
                    .open(&last.path)
                    .map_err(LogError::io("opening", &last.path))?,
                start: last.start,
                end: last.bytes,
            }),
        };
        Ok(Self {
            folder: folder.to_owned(),
            disk,
            shared,
            segment_bytes_max,
            open,
            sequence: opened.extent.sequence,
            received: opened.extent.received,
            staged: Vec::new(),
            frames: 0,
        })
    }

    /// The time of receipt of what comes now: `now`, but never before what is there. The log is in the order of its times,
    /// however often somebody sets the clock.
    pub(crate) fn received(&self, now: i64) -> i64 {
        now.max(self.received)
    }

    /// Bytes that wait to be written.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.staged.len()
    }

    /// Adds a batch to the next write.
    pub(crate) fn stage(&mut self, packed: &[u8], received: i64) {
        let frame = Frame {
            head: FrameHead {
                sequence: self.sequence + self.frames + 1,
                group: self.sequence + 1,
                received,
            },
            packed,
        };
        frame.encode(&mut self.staged);
        self.frames += 1;
    }

    /// Writes what is staged, once, and syncs it. `Ok` means that it survives a power cut. When there is no room, the log is
    /// as it was before, and nothing is staged.
    pub(crate) fn write(&mut self, before: &Ledger, received: i64) -> Result<(), CreateError> {
        let staged = std::mem::take(&mut self.staged);
        let frames = std::mem::take(&mut self.frames);
        let bytes = staged.len() as u64;
        let full = |open: &Open| open.end > open.start && open.end + bytes > self.segment_bytes_max;
        let open = match self.open.take_if(|open| !full(open)) {
            Some(open) => open,
            None => self.begin_segment(before, received)?,
        };
        let open = self.open.insert(open);
        if let Err(error) = self.disk.write(&open.file, &staged) {
            if is_full(&error) {
                // Nothing behind the end was ever synced, so taking it away takes nothing from anybody.
                let cut = open.file.set_len(open.end);
                cut.map_err(LogError::io("cutting", &open.path))?;
                return Err(CreateError::Full);
            }
            return Err(LogError::io("writing", &open.path)(error).into());
        }
        let synced = self.disk.sync(&open.file);
        synced.map_err(LogError::io("syncing", &open.path))?;
        open.end += bytes;
        self.sequence += frames;
        self.received = received;
        let (end, sequence) = (open.end, self.sequence);
        self.shared.set_extent(|extent| {
            extent.end = end;
            extent.sequence = sequence;
            extent.received = received;
        });
        Ok(())
    }

    fn begin_segment(&self, before: &Ledger, received: i64) -> Result<Open, CreateError> {
        let mut ledger = before.clone();
        ledger.forget_silent(received);
        let head = SegmentHead {
            first: self.sequence + 1,
            received: self.received,
            ledger,
        };
        let last = self.shared.extent().segments.last().map(|last| last.number);
        let number = last.map_or(1, |last| last + 1);
        let (file, segment) = segment::create(&*self.disk, &self.folder, number, &head)?;
        let open = Open {
            number,
            path: segment.path.clone(),
            file,
            start: segment.start,
            end: segment.bytes,
        };
        self.shared.set_extent(|extent| {
            let end = extent.end;
            let segments = Arc::make_mut(&mut extent.segments);
            if let Some(last) = segments.last_mut() {
                last.bytes = end;
            }
            extent.end = segment.bytes;
            segments.push(segment);
        });
        Ok(open)
    }

    /// The number of the segment that is written to.
    pub(crate) fn segment(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.number)
    }
}
