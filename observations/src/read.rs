//! Frames of one segment, one after the other.

use crate::frame::{self, Flaw, Frame, HEAD_BYTES};
use crate::segment::Segment;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How much is read at once, in bytes.
const PIECE_BYTES: usize = 1 << 20;

/// What stands at the reader's place.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// Something that is none.
    Flaw(Flaw),
    /// The end.
    End,
}

/// A place in one segment. It reads nothing behind the limit that it is given: what stands there was not synced, and may
/// be taken away again.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Which segment.
    pub(crate) segment: Segment,
    file: File,
    /// Where the next frame begins, in bytes.
    pub(crate) offset: u64,
    /// Read ahead: from `start` on what stands at `offset`.
    buffer: Vec<u8>,
    start: usize,
}

impl Reader {
    /// At the first frame.
    pub(crate) fn open(segment: &Segment) -> io::Result<Self> {
        Ok(Self {
            file: File::open(&segment.path)?,
            offset: segment.start,
            segment: segment.clone(),
            buffer: Vec::new(),
            start: 0,
        })
    }

    /// What stands here. The place stays.
    pub(crate) fn look(&mut self, limit: u64) -> io::Result<Found<'_>> {
        if self.offset >= limit {
            return Ok(Found::End);
        }
        self.fill(HEAD_BYTES, limit)?;
        let bytes = match frame::length(self.ahead()) {
            Ok(bytes) => bytes,
            Err(flaw) => return Ok(Found::Flaw(flaw)),
        };
        self.fill(bytes, limit)?;
        Ok(match frame::decode(self.ahead()) {
            Ok(frame) => Found::Frame(frame),
            Err(flaw) => Found::Flaw(flaw),
        })
    }

    /// Passes over so many bytes.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        self.start = (self.start + bytes).min(self.buffer.len());
    }

    /// Passes over everything.
    pub(crate) fn pass_all(&mut self, limit: u64) {
        self.offset = limit;
        self.start = self.buffer.len();
    }

    /// The next whole frame of the batch `least` or a later one behind what stands here: how many bytes further, and its
    /// head. The place stays.
    pub(crate) fn next_whole(
        &mut self,
        least: u64,
        limit: u64,
    ) -> io::Result<Option<(usize, frame::FrameHead)>> {
        let rest = usize::try_from(limit - self.offset).unwrap_or(usize::MAX);
        self.fill(rest, limit)?;
        Ok(frame::next_whole(self.ahead(), least).map(|(at, frame)| (at, frame.head)))
    }

    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Sees to it that so many bytes are read ahead, if there are so many.
    fn fill(&mut self, bytes: usize, limit: u64) -> io::Result<()> {
        let there = self.buffer.len() - self.start;
        let left = limit - self.offset;
        let wanted = left.min(bytes as u64);
        if there as u64 >= wanted {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let all = usize::try_from(left.min(bytes.max(PIECE_BYTES) as u64)).unwrap_or(usize::MAX);
        self.buffer.resize(all, 0);
        let mut filled = there;
        while let Some(rest) = self.buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.offset + filled as u64) {
                // The file is shorter than it was.
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error);
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}
