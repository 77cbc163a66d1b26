//! A design to start from.

use serde_json::{Value, json};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;

/// A design with nothing wrong, as it is written.
pub(crate) fn written() -> Value {
    json!({
        "key": "green-button",
        "hypothesis": "Green makes more people buy.",
        "flag": "checkout",
        "control": "off",
        "arms": [{ "variation": "off", "weight": 50 }, { "variation": "on", "weight": 50 }],
        "metrics": [metric(&json!({}))],
    })
}

/// A conversion, with this besides.
pub(crate) fn metric(more: &Value) -> Value {
    with(
        json!({ "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" } }),
        more,
    )
}

/// The same with these fields instead.
pub(crate) fn with(mut of: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        of[name] = value.clone();
    }
    of
}

pub(crate) fn design(more: &Value) -> Design {
    serde_json::from_value(with(written(), more)).unwrap()
}

/// So many seconds after the beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}
