//! Conditions and their nesting, compiled.

use crate::attribute::{Attribute, Seen};
use crate::constant_set::ConstantSet;
use crate::number::Number;
use crate::pattern::Pattern;
use crate::prepared::PreparedContext;
use crate::vocabulary::{AttributeId, Constant};
use tidegate_model::condition::Operator;
use tidegate_model::key::SegmentKey;

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
            Self::Condition(condition) => condition.holds(context.attribute(condition.attribute)),
            nested => nested.nested_holds(segments, context),
        }
    }

    fn nested_holds(&self, segments: &[Segment], context: &PreparedContext<'_>) -> bool {
        match self {
            Self::Condition(condition) => condition.holds(context.attribute(condition.attribute)),
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

/// A segment, compiled once for all flags that use it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) key: SegmentKey,
    pub(crate) included: ConstantSet,
    pub(crate) excluded: ConstantSet,
    pub(crate) when: Option<Predicate>,
}

impl Segment {
    fn contains(&self, segments: &[Self], context: &PreparedContext<'_>) -> bool {
        let unit = context.targeting_key();
        !self.excluded.contains(unit)
            && (self.included.contains(unit)
                || self
                    .when
                    .as_ref()
                    .is_some_and(|when| when.holds(segments, context)))
    }
}

/// One question about one attribute.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) attribute: AttributeId,
    pub(crate) operator: Operator,
    pub(crate) test: Test,
    /// What it is compared with, as JSON and cut to a readable length, for explanations.
    pub(crate) operand: Box<str>,
}

/// What is asked of the attribute's value. The negative operators share the test of the positive ones.
#[derive(Debug)]
pub(crate) enum Test {
    Equals(Constant),
    In(ConstantSet),
    Greater(Number),
    Less(Number),
    Contains(Box<str>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Matches(Pattern),
    Exists,
}

impl Condition {
    /// Whether it holds for this value. A missing value passes no test, so it is left with the
    /// negative operators.
    #[inline]
    pub(crate) fn holds(&self, attribute: &Attribute<'_>) -> bool {
        let negative = matches!(
            self.operator,
            Operator::NotEquals | Operator::NotIn | Operator::NotExists
        );
        self.test.passes(attribute) != negative
    }
}

impl Test {
    #[inline]
    fn passes(&self, attribute: &Attribute<'_>) -> bool {
        let seen = &attribute.seen;
        match self {
            Self::Equals(wanted) => attribute.constant == *wanted,
            Self::In(wanted) => wanted.contains(attribute.constant),
            Self::Greater(bound) => seen.number().is_some_and(|number| number > *bound),
            Self::Less(bound) => seen.number().is_some_and(|number| number < *bound),
            Self::Contains(part) => match seen {
                Seen::List(list) => list.iter().any(|one| one.as_str() == Some(part)),
                _ => seen.text().is_some_and(|text| text.contains(&**part)),
            },
            Self::StartsWith(part) => seen.text().is_some_and(|text| text.starts_with(&**part)),
            Self::EndsWith(part) => seen.text().is_some_and(|text| text.ends_with(&**part)),
            Self::Matches(pattern) => seen.text().is_some_and(|text| pattern.is_found_in(text)),
            Self::Exists => !seen.is_missing(),
        }
    }
}
