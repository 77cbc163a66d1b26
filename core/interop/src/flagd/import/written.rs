//! Conditions as Tidegate itself writes them for flagd.
//!
//! They have tests of types around what they ask. What was asked is guessed from what is asked in the
//! end, and it is right if it would be written exactly like that.

use super::super::{condition, time};
use serde_json::{Value, json};
use tidegate_model::condition::{Condition, Operator, moment};

/// The condition that is lowered to this expression, if there is one that needs more than one word.
pub(super) fn condition(expression: &Value) -> Option<Condition> {
    let guess = guess(expression)?;
    guess.check().ok()?;
    let written = condition::lowered(&guess).ok()?;
    (written.json() == expression).then_some(guess)
}

fn guess(expression: &Value) -> Option<Condition> {
    if let Some([part, choice]) = arguments(expression, "in") {
        let [_, x, _] = arguments(choice, "if")? else {
            return None;
        };
        return asked(x, Operator::Contains, part.clone());
    }
    match arguments(expression, "and")? {
        [_, _, _, _, comparison] => {
            let (x, operator, bound) = number(comparison)?;
            asked(x, operator, bound.clone())
        }
        [first, second] => between(first, second)
            .or_else(|| spelled(first))
            .or_else(|| version(first, second)),
        _ => None,
    }
}

/// `true`, `false`, 1 and 0, which Python confuses.
fn spelled(equality: &Value) -> Option<Condition> {
    match arguments(equality, "===")? {
        [x, value] if !value.is_object() => asked(x, Operator::Equals, value.clone()),
        _ => None,
    }
}

/// A time after one moment and before another, of which one may be the end of time.
fn between(first: &Value, second: &Value) -> Option<Condition> {
    let [_, _, _, _, low] = arguments(first, "and")? else {
        return None;
    };
    let (x, from, low) = number(low)?;
    let (_, to, high) = number(second)?;
    let moment = |value: &Value| {
        let moment = moment::of_unix_time(value.as_f64()?)?;
        Some(moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    };
    match (from, to) {
        (Operator::GreaterThan, Operator::LessThan) => asked(x, Operator::After, json!(moment(low)?)),
        (Operator::GreaterOrEqual, Operator::LessThan) => asked(x, Operator::Before, json!(moment(high)?)),
        _ => asked(x, Operator::Between, json!([moment(low)?, moment(high)?])),
    }
}

/// A range of versions.
fn version(first: &Value, second: &Value) -> Option<Condition> {
    let [_, x] = arguments(first, "===")? else {
        return None;
    };
    let [_, range, ..] = arguments(second, "if")? else {
        return None;
    };
    let alternatives = arguments(range, "or").unwrap_or_else(|| std::slice::from_ref(range));
    let alternatives: Option<Vec<String>> = alternatives
        .iter()
        .map(|alternative| {
            let bounds = arguments(alternative, "and").unwrap_or_else(|| std::slice::from_ref(alternative));
            let bounds: Option<Vec<String>> = bounds
                .iter()
                .map(|bound| match arguments(bound, "sem_ver")? {
                    [_, operator, version] => Some(format!("{}{}", operator.as_str()?, version.as_str()?)),
                    _ => None,
                })
                .collect();
            Some(bounds?.join(", "))
        })
        .collect();
    asked(x, Operator::Semver, alternatives?.join(" || ").into())
}

fn number(comparison: &Value) -> Option<(&Value, Operator, &Value)> {
    let operators = [
        (">", Operator::GreaterThan),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::LessThan),
        ("<=", Operator::LessOrEqual),
    ];
    operators
        .into_iter()
        .find_map(|(sign, operator)| match arguments(comparison, sign)? {
            [x, bound] => Some((x, operator, bound)),
            _ => None,
        })
}

fn asked(x: &Value, operator: Operator, value: Value) -> Option<Condition> {
    let name = match x.get("var") {
        Some(name) => name.as_str()?,
        None if x == time::attribute().json() => time::ATTRIBUTE,
        None => return None,
    };
    Some(Condition {
        attribute: name.to_owned(),
        operator,
        value,
    })
}

fn arguments<'v>(expression: &'v Value, operator: &str) -> Option<&'v [Value]> {
    expression.get(operator)?.as_array().map(Vec::as_slice)
}
