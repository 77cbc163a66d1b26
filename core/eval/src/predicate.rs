//! Conditions and segments, nested and compiled.

use crate::condition::Condition;
use crate::prepared::PreparedContext;
use crate::segment::Segment;

/// Conditions and segments, nested at most
/// [`PREDICATE_DEPTH_MAX`](tidegate_model::condition::PREDICATE_DEPTH_MAX) deep.
#[derive(Debug)]
pub(crate) enum Predicate {
    All(Box<[Predicate]>),
    Any(Box<[Predicate]>),
    Not(Box<Predicate>),
    /// The place of a segment in the snapshot.
    Segment(u32),
    Condition(Condition),
}

impl Predicate {
    /// Stands where something could not be compiled; the snapshot is refused anyway.
    pub(crate) fn nobody() -> Self {
        Self::Any(Box::default())
    }

    /// Whether it holds for the context.
    #[inline]
    pub(crate) fn holds(&self, segments: &[Segment], context: &PreparedContext<'_>) -> bool {
        // Most rules are one condition. It is asked here, in the caller's loop, without a call.
        match self {
            Self::Condition(condition) => condition.holds(context),
            nested => nested.nested_holds(segments, context),
        }
    }

    fn nested_holds(&self, segments: &[Segment], context: &PreparedContext<'_>) -> bool {
        match self {
            Self::Condition(condition) => condition.holds(context),
            Self::All(inner) => inner.iter().all(|one| one.holds(segments, context)),
            Self::Any(inner) => inner.iter().any(|one| one.holds(segments, context)),
            Self::Not(inner) => !inner.holds(segments, context),
            Self::Segment(place) => context.member(*place, || {
                segments
                    .get(*place as usize)
                    .is_some_and(|segment| segment.contains(segments, context))
            }),
        }
    }
}
