//! Methods of the topic `srm`.

use super::Answer;
use serde_json::Value;

pub(super) fn answer(method: &str, input: &Value) -> Answer {
    let _pending = (method, input);
    Answer::Unsupported
}
