//! When the control plane stops taking what opens anything, and only serves; and what is taken meanwhile.
//!
//! It serves only while its own deciding cannot be relied on: too many actors fail, their thread is late by seconds, or
//! the store does not answer. Nodes have their snapshots, and rollouts are looked at and shut. Nothing opens, and nobody
//! edits. It is over by itself, once the cause has been over for a while.

use crate::freeze;
use std::fmt;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::change::Change;
use tidegate_model::span::Span;

/// So many actors that fail again and again, or are kept apart, are no accident of one rollout.
pub const FAILING_MANY: usize = 5;
/// With so few of them it is over.
const FAILING_FEW: usize = 2;
/// Whoever is later than this does not know the world any more (faults.md F58).
const LATE: Span = Span::seconds(5);
/// How long a cause must have been over before anything is taken again.
pub const RECOVERY: Span = Span::seconds(60);

/// Why it only serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Too many actors fail again and again, or are kept apart.
    Actors,
    /// The thread of the actors is late by seconds.
    Late,
    /// The store failed, or does not answer in time.
    Storage,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Actors, Self::Late, Self::Storage];

    /// Its name in the API and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Actors => "actors",
            Self::Late => "late",
            Self::Storage => "storage",
        }
    }

    /// Whether what was seen is this, and whether it is enough of it to go on with.
    fn seen(self, signs: &Signs) -> (bool, bool) {
        match self {
            Self::Actors => (signs.failing >= FAILING_MANY, signs.failing > FAILING_FEW),
            Self::Late => (signs.lag > LATE, signs.lag > LATE),
            Self::Storage => (signs.stuck, signs.stuck),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Actors => write!(
                f,
                "{FAILING_MANY} or more actors failed again and again, or are kept apart"
            ),
            Self::Late => write!(f, "the thread of the actors was late by more than {LATE}"),
            Self::Storage => f.write_str("the store does not answer, or failed"),
        }
    }
}

/// What is seen at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// How many actors failed again and again of late, or are kept apart.
    pub failing: usize,
    /// How late the thread of the actors is.
    pub lag: Span,
    /// Whether the store failed, or a commit got no answer since the last look.
    pub stuck: bool,
}

/// What was seen before, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Serving {
    /// When each of [`Cause::ALL`] was seen last.
    last: [Option<Timestamp>; Cause::ALL.len()],
}

impl Serving {
    /// Takes a look at `now`: why it only serves, which is nothing while all is well.
    pub fn look(&mut self, signs: &Signs, now: Timestamp) -> Vec<Cause> {
        let mut causes = Vec::new();
        for (cause, last) in Cause::ALL.into_iter().zip(&mut self.last) {
            *last = last.filter(|last| now < RECOVERY.after(*last));
            let (begins, goes_on) = cause.seen(signs);
            if begins || (last.is_some() && goes_on) {
                *last = Some(now);
            }
            causes.extend(last.map(|_| cause));
        }
        causes
    }
}

/// Whether these changes, which `by` wants together, are taken while the control plane only serves: of people what shuts
/// something or tells of alerts, of Tidegate itself everything that opens nothing.
pub fn is_taken<'a>(by: &Author, changes: impl Iterator<Item = &'a Change>) -> bool {
    let (mut opens, mut shuts) = (false, false);
    for change in changes {
        opens |= freeze::is_held(change);
        shuts |= change.shuts() || matches!(change, Change::AlertResolved { .. } | Change::AlertForgotten);
    }
    !opens && (shuts || *by == Author::Tidegate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Span::seconds(seconds).after(Timestamp::default())
    }

    /// Looks at what each second brought, and says after each whether it only serves.
    fn told(looks: &[(u64, Signs)]) -> Vec<bool> {
        let mut serving = Serving::default();
        let look = |(second, signs): &(u64, Signs)| !serving.look(signs, at(*second)).is_empty();
        looks.iter().map(look).collect()
    }

    #[test]
    fn f58_five_seconds_late_holds_for_a_minute() {
        let late = |seconds| Signs {
            lag: Span::seconds(seconds),
            ..Signs::default()
        };
        let looks = [
            (0, late(0)),
            (1, late(5)),
            (2, late(6)),
            (3, late(0)),
            (30, late(7)),
            (62, late(0)),
            (89, late(0)),
            (90, late(0)),
            (91, late(5)),
        ];
        let on = [false, false, true, true, true, true, true, false, false];
        assert_eq!(told(&looks), on);
    }

    #[test]
    fn actors_that_fail_are_counted_with_a_gap_between_on_and_off() {
        let failing = |failing| Signs {
            failing,
            ..Signs::default()
        };
        let looks = [
            (0, failing(4)),
            (1, failing(5)),
            (40, failing(3)),
            (99, failing(3)),
            (100, failing(2)),
            (158, failing(2)),
            (159, failing(4)),
            (160, failing(5)),
        ];
        let on = [false, true, true, true, true, true, false, true];
        assert_eq!(told(&looks), on);
    }

    #[test]
    fn a_store_that_is_stuck_holds_for_a_minute_beside_other_causes() {
        let stuck = Signs {
            stuck: true,
            ..Signs::default()
        };
        let mut serving = Serving::default();
        assert_eq!(serving.look(&stuck, at(0)), [Cause::Storage]);
        let more = Signs {
            failing: 9,
            ..Signs::default()
        };
        assert_eq!(serving.look(&more, at(59)), [Cause::Actors, Cause::Storage]);
        assert_eq!(serving.look(&Signs::default(), at(60)), [Cause::Actors]);
        assert_eq!(serving.look(&Signs::default(), at(119)), []);
    }
}
