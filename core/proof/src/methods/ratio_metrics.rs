//! Methods of the topic `ratio_metrics`.

use super::Answer;
use serde_json::Value;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    let _pending = (method, input);
    Answer::Unsupported
}
