//! OpenFeature Remote Evaluation Protocol, version 0.3.0.
//!
//! Oddities in the answers are there for real clients: `variant` is always present, `reason` is one
//! of OpenFeature's words, metadata is flat, every error has all of its members.

mod answer;
mod refusal;
mod request;

use crate::access::Scope;
use crate::caller::Caller;
use actix_web::http::header::{ETAG, HeaderMap, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use answer::{Answer, Bulk, BulkMetadata, Entry, Metadata};
use chrono::Utc;
use refusal::Refusal;
use tidegate_eval::{ErrorCode, Reason};
use tidegate_model::context::Context;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::Digest;
use tidegate_replica::Served;

/// Length of an ETag, in hexadecimal digits: short, because browsers put it into URLs and ask again
/// before each new URL.
const ETAG_DIGITS: usize = 20;

/// `POST /ofrep/v1/evaluate/flags/{key}`
pub(crate) async fn evaluate_one(
    caller: Caller,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let key = request.match_info().get("key").unwrap_or_default();
    let context = request::context(body).map_err(|refusal| refusal.about(key))?;
    let node = &caller.node;
    let Some(served) = node.replica().served() else {
        node.replica().counters().defaulted("blind");
        return Ok(HttpResponse::Ok().json(Answer::blind(key, node.environment().as_str())));
    };
    if caller.flag(&served, key).is_none() {
        node.replica().counters().defaulted("flag_not_found");
        return Err(Refusal::flag_not_found().about(key));
    }
    let evaluation = served.serve(key, &served.prepare(&context, Utc::now()));
    if evaluation.value().is_none() {
        node.replica()
            .counters()
            .defaulted(answer::reason_in_detail(evaluation.reason()));
    }
    if let Reason::Error(code) = evaluation.reason() {
        return Err(Refusal::of(code).about(key));
    }
    let standing = node.replica().standing_of(&served);
    let version = served.version().to_string();
    let metadata = Metadata::new(node.environment().as_str(), &version, standing);
    Ok(HttpResponse::Ok().json(Answer::new(key, &evaluation, metadata, caller.grant.scope)))
}

/// `POST /ofrep/v1/evaluate/flags`
pub(crate) async fn evaluate_all(
    caller: Caller,
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
) -> Result<HttpResponse, Refusal> {
    let context = request::context(body)?;
    let node = &caller.node;
    let environment = node.environment();
    let Some(served) = node.replica().served() else {
        node.replica().counters().defaulted("blind");
        return Ok(HttpResponse::Ok().json(Bulk::blind(environment.as_str())));
    };
    let etag = etag(environment, &served, &context, &caller);
    if matches(request.headers(), &etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let standing = node.replica().standing_of(&served);
    let version = served.version().to_string();
    let prepared = served.prepare(&context, Utc::now());
    let visible = served
        .flag_keys()
        .filter(|key| caller.flag(&served, key).is_some());
    let flags = visible.map(|key| {
        let evaluation = served.serve(key, &prepared);
        if evaluation.value().is_none() {
            node.replica()
                .counters()
                .defaulted(answer::reason_in_detail(evaluation.reason()));
        }
        match evaluation.reason() {
            Reason::Error(code) => Entry::Failed(Refusal::of(code).about(key).into_members()),
            _ => {
                let metadata = Metadata::new(environment.as_str(), &version, standing);
                Entry::Answered(Answer::new(key, &evaluation, metadata, caller.grant.scope))
            }
        }
    });
    let bulk = Bulk {
        flags: flags.collect(),
        metadata: BulkMetadata::new(environment.as_str(), Some(&version), standing.word()),
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, etag)).json(bulk))
}

/// Identifies the answer, not the snapshot alone: two contexts share no ETag, and neither do two
/// environments or two callers who see different flags.
fn etag(environment: &EnvironmentKey, served: &Served, context: &Context, caller: &Caller) -> String {
    let header = served.header();
    let identity = serde_json::to_vec(&(
        environment,
        header.version,
        &header.digest,
        caller.grant.scope == Scope::Server,
        context.targeting_key(),
        context.attributes(),
    ));
    let digest = Digest::of(&identity.unwrap_or_default());
    let short = digest.as_str().get(..ETAG_DIGITS).unwrap_or_default();
    format!("\"{short}\"")
}

fn matches(headers: &HeaderMap, etag: &str) -> bool {
    let presented = headers
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok());
    presented
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == etag || one == "*")
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
