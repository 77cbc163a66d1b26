//! Compiling segments.

use super::Compiler;
use crate::bucket::Salt;
use crate::flag::Serve;
use crate::segment::{Score, ScorePart, Segment, Staged};
use crate::vocabulary::AttributeId;
use std::sync::Arc;
use tidegate_model::flag;
use tidegate_model::invalid::Violation;
use tidegate_model::key::VariationKey;
use tidegate_model::segment::{self, AFTER, StagedSegment, UnitList};
use tidegate_model::share::Share;
use tidegate_model::snapshot::SnapshotFlag;
use tidegate_model::units::UnitSet;

impl Compiler<'_> {
    /// Compiles a segment, and the edit of it that is being opened.
    pub(super) fn segment(&mut self, segment: &segment::Segment) -> Segment {
        let staged = self.staged.get(segment.key()).copied();
        let mut compiled = self.definition(segment, "segments");
        compiled.staged = staged.and_then(|(staged, guard)| self.staged(staged, guard).map(Box::new));
        compiled
    }

    /// What its guard's split says, or, when there is no rollout, what the guard gives everybody.
    fn staged(&mut self, staged: &StagedSegment, guard: &SnapshotFlag) -> Option<Staged> {
        let after = self.definition(&staged.definition, "staged");
        let flag = &guard.flag;
        let share = match (&guard.rollout, flag.fallback()) {
            (Some(split), _) if is_after(&split.candidate) => split.share,
            (None, Some(flag::Serve::Variation(key))) if is_after(key) => Share::ALL,
            _ => Share::ZERO,
        };
        let rest = Share::of_parts(Share::TOTAL - share.parts()).ok()?;
        let unit = match &flag.definition().unit {
            Some(attribute) => self.vocabulary.add_attribute(attribute),
            None => AttributeId::TARGETING_KEY,
        };
        Some(Staged {
            after,
            guard: flag.key().clone(),
            share,
            open: Serve::of_weights([(share, 1), (rest, 0)])?,
            unit,
            salt: Salt::new(flag.salt(), self.bucketing),
        })
    }

    fn definition(&mut self, segment: &segment::Segment, noun: &str) -> Segment {
        let definition = segment.definition();
        let mut wrong = Vec::new();
        let when = definition.when.as_ref().map(|when| {
            let mut inside = Vec::new();
            let when = self.predicate(when, &mut inside);
            wrong.extend(inside.into_iter().map(|one| one.inside("when")));
            when
        });
        let score = definition
            .score
            .as_ref()
            .map(|score| self.score(score, &mut wrong));
        let list = definition
            .list
            .as_ref()
            .and_then(|list| self.list(list, &mut wrong));
        self.found_in(wrong, || format!("{noun}.{}", segment.key()));
        Segment {
            key: segment.key().clone(),
            status: definition.status,
            included: self.units(&definition.included),
            excluded: self.units(&definition.excluded),
            when,
            score,
            list,
            staged: None,
        }
    }

    fn score(&mut self, score: &segment::Score, wrong: &mut Vec<Violation>) -> Score {
        let parts = score.parts.iter().enumerate().map(|(i, part)| {
            let mut inside = Vec::new();
            let when = self.predicate(&part.when, &mut inside);
            let place = format!("score.parts[{i}].when");
            wrong.extend(inside.into_iter().map(|one| one.inside(&place)));
            ScorePart {
                when,
                weight: part.weight,
            }
        });
        Score {
            parts: parts.collect(),
            at_least: score.at_least,
        }
    }

    fn list(&self, list: &UnitList, wrong: &mut Vec<Violation>) -> Option<Arc<UnitSet>> {
        let units = self.lists.get(&list.digest);
        if units.is_none() {
            wrong.push(Violation::new(
                "list",
                &list.digest,
                "the list is not at hand",
                "fetch it by its digest before the snapshot is put in force",
            ));
        }
        units.map(Arc::clone)
    }
}

fn is_after(key: &VariationKey) -> bool {
    key.as_str() == AFTER
}
