//! Metric events: what happened to a variation, sent by applications instead of scraped.

mod request;

use crate::caller::Caller;
use crate::problem::{Kind, Problem};
use actix_web::HttpResponse;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use request::Event;
use serde::Serialize;
use serde_json::Value;
use tidegate_model::invalid::Invalid;

/// Most events in one request.
pub(crate) const EVENTS_MAX: usize = 1000;

/// Most violations that are listed; a client that makes more has one mistake many times.
const VIOLATIONS_SHOWN_MAX: usize = 100;

/// The body of a 202.
#[derive(Serialize)]
struct Taken {
    /// Events that are counted now.
    accepted: u64,
    /// Events that are well formed but are not counted: their flag serves no variation to that
    /// context, or has too many metrics.
    dropped: u64,
}

/// Takes in metric events: all of a request, or none.
#[utoipa::path(
    post, path = "/v1/events", operation_id = "sendEvents", tag = "events",
    request_body(
        content = Object, description = "At most 1,000 events.",
        example = json!({"events": [
            {"metric": "errors", "flag": "new-checkout", "variation": "on"},
            {"metric": "latency", "value": 231, "unit": "ms", "flag": "new-checkout", "targetingKey": "user-42"}
        ]}),
    ),
    responses(
        (status = 202, description = "How many are counted.", body = Object, example = json!({"accepted": 2, "dropped": 0})),
        (status = 400, description = "The body cannot be read."),
        (status = 422, description = "Some are wrong; `violations` names them all."),
        (status = 503, description = "The node has no snapshot yet."),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn take_in(
    caller: Caller,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let node = &caller.node;
    let parsed = parse(body)?;
    let served = node.replica().served().ok_or_else(|| {
        let detail = "the node has no snapshot yet and knows no flag; send the events again";
        Problem::new(Kind::NotReady, detail)
    })?;
    let events = request::events(&parsed, &served, &caller).map_err(refused)?;
    let mut taken = Taken {
        accepted: 0,
        dropped: 0,
    };
    for event in events {
        let cause = match event {
            Event::Unattributable => "no_variation",
            Event::Attributed {
                counts,
                variation,
                metric,
                value,
            } => match counts.event(&metric, &variation, value) {
                Ok(()) => {
                    taken.accepted += 1;
                    continue;
                }
                Err(_) => "too_many_metrics",
            },
        };
        taken.dropped += 1;
        node.replica().counters().dropped(cause, 1);
    }
    Ok(HttpResponse::Accepted().json(taken))
}

fn parse(body: Result<Bytes, actix_web::Error>) -> Result<Value, Problem> {
    let body = body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Problem::new(
            Kind::BodyTooLarge,
            "the body is larger than 1 MiB; send fewer events at once",
        ),
        _ => Problem::new(
            Kind::MalformedBody,
            format!("the body did not arrive whole: {error}"),
        ),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Kind::MalformedBody, format!("the body is not JSON: {error}")))
}

fn refused(invalid: Invalid) -> Problem {
    let mut violations = invalid.into_violations();
    let found = violations.len();
    violations.truncate(VIOLATIONS_SHOWN_MAX);
    let mistakes = if found == 1 { "mistake" } else { "mistakes" };
    let mut detail = format!("{found} {mistakes}; nothing was taken in");
    if found > violations.len() {
        detail.push_str("; only the first are listed");
    }
    Problem::new(Kind::Invalid, detail).with_violations(violations)
}
