//! What the log holds, found at start.

use crate::disk::sync_folder;
use crate::error::LogError;
use crate::extent::{Extent, warn_not_aside};
use crate::frame::FrameHead;
use crate::pack::front;
use crate::read::{Found, Reader};
use crate::segment::{self, Beginning, Segment};
use crate::spool::Ledger;
use crate::status::{Damage, Torn};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// The segments, and where they end.
    pub(crate) extent: Extent,
    /// What was taken in.
    pub(crate) ledger: Ledger,
    /// What cannot be read, with the number of its segment.
    pub(crate) damaged: Vec<(u64, Damage)>,
    /// What was cut off.
    pub(crate) torn: Option<Torn>,
    /// Whether the last segment may be written to.
    pub(crate) goes_on: bool,
}

/// Reads what has to be read before a batch can be taken in: the heads of all segments, and the frames since the newest
/// whole head, which is that of the last segment but for damage. Cuts off what is torn, sets aside what is damaged. Older
/// frames are checked when they are read for a fold.
pub(crate) fn open(folder: &Path) -> Result<Opened, LogError> {
    let mut opened = Opened::default();
    let segments = opened.heads(folder, true)?;
    let newest = segments.iter().rposition(|(_, ledger)| ledger.is_some());
    let from = newest.unwrap_or_default();
    if let Some((segment, Some(ledger))) = segments.get(from) {
        opened.ledger = ledger.clone();
        opened.extent.sequence = segment.first.saturating_sub(1);
        opened.extent.received = segment.since;
    }
    let mut segments: Vec<Segment> = segments.into_iter().map(|(segment, _)| segment).collect();
    let count = segments.len();
    for (index, segment) in segments.iter_mut().enumerate().skip(from) {
        opened.frames(segment, index + 1 == count)?;
    }
    if let Some(last) = segments.last() {
        opened.extent.end = last.bytes;
        let damaged = |(number, _): &(u64, Damage)| *number == last.number;
        opened.goes_on = !last.aside && !opened.damaged.iter().any(damaged);
    }
    for segment in &mut segments {
        let damaged = opened.damaged.iter().any(|(number, _)| *number == segment.number);
        if damaged && !segment.aside {
            let aside = segment.aside();
            match fs::rename(&segment.path, &aside.path) {
                Ok(()) => *segment = aside,
                Err(error) => warn_not_aside(&segment.path, &error),
            }
        }
    }
    opened.extent.segments = Arc::new(segments);
    Ok(opened)
}

/// The segments as they are, for reading only: nothing is cut off or set aside.
pub(crate) fn look_through(folder: &Path) -> Result<Extent, LogError> {
    let mut opened = Opened::default();
    let segments = opened.heads(folder, false)?;
    let segments: Vec<Segment> = segments.into_iter().map(|(segment, _)| segment).collect();
    Ok(Extent {
        end: segments.last().map_or(0, |last| last.bytes),
        segments: Arc::new(segments),
        sequence: Extent::OPEN_ENDED,
        received: i64::MAX,
    })
}

impl Opened {
    /// All segments, each with the ledger in its head if that is whole. One that was never finished is
    /// removed, if that is `mends`.
    fn heads(&mut self, folder: &Path, mends: bool) -> Result<Vec<(Segment, Option<Ledger>)>, LogError> {
        let files = segment::list(folder)?;
        let mut segments: Vec<(Segment, Option<Ledger>)> = Vec::with_capacity(files.len());
        let count = files.len();
        for (index, (number, path, aside)) in files.into_iter().enumerate() {
            let bytes = fs::metadata(&path).map_err(LogError::io("reading", &path))?.len();
            let before = segments.last().map(|(segment, _)| segment);
            let (first, since) = before.map_or((1, i64::MIN), |before| (before.first, before.since));
            let mut segment = Segment {
                number,
                path,
                first,
                since,
                start: 0,
                bytes,
                aside,
            };
            if let Some(before) = before.filter(|before| before.number + 1 != number) {
                let missing = folder.join(format!("{:08}.log", before.number + 1));
                let damage = damage(missing, 0, 0, 0, "the file is missing".to_owned());
                self.damaged.push((before.number + 1, damage));
            }
            match segment::read_head(&segment.path)? {
                Beginning::Head(head, start) => {
                    (segment.first, segment.since, segment.start) = (head.first, head.received, start);
                    segments.push((segment, Some(head.ledger)));
                }
                Beginning::NotWhole if index + 1 == count && self.is_unborn(&segment)? => {
                    // Heads are synced before the first frame is written behind them.
                    if !mends {
                        continue;
                    }
                    fs::remove_file(&segment.path).map_err(LogError::io("removing", &segment.path))?;
                    sync_folder(folder).map_err(LogError::io("syncing", folder))?;
                    self.torn = Some(Torn {
                        file: segment.path,
                        offset: 0,
                        bytes,
                    });
                }
                Beginning::NotWhole => {
                    let what = "the head of the segment is not whole".to_owned();
                    let damage = damage(segment.path.clone(), 0, 0, 0, what);
                    self.damaged.push((number, damage));
                    segments.push((segment, None));
                }
            }
        }
        Ok(segments)
    }

