//! Conditions on the time of evaluation, lowered.
//!
//! flagd tells expressions the time in whole Unix seconds and has no words for dates. So only what is
//! asked of `timestamp` can be said, the attribute that is the time of evaluation unless the context
//! brings its own; and that has to be a number then.

use super::condition::number;
use super::logic::Logic;
use serde_json::{Value, json};
use tidegate_model::Timestamp;
use tidegate_model::condition::Question;
use tidegate_model::context::Context;

/// The attribute that is the time of evaluation, unless the context has one of this name.
pub(super) const ATTRIBUTE: &str = Context::TIMESTAMP;

/// What flagd tells the time by.
pub(super) const FLAGD: &str = "$flagd.timestamp";

/// The first second after the year 9999: numbers from here on name no moment.
const END: i64 = 253_402_300_800;
/// The first second of the year 0.
const START: i64 = -62_167_219_200;

/// The time that conditions compare with.
pub(super) fn attribute() -> Logic {
    let own = || Logic::attribute(ATTRIBUTE);
    Logic::choose(
        vec![(own().same_as(Value::Null), Logic::attribute(FLAGD))],
        Some(own()),
    )
}

/// Whether `x` is a moment that lies there; `None` if it depends on more than two fixed moments.
pub(super) fn lowered(x: &Logic, question: &Question<'_>) -> Option<Logic> {
    Some(match question {
        Question::Before(end) => within(x, (">=", START.into()), ("<", seconds(*end))),
        Question::After(start) => within(x, (">", seconds(*start)), ("<", END.into())),
        Question::BetweenMoments(start, end) => within(x, (">=", seconds(*start)), ("<=", seconds(*end))),
        _ => return None,
    })
}

fn within(x: &Logic, low: (&str, Value), high: (&str, Value)) -> Logic {
    Logic::all([
        number(x, low.0, &low.1),
        Logic::of(high.0, vec![x.clone(), Logic::literal(high.1)]),
    ])
}

/// Unix seconds, whole if they are.
fn seconds(moment: Timestamp) -> Value {
    match moment.timestamp_subsec_micros() {
        0 => moment.timestamp().into(),
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^53, as every moment to the year 9999 is"
        )]
        micros => json!(moment.timestamp() as f64 + f64::from(micros) / 1e6),
    }
}
