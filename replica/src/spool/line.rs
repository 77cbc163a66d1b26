//! A line on disk: what is written into it, where, and what an earlier process left there.

use super::Waiting;
use super::frame::Frame;
use super::segment::{Contents, Extent, Segment};
use super::{Place, draw_name};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_model::observation::OBSERVATIONS_MAX;

/// Bytes of a batch after which the next one begins.
pub(super) const BATCH_BYTES_MAX: usize = 1 << 20;

/// A file is closed when it has this many bytes.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// Where a line is written.
#[derive(Debug)]
pub(super) struct Line {
    folder: PathBuf,
    /// Locked for as long as the line is written: two processes would write over each other.
    _lock: File,
    name: Arc<str>,
    /// The number of the batch that is open.
    number: u64,
    /// The next file's.
    sequence: u64,
    segment_bytes_max: u64,
    current: Option<Current>,
}

/// The file that is written.
#[derive(Debug)]
struct Current {
    segment: Arc<Segment>,
    file: Arc<File>,
    open: Open,
    /// Whether a write told of it.
    is_told: bool,
}

/// The batch that is not ended yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Open {
    from: u64,
    to: u64,
    pub(super) observations: usize,
}

/// What a write changed.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Batches that are whole now.
    pub(super) ended: Vec<Waiting>,
    /// Observations of the batch that is not.
    pub(super) open: usize,
    /// Bytes that the files grew by.
    pub(super) bytes: u64,
    /// A file that was begun.
    pub(super) begun: Option<Arc<Segment>>,
    /// What has to be synced.
    pub(super) file: Option<Arc<File>>,
}

/// Why something was not written.
#[derive(Debug)]
pub(super) struct NotWritten {
    pub(super) error: io::Error,
    /// Half of it may be there, so nothing may be written behind it.
    pub(super) torn: bool,
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) waiting: Vec<Waiting>,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Bytes that cannot be read.
    pub(super) damaged: u64,
}

impl Line {
    /// Opens the line in a folder; `None` when another process writes it. What waits there is told, and what was not
    /// yet part of a batch is written anew.
    pub(super) fn open(folder: &Path, bytes_max: u64) -> io::Result<Option<(Self, Left, Written)>> {
        fs::create_dir_all(folder)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut line = Self {
            folder: folder.to_owned(),
            _lock: lock,
            name: draw_name(),
            number: 1,
            sequence: 1,
            segment_bytes_max: SEGMENT_BYTES_MAX.min(bytes_max / 8),
            current: None,
        };
        let (left, written) = line.take_over()?;
        Ok(Some((line, left, written)))
    }

    /// Finds what is in the folder. The line goes on under its name and numbers if all of its last file can be read.
    /// Otherwise numbers may have been given that nobody knows any more, so it goes on under another name: upstream
    /// tells observations that come twice, but could not tell that a number stands for something else now.
    fn take_over(&mut self) -> io::Result<(Left, Written)> {
        let (mut left, mut rest, mut cut) = (Left::default(), Vec::new(), Vec::new());
        for (sequence, segment) in Segment::all(&self.folder)? {
            self.sequence = sequence + 1;
            (self.name, self.number) = (draw_name(), 1);
            let Some(contents) = segment.contents()? else {
                left.damaged += segment.bytes();
                segment.set_aside()?;
                continue;
            };
            let Contents {
                name,
                first,
                batches,
                rest: open,
                end,
                damaged,
            } = contents;
            let name: Arc<str> = name.into();
            if damaged == 0 {
                let last = batches.last().map(|(number, ..)| number + 1);
                (self.name, self.number) = (Arc::clone(&name), last.unwrap_or(first));
            }
            for (number, observations, from, to) in batches {
                let segment = Arc::clone(&segment);
                segment.one_more_waits();
                left.waiting.push(Waiting {
                    name: Arc::clone(&name),
                    number,
                    observations,
                    place: Place::Disk(Extent { segment, from, to }),
                });
            }
            left.damaged += damaged;
            if damaged > 0 || !open.is_empty() {
                cut.push((Arc::clone(&segment), end));
            }
            rest.extend(open.iter().map(|(count, text)| Frame::again(*count, text)));
            left.segments.push(segment);
        }
        let written = match rest.is_empty() {
            true => Written::default(),
            false => self.write(&rest, false).map_err(|failed| failed.error)?,
        };
        if let Some(file) = &written.file {
            file.sync_data()?;
            sync_folder(&self.folder)?;
        }
        // Not before: observations that are there twice come once, but not those that are nowhere.
        for (segment, end) in cut {
            segment.cut(end)?;
        }
        Ok((left, written))
    }

