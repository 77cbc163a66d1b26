//! Why a context is in a segment, or is not.

use super::{Finding, Membership, ScoredPart, Staging, Trace};
use crate::segment::{Score, Segment};
use tidegate_model::segment::{Points, SegmentStatus};

impl<'a> Trace<'a> {
    pub(super) fn membership(&mut self, place: u32) -> Finding<'a> {
        let Some(segment) = self.snapshot.segments.get(place as usize) else {
            return Finding::Any {
                holds: false,
                of: Vec::new(),
            };
        };
        let told = self.told.get(place as usize).copied().flatten();
        let staged = segment.staged.as_ref().map(|staged| Staging {
            guard: staged.guard.as_str(),
            share: staged.share,
            bucket: self.context.bucket(staged.unit, &staged.salt),
            applies: staged.is_open(self.context),
        });
        let (holds, because) = match told {
            Some(holds) => (holds, Membership::AsAbove),
            None => self.first_membership(segment.in_force(self.context)),
        };
        if let Some(told) = self.told.get_mut(place as usize) {
            *told = Some(holds);
        }
        Finding::Segment {
            segment: segment.key.as_str(),
            holds,
            because,
            staged,
        }
    }

    fn first_membership(&mut self, segment: &'a Segment) -> (bool, Membership<'a>) {
        if segment.status != SegmentStatus::Active {
            return (false, Membership::NotActive);
        }
        let unit = self.context.targeting_key();
        if segment.excluded.contains(unit) {
            return (false, Membership::Excluded);
        }
        if segment.included.contains(unit) {
            return (true, Membership::Included);
        }
        if segment.lists(self.context) {
            return (true, Membership::Imported);
        }
        let conditions = segment.when.as_ref().map(|when| Box::new(self.finding(when)));
        match (conditions, &segment.score) {
            (Some(conditions), None) => (conditions.holds(), Membership::Conditions(conditions)),
            (Some(conditions), Some(_)) if conditions.holds() => (true, Membership::Conditions(conditions)),
            (conditions, Some(score)) => self.score(score, conditions),
            (None, None) => (false, Membership::NotListed),
        }
    }

    fn score(&mut self, score: &'a Score, conditions: Option<Box<Finding<'a>>>) -> (bool, Membership<'a>) {
        let parts: Vec<ScoredPart<'a>> = score
            .parts
            .iter()
            .map(|part| ScoredPart {
                weight: part.weight,
                when: self.finding(&part.when),
            })
            .collect();
        let held = parts.iter().filter(|part| part.when.holds());
        let sum = Points::of_millionths(held.map(|part| part.weight.millionths()).sum());
        let because = Membership::Score {
            score: sum,
            at_least: score.at_least,
            parts,
            conditions,
        };
        (sum >= score.at_least, because)
    }
}
