//! Compiling conditions and predicates.

use super::{Compiler, unknown};
use crate::beginning::Beginning;
use crate::condition::{Condition, Near, Test};
use crate::constant_set::ConstantSet;
use crate::number::Number;
use crate::operator::elements::Scalars;
use crate::operator::folding::Folded;
use crate::operator::moment::When;
use crate::operator::network::Networks;
use crate::operator::place::Surroundings;
use crate::operator::semver::Versions;
use crate::pattern::Pattern;
use crate::predicate::Predicate;
use crate::vocabulary::AttributeId;
use serde_json::Value;
use tidegate_model::condition::{self, Question, circle};
use tidegate_model::invalid::Violation;
use tidegate_model::key::SegmentKey;

/// Longest operand that an explanation repeats, in characters.
const OPERAND_CHARS_MAX: usize = 120;

impl Compiler<'_> {
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
            condition::Predicate::Condition(condition) => match self.condition(condition) {
                Ok(condition) => Predicate::Condition(condition),
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

    fn condition(&mut self, condition: &condition::Condition) -> Result<Condition, Violation> {
        let question = condition.question()?;
        let name = match question {
            Question::WithinDistance(_) => &circle::latitude_of(&condition.attribute),
            _ => &condition.attribute,
        };
        let attribute = self.vocabulary.add_attribute(name);
        let test = self.test(attribute, condition, question)?;
        Ok(Condition {
            attribute,
            operator: condition.operator,
            test,
            operand: shortened(&condition.value),
        })
    }

    fn test(
        &mut self,
        attribute: AttributeId,
        condition: &condition::Condition,
        question: Question<'_>,
    ) -> Result<Test, Violation> {
        let number = |json| Number::of(json).ok_or_else(|| unsuited(condition));
        Ok(match question {
            Question::Exists => Test::Exists,
            Question::Equals(value) => Test::Equals(self.vocabulary.add_value(attribute, value)),
            Question::In(list) => {
                let add = |one| self.vocabulary.add_value(attribute, one);
                Test::In(list.iter().map(add).collect())
            }
            Question::AnyOf(list) => Test::AnyOf(Box::new(Scalars::of(list))),
            Question::AllOf(list) => Test::AllOf(Box::new(Scalars::of(list))),
            Question::GreaterThan(bound) => Test::Greater(number(bound)?),
            Question::GreaterOrEqual(bound) => Test::AtLeast(number(bound)?),
            Question::LessThan(bound) => Test::Less(number(bound)?),
            Question::LessOrEqual(bound) => Test::AtMost(number(bound)?),
            Question::Between(low, high) => Test::Between(number(low)?, number(high)?),
            Question::Contains(text) => Test::Contains(text.into()),
            Question::StartsWith(text) => Test::StartsWith(Beginning::of(text)),
            Question::EndsWith(text) => Test::EndsWith(text.into()),
            Question::EqualsIgnoreCase(text) => Test::Folded(Box::new(Folded::equals(text))),
            Question::ContainsIgnoreCase(text) => Test::Folded(Box::new(Folded::contains(text))),
            Question::StartsWithIgnoreCase(text) => Test::Folded(Box::new(Folded::starts_with(text))),
            Question::EndsWithIgnoreCase(text) => Test::Folded(Box::new(Folded::ends_with(text))),
            Question::InIgnoreCase(texts) => Test::Folded(Box::new(Folded::one_of(texts))),
            Question::Regex(regex) => Test::Matches(Pattern::of(regex)),
            Question::Semver(range) => Test::Version(Versions::of(&range)),
            Question::Before(end) => Test::When(When::Before(end)),
            Question::After(start) => Test::When(When::After(start)),
            Question::BetweenMoments(start, end) => Test::When(When::Between(start, end)),
            Question::WithinLast(span) => Test::When(When::WithinLast(span)),
            Question::WithinNext(span) => Test::When(When::WithinNext(span)),
            Question::OlderThan(span) => Test::When(When::OlderThan(span)),
            Question::InNetwork(networks) => Test::InNetwork(Networks::of(&networks)),
            Question::WithinDistance(circle) => Test::Near(Box::new(Near {
                longitude: self
                    .vocabulary
                    .add_attribute(&circle::longitude_of(&condition.attribute)),
                surroundings: Surroundings::of(circle),
            })),
        })
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
