//! Attributes compared with values.

use super::holds::Holds;
use super::operand::{Asked, Operand};
use super::outcome::Outcome;
use super::place::Place;
use super::reader::{Reader, refused};
use crate::flagd::time;
use serde_json::{Value, json};
use std::cmp::Ordering;
use tidegate_model::condition::{Operator, moment};
use tidegate_model::invalid::Violation;

/// A condition that also says what holds for contexts without the attribute.
fn asked(asked: &Asked, operator: Operator, value: Value, when_missing: bool) -> Holds {
    let condition = Holds::condition(&asked.name, operator, value);
    let missing = |operator| Holds::condition(&asked.name, operator, Value::Null);
    match (operator.is_negative(), when_missing) {
        (false, true) => Holds::any([missing(Operator::NotExists), condition]),
        (true, false) => Holds::all([missing(Operator::Exists), condition]),
        _ => condition,
    }
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right) == Ordering::Equal || left == right,
        _ => left == right,
    }
}

impl<'a> Reader<'a> {
    /// `==` or `===`.
    pub(super) fn equality(
        &mut self,
        operator: &str,
        left: &'a Value,
        right: &'a Value,
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let inside = place.field(operator);
        if let (Value::Object(fields), Value::String(_)) = (left, right)
            && fields.contains_key("if")
        {
            return self.one_of_variants(left, std::slice::from_ref(right), &inside.item(0));
        }
        let is_loose = operator.len() == 2;
        let (left, right) = (
            self.operand(left, &inside.item(0))?,
            self.operand(right, &inside.item(1))?,
        );
        match (left, right) {
            (Operand::Attribute(one), Operand::Literal(value))
            | (Operand::Literal(value), Operand::Attribute(one)) => {
                if value.is_null() {
                    let missing = Holds::condition(&one.name, Operator::NotExists, Value::Null);
                    return Ok(if one.default.is_null() {
                        missing
                    } else {
                        Holds::Never
                    });
                }
                if !is_scalar(&value) {
                    let rule = "an attribute is compared with a text, number or boolean";
                    return Err(refused(place, &value, rule, "compare its parts"));
                }
                if is_loose {
                    let rule = "'==' and '!=' compare type and value, as '===' and '!==' do";
                    let fix = "send the attribute with the type of the value it is compared with";
                    self.note(place, &one.name, rule, fix);
                }
                let when_missing = !one.default.is_null() && same(&one.default, &value);
                Ok(asked(&one, Operator::Equals, value, when_missing))
            }
            (Operand::Time, Operand::Literal(value)) | (Operand::Literal(value), Operand::Time) => {
                if is_scalar(&value) {
                    Ok(Holds::condition(time::ATTRIBUTE, Operator::Equals, value))
                } else {
                    Ok(Holds::Never)
                }
            }
            (Operand::Literal(left), Operand::Literal(right)) => Ok(Holds::known(same(&left, &right))),
            _ => {
                let rule = "an attribute is compared with a value, not with another attribute";
                Err(refused(
                    place,
                    &operator.into(),
                    rule,
                    "send the comparison as an attribute",
                ))
            }
        }
    }

    /// `<`, `<=`, `>` or `>=` of two numbers, or of three.
    pub(super) fn order(
        &mut self,
        operator: &str,
        arguments: &'a [Value],
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let inside = place.field(operator);
        let mut operands = Vec::with_capacity(arguments.len());
        for (i, argument) in arguments.iter().enumerate().take(4) {
            operands.push(self.operand(argument, &inside.item(i))?);
        }
        match operands.as_slice() {
            [left, right] => self.ordered(operator, left, right, place),
            [low, middle, high] => {
                let both = [
                    self.ordered(operator, low, middle, place)?,
                    self.ordered(operator, middle, high, place)?,
                ];
                Ok(Holds::all(both))
            }
            _ => {
                let rule = "a comparison has two arguments, or three";
                Err(refused(
                    place,
                    &operator.into(),
                    rule,
                    "for example {\">\": [{\"var\": \"age\"}, 18]}",
                ))
            }
        }
    }

