//! The fields of one thing in a list, with everything that is wrong with them named at once.

use crate::caller::Caller;
use serde_json::{Map, Value};
use std::fmt;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::MetricName;
use tidegate_model::observation::NAME_BYTES_MAX;
use tidegate_replica::{Served, ServedFlag};

/// Largest value of an event on either side of nought. Sums of these stay finite for longer than
/// any process lives.
const VALUE_MAX: f64 = 1e15;

/// Longest name of a unit of measurement, in characters.
const UNIT_CHARS_MAX: usize = 32;

/// Reads the fields of one thing.
pub(crate) struct Fields<'v> {
    members: &'v Map<String, Value>,
    pub(crate) wrong: Vec<Violation>,
    /// Whole ones that are right.
    example: &'static str,
}

/// The field is wrong, and that was noted.
pub(crate) struct Noted;

impl<'v> Fields<'v> {
    /// The fields of one thing, which has these and no others.
    ///
    /// # Errors
    /// When it is no object.
    pub(crate) fn of(
        thing: &'v Value,
        known: &[&str],
        example: &'static str,
    ) -> Result<Self, Vec<Violation>> {
        let Value::Object(members) = thing else {
            return Err(vec![Violation::new("", thing, "each one is an object", example)]);
        };
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        Ok(Self {
            members,
            wrong: unknown.map(|name| unknown_field(name, known)).collect(),
            example,
        })
    }

    /// Notes that a field is wrong.
    pub(crate) fn refuse<T>(
        &mut self,
        field: &str,
        value: impl fmt::Display,
        rule: &str,
        fix: &str,
    ) -> Result<T, Noted> {
        self.wrong.push(Violation::new(field, value, rule, fix));
        Err(Noted)
    }

