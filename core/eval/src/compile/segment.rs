//! Compiling segments.

use super::Compiler;
use crate::segment::{Score, ScorePart, Segment};
use std::sync::Arc;
use tidegate_model::invalid::Violation;
use tidegate_model::segment::{self, UnitList};
use tidegate_model::units::UnitSet;

impl Compiler<'_> {
    /// Compiles a segment.
    pub(super) fn segment(&mut self, segment: &segment::Segment) -> Segment {
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
        self.found_in(wrong, || format!("segments.{}", segment.key()));
        Segment {
            key: segment.key().clone(),
            status: definition.status,
            included: self.units(&definition.included),
            excluded: self.units(&definition.excluded),
            when,
            score,
            list,
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