    fn ordered(
        &self,
        operator: &str,
        left: &Operand,
        right: &Operand,
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let no_number = |value: &Value| {
            let rule = "'<', '<=', '>' and '>=' compare an attribute with a number";
            refused(
                place,
                value,
                rule,
                "write the number without quotes, or use sem_ver for versions",
            )
        };
        let flipped = match operator {
            "<" => ">",
            "<=" => ">=",
            ">" => "<",
            _ => "<=",
        };
        match (left, right) {
            (Operand::Literal(value), other @ (Operand::Attribute(_) | Operand::Time)) => {
                self.ordered(flipped, other, &Operand::Literal(value.clone()), place)
            }
            (Operand::Attribute(one), Operand::Literal(bound)) => {
                let limit = bound.as_f64().ok_or_else(|| no_number(bound))?;
                // For flagd, what is missing is 0.
                let missing = match &one.default {
                    Value::Null => 0.0,
                    default => default.as_f64().ok_or_else(|| no_number(default))?,
                };
                let (meaning, when_missing) = match operator {
                    "<" => (Operator::LessThan, missing < limit),
                    "<=" => (Operator::LessOrEqual, missing <= limit),
                    ">" => (Operator::GreaterThan, missing > limit),
                    _ => (Operator::GreaterOrEqual, missing >= limit),
                };
                Ok(asked(one, meaning, bound.clone(), when_missing))
            }
            (Operand::Time, Operand::Literal(bound)) => {
                let seconds = bound.as_f64().ok_or_else(|| no_number(bound))?;
                let Some(moment) = moment::of_unix_time(seconds) else {
                    let rule = "a time is given in Unix seconds, in the years 0 to 9999";
                    return Err(refused(place, bound, rule, "not in milliseconds, for example"));
                };
                let moment = json!(moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
                let compared = |operator| Holds::condition(time::ATTRIBUTE, operator, moment.clone());
                Ok(match operator {
                    "<" => compared(Operator::Before),
                    "<=" => compared(Operator::After).not(),
                    ">" => compared(Operator::After),
                    _ => compared(Operator::Before).not(),
                })
            }
            (Operand::Literal(left), Operand::Literal(right)) => {
                let (left, right) = (left.as_f64(), right.as_f64());
                let order = left.zip(right).and_then(|(left, right)| left.partial_cmp(&right));
                let order = order.ok_or_else(|| no_number(&Value::Null))?;
                Ok(Holds::known(match operator {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            _ => {
                let rule = "an attribute is compared with a value, not with another attribute";
                Err(refused(
                    place,
                    &operator.into(),
                    rule,
                    "send the comparison as an attribute",
                ))
            }
        }
    }

    /// `in`: a part of a text, or one of a list.
    pub(super) fn membership(
        &mut self,
        one: &'a Value,
        many: &'a Value,
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let inside = place.field("in");
        if let (Value::Object(fields), Value::Array(names)) = (one, many)
            && fields.contains_key("if")
        {
            return self.one_of_variants(one, names, &inside.item(0));
        }
        self.spend(many.as_array().map_or(1, |list| list.len() as u64 / 16), place)?;
        match (
            self.operand(one, &inside.item(0))?,
            self.operand(many, &inside.item(1))?,
        ) {
            (Operand::Attribute(one), Operand::Literal(Value::Array(list))) => {
                if let Some(odd) = list.iter().find(|value| !is_scalar(value)) {
                    let rule = "a list that an attribute is looked for in has texts, numbers and booleans";
                    return Err(refused(place, odd, rule, "take it out of the list"));
                }
                let when_missing = list.iter().any(|value| same(value, &one.default));
                Ok(match list.as_slice() {
                    [] => Holds::Never,
                    [only] => asked(&one, Operator::Equals, only.clone(), when_missing),
                    _ => asked(&one, Operator::In, Value::Array(list), when_missing),
                })
            }
            (Operand::Literal(Value::Array(_)), _) => {
                let rule = "what is looked for is one text, number or boolean";
                Err(refused(place, one, rule, "look for each"))
            }
            (Operand::Literal(value), Operand::Literal(Value::Array(list))) => {
                Ok(Holds::known(list.iter().any(|one| same(one, &value))))
            }
            (Operand::Literal(value), Operand::Attribute(many)) if many.default.is_null() => match &value {
                Value::String(part) if !part.is_empty() => Ok(asked(&many, Operator::Contains, value, false)),
                Value::Number(_) | Value::Bool(_) => Ok(asked(&many, Operator::AnyOf, json!([value]), false)),
                _ => {
                    let rule = "what is looked for is a text that is not empty, a number or a boolean";
                    Err(refused(
                        place,
                        &value,
                        rule,
                        "use != null to ask whether it is there",
                    ))
                }
            },
            _ => {
                let rule = "'in' looks for a value in an attribute, or for an attribute in a list of values";
                Err(refused(
                    place,
                    many,
                    rule,
                    r#"for example {"in": [{"var": "country"}, ["FR", "DE"]]}"#,
                ))
            }
        }
    }

    /// `starts_with` or `ends_with`.
    pub(super) fn end(
        &mut self,
        operator: &str,
        text: &'a Value,
        part: &'a Value,
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let inside = place.field(operator);
        let meaning = if operator == "starts_with" {
            Operator::StartsWith
        } else {
            Operator::EndsWith
        };
        match (
            self.operand(text, &inside.item(0))?,
            self.operand(part, &inside.item(1))?,
        ) {
            (Operand::Attribute(one), Operand::Literal(Value::String(part)))
                if one.default.is_null() && !part.is_empty() =>
            {
                Ok(asked(&one, meaning, part.into(), false))
            }
            _ => {
                let rule = "an attribute starts or ends with a text that is not empty";
                let fix = r#"for example {"ends_with": [{"var": "email"}, "@corp.com"]}"#;
                Err(refused(place, &operator.into(), rule, fix))
            }
        }
    }

    /// Whether an expression answers with one of these variants, as prerequisites ask.
    fn one_of_variants(
        &mut self,
        expression: &'a Value,
        names: &[Value],
        place: &Place<'_>,
    ) -> Result<Holds, Violation> {
        let (mut found, mut wrong) = (Vec::new(), Vec::new());
        self.outcomes(expression, Holds::Always, place, &mut found, &mut wrong)?;
        if let Some(violation) = wrong.pop() {
            return Err(violation);
        }
        let (mut ways, mut not_before) = (Vec::new(), Holds::Always);
        for (holds, outcome) in found {
            let is_meant = match &outcome {
                Outcome::Variant(name) => names.iter().any(|one| one.as_str() == Some(name)),
                Outcome::Default => false,
                Outcome::Split(_) => {
                    let rule = "a split gives variants, and is no condition";
                    let fix = "make what is split a flag of its own, and this flag's prerequisite";
                    return Err(refused(place, expression, rule, fix));
                }
            };
            self.spend(2 * holds.size() + not_before.size(), place)?;
            if is_meant {
                ways.push(Holds::all([not_before.clone(), holds.clone()]));
            }
            not_before = Holds::all([not_before, holds.not()]);
        }
        Ok(Holds::any(ways))
    }
}
