//! What a request of events says, with everything that is wrong with it named at once.

use super::EVENTS_MAX;
use crate::caller::Caller;
use serde_json::{Map, Value};
use std::fmt;
use tidegate_eval::{ErrorCode, Reason};
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_replica::FlagCounts;
use tidegate_replica::Served;

/// Largest value of an event on either side of nought. Sums of these stay finite for longer than
/// any process lives.
const VALUE_MAX: f64 = 1e15;

/// Longest name of a unit of measurement, in characters.
const UNIT_CHARS_MAX: usize = 32;

const FIELDS: [&str; 7] = [
    "metric",
    "value",
    "unit",
    "flag",
    "variation",
    "targetingKey",
    "context",
];

const EXAMPLE: &str =
    r#"for example {"events": [{"metric": "errors", "flag": "new-checkout", "variation": "on"}]}"#;

/// An event that is well formed.
pub(super) enum Event<'a> {
    /// It happened to this variation.
    Attributed {
        counts: &'a FlagCounts,
        variation: VariationKey,
        metric: MetricName,
        value: f64,
    },
    /// The flag serves its context no variation, so it happened to none.
    Unattributable,
}

/// The events of a request's body.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn events<'a>(
    body: &Value,
    served: &'a Served,
    caller: &Caller,
) -> Result<Vec<Event<'a>>, Invalid> {
    let mut events = Vec::new();
    let mut wrong = Vec::new();
    for (index, one) in listed(body)?.iter().enumerate() {
        match event(one, served, caller) {
            Ok(event) => events.push(event),
            Err(violations) => {
                let outer = format!("events[{index}]");
                wrong.extend(violations.into_iter().map(|violation| violation.inside(&outer)));
            }
        }
    }
    Invalid::unless_empty(wrong, events)
}

fn listed(body: &Value) -> Result<&[Value], Violation> {
    let wrong = |rule: &str| Violation::new("events", "", rule, EXAMPLE);
    let members = body.as_object().ok_or_else(|| wrong("the body is an object"))?;
    if let Some(unknown) = members.keys().find(|name| *name != "events") {
        return Err(unknown_field(unknown, &["events"]));
    }
    let listed = members.get("events").and_then(Value::as_array);
    let listed = listed.ok_or_else(|| wrong("events is a list"))?;
    if listed.len() > EVENTS_MAX {
        let rule = format!("a request has at most {EVENTS_MAX} events");
        return Err(Violation::new(
            "events",
            listed.len(),
            rule,
            "send several requests",
        ));
    }
    Ok(listed)
}

fn event<'a>(event: &Value, served: &'a Served, caller: &Caller) -> Result<Event<'a>, Vec<Violation>> {
    let Value::Object(members) = event else {
        return Err(vec![Violation::new("", event, "an event is an object", EXAMPLE)]);
    };
    let mut fields = Fields {
        members,
        wrong: members
            .keys()
            .filter(|name| !FIELDS.contains(&name.as_str()))
            .map(|name| unknown_field(name, &FIELDS))
            .collect(),
        at: caller.node.now(),
    };
    let metric = fields.metric();
    let value = fields.value();
    let unit = fields.unit();
    let flag = fields.flag(served, caller);
    let context = fields.context();
    let happened_to = match (&flag, context) {
        (Ok((flag, counts)), Ok(context)) => fields.variation(flag, counts, context, served),
        _ => Err(Noted),
    };
    match (metric, value, unit, flag, happened_to) {
        (Ok(metric), Ok(value), Ok(_), Ok((_, counts)), Ok(variation)) if fields.wrong.is_empty() => Ok(
            variation.map_or(Event::Unattributable, |variation| Event::Attributed {
                counts,
                variation,
                metric,
                value,
            }),
        ),
        _ => Err(fields.wrong),
    }
}

/// Reads the fields of one event.
struct Fields<'v> {
    members: &'v Map<String, Value>,
    wrong: Vec<Violation>,
    /// The moment of evaluations.
    at: Timestamp,
}

/// The field is wrong, and that was noted.
struct Noted;

impl<'v> Fields<'v> {
    fn refuse<T>(
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
    fn get(&self, field: &str) -> Option<&'v Value> {
        self.members.get(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &str) -> Result<Option<&'v str>, Noted> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => self.refuse(field, other, &format!("{field} is a text"), "put it in quotes"),
        }
    }

    /// A text that must be there.
    fn required(&mut self, field: &str) -> Result<&'v str, Noted> {
        match self.text(field)? {
            Some(text) => Ok(text),
            None => self.refuse(field, "", &format!("an event names its {field}"), EXAMPLE),
        }
    }

    fn metric(&mut self) -> Result<MetricName, Noted> {
        MetricName::new(self.required("metric")?).map_err(|mut violation| {
            "metric".clone_into(&mut violation.field);
            self.wrong.push(violation);
            Noted
        })
    }

    fn value(&mut self) -> Result<f64, Noted> {
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
    fn unit(&mut self) -> Result<Option<&'v str>, Noted> {
        match self.text("unit")? {
            Some(unit) if unit.is_empty() || unit.chars().count() > UNIT_CHARS_MAX => {
                let rule = format!("a unit has 1 to {UNIT_CHARS_MAX} characters");
                self.refuse("unit", unit, &rule, "for example ms, EUR or bytes")
            }
            unit => Ok(unit),
        }
    }

    fn flag<'a>(&mut self, served: &'a Served, caller: &Caller) -> Result<(&'v str, &'a FlagCounts), Noted> {
        let flag = self.required("flag")?;
        if let Some(known) = caller.flag(served, flag) {
            return Ok((flag, &known.counts));
        }
        let visible = served.flags().iter().filter(|known| caller.sees(known));
        let fix = match nearest(flag, visible.map(|known| known.key.as_str())) {
            Some(known) => format!("did you mean {known:?}?"),
            None => "use the key of a flag of this environment".to_owned(),
        };
        self.refuse("flag", flag, "this environment has no such flag", &fix)
    }

    /// Who it happened to, if the event says so.
    fn context(&mut self) -> Result<Option<Context>, Noted> {
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

    /// The variation that it happened to: the one named, else the one that the flag serves to the
    /// context; `None` when it serves none.
    fn variation(
        &mut self,
        flag: &str,
        counts: &FlagCounts,
        context: Option<Context>,
        served: &Served,
    ) -> Result<Option<VariationKey>, Noted> {
        if let Some(named) = self.text("variation")? {
            if let Some(known) = counts.variation(named) {
                return Ok(Some(known.clone()));
            }
            let known: Vec<_> = counts.variations().map(VariationKey::as_str).collect();
            let fix = format!("its variations are {}", known.join(", "));
            return self.refuse("variation", named, "the flag has no such variation", &fix);
        }
        let fix =
            "send variation as evaluation answered it, or the targetingKey or context that was evaluated";
        let Some(context) = context else {
            let rule = "an event says to which variation it happened, or to whom";
            return self.refuse("variation", "", rule, fix);
        };
        let evaluation = served.evaluate(flag, &served.prepare(&context, self.at));
        if evaluation.reason() == Reason::Error(ErrorCode::TargetingKeyMissing) {
            let rule = "the flag is dealt out by unit, and the event's context has none";
            return self.refuse("targetingKey", "", rule, fix);
        }
        Ok(counts.variation(evaluation.variation()).cloned())
    }
}

fn unknown_field(name: &str, known: &[&str]) -> Violation {
    let fix = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known fields: {}", known.join(", ")),
    };
    Violation::new(name, "", "there is no such field", fix)
}