    /// What a field says; null is the same as leaving it out.
    pub(crate) fn get(&self, field: &str) -> Option<&'v Value> {
        self.members.get(field).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, field: &str) -> Result<Option<&'v str>, Noted> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.refuse(field, other, &format!("{field} is a text"), "put it in quotes"),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&mut self, field: &str) -> Result<&'v str, Noted> {
        match self.text(field)? {
            Some(text) => Ok(text),
            None => {
                let rule = format!("each one names its {field}");
                self.refuse(field, "", &rule, self.example)
            }
        }
    }

    pub(crate) fn metric(&mut self) -> Result<MetricName, Noted> {
        MetricName::new(self.required("metric")?).map_err(|mut violation| {
            "metric".clone_into(&mut violation.field);
            self.wrong.push(violation);
            Noted
        })
    }

    pub(crate) fn value(&mut self) -> Result<f64, Noted> {
        let Some(value) = self.get("value") else {
            return Ok(1.0);
        };
        match value.as_f64() {
            Some(number) if number.abs() <= VALUE_MAX => Ok(number),
            _ => {
                let rule = format!("a value is a number from {:e} to {VALUE_MAX:e}", -VALUE_MAX);
                self.refuse("value", value, &rule, "send a number, or leave it out for 1")
            }
        }
    }

    /// The unit of measurement is for people who read the request; values are never converted.
    pub(crate) fn unit(&mut self) -> Result<Option<&'v str>, Noted> {
        match self.text("unit")? {
            Some(unit) if unit.is_empty() || unit.chars().count() > UNIT_CHARS_MAX => {
                let rule = format!("a unit has 1 to {UNIT_CHARS_MAX} characters");
                self.refuse("unit", unit, &rule, "for example ms, EUR or bytes")
            }
            unit => Ok(unit),
        }
    }

    pub(crate) fn flag<'a>(&mut self, served: &'a Served, caller: &Caller) -> Result<&'a ServedFlag, Noted> {
        let flag = self.required("flag")?;
        if let Some(known) = caller.flag(served, flag) {
            return Ok(known);
        }
        let visible = served.flags().iter().filter(|known| caller.sees(known));
        let fix = match nearest(flag, visible.map(|known| known.key.as_str())) {
            Some(known) => format!("did you mean {known:?}?"),
            None => "use the key of a flag of this environment".to_owned(),
        };
        self.refuse("flag", flag, "this environment has no such flag", &fix)
    }

    /// Who it happened to, if the event says so.
    pub(crate) fn context(&mut self) -> Result<Option<Context>, Noted> {
        let mut attributes = match self.get("context") {
            None => None,
            Some(Value::Object(attributes)) => Some(attributes.clone()),
            Some(other) => {
                let fix = r#"for example {"targetingKey": "user-1"}"#;
                return self.refuse("context", other, "context is an object", fix);
            }
        };
        if let Some(key) = self.text("targetingKey")? {
            attributes
                .get_or_insert_default()
                .insert(Context::TARGETING_KEY.to_owned(), key.into());
        }
        let context = attributes.map(|attributes| Context::from_json(&attributes));
        context.transpose().map_err(|violation| {
            self.wrong.push(violation);
            Noted
        })
    }

    /// A name that tells one thing from others.
    pub(crate) fn name(&mut self, field: &str) -> Result<Option<&'v str>, Noted> {
        match self.text(field)? {
            Some(name) if name.is_empty() || name.len() > NAME_BYTES_MAX => {
                let rule = format!("{field} has 1 to {NAME_BYTES_MAX} bytes");
                self.refuse(field, name, &rule, "send the number of the order, or a digest")
            }
            name => Ok(name),
        }
    }

    /// When it happened, if it says so.
    pub(crate) fn at(&mut self) -> Result<Option<Timestamp>, Noted> {
        let Some(text) = self.text("at")? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(at) => Ok(Some(at)),
            Err(_) => {
                let rule = "at is a moment as in RFC 3339, with an offset";
                self.refuse("at", text, rule, "for example 2026-11-24T10:00:00Z")
            }
        }
    }

    /// The units of observations, none of them longer than they may be.
    pub(crate) fn units(&mut self, units: Vec<String>) -> Result<Vec<String>, Noted> {
        match units.iter().find(|unit| unit.len() > NAME_BYTES_MAX) {
            None => Ok(units),
            Some(long) => {
                let rule = format!("a unit has at most {NAME_BYTES_MAX} bytes");
                self.refuse(
                    "targetingKey",
                    long,
                    &rule,
                    "send a digest of it, here and in evaluations",
                )
            }
        }
    }
}

/// The list of this name, which is all that a body has.
///
/// # Errors
/// When there is no such list, or it is too long.
pub(crate) fn listed<'v>(
    body: &'v Value,
    name: &str,
    most: usize,
    example: &str,
) -> Result<&'v [Value], Violation> {
    let wrong = |rule: &str| Violation::new(name, "", rule, example);
    let members = body.as_object().ok_or_else(|| wrong("the body is an object"))?;
    if let Some(unknown) = members.keys().find(|member| *member != name) {
        return Err(unknown_field(unknown, &[name]));
    }
    let listed = members.get(name).and_then(Value::as_array);
    let listed = listed.ok_or_else(|| wrong(&format!("{name} is a list")))?;
    if listed.len() > most {
        let rule = format!("a request has at most {most} {name}");
        return Err(Violation::new(name, listed.len(), rule, "send several requests"));
    }
    Ok(listed)
}

/// Reads each thing of a list.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(crate) fn each<T>(
    name: &str,
    listed: &[Value],
    mut read: impl FnMut(&Value) -> Result<T, Vec<Violation>>,
) -> Result<Vec<T>, Invalid> {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (index, one) in listed.iter().enumerate() {
        match read(one) {
            Ok(one) => all.push(one),
            Err(violations) => {
                let outer = format!("{name}[{index}]");
                wrong.extend(violations.into_iter().map(|violation| violation.inside(&outer)));
            }
        }
    }
    Invalid::unless_empty(wrong, all)
}

fn unknown_field(name: &str, known: &[&str]) -> Violation {
    let fix = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known fields: {}", known.join(", ")),
    };
    Violation::new(name, "", "there is no such field", fix)
}
