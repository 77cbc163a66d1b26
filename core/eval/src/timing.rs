//! What an answer asks of time, known before anybody asks for the answer.

use crate::condition::{Condition, Test};
use crate::evaluation::Lasting;
use crate::number::Number;
use crate::operator::moment::When;
use crate::predicate::Predicate;
use crate::vocabulary::AttributeId;
use chrono::{SubsecRound, TimeDelta};
use std::collections::BTreeSet;
use std::ops::Bound;
use tidegate_model::Timestamp;
use tidegate_model::condition::moment;

/// Whether an answer to one and the same context can change while time passes.
///
/// Said about contexts that take `timestamp` from the evaluation; one that brings its own may have answers
/// that last longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Only at these moments; at none, if there are none.
    Fixed(BTreeSet<Timestamp>),
    /// At moments that depend on the context.
    Relative,
}

impl Timing {
    /// It never changes.
    pub(crate) const NEVER: Self = Self::Fixed(BTreeSet::new());

    /// When an answer may change that depends on both.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fixed(mut moments), Self::Fixed(others)) => {
                moments.extend(others);
                Self::Fixed(moments)
            }
            _ => Self::Relative,
        }
    }

    /// How long an answer lasts that is given at a moment.
    pub(crate) fn after(&self, at: Timestamp) -> Lasting {
        match self {
            Self::Fixed(moments) => {
                let next = moments.range((Bound::Excluded(at), Bound::Unbounded)).next();
                next.map_or(Lasting::Always, |next| Lasting::Until(*next))
            }
            Self::Relative => Lasting::Unknown,
        }
    }

    fn at(moments: impl IntoIterator<Item = Option<Timestamp>>) -> Self {
        Self::Fixed(moments.into_iter().flatten().collect())
    }
}

impl Predicate {
    /// When it may change. `segments` tells the same of segments, by their places.
    pub(crate) fn timing(&self, segments: &mut dyn FnMut(u32) -> Timing) -> Timing {
        match self {
            Self::All(inner) | Self::Any(inner) => {
                let each = inner.iter().map(|one| one.timing(segments));
                each.fold(Timing::NEVER, Timing::and)
            }
            Self::Not(inner) => inner.timing(segments),
            Self::Segment(place) => segments(*place),
            Self::Condition(condition) => condition.timing(),
        }
    }
}

impl Condition {
    /// When it may change. The evaluation's `timestamp` has whole seconds, so everything about it changes
    /// at a whole second.
    fn timing(&self) -> Timing {
        match &self.test {
            Test::When(When::WithinLast(_) | When::WithinNext(_) | When::OlderThan(_)) => Timing::Relative,
            _ if self.attribute != AttributeId::TIMESTAMP => Timing::NEVER,
            Test::Exists => Timing::NEVER,
            Test::When(When::Before(end)) => Timing::at([from(*end)]),
            Test::When(When::After(start)) => Timing::at([beyond(*start)]),
            Test::When(When::Between(start, end)) => Timing::at([from(*start), beyond(*end)]),
            Test::Less(bound) | Test::AtLeast(bound) => Timing::at([moment_of(*bound).and_then(from)]),
            Test::AtMost(bound) | Test::Greater(bound) => Timing::at([moment_of(*bound).and_then(beyond)]),
            Test::Between(low, high) => {
                Timing::at([moment_of(*low).and_then(from), moment_of(*high).and_then(beyond)])
            }
            _ => Timing::Relative,
        }
    }
}

/// The first whole second that is not before the moment.
fn from(moment: Timestamp) -> Option<Timestamp> {
    let second = moment.trunc_subsecs(0);
    if second == moment {
        Some(second)
    } else {
        beyond(moment)
    }
}

/// The first whole second after the moment.
fn beyond(moment: Timestamp) -> Option<Timestamp> {
    moment.trunc_subsecs(0).checked_add_signed(TimeDelta::seconds(1))
}

/// What Unix seconds name. What they do not name lies so far away that nothing changes there.
fn moment_of(number: Number) -> Option<Timestamp> {
    match number {
        Number::Whole(seconds) => moment::of_unix_seconds(seconds),
        other => moment::of_unix_time(other.as_f64()),
    }
}