    /// Writes frames behind each other, and ends batches where they are full; at the end too, if `end`.
    pub(super) fn write<'f>(
        &mut self,
        frames: impl IntoIterator<Item = &'f Frame>,
        end: bool,
    ) -> Result<Written, NotWritten> {
        let mut written = Written::default();
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin()?,
        };
        let start = current.segment.bytes();
        let mut draft = Draft {
            bytes: Vec::new(),
            start,
            open: current.open,
            name: &self.name,
            number: self.number,
            segment: &current.segment,
            ended: Vec::new(),
        };
        for frame in frames {
            draft.put(frame);
        }
        let is_full = start + draft.bytes.len() as u64 >= self.segment_bytes_max;
        if end || is_full {
            draft.end();
        }
        let Draft {
            bytes,
            open,
            number,
            ended,
            ..
        } = draft;
        let mut file = &*current.file;
        if let Err(error) = file.write_all(&bytes) {
            let torn = file.set_len(start).is_err();
            self.current = Some(current);
            return Err(NotWritten { error, torn });
        }
        current.segment.set_bytes(start + bytes.len() as u64);
        for one in &ended {
            if let Place::Disk(extent) = &one.place {
                extent.segment.one_more_waits();
            }
        }
        written.file = Some(Arc::clone(&current.file));
        written.bytes = bytes.len() as u64;
        if !std::mem::replace(&mut current.is_told, true) {
            written.bytes += start;
            written.begun = Some(Arc::clone(&current.segment));
        }
        written.open = open.observations;
        written.ended = ended;
        current.open = open;
        self.number = number;
        self.current = (!is_full).then_some(current);
        Ok(written)
    }

    fn begin(&mut self) -> Result<Current, NotWritten> {
        let created = Segment::create(&self.folder, self.sequence, &self.name, self.number);
        // Numbers of files are never used again, whatever became of this one.
        self.sequence += 1;
        let (segment, file) = created.map_err(|error| NotWritten { error, torn: false })?;
        let bytes = segment.bytes();
        Ok(Current {
            segment,
            file: Arc::new(file),
            open: Open {
                from: bytes,
                to: bytes,
                observations: 0,
            },
            is_told: false,
        })
    }
}

/// What is about to be written.
struct Draft<'l> {
    bytes: Vec<u8>,
    start: u64,
    open: Open,
    name: &'l Arc<str>,
    number: u64,
    segment: &'l Arc<Segment>,
    ended: Vec<Waiting>,
}

impl Draft<'_> {
    fn put(&mut self, frame: &Frame) {
        let bytes = self.open.to - self.open.from + frame.bytes.len() as u64;
        let too_many = self.open.observations + frame.observations > OBSERVATIONS_MAX;
        if too_many || bytes > BATCH_BYTES_MAX as u64 {
            self.end();
        }
        self.bytes.extend_from_slice(&frame.bytes);
        self.open.to = self.start + self.bytes.len() as u64;
        self.open.observations += frame.observations;
    }

    /// Ends the batch, if there is anything in it.
    fn end(&mut self) {
        if self.open.observations == 0 {
            return;
        }
        self.bytes.extend_from_slice(&Frame::end(self.number).bytes);
        let to = self.start + self.bytes.len() as u64;
        self.ended.push(Waiting {
            name: Arc::clone(self.name),
            number: self.number,
            observations: self.open.observations,
            place: Place::Disk(Extent {
                segment: Arc::clone(self.segment),
                from: self.open.from,
                to,
            }),
        });
        self.number += 1;
        self.open = Open {
            from: to,
            to,
            observations: 0,
        };
    }
}

/// Makes the names of new files survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
