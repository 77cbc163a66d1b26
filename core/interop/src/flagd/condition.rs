//! Conditions, lowered.
//!
//! The evaluators differ wherever types are mixed: Python takes `true` for `1`, the others answer a
//! comparison of a text with a number with an error, JavaScript looks for texts only in texts and
//! lists. So every expression tests the type that it needs, in words on which all of them agree.

use super::LIST_MAX;
use super::logic::Logic;
use super::{time, version};
use serde_json::{Value, json};
use tidegate_model::condition::{Condition, Operator, Question};
use tidegate_model::invalid::Violation;

const SERVE_BY_OFREP: &str = "serve the flag by OFREP";

/// What a condition means; or why flagd's language has no words for it.
pub(super) fn lowered(condition: &Condition) -> Result<Logic, Violation> {
    let x = attribute(&condition.attribute)?;
    let value = &condition.value;
    let text = || value.as_str().unwrap_or_default();
    Ok(match condition.operator {
        Operator::Equals => equals(&x, value),
        Operator::NotEquals => equals(&x, value).negated(),
        Operator::In => one_of(&x, value)?,
        Operator::NotIn => one_of(&x, value)?.negated(),
        Operator::GreaterThan => number(&x, ">", value),
        Operator::GreaterOrEqual => number(&x, ">=", value),
        Operator::LessThan => number(&x, "<", value),
        Operator::LessOrEqual => number(&x, "<=", value),
        Operator::Contains => Logic::of("in", vec![Logic::text(text()), text_or_list(&x)]),
        Operator::StartsWith => Logic::of("starts_with", vec![x, Logic::text(text())]),
        Operator::EndsWith => Logic::of("ends_with", vec![x, Logic::text(text())]),
        Operator::Exists => x.not_same_as(Value::Null),
        Operator::NotExists => x.same_as(Value::Null),
        Operator::Regex => {
            return Err(no_words(
                condition,
                "use 'equals', 'in', 'contains', 'starts_with' or 'ends_with', or serve the flag by OFREP",
            ));
        }
        Operator::Between | Operator::Before | Operator::After => match condition.question()? {
            Question::Between(low, high) => {
                let (low, high) = (low.clone().into(), high.clone().into());
                Logic::all([number(&x, ">=", &low), number(&x, "<=", &high)])
            }
            question if condition.attribute == time::ATTRIBUTE => {
                time::lowered(&x, &question).ok_or_else(|| no_words(condition, SERVE_BY_OFREP))?
            }
            _ => {
                let fix = "compare 'timestamp', which is the time of evaluation, or an attribute that is a number with 'less_than'";
                return Err(no_words(condition, fix));
            }
        },
        Operator::Semver => match condition.question()? {
            Question::Semver(range) => version::lowered(&x, &range)?,
            _ => return Err(no_words(condition, SERVE_BY_OFREP)),
        },
        Operator::EqualsIgnoreCase
        | Operator::ContainsIgnoreCase
        | Operator::StartsWithIgnoreCase
        | Operator::EndsWithIgnoreCase
        | Operator::InIgnoreCase
        | Operator::AnyOf
        | Operator::AllOf
        | Operator::NoneOf
        | Operator::WithinLast
        | Operator::WithinNext
        | Operator::OlderThan
        | Operator::InNetwork
        | Operator::NotInNetwork
        | Operator::WithinDistance => return Err(no_words(condition, SERVE_BY_OFREP)),
    })
}

/// The value of an attribute, by the path that flagd's `var` follows.
///
/// Exact for contexts that nest: `location.country` is `country` inside `location`, and not an
/// attribute that has the dot in its name.
pub(super) fn attribute(name: &str) -> Result<Logic, Violation> {
    let refused = |rule: &str| {
        Err(Violation::new(
            "attribute",
            name,
            format!("in flagd {rule}"),
            "rename the attribute, or serve the flag by OFREP",
        ))
    };
    if name.contains('\\') {
        return refused("a backslash in an attribute's name changes its meaning");
    }
    for (place, part) in name.split('.').enumerate() {
        match part {
            "" => return refused("dots separate names, and a name is not empty"),
            "__proto__" => return refused("this name means an object's prototype"),
            "$flagd" if place == 0 => return refused("this name is flagd's own"),
            "length" if place > 0 => return refused("this name means the length of a text or list"),
            digits if place > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                return refused("a number after a dot means a place in a text or list");
            }
            _ => {}
        }
    }
    Ok(match name {
        time::ATTRIBUTE => time::attribute(),
        name => Logic::attribute(name),
    })
}

