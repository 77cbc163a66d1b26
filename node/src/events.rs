//! Metric events: what happened to a variation or to a unit, sent by applications instead of scraped.

mod request;

use crate::caller::Caller;
use crate::problem::{Kind, Problem};
use actix_web::HttpResponse;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use request::{Event, HappenedTo};
use serde::Serialize;
use serde_json::Value;
use tidegate_model::invalid::Invalid;
use tidegate_model::observation::Observation;
use tidegate_replica::{NotKept, TooManyMetrics};

/// Most events in one request.
pub(crate) const EVENTS_MAX: usize = 1000;

/// Most violations that are listed; a client that makes more has one mistake many times.
const VIOLATIONS_SHOWN_MAX: usize = 100;

/// After how many seconds something that could not be kept may be sent again.
const RETRY_SECONDS: u64 = 5;

/// The body of a 202.
#[derive(Default, Serialize)]
struct Taken {
    /// Events that are counted now.
    accepted: u64,
    /// Events that are well formed but are not counted: their flag serves no variation to that
    /// context, or has too many metrics.
    dropped: u64,
    /// Events that say whom they happened to: experiments see them, whatever their flag.
    observed: u64,
}

/// Takes in metric events: all of a request, or none.
#[utoipa::path(
    post, path = "/v1/events", operation_id = "sendEvents", tag = "events",
    request_body(
        content = Object, description = "At most 1,000 events.",
        example = json!({"events": [
            {"metric": "errors", "flag": "new-checkout", "variation": "on"},
            {"metric": "latency", "value": 231, "unit": "ms", "flag": "new-checkout", "targetingKey": "user-42"},
            {"metric": "purchase", "value": 12.5, "targetingKey": "user-42", "id": "order-77", "at": "2026-11-24T10:00:00Z"}
        ]}),
    ),
    responses(
        (status = 202, description = "How many are counted.", body = Object, example = json!({"accepted": 3, "dropped": 0, "observed": 2})),
        (status = 400, description = "The body cannot be read."),
        (status = 422, description = "Some are wrong; `violations` names them all."),
        (status = 503, description = "The node has no snapshot yet, or cannot keep what experiments are to see."),
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
    let observations: Vec<Observation> = events.iter().flat_map(|one| one.observations.clone()).collect();
    // First, because it may fail.
    let kept = node
        .replica()
        .observations()
        .hand_in(&observations, node.now())
        .await;
    kept.map_err(not_kept)?;
    let mut taken = Taken::default();
    for event in events {
        taken.observed += u64::from(!event.observations.is_empty());
        match count(&event) {
            Ok(()) => taken.accepted += 1,
            Err(cause) => {
                taken.dropped += 1;
                node.replica().counters().dropped(cause, 1);
            }
        }
    }
    Ok(HttpResponse::Accepted().json(taken))
}

/// Counts an event for the flag that it names, if it names one.
fn count(event: &Event<'_>) -> Result<(), &'static str> {
    match &event.happened_to {
        None => Ok(()),
        Some(HappenedTo::Nothing) => Err("no_variation"),
        Some(HappenedTo::Variation(counts, variation)) => {
            let counted = counts.event(&event.metric, variation, event.value);
            counted.map_err(|_: TooManyMetrics| "too_many_metrics")
        }
    }
}

/// The answer when observations are not kept: nothing of the request is.
pub(crate) fn not_kept(why: NotKept) -> Problem {
    let detail = format!("{why}; nothing was taken in, send it again");
    Problem::new(Kind::StorageUnavailable, detail).retry_after(RETRY_SECONDS)
}

/// The JSON of a body.
///
/// # Errors
/// When it did not arrive whole, is too large, or no JSON.
pub(crate) fn parse(body: Result<Bytes, actix_web::Error>) -> Result<Value, Problem> {
    let body = body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Problem::new(
            Kind::BodyTooLarge,
            "the body is larger than 1 MiB; send less at once",
        ),
        _ => Problem::new(
            Kind::MalformedBody,
            format!("the body did not arrive whole: {error}"),
        ),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Kind::MalformedBody, format!("the body is not JSON: {error}")))
}

/// The answer to what breaks rules: all of them, as far as anybody wants to read them.
pub(crate) fn refused(invalid: Invalid) -> Problem {
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
