//! Batches of the whole log, one after the other.

use crate::extent::Extent;
use crate::pack::unpack;
use crate::read::{Found, Reader};
use crate::segment::{Segment, is_absent};
use crate::status::Damage;
use tidegate_model::observation::ObservationBatch;

/// What a step comes upon.
#[derive(Debug)]
pub(crate) enum Step {
    /// A batch.
    Batch {
        /// When it was received, in milliseconds since 1970.
        received: i64,
        /// What it says.
        batch: Box<ObservationBatch>,
    },
    /// Something that cannot be read, in the segment of this number. It is passed over.
    Damage(u64, Damage),
    /// Nothing more, for now.
    End,
}

/// A place in the log.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Sequence of the batch that comes next.
    pub(crate) next: u64,
    /// No segment before this one is read any more.
    segment: u64,
    reader: Option<Reader>,
}

impl Cursor {
    /// At the beginning of the segment of this number, or of the next that is there.
    pub(crate) fn at(extent: &Extent, number: u64) -> Self {
        let found = extent.segments.iter().find(|segment| segment.number >= number);
        Self {
            next: found.map_or(extent.sequence + 1, |segment| segment.first),
            segment: number,
            reader: None,
        }
    }

    /// One further.
    pub(crate) fn step(&mut self, extent: &Extent) -> Step {
        loop {
            // The end in mind may be an older one than where this stands already.
            if self.next > extent.sequence {
                return Step::End;
            }
            match self.reader.take() {
                Some(reader) => {
                    if let Some(step) = self.read(reader, extent) {
                        return step;
                    }
                }
                None => match self.open(extent) {
                    Some(Step::End) => return Step::End,
                    Some(step) => return step,
                    None => {}
                },
            }
        }
    }

    /// Goes to the next segment. `None` when all is well.
    fn open(&mut self, extent: &Extent) -> Option<Step> {
        let mut rest = extent.segments.iter();
        let Some(segment) = rest.find(|segment| segment.number >= self.segment) else {
            return Some(Step::End);
        };
        if segment.first > self.next {
            let batches = segment.first - self.next;
            let what = format!("batches {} to {} are not there", self.next, segment.first - 1);
            self.next = segment.first;
            return Some(Step::Damage(segment.number, damage(segment, 0, 0, batches, what)));
        }
        self.segment = segment.number;
        match Reader::open(segment) {
            Ok(reader) => {
                self.reader = Some(reader);
                None
            }
            Err(error) => {
                // It was forgotten, or set aside, since the extent was looked at.
                let moved = is_absent(&error) && !segment.aside;
                if moved && let Ok(reader) = Reader::open(&segment.aside()) {
                    self.reader = Some(reader);
                    return None;
                }
                self.segment += 1;
                let following = rest.next().map_or(extent.sequence + 1, |next| next.first);
                let batches = following.saturating_sub(self.next);
                self.next = following.max(self.next);
                let damage = damage(segment, 0, segment.bytes, batches, error.to_string());
                Some(Step::Damage(segment.number, damage))
            }
        }
    }

    /// Reads on. `None` when the segment is at its end, and when it stands somewhere else now.
    fn read(&mut self, mut reader: Reader, extent: &Extent) -> Option<Step> {
        let limit = extent.limit(&reader.segment);
        let segment = reader.segment.clone();
        let offset = reader.offset;
        let (step, bytes) = match reader.look(limit) {
            Ok(Found::End) => {
                self.segment = segment.number + 1;
                return None;
            }
            Ok(Found::Frame(frame)) => {
                let bytes = frame.bytes();
                let sequence = frame.head.sequence;
                if sequence > self.next {
                    let batches = sequence - self.next;
                    let what = format!("batches {} to {} are not there", self.next, sequence - 1);
                    self.next = sequence;
                    let damage = damage(&segment, offset, 0, batches, what);
                    self.reader = Some(reader);
                    return Some(Step::Damage(segment.number, damage));
                }
                let step = match unpack(frame.packed) {
                    _ if sequence < self.next => None,
                    Ok(batch) => Some(Step::Batch {
                        received: frame.head.received,
                        batch: Box::new(batch),
                    }),
                    Err(error) => {
                        let what = format!("batch {sequence} cannot be understood: {error}");
                        let damage = damage(&segment, offset, bytes as u64, 1, what);
                        Some(Step::Damage(segment.number, damage))
                    }
                };
                self.next = self.next.max(sequence + 1);
                (step, Some(bytes))
            }
            Ok(Found::Flaw(flaw)) => {
                let what = format!("batch {}: {flaw}", self.next);
                return Some(self.pass_damage(reader, extent, what));
            }
            Err(error) => return Some(self.pass_damage(reader, extent, error.to_string())),
        };
        reader.pass(bytes.unwrap_or_default());
        self.reader = Some(reader);
        step
    }

    /// Goes on behind what cannot be read.
    fn pass_damage(&mut self, mut reader: Reader, extent: &Extent, what: String) -> Step {
        let segment = reader.segment.clone();
        let limit = extent.limit(&segment);
        let offset = reader.offset;
        let found = reader.next_whole(self.next, limit).ok().flatten();
        let (bytes, next) = if let Some((bytes, head)) = found {
            reader.pass(bytes);
            (bytes as u64, head.sequence)
        } else {
            reader.pass_all(limit);
            let mut later = extent.segments.iter();
            let later = later.find(|later| later.number > segment.number && later.start > 0);
            (
                limit - offset,
                later.map_or(extent.sequence + 1, |later| later.first),
            )
        };
        let unknown = next > Extent::OPEN_ENDED && extent.is_open_ended();
        let batches = match unknown {
            true => 0,
            false => next.saturating_sub(self.next),
        };
        self.next = next.max(self.next);
        self.reader = Some(reader);
        Step::Damage(segment.number, damage(&segment, offset, bytes, batches, what))
    }
}

fn damage(segment: &Segment, offset: u64, bytes: u64, batches: u64, what: String) -> Damage {
    Damage {
        file: segment.path.clone(),
        offset,
        bytes,
        batches,
        what,
    }
}