    /// Whether no frame stands in the segment.
    fn is_unborn(&self, segment: &Segment) -> Result<bool, LogError> {
        let reading = |error| LogError::io("reading", &segment.path)(error);
        let mut reader = Reader::open(segment).map_err(reading)?;
        Ok(reader.next_whole(0, segment.bytes).map_err(reading)?.is_none())
    }

    /// Takes over what stands in the frames of a segment.
    fn frames(&mut self, segment: &mut Segment, last: bool) -> Result<(), LogError> {
        let path = segment.path.clone();
        let reading = |error| LogError::io("reading", &path)(error);
        let mut reader = Reader::open(segment).map_err(reading)?;
        loop {
            let next = self.extent.sequence + 1;
            let offset = reader.offset;
            let flaw = match reader.look(segment.bytes).map_err(reading)? {
                Found::End => return Ok(()),
                Found::Frame(frame) => {
                    let (head, bytes) = (frame.head, frame.bytes());
                    let read = front(frame.packed);
                    reader.pass(bytes);
                    let unknown = read.is_err();
                    if let Ok((spool, number, observations)) = read {
                        self.ledger.adopt(&spool, number, head.received, observations);
                    }
                    if unknown || head.sequence != next {
                        let what = format!("batch {next} cannot be understood, or is not there");
                        let batches = (head.sequence + u64::from(unknown)).saturating_sub(next);
                        let damage = damage(path.clone(), offset, 0, batches, what);
                        self.damaged.push((segment.number, damage));
                    }
                    self.advance(head);
                    continue;
                }
                Found::Flaw(flaw) => flaw,
            };
            let found = reader.next_whole(next, segment.bytes).map_err(reading)?;
            if last && !segment.aside && self.is_torn(&mut reader, next, segment.bytes, found)? {
                self.cut(segment, offset)?;
                return Ok(());
            }
            // A damaged head is told of once.
            let told = offset == 0 && segment.start == 0;
            let bytes = found.map_or(segment.bytes - offset, |(bytes, _)| bytes as u64);
            let batches = found.map_or(0, |(_, head)| head.sequence - next);
            if !told || batches > 0 {
                let damage = damage(
                    path.clone(),
                    offset,
                    bytes,
                    batches,
                    format!("batch {next}: {flaw}"),
                );
                self.damaged.push((segment.number, damage));
            }
            match found {
                Some((bytes, _)) => reader.pass(bytes),
                None => reader.pass_all(segment.bytes),
            }
            if let Some((_, head)) = found {
                self.extent.sequence = head.sequence - 1;
            }
        }
    }

    fn advance(&mut self, head: FrameHead) {
        self.extent.sequence = self.extent.sequence.max(head.sequence);
        self.extent.received = self.extent.received.max(head.received);
    }

    /// What is not a frame is torn if no later write stands behind it: writes are synced one after the other, so a later
    /// one proves that this one was whole and acknowledged.
    fn is_torn(
        &self,
        reader: &mut Reader,
        next: u64,
        limit: u64,
        found: Option<(usize, FrameHead)>,
    ) -> Result<bool, LogError> {
        let Some((_, head)) = found else {
            return Ok(true);
        };
        if head.group > next {
            return Ok(false);
        }
        // Of the same write: perhaps a later one stands behind it.
        let mut least = head.sequence;
        let path = reader.segment.path.clone();
        loop {
            let found = reader.next_whole(least + 1, limit);
            match found.map_err(LogError::io("reading", &path))? {
                Some((_, head)) if head.group > next => return Ok(false),
                Some((_, head)) => least = head.sequence,
                None => return Ok(true),
            }
        }
    }

    /// Takes away what is torn, so that the next batch stands behind the last whole one.
    fn cut(&mut self, segment: &mut Segment, offset: u64) -> Result<(), LogError> {
        let path = &segment.path;
        let file = OpenOptions::new().write(true).open(path);
        file.and_then(|file| {
            file.set_len(offset)?;
            file.sync_all()
        })
        .map_err(LogError::io("cutting", path))?;
        let bytes = segment.bytes - offset;
        tracing::warn!(file = %path.display(), offset, bytes, "a write that was never acknowledged is cut off");
        self.torn = Some(Torn {
            file: path.clone(),
            offset,
            bytes,
        });
        segment.bytes = offset;
        Ok(())
    }
}

fn damage(file: std::path::PathBuf, offset: u64, bytes: u64, batches: u64, what: String) -> Damage {
    Damage {
        file,
        offset,
        bytes,
        batches,
        what,
    }
}
