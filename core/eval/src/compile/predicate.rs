//! Compiling conditions, predicates and segments.

use super::{Compiler, unknown};
use crate::constant_set::ConstantSet;
use crate::number::Number;
use crate::pattern::Pattern;
use crate::predicate::{Condition, Predicate, Segment, Test};
use crate::vocabulary::AttributeId;
use serde_json::Value;
use tidegate_model::condition::{self, Operator};
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::Segment as SegmentDefinition;

/// Longest operand that an explanation repeats, in characters.
const OPERAND_CHARS_MAX: usize = 120;

impl Compiler<'_> {
    /// Compiles a segment.
    pub(super) fn segment(&mut self, segment: &SegmentDefinition) -> Segment {
        let definition = segment.definition();
        let mut wrong = Vec::new();
        let when = definition
            .when
            .as_ref()
            .map(|when| self.predicate(when, &mut wrong));
        self.found_in(wrong, || format!("segments.{}.when", segment.key()));
        Segment {
            key: segment.key().clone(),
            included: self.units(&definition.included),
            excluded: self.units(&definition.excluded),
            when,
        }
    }

    /// A list of targeting keys.
    pub(super) fn units(&mut self, units: &[String]) -> ConstantSet {
        let add = |unit: &String| self.vocabulary.add_text(AttributeId::TARGETING_KEY, unit);
        units.iter().map(add).collect()
    }

    /// Compiles a predicate. What is wrong goes into `wrong`; the caller knows where it stands.
    pub(super) fn predicate(
        &mut self,
        predicate: &condition::Predicate,
        wrong: &mut Vec<Violation>,
    ) -> Predicate {
        match predicate {
            condition::Predicate::All(inner) => Predicate::All(self.predicates(inner, wrong)),
            condition::Predicate::Any(inner) => Predicate::Any(self.predicates(inner, wrong)),
            condition::Predicate::Not(inner) => Predicate::Not(Box::new(self.predicate(inner, wrong))),
            condition::Predicate::Segment(key) => match self.segment_places.get(key) {
                Some(place) => Predicate::Segment(*place),
                None => {
                    let known = self.segment_places.keys().map(SegmentKey::as_str);
                    wrong.push(unknown("segment", key.as_str(), "segment", known));
                    Predicate::nobody()
                }
            },
            condition::Predicate::Condition(condition) => match self.test(condition) {
                Ok((attribute, test)) => Predicate::Condition(Condition {
                    attribute,
                    operator: condition.operator,
                    test,
                    operand: shortened(&condition.value),
                }),
                Err(violation) => {
                    wrong.push(violation);
                    Predicate::nobody()
                }
            },
        }
    }

    /// Keeps what is wrong, with the place where it stands.
    pub(super) fn found_in(&mut self, wrong: Vec<Violation>, place: impl Fn() -> String) {
        let placed = wrong.into_iter().map(|violation| violation.inside(&place()));
        self.found.extend(placed);
    }

    fn predicates(
        &mut self,
        predicates: &[condition::Predicate],
        wrong: &mut Vec<Violation>,
    ) -> Box<[Predicate]> {
        predicates.iter().map(|one| self.predicate(one, wrong)).collect()
    }

    fn test(&mut self, condition: &condition::Condition) -> Result<(AttributeId, Test), Violation> {
        let attribute = self.vocabulary.add_attribute(&condition.attribute);
        let value = &condition.value;
        let text = || value.as_str().map(Box::from).ok_or_else(|| unsuited(condition));
        let number = || {
            let number = value.as_number().and_then(Number::of);
            number.ok_or_else(|| unsuited(condition))
        };
        let test = match condition.operator {
            Operator::Equals | Operator::NotEquals => {
                Test::Equals(self.vocabulary.add_value(attribute, value))
            }
            Operator::In | Operator::NotIn => {
                let list = value.as_array().ok_or_else(|| unsuited(condition))?;
                let add = |one| self.vocabulary.add_value(attribute, one);
                Test::In(list.iter().map(add).collect())
            }
            Operator::GreaterThan => Test::Greater(number()?),
            Operator::LessThan => Test::Less(number()?),
            Operator::Contains => Test::Contains(text()?),
            Operator::StartsWith => Test::StartsWith(text()?),
            Operator::EndsWith => Test::EndsWith(text()?),
            Operator::Regex => Test::Matches(Pattern::of(condition.compile_regex()?)),
            Operator::Exists | Operator::NotExists => Test::Exists,
        };
        Ok((attribute, test))
    }
}

fn unsuited(condition: &condition::Condition) -> Violation {
    Violation::new(
        "value",
        &condition.value,
        format!("the operator '{}' cannot compare with this", condition.operator),
        "change the value or the operator",
    )
}

fn shortened(value: &Value) -> Box<str> {
    let mut text = match value {
        Value::Null => String::new(),
        other => other.to_string(),
    };
    if let Some((end, _)) = text.char_indices().nth(OPERAND_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text.into()
}
