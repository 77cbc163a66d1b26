//! What operators compare.

use super::super::{condition, time};
use super::place::Place;
use super::reader::{Reader, operation, refused};
use serde_json::Value;
use tidegate_model::invalid::Violation;

/// What an operator compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// This value.
    Literal(Value),
    /// What the context says.
    Attribute(Asked),
    /// The time of evaluation.
    Time,
}

/// An attribute that an expression asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) name: String,
    /// What stands for it where the context does not have it; null if nothing does.
    pub(super) default: Value,
}

impl Reader<'_> {
    /// What an expression stands for.
    pub(super) fn operand(&mut self, expression: &Value, place: &Place<'_>) -> Result<Operand, Violation> {
        match expression {
            Value::Object(_) if *expression == *time::attribute().json() => Ok(Operand::Time),
            Value::Object(_) => match operation(expression, place)? {
                ("var", [Value::String(name)]) => self.named(name, &Value::Null, place),
                ("var", [Value::String(name), default]) if !default.is_object() => {
                    self.named(name, default, place)
                }
                (operator, _) => Err(refused(
                    place,
                    &Value::from(operator),
                    "Tidegate compares an attribute with a value, and computes nothing",
                    "send what is computed as an attribute of its own",
                )),
            },
            literal => Ok(Operand::Literal(literal.clone())),
        }
    }

    fn named(&self, name: &str, default: &Value, place: &Place<'_>) -> Result<Operand, Violation> {
        match name {
            time::FLAGD => return Ok(Operand::Time),
            "$flagd.flagKey" => {
                let flag = self.flag.ok_or_else(|| {
                    let rule = "an evaluator belongs to no flag";
                    refused(
                        place,
                        &name.into(),
                        rule,
                        "write the condition into the flags themselves",
                    )
                })?;
                return Ok(Operand::Literal(flag.into()));
            }
            time::ATTRIBUTE => {
                let rule =
                    "the attribute 'timestamp' is the time of evaluation unless an application sends one";
                let fix = "rename the attribute, or use '$flagd.timestamp'";
                return Err(refused(place, &name.into(), rule, fix));
            }
            _ => {}
        }
        condition::attribute(name).map_err(|violation| Violation {
            field: place.to_string(),
            fix: "rename the attribute".to_owned(),
            ..violation
        })?;
        Ok(Operand::Attribute(Asked {
            name: name.to_owned(),
            default: default.clone(),
        }))
    }
}
