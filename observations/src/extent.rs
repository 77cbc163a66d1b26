//! What of the log is on disk and synced: what the writer says to those who read.

use crate::segment::Segment;
use crate::status::{Damage, Status, Taking};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::key::ExperimentKey;

/// All of the log at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extent {
    /// The segments in their order; the last one is written to.
    pub(crate) segments: Arc<Vec<Segment>>,
    /// Where the last one ends, in bytes.
    pub(crate) end: u64,
    /// Sequence of the last batch.
    pub(crate) sequence: u64,
    /// When it was received, in milliseconds since 1970.
    pub(crate) received: i64,
}

impl Extent {
    /// Behind every batch.
    pub(crate) const OPEN_ENDED: u64 = u64::MAX - 1;

    /// Where a segment ends, in bytes.
    pub(crate) fn limit(&self, segment: &Segment) -> u64 {
        if self
            .segments
            .last()
            .is_some_and(|last| last.number == segment.number)
        {
            return self.end;
        }
        // What a reader knows of a segment is from when it was opened, and it may have been written to since.
        let known = self.segments.iter().find(|known| known.number == segment.number);
        known.unwrap_or(segment).bytes
    }

    /// Whether nobody knows which batch is the last one: the log is read as it lies there.
    pub(crate) const fn is_open_ended(&self) -> bool {
        self.sequence == Self::OPEN_ENDED
    }

    /// The number of the first segment that can hold a batch that was received at that time or later. One whose head is
    /// damaged does not say since when it is there.
    pub(crate) fn segment_since(&self, received: i64) -> u64 {
        let before = self
            .segments
            .iter()
            .rev()
            .find(|segment| segment.start > 0 && segment.since < received);
        before
            .or(self.segments.first())
            .map_or(0, |segment| segment.number)
    }

    /// Bytes of all segments.
    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| self.limit(segment)).sum()
    }
}

/// What the writer, the fold and all handles share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    extent: Mutex<Extent>,
    status: Mutex<Status>,
    needs: Mutex<BTreeMap<ExperimentKey, i64>>,
}

/// Whoever holds the lock changes one value and cannot fail halfway: what a thread that died left is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The log as it is.
    pub(crate) fn extent(&self) -> Extent {
        lock(&self.extent).clone()
    }

    /// Changes it.
    pub(crate) fn set_extent(&self, change: impl FnOnce(&mut Extent)) {
        let mut extent = lock(&self.extent);
        change(&mut extent);
        let (bytes, segments) = (extent.bytes(), extent.segments.len() as u64);
        drop(extent);
        self.note(|status| {
            status.bytes = bytes;
            status.segments = segments;
        });
    }

    /// An experiment needs what was received at this time or later, in milliseconds since 1970; `None` for nothing any more.
    pub(crate) fn need(&self, experiment: &ExperimentKey, since: Option<i64>) {
        let mut needs = lock(&self.needs);
        match since {
            Some(since) => needs.insert(experiment.clone(), since),
            None => needs.remove(experiment),
        };
    }

    /// Since when anybody needs the log, in milliseconds since 1970; `None` when nobody does.
    pub(crate) fn needed_from(&self) -> Option<i64> {
        lock(&self.needs).values().copied().min()
    }

    /// How everything is.
    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// Changes that.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }

    /// Why batches are not acknowledged any more, if so.
    pub(crate) fn stopped(&self) -> Option<String> {
        match &lock(&self.status).taking {
            Taking::Stopped { why } => Some(why.clone()),
            Taking::Open | Taking::Full => None,
        }
    }

    /// Tells of damage, once, and sets the segment aside unless it is the one that is written to: that one is set aside by
    /// the next start.
    pub(crate) fn damaged(&self, number: u64, damage: Damage) {
        let mut is_new = false;
        self.note(|status| {
            let known = |other: &Damage| {
                other.offset == damage.offset && other.file.file_stem() == damage.file.file_stem()
            };
            is_new = !status.damaged.iter().any(known);
            if is_new {
                tracing::error!(%damage, "observations were lost");
                status.damaged.push(damage);
            }
        });
        if is_new {
            self.set_aside(number);
        }
    }

    fn set_aside(&self, number: u64) {
        let mut extent = lock(&self.extent);
        let last = extent.segments.last().map(|last| last.number);
        for segment in Arc::make_mut(&mut extent.segments) {
            if segment.number == number && !segment.aside && Some(number) != last {
                let aside = segment.aside();
                match std::fs::rename(&segment.path, &aside.path) {
                    Ok(()) => *segment = aside,
                    Err(error) => warn_not_aside(&segment.path, &error),
                }
            }
        }
    }
}

/// It is read as it is, wherever it stands.
pub(crate) fn warn_not_aside(path: &Path, error: &std::io::Error) {
    tracing::warn!(path = %path.display(), %error, "a damaged segment cannot be set aside");
}
