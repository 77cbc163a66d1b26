//! What a request of events says.

use super::EVENTS_MAX;
use crate::caller::Caller;
use crate::fields::{Fields, Noted, each, listed};
use serde_json::Value;
use tidegate_eval::{ErrorCode, PreparedContext, Reason};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{MetricName, VariationKey};
use tidegate_model::observation::Observation;
use tidegate_replica::{FlagCounts, Served, ServedFlag};

const FIELDS: [&str; 9] = [
    "metric",
    "value",
    "unit",
    "flag",
    "variation",
    "targetingKey",
    "context",
    "id",
    "at",
];

const EXAMPLE: &str =
    r#"for example {"events": [{"metric": "errors", "flag": "new-checkout", "variation": "on"}]}"#;

/// An event that is well formed.
pub(super) struct Event<'a> {
    pub(super) metric: MetricName,
    pub(super) value: f64,
    /// To which variation it happened, if it names a flag.
    pub(super) happened_to: Option<HappenedTo<'a>>,
    /// The same event, for each unit to whom it happened.
    pub(super) observations: Vec<Observation>,
}

/// What an event happened to.
pub(super) enum HappenedTo<'a> {
    /// This variation.
    Variation(&'a FlagCounts, VariationKey),
    /// The flag serves its context no variation, so it happened to none.
    Nothing,
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
    let listed = listed(body, "events", EVENTS_MAX, EXAMPLE)?;
    each("events", listed, |one| event(one, served, caller))
}

fn event<'a>(event: &Value, served: &'a Served, caller: &Caller) -> Result<Event<'a>, Vec<Violation>> {
    let mut fields = Fields::of(event, &FIELDS, EXAMPLE)?;
    let now = caller.node.now();
    let metric = fields.metric();
    let value = fields.value();
    let unit = fields.unit();
    let context = fields.context();
    let prepared = match &context {
        Ok(Some(context)) => Some(served.prepare(context, now)),
        Ok(None) | Err(Noted) => None,
    };
    let units = prepared.as_ref().map(|prepared| served.units(prepared));
    let units = fields.units(units.unwrap_or_default());
    // Only who says to whom it happened may leave out the flag.
    let flag = match (&units, fields.get("flag")) {
        (Ok(units), None) if !units.is_empty() => Ok(None),
        (_, None) => fields.refuse(
            "flag",
            "",
            "an event names its flag, or whom it happened to",
            EXAMPLE,
        ),
        (_, Some(_)) => fields.flag(served, caller).map(Some),
    };
    let happened_to = match (&flag, &context) {
        (Ok(Some(flag)), Ok(_)) => variation(&mut fields, flag, prepared.as_ref(), served).map(Some),
        (Ok(None), _) => Ok(None),
        _ => Err(Noted),
    };
    let (id, at) = (id(&mut fields), fields.at());
    match (metric, value, unit, units, happened_to, id, at) {
        (Ok(metric), Ok(value), Ok(_), Ok(units), Ok(happened_to), Ok(id), Ok(at))
            if fields.wrong.is_empty() =>
        {
            let observed = |unit| Observation::Event {
                unit,
                metric: metric.clone(),
                value,
                at: at.unwrap_or(now),
                id: id.clone(),
            };
            let observations = units.into_iter().map(observed).collect();
            Ok(Event {
                metric,
                value,
                happened_to,
                observations,
            })
        }
        _ => Err(fields.wrong),
    }
}

/// What tells the event from others of its unit: its id, or one that is drawn.
fn id(fields: &mut Fields<'_>) -> Result<String, Noted> {
    if let Some(id) = fields.name("id")? {
        return Ok(id.to_owned());
    }
    match getrandom::u64() {
        Ok(drawn) => Ok(format!("{drawn:016x}")),
        Err(_) => fields.refuse("id", "", "no id can be drawn at present", "send one"),
    }
}

/// The variation that it happened to: the one named, else the one that the flag serves to the context.
fn variation<'a>(
    fields: &mut Fields<'_>,
    flag: &'a ServedFlag,
    context: Option<&PreparedContext<'_>>,
    served: &Served,
) -> Result<HappenedTo<'a>, Noted> {
    let counts = &flag.counts;
    if let Some(named) = fields.text("variation")? {
        if let Some(known) = counts.variation(named) {
            return Ok(HappenedTo::Variation(counts, known.clone()));
        }
        let known: Vec<_> = counts.variations().map(VariationKey::as_str).collect();
        let fix = format!("its variations are {}", known.join(", "));
        return fields.refuse("variation", named, "the flag has no such variation", &fix);
    }
    let fix = "send variation as evaluation answered it, or the targetingKey or context that was evaluated";
    let Some(context) = context else {
        let rule = "an event says to which variation it happened, or to whom";
        return fields.refuse("variation", "", rule, fix);
    };
    let evaluation = served.evaluate(flag.key.as_str(), context);
    if evaluation.reason() == Reason::Error(ErrorCode::TargetingKeyMissing) {
        let rule = "the flag is dealt out by unit, and the event's context has none";
        return fields.refuse("targetingKey", "", rule, fix);
    }
    let variation = counts.variation(evaluation.variation());
    Ok(match variation {
        Some(variation) => HappenedTo::Variation(counts, variation.clone()),
        None => HappenedTo::Nothing,
    })
}
