//! Segments, compiled.

use crate::bucket::Salt;
use crate::constant_set::ConstantSet;
use crate::flag::Serve;
use crate::predicate::Predicate;
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;
use crate::vocabulary::AttributeId;
use std::sync::Arc;
use tidegate_model::key::{FlagKey, SegmentKey};
use tidegate_model::segment::{Points, SegmentStatus};
use tidegate_model::share::Share;
use tidegate_model::units::UnitSet;

/// A segment, compiled once for all flags that use it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) key: SegmentKey,
    pub(crate) status: SegmentStatus,
    pub(crate) included: ConstantSet,
    pub(crate) excluded: ConstantSet,
    pub(crate) when: Option<Predicate>,
    pub(crate) score: Option<Score>,
    pub(crate) list: Option<Arc<UnitSet>>,
    /// An edit of it that some units have already.
    pub(crate) staged: Option<Box<Staged>>,
}

/// An edit of a segment that is being opened.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The segment as it is for those who have the edit.
    pub(crate) after: Segment,
    /// The flag that guards it, and how far that is open.
    pub(crate) guard: FlagKey,
    pub(crate) share: Share,
    /// Whether a bucket has it: 1 if it has, 0 if not.
    pub(crate) open: Serve,
    pub(crate) unit: AttributeId,
    pub(crate) salt: Salt,
}

/// What speaks for a context, and how much of it is enough.
#[derive(Debug)]
pub(crate) struct Score {
    pub(crate) parts: Box<[ScorePart]>,
    pub(crate) at_least: Points,
}

/// One thing that speaks for a context, or against it.
#[derive(Debug)]
pub(crate) struct ScorePart {
    pub(crate) when: Predicate,
    pub(crate) weight: Points,
}

impl Segment {
    /// Whether the context is in.
    pub(crate) fn contains(&self, segments: &[Self], context: &PreparedContext<'_>) -> bool {
        self.in_force(context).admits(segments, context)
    }

    /// The segment as it is for the context.
    pub(crate) fn in_force(&self, context: &PreparedContext<'_>) -> &Self {
        match &self.staged {
            Some(staged) if staged.is_open(context) => &staged.after,
            _ => self,
        }
    }

    /// Whether the context is in by this definition.
    fn admits(&self, segments: &[Self], context: &PreparedContext<'_>) -> bool {
        if self.status != SegmentStatus::Active {
            return false;
        }
        let unit = context.targeting_key();
        if self.excluded.contains(unit) {
            return false;
        }
        let asks = |when: &Predicate| when.holds(segments, context);
        let reaches = |score: &Score| score.of(segments, context) >= score.at_least;
        self.included.contains(unit)
            || self.when.as_ref().is_some_and(asks)
            || self.lists(context)
            || self.score.as_ref().is_some_and(reaches)
    }

    /// Everything it asks of a context.
    pub(crate) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        let staged = self.staged.iter().map(|staged| &staged.after);
        std::iter::once(self).chain(staged).flat_map(Self::own_predicates)
    }

    fn own_predicates(&self) -> impl Iterator<Item = &Predicate> {
        let parts = self.score.iter().flat_map(|score| &score.parts);
        self.when.iter().chain(parts.map(|part| &part.when))
    }

    /// Whether the imported list has the unit.
    pub(crate) fn lists(&self, context: &PreparedContext<'_>) -> bool {
        let Some(list) = &self.list else { return false };
        context.key().is_some_and(|unit| list.contains(unit))
    }
}

impl Staged {
    /// Whether the context has the edit.
    pub(crate) fn is_open(&self, context: &PreparedContext<'_>) -> bool {
        self.open.variation(|| context.bucket(self.unit, &self.salt)) == Some(1)
    }
}

impl Score {
    /// The sum of the weights of the parts that hold.
    pub(crate) fn of(&self, segments: &[Segment], context: &PreparedContext<'_>) -> Points {
        let parts = self.parts.iter();
        let held = parts.filter(|part| part.when.holds(segments, context));
        Points::of_millionths(held.map(|part| part.weight.millionths()).sum())
    }
}

impl CompiledSnapshot {
    /// Whether a context is in a segment; `None` when there is no such segment.
    pub fn in_segment(&self, segment: &str, context: &PreparedContext<'_>) -> Option<bool> {
        let segment = self.segment(segment)?;
        Some(segment.contains(&self.segments, context))
    }

    /// How much speaks for a context being in a segment, whatever the segment's status and lists say;
    /// `None` when there is no such segment, or it has no score.
    pub fn segment_score(&self, segment: &str, context: &PreparedContext<'_>) -> Option<Points> {
        let segment = self.segment(segment)?.in_force(context);
        let score = segment.score.as_ref()?;
        Some(score.of(&self.segments, context))
    }

    fn segment(&self, key: &str) -> Option<&Segment> {
        let place = self.segment_places.get(key)?;
        self.segments.get(*place as usize)
    }
}
