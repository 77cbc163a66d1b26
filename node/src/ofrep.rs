//! OpenFeature Remote Evaluation Protocol, version 0.3.0, for one flag; [`bulk`] is for all.
//!
//! Oddities in the answers are there for real clients: `variant` is always present, `reason` is one
//! of OpenFeature's words, metadata is flat, every error has all of its members.

pub(crate) mod bulk;
mod entry;
mod refusal;

use crate::caller::Caller;
use crate::facts::{Facts, Unreadable};
use crate::sheet::Sheet;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ContentEncoding, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use entry::Pen;
pub(crate) use entry::{reason, reason_in_detail};
use refusal::Refusal;
use tidegate_eval::{ErrorCode, Reason};
use tidegate_replica::Standing;

/// Says how what is served stands to what is published.
const STATE: HeaderName = HeaderName::from_static("tidegate-state");

/// Says which snapshot answered.
const VERSION: HeaderName = HeaderName::from_static("tidegate-version");

/// Bodies that are smaller are not worth the work of compressing them.
const COMPRESSIBLE_BYTES_MIN: usize = 4096;

/// One flag, by the OpenFeature Remote Evaluation Protocol.
#[utoipa::path(
    post, path = "/ofrep/v1/evaluate/flags/{key}", operation_id = "evaluateFlag", tag = "evaluation",
    params(("key" = String, Path, description = "The flag, for example `new-checkout`.")),
    request_body(
        content = Object, description = "Who asks.",
        example = json!({"context": {"targetingKey": "user-42", "plan": "pro"}}),
    ),
    responses(
        (status = 200, description = "The answer. No `value` means: use your own default.", body = Object, example = json!({
            "key": "new-checkout", "value": true, "reason": "SPLIT", "variant": "on",
            "metadata": {"flagSetId": "production", "version": "1.42", "tidegateReason": "rollout", "tidegateState": "current"}
        })),
        (status = 400, description = "`PARSE_ERROR`, `INVALID_CONTEXT` or `TARGETING_KEY_MISSING`.", body = Object, example = json!({
            "key": "new-checkout", "errorCode": "INVALID_CONTEXT", "errorDetails": "context is not an object"
        })),
        (status = 404, description = "`FLAG_NOT_FOUND`: no such flag, or none that the token may see.", body = Object),
    ),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate"))),
)]
pub(crate) async fn evaluate_one(
    caller: Caller,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let key = request.match_info().get("key").unwrap_or_default();
    let about = |refusal: Refusal| refusal.about(key);
    let body = whole(body).map_err(about)?;
    let facts = Facts::of_body(&body).map_err(|error| about(error.into()))?;
    let node = &caller.node;
    let mut text = Vec::with_capacity(512);
    let Some(served) = node.replica().served() else {
        node.replica().counters().defaulted("blind");
        entry::blind(&mut text, node.environment(), key);
        return Ok(answer(None, Standing::Blind, text.len()).body(text));
    };
    let Some(flag) = caller.flag(&served, key) else {
        node.replica().counters().defaulted("flag_not_found");
        return Err(about(Refusal::flag_not_found()));
    };
    let context = facts.prepare(&served, node.now());
    let evaluation = served.evaluate(key, &context);
    if evaluation.json().is_none() {
        let reason = reason_in_detail(evaluation.reason());
        node.replica().counters().defaulted(reason);
    }
    if let Reason::Error(code) = evaluation.reason() {
        return Err(about(Refusal::of(code)));
    }
    flag.counts.exposed_at(evaluation.variation_place());
    served.expose(&evaluation, &context);
    let sheet = node.surface().sheet(&served);
    let standing = node.replica().standing_of(&served);
    Pen::new(&sheet, standing, caller.grant.scope)
        .with_age(standing)
        .answer(&mut text, key, &evaluation);
    Ok(answer(Some(&sheet), standing, text.len()).body(text))
}

/// The body, if it arrived.
fn whole(body: Result<Bytes, actix_web::Error>) -> Result<Bytes, Refusal> {
    body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Refusal::too_large(),
        _ => Refusal::parse_error(format!("the body did not arrive whole: {error}")),
    })
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Body(error) => Self::parse_error(format!(
                "the body cannot be read: {error}; send for example {{\"context\":{{\"targetingKey\":\"user-1\"}}}}"
            )),
            Unreadable::Context(rule) => Self::invalid_context(rule),
        }
    }
}

/// A 200 with a body of this many bytes.
pub(crate) fn answer(sheet: Option<&Sheet>, standing: Standing, bytes: usize) -> HttpResponseBuilder {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut response = told(StatusCode::OK, sheet, standing);
    response.insert_header((CONTENT_TYPE, JSON));
    if bytes < COMPRESSIBLE_BYTES_MIN {
        response.insert_header(ContentEncoding::Identity);
    }
    response
}

/// An answer that says in its head what it came from.
pub(crate) fn told(status: StatusCode, sheet: Option<&Sheet>, standing: Standing) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((STATE, HeaderValue::from_static(standing.word())));
    if let Some(sheet) = sheet {
        response.insert_header((VERSION, sheet.version_header.clone()));
    }
    response
}

/// Why there is no answer for one flag.
impl Refusal {
    fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::FlagNotFound => Self::flag_not_found(),
            ErrorCode::TargetingKeyMissing => Self::targeting_key_missing(),
        }
    }
}
