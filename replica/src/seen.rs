//! Which units met their arm a moment ago: repeats need not be told.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_model::Timestamp;

/// Places, a power of two: 1 MiB.
const PLACES: usize = 1 << 17;

/// For so many seconds, as a power of two, a unit is not told again: 68 minutes. Whatever lost it upstream, it comes
/// again.
const PERIOD_BITS: u32 = 12;

/// A table of marks, each in the one place that it can have. A mark that is pushed out by another one costs a repeat,
/// nothing else.
#[derive(Debug, Default)]
pub(crate) struct Seen(OnceLock<Box<[AtomicU64]>>);

/// A unit and its arm, in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// What stands for a unit and its arm, by [`tidegate_eval::Dealt::trace`], at that moment.
    #[inline]
    pub(crate) fn new(trace: u64, at: Timestamp) -> Self {
        let period = at.timestamp().cast_unsigned() >> PERIOD_BITS;
        // Never nought, which is an empty place. The factor is that of Fibonacci hashing: near periods end far apart.
        Self((trace ^ period.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1))
    }
}

impl Seen {
    fn place(&self, mark: Mark) -> Option<&AtomicU64> {
        let places = self
            .0
            .get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        // The low bits of a 64 bit number, as many as there are places.
        places.get(usize::try_from(mark.0 & (PLACES as u64 - 1)).ok()?)
    }

    /// Whether it was noted and not pushed out.
    #[inline]
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.place(mark)
            .is_some_and(|place| place.load(Ordering::Acquire) == mark.0)
    }

    /// Notes it.
    pub(crate) fn note(&self, mark: Mark) {
        if let Some(place) = self.place(mark) {
            place.store(mark.0, Ordering::Release);
        }
    }

    /// Forgets everything: something was lost, and all units shall come again.
    pub(crate) fn clear(&self) {
        for place in self.0.get().into_iter().flatten() {
            place.store(0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_mark_is_there_until_it_is_pushed_out_or_its_period_is_over() {
        let seen = Seen::default();
        let at = Timestamp::default();
        let (one, other) = (Mark::new(7, at), Mark::new(7 + PLACES as u64, at));
        assert!(!seen.has(one));
        seen.note(one);
        assert!(seen.has(one) && !seen.has(other));
        assert!(seen.has(Mark::new(7, at + TimeDelta::seconds(4_095))));
        assert!(!seen.has(Mark::new(7, at + TimeDelta::seconds(4_096))));
        seen.note(other);
        assert!(seen.has(other) && !seen.has(one));
        seen.clear();
        assert!(!seen.has(other));
    }

    #[test]
    fn no_mark_is_an_empty_place() {
        assert!(!Seen::default().has(Mark::new(0, Timestamp::default())));
    }
}
