//! What an OFREP request asks for.

use super::refusal::Refusal;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use serde_json::Value;
use tidegate_model::context::Context;

/// The context in a request's body. Other members are left alone: the protocol grows.
pub(super) fn context(body: Result<Bytes, actix_web::Error>) -> Result<Context, Refusal> {
    let body = body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Refusal::too_large(),
        _ => Refusal::parse_error(format!("the body did not arrive whole: {error}")),
    })?;
    let parsed: Value = serde_json::from_slice(&body).map_err(|error| {
        Refusal::parse_error(format!(
            "the body is not JSON: {error}; send for example {{\"context\":{{\"targetingKey\":\"user-1\"}}}}"
        ))
    })?;
    let Value::Object(mut members) = parsed else {
        return Err(Refusal::parse_error(
            "the body is not an object; send for example {\"context\":{\"targetingKey\":\"user-1\"}}",
        ));
    };
    match members.remove("context") {
        None | Some(Value::Null) => Ok(Context::default()),
        Some(Value::Object(attributes)) => Context::from_json(&attributes)
            .map_err(|violation| Refusal::invalid_context(violation.to_string())),
        Some(_) => Err(Refusal::invalid_context(
            "context is not an object; send for example {\"targetingKey\":\"user-1\"}",
        )),
    }
}
