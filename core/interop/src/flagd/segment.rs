//! Segments and predicates, lowered.

use super::condition;
use super::logic::Logic;
use super::source::Lowering;
use tidegate_model::condition::Predicate;
use tidegate_model::context::Context;
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::{Segment, SegmentStatus};

/// How segments inside a predicate are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segments {
    /// By an entry of `$evaluators`.
    Referred,
    /// By their whole expression: an evaluator must not refer to another.
    InPlace,
}

/// The name of a segment's entry in `$evaluators`.
pub(super) fn evaluator_name(key: &SegmentKey) -> String {
    format!("seg_{key}")
}

/// Whether every client puts this expression in place as it is. They replace references inside the
/// text of the configuration: Python reads backslashes in it, which every character beyond ASCII
/// has there, and JavaScript reads `$`. One wrong character, and the whole configuration is refused.
pub(super) fn can_be_referred_to(expression: &Logic) -> bool {
    let harmless = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'\\' | b'$');
    expression.constant().is_none() && expression.json().to_string().bytes().all(harmless)
}

impl Lowering<'_> {
    /// What a predicate means; what cannot be said goes into `wrong`, placed inside the predicate.
    pub(super) fn predicate(
        &mut self,
        predicate: &Predicate,
        segments: Segments,
        wrong: &mut Vec<Violation>,
    ) -> Logic {
        match predicate {
            Predicate::All(inner) => Logic::all(self.predicates("all", inner, segments, wrong)),
            Predicate::Any(inner) => Logic::any(self.predicates("any", inner, segments, wrong)),
            Predicate::Not(inner) => {
                let mut found = Vec::new();
                let inner = self.predicate(inner, segments, &mut found);
                wrong.extend(found.into_iter().map(|one| one.inside("not")));
                inner.negated()
            }
            Predicate::Segment(key) => match self.segment(key) {
                Ok(expression) if segments == Segments::Referred && can_be_referred_to(&expression) => {
                    Logic::reference(&evaluator_name(key), &expression)
                }
                Ok(expression) => expression,
                Err(why) => {
                    let named = |one: &Violation| {
                        let rule = format!("of segment {key}, {}: {}", one.field, one.rule);
                        Violation::new("segment", &one.value, rule, one.fix.clone())
                    };
                    wrong.extend(why.iter().map(named));
                    Logic::never()
                }
            },
            Predicate::Condition(one) => condition::lowered(one).unwrap_or_else(|violation| {
                wrong.push(violation);
                Logic::never()
            }),
        }
    }

    fn predicates(
        &mut self,
        name: &str,
        inner: &[Predicate],
        segments: Segments,
        wrong: &mut Vec<Violation>,
    ) -> Vec<Logic> {
        let mut lowered = Vec::with_capacity(inner.len());
        for (i, one) in inner.iter().enumerate() {
            let mut found = Vec::new();
            lowered.push(self.predicate(one, segments, &mut found));
            wrong.extend(found.into_iter().map(|one| one.inside(&format!("{name}[{i}]"))));
        }
        lowered
    }

    /// Who is in a segment, without references.
    pub(super) fn segment_in_place(&mut self, segment: &Segment) -> Result<Logic, Vec<Violation>> {
        let definition = segment.definition();
        if definition.status != SegmentStatus::Active {
            return Ok(Logic::never());
        }
        let mut wrong = Vec::new();
        let without_words = [
            (
                "score",
                definition.score.is_some(),
                "flagd has no words for scores",
            ),
            (
                "list",
                definition.list.is_some(),
                "flagd has no place for an imported list",
            ),
        ];
        for (field, _, rule) in without_words.into_iter().filter(|(_, is_there, _)| *is_there) {
            let fix = "use conditions, or serve the flags that use the segment by OFREP";
            wrong.push(Violation::new(field, "", rule, fix));
        }
        let mut units = |field: &str, units: &[String]| {
            wrong.extend(condition::check_length(field, units.len()).err());
            listed(units)
        };
        let excluded = units("excluded", &definition.excluded);
        let included = units("included", &definition.included);
        let when = definition.when.as_ref().map(|when| {
            let mut found = Vec::new();
            let when = self.predicate(when, Segments::InPlace, &mut found);
            wrong.extend(found.into_iter().map(|one| one.inside("when")));
            when
        });
        let expression = Logic::all([excluded.negated(), Logic::any([included].into_iter().chain(when))]);
        wrong.extend(super::source::check_costs("when", [&expression].into_iter()));
        if wrong.is_empty() {
            Ok(expression)
        } else {
            Err(wrong)
        }
    }
}

/// Whether the targeting key is one of these.
pub(super) fn listed(units: &[String]) -> Logic {
    let key = || Logic::attribute(Context::TARGETING_KEY);
    match units {
        [] => Logic::never(),
        [one] => key().same_as(one.as_str().into()),
        many => key().among(many.iter().map(|unit| unit.as_str().into()).collect()),
    }
}
