//! Exposures that clients report: they evaluated in bulk, and met some of the arms later.
//!
//! A route of its own, not a kind of event: an exposure has no metric and no value, and what is wrong with one is
//! found out by evaluating.

use crate::caller::Caller;
use crate::events::{EVENTS_MAX, not_kept, parse, refused};
use crate::fields::{Fields, Noted, each, listed};
use crate::problem::{Kind, Problem};
use actix_web::HttpResponse;
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::Value;
use tidegate_model::invalid::Violation;
use tidegate_replica::{Exposure, NotRecorded, Served};

const FIELDS: [&str; 5] = ["flag", "variation", "targetingKey", "context", "at"];

const EXAMPLE: &str = r#"for example {"exposures": [{"flag": "new-checkout", "targetingKey": "user-1"}]}"#;

/// The body of a 202.
#[derive(Serialize)]
struct Taken {
    /// Units that met their arm.
    accepted: usize,
    /// Exposures that are well formed and none: no experiment deals the unit an arm of that flag, or it deals
    /// another one by now.
    dropped: usize,
}

/// What a reported exposure is.
enum Reported {
    Exposure(Exposure),
    /// None, for this cause.
    Not(&'static str),
}

/// Takes in exposures that clients report: all of a request, or none.
#[utoipa::path(
    post, path = "/v1/exposures", operation_id = "sendExposures", tag = "experiments",
    request_body(
        content = Object, description = "At most 1,000 exposures: units that met what a flag serves them.",
        example = json!({"exposures": [
            {"flag": "new-checkout", "targetingKey": "user-42", "variation": "on", "at": "2026-11-24T10:00:00Z"}
        ]}),
    ),
    responses(
        (status = 202, description = "How many are recorded.", body = Object, example = json!({"accepted": 1, "dropped": 0})),
        (status = 400, description = "The body cannot be read."),
        (status = 422, description = "Some are wrong; `violations` names them all."),
        (status = 503, description = "The node has no snapshot yet, or cannot keep them."),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn take_in(
    caller: Caller,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let node = &caller.node;
    let body = parse(body)?;
    let served = node.replica().served().ok_or_else(|| {
        let detail = "the node has no snapshot yet and knows no flag; send the exposures again";
        Problem::new(Kind::NotReady, detail)
    })?;
    let listed = listed(&body, "exposures", EVENTS_MAX, EXAMPLE).map_err(|one| refused(one.into()))?;
    let reported = each("exposures", listed, |one| exposure(one, &served, &caller)).map_err(refused)?;
    let all = reported.len();
    let mut exposures = Vec::new();
    for one in reported {
        match one {
            Reported::Exposure(exposure) => exposures.push(exposure),
            Reported::Not(cause) => node.surface().metrics().no_exposure(cause),
        }
    }
    let accepted = exposures.len();
    let recorded = node.replica().observations().record(exposures, node.now()).await;
    recorded.map_err(not_kept)?;
    Ok(HttpResponse::Accepted().json(Taken {
        accepted,
        dropped: all - accepted,
    }))
}

fn exposure(one: &Value, served: &Served, caller: &Caller) -> Result<Reported, Vec<Violation>> {
    let mut fields = Fields::of(one, &FIELDS, EXAMPLE)?;
    let flag = fields.flag(served, caller);
    let context = match fields.context() {
        Ok(None) => fields.refuse("targetingKey", "", "an exposure says who was exposed", EXAMPLE),
        Ok(Some(context)) => Ok(context),
        Err(Noted) => Err(Noted),
    };
    let (variation, at) = (fields.text("variation"), fields.at());
    let (Ok(flag), Ok(context), Ok(variation), Ok(at)) = (flag, context, variation, at) else {
        return Err(fields.wrong);
    };
    if !fields.wrong.is_empty() {
        return Err(fields.wrong);
    }
    let prepared = served.prepare(&context, caller.node.now());
    let evaluation = served.evaluate(flag.key.as_str(), &prepared);
    let Some(dealt) = evaluation.dealt() else {
        return Ok(Reported::Not("no_arm"));
    };
    // What the client has is from another dealing: told as an exposure of this one it would blame the wrong arm.
    if variation.is_some_and(|variation| variation != evaluation.variation()) {
        return Ok(Reported::Not("other_arm"));
    }
    match Exposure::of(&dealt, &prepared) {
        Ok(exposure) => Ok(Reported::Exposure(match at {
            Some(at) => exposure.at(at),
            None => exposure,
        })),
        Err(NotRecorded::UnitTooLong) => Ok(Reported::Not("unit_too_long")),
        Err(NotRecorded::NotKept(_)) => Ok(Reported::Not("not_kept")),
    }
}