/// Whether the context has a unit to bucket: a text that is not empty, or a number.
pub(super) fn has_unit(attribute: &str, x: &Logic) -> Logic {
    let truthy = Logic::of("!!", vec![x.clone()]);
    if attribute == tidegate_model::context::Context::TARGETING_KEY {
        return truthy;
    }
    Logic::all([not_a_list(x), Logic::any([truthy, x.clone().same_as(json!(0))])])
}

/// Same type and same value.
fn equals(x: &Logic, value: &Value) -> Logic {
    let same = x.clone().same_as(value.clone());
    match confused_with(value) {
        Some(spelling) => Logic::all([same, spelled(x).not_same_as(spelling.into())]),
        None => same,
    }
}

/// For Python `true` is `1` and `false` is `0`. How it spells the one that is not meant.
fn confused_with(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(true) => Some("1"),
        Value::Bool(false) => Some("0"),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some("True"),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some("False"),
        _ => None,
    }
}

/// Equal to one of the listed values.
fn one_of(x: &Logic, list: &Value) -> Result<Logic, Violation> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    check_length("value", list.len())?;
    let (confusing, plain): (Vec<&Value>, Vec<&Value>) =
        list.iter().partition(|value| confused_with(value).is_some());
    let plain = match plain.as_slice() {
        [] => Logic::never(),
        [one] => equals(x, one),
        many => x.clone().among(many.iter().copied().cloned().collect()),
    };
    Ok(Logic::any(
        [plain]
            .into_iter()
            .chain(confusing.into_iter().map(|value| equals(x, value))),
    ))
}

/// Refuses lists that clients would look through for milliseconds.
pub(super) fn check_length(field: &str, length: usize) -> Result<(), Violation> {
    if length <= LIST_MAX {
        return Ok(());
    }
    Err(Violation::new(
        field,
        format!("{length} entries"),
        format!("flagd's clients look through a list one by one, so it has at most {LIST_MAX} entries"),
        "put the condition on an attribute that the application sends, or serve the flag by OFREP",
    ))
}

/// Both are numbers, and the comparison holds.
pub(super) fn number(x: &Logic, comparison: &str, bound: &Value) -> Logic {
    Logic::all([
        x.clone().not_same_as(Value::Null),
        is_text(x).negated(),
        spelled(x)
            .among(["true", "True", "false", "False"].map(Value::from).into())
            .negated(),
        not_a_list(x),
        Logic::of(comparison, vec![x.clone(), Logic::literal(bound.clone())]),
    ])
}

/// The value as text. Evaluators agree on it for texts and whole numbers alone. With two arguments,
/// because `cat` of a missing attribute alone is an error in JavaScript wherever an `if` stands around it.
fn spelled(x: &Logic) -> Logic {
    Logic::of("cat", vec![x.clone(), Logic::text("")])
}

pub(super) fn is_text(x: &Logic) -> Logic {
    Logic::of("===", vec![spelled(x), x.clone()])
}

/// No list is one of its own elements.
fn not_a_list(x: &Logic) -> Logic {
    Logic::of("in", vec![x.clone(), Logic::of("merge", vec![x.clone()])])
}

/// The value if it is a text or list, else a list of it: `in` with anything else is an error in
/// JavaScript.
fn text_or_list(x: &Logic) -> Logic {
    Logic::choose(
        vec![(is_text(x), x.clone())],
        Some(Logic::of("merge", vec![x.clone()])),
    )
}

fn no_words(condition: &Condition, fix: &str) -> Violation {
    Violation::new(
        "operator",
        condition.operator,
        format!("flagd has no words for the operator '{}'", condition.operator),
        fix,
    )
}
