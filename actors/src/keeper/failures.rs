//! How often something failed, and what follows from that.

use std::collections::VecDeque;
use tidegate_model::Timestamp;
use tidegate_model::span::Span;

/// How long to wait before the n-th rebuild.
const BACK_OFF: [Span; 6] = [
    Span::ZERO,
    Span::millis(100),
    Span::millis(500),
    Span::seconds(2),
    Span::seconds(10),
    Span::seconds(30),
];
/// More failures than this within [`FAILURES_WITHIN`] set a thing apart.
const FAILURES_MAX: usize = 5;
/// See [`FAILURES_MAX`].
const FAILURES_WITHIN: Span = Span::seconds(600);

/// So many failures within [`FAILURES_WITHIN`] are no accident any more.
const FAILING_AFTER: usize = 3;

/// Failures of one actor that still count.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Timestamp>);

impl Failures {
    /// Notes one more. The wait before the next build; `None` when there were too many.
    pub(super) fn note(&mut self, now: Timestamp) -> Option<Span> {
        let horizon = FAILURES_WITHIN.before(now);
        self.0.retain(|at| *at > horizon);
        self.0.push_back(now);
        if self.0.len() > FAILURES_MAX {
            return None;
        }
        BACK_OFF.get(self.0.len() - 1).or(BACK_OFF.last()).copied()
    }

    /// Whether it fails again and again.
    pub(super) fn goes_on(&self, now: Timestamp) -> bool {
        let horizon = FAILURES_WITHIN.before(now);
        self.0.iter().filter(|at| **at > horizon).count() >= FAILING_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_and_ends_in_quarantine() {
        let mut failures = Failures::default();
        let now = Timestamp::default();
        let waits: Vec<_> = (0..6)
            .map(|second| failures.note(Span::seconds(second).after(now)))
            .collect();
        let expected = [
            Span::ZERO,
            Span::millis(100),
            Span::millis(500),
            Span::seconds(2),
            Span::seconds(10),
        ];
        assert_eq!(waits.iter().flatten().copied().collect::<Vec<_>>(), expected);
        assert_eq!(waits.last(), Some(&None));
        let third = Span::seconds(2).after(now);
        assert!(failures.goes_on(third), "it failed six times");
        let much_later = Span::seconds(3600).after(now);
        assert!(!failures.goes_on(much_later));
        assert_eq!(
            failures.note(much_later),
            Some(Span::ZERO),
            "old failures are forgiven"
        );
        assert!(!failures.goes_on(much_later), "once is an accident");
    }
}
