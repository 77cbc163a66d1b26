//! A node as the upstream of nodes: it hands on the snapshots that it serves, with the signatures of
//! the control plane, and forwards what the nodes below it report.

use crate::distribution::{self, Ask, NoAnswer};
use crate::node::Node;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::fleet::{HOPS_MAX, NodeReport};
use tidegate_model::observation::ObservationBatch;
use tidegate_model::snapshot::{Digest, Version};
use tidegate_replica::{Upstream, UpstreamError};
use tokio::sync::Semaphore;

/// Longest wait for a newer snapshot, in seconds: shorter than proxies' patience.
const WAIT_SECONDS_MAX: u64 = 30;

/// Largest report, in bytes.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// Largest batch of observations, in bytes, after decompression: far more than a node puts into one.
const OBSERVATIONS_BYTES_MAX: usize = 16 << 20;

/// Most batches of observations that are being forwarded at once.
const FORWARDED_MAX: usize = 32;

/// What a relay stands on.
pub struct Relay {
    node: Node,
    upstream: Arc<dyn Upstream>,
    admits: Box<Admits>,
    forwarding: Semaphore,
}

/// Whether the secret of a request is one of a node that may follow this one.
type Admits = dyn Fn(Option<&str>) -> bool + Send + Sync;

/// What is answered instead.
type Refused = Box<HttpResponse>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    delta: u8,
}

impl Relay {
    /// A relay in front of `upstream`, which the node itself follows. `admits` says of the secret in
    /// a request whether it is one of a node that may follow this one; it is called for each request
    /// and must not wait.
    pub fn new(
        node: Node,
        upstream: Arc<dyn Upstream>,
        admits: impl Fn(Option<&str>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            upstream: node.replica().guarded(upstream),
            node,
            admits: Box::new(admits),
            forwarding: Semaphore::new(FORWARDED_MAX),
        }
    }

    /// Whether the request is one of a node that may follow this one, in this node's environment.
    fn admit(&self, request: &HttpRequest) -> Result<(), Refused> {
        if !(self.admits)(bearer(request.headers())) {
            let detail = "a node that follows this one shows a token of its --child-token-file";
            return Err(problem(StatusCode::UNAUTHORIZED, "unauthenticated", detail).into());
        }
        let environment = request.match_info().get("environment").unwrap_or_default();
        let known = self.node.environment();
        if environment == known.as_str() {
            return Ok(());
        }
        let detail = format!("there is no environment {environment:?} here; known: {known}");
        Err(problem(StatusCode::NOT_FOUND, "not-found", &detail).into())
    }

    fn wanted(&self, request: &HttpRequest) -> Result<(Wanted, Option<Version>), Refused> {
        let malformed = |why: String| Box::new(problem(StatusCode::BAD_REQUEST, "malformed-request", &why));
        let wanted = web::Query::<Wanted>::from_query(request.query_string());
        let wanted = wanted.map_err(|error| malformed(format!("the query cannot be read: {error}")))?;
        let wanted = wanted.into_inner();
        if wanted.wait > WAIT_SECONDS_MAX {
            return Err(malformed(format!(
                "wait: a wait is a whole number of seconds, 0 to {WAIT_SECONDS_MAX}"
            )));
        }
        let repeated = request.headers().get("last-event-id");
        let repeated = repeated.and_then(|id| id.to_str().ok()?.parse().ok());
        let after = wanted.after.as_deref().map(str::parse).transpose();
        Ok((wanted, after.map_err(malformed)?.or(repeated)))
    }
}

/// What nodes ask of this one.
pub fn routes(relay: Arc<Relay>) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static {
    let relay = web::Data::from(relay);
    move |config| {
        config
            .app_data(relay)
            .route("/api/v1/{environment}/snapshots/current", web::get().to(pull))
            .route("/api/v1/{environment}/snapshots/stream", web::get().to(stream))
            .route("/api/v1/{environment}/keys", web::get().to(keys))
            .route("/api/v1/{environment}/lists/{digest}", web::get().to(list))
            .route("/api/v1/{environment}/nodes/report", web::post().to(report))
            .service(
                web::resource("/api/v1/{environment}/observations")
                    .app_data(PayloadConfig::new(OBSERVATIONS_BYTES_MAX))
                    .route(web::post().to(observe)),
            );
    }
}

async fn pull(request: HttpRequest, relay: web::Data<Relay>) -> HttpResponse {
    let asked = relay.admit(&request).and_then(|()| relay.wanted(&request));
    let (wanted, after) = match asked {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    let ask = Ask::of(
        &request,
        after,
        Duration::from_secs(wanted.wait),
        wanted.delta == 1,
    );
    let publication = relay.node.replica().publication();
    let answer = distribution::pull(publication, &request, &ask).await;
    answer.unwrap_or_else(no_answer)
}

async fn stream(request: HttpRequest, relay: web::Data<Relay>) -> HttpResponse {
    let asked = relay.admit(&request).and_then(|()| relay.wanted(&request));
    match asked {
        Ok((_, after)) => {
            distribution::stream(relay.node.replica().publication(), after).unwrap_or_else(no_answer)
        }
        Err(refused) => *refused,
    }
}

/// The keys as the control plane signed them: who follows this node trusts those, not this node.
async fn keys(request: HttpRequest, relay: web::Data<Relay>) -> HttpResponse {
    match (relay.admit(&request), relay.node.replica().key_list()) {
        (Err(refused), _) => *refused,
        (Ok(()), Some(list)) => HttpResponse::Ok().json(&*list),
        (Ok(()), None) => busy(1, "the keys are not known here yet"),
    }
}

/// The bytes of a list of units: their digest, which the signed snapshot names, vouches for them.
async fn list(request: HttpRequest, relay: web::Data<Relay>) -> HttpResponse {
    if let Err(refused) = relay.admit(&request) {
        return *refused;
    }
    let digest = request.match_info().get("digest").unwrap_or_default();
    let Ok(digest) = digest.parse::<Digest>() else {
        let detail = "the name of a list has 64 digits, each one of 0-9 and a-f";
        return problem(StatusCode::BAD_REQUEST, "malformed-request", detail);
    };
    let replica = relay.node.replica().clone();
    match web::block(move || replica.list(&digest)).await {
        Ok(Some(bytes)) => HttpResponse::Ok()
            .content_type("application/octet-stream")
            .body(bytes),
        Ok(None) => problem(StatusCode::NOT_FOUND, "not-found", "there is no such list here"),
        Err(_) => busy(1, "too much is under way"),
    }
}

/// Forwards a report at once: what upstream did not take, the author keeps and repeats.
async fn report(request: HttpRequest, body: web::Payload, relay: web::Data<Relay>) -> HttpResponse {
    if let Err(refused) = relay.admit(&request) {
        return *refused;
    }
    let malformed = |why: &str| problem(StatusCode::BAD_REQUEST, "malformed-body", why);
    let body = match body.to_bytes_limited(REPORT_BYTES_MAX).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return malformed(&error.to_string()),
        Err(_) => {
            let detail = format!("a report has at most {REPORT_BYTES_MAX} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail);
        }
    };
    let mut report: NodeReport = match serde_json::from_slice(&body) {
        Ok(report) => report,
        Err(error) => return malformed(&format!("not a report: {error}")),
    };
    let here = relay.node.replica().name();
    if report.via.contains(here) || report.node == *here || report.via.len() >= HOPS_MAX {
        return malformed(&format!(
            "via: the report came through {} nodes and would pass {here} twice, or more than {HOPS_MAX} nodes; let \
             each node follow another one or the control plane, without a circle",
            report.via.len()
        ));
    }
    report.via.push(here.clone());
    match relay.upstream.report(&report).await {
        Ok(receipt) => HttpResponse::Ok().json(receipt),
        // It would be refused for ever, so its author has to hear of it.
        Err(UpstreamError::Refused {
            status: 400 | 413 | 422,
            detail,
        }) => malformed(&detail),
        Err(error) => busy(2, &format!("it cannot be forwarded: {error}")),
    }
}

/// Forwards a batch of observations at once and unchanged, with upstream's answer: what upstream did not take, the
/// author keeps and repeats.
async fn observe(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    relay: web::Data<Relay>,
) -> HttpResponse {
    if let Err(refused) = relay.admit(&request) {
        return *refused;
    }
    let malformed = |why: &str| problem(StatusCode::BAD_REQUEST, "malformed-body", why);
    let body = match body {
        Ok(body) => body,
        Err(error) if matches!(error.as_error::<PayloadError>(), Some(PayloadError::Overflow)) => {
            let detail = format!("a batch has at most {OBSERVATIONS_BYTES_MAX} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", &detail);
        }
        Err(error) => return malformed(&format!("the batch did not arrive whole: {error}")),
    };
    // Each may take megabytes. Should nodes follow each other in a circle, this is where it ends.
    let Ok(_room) = relay.forwarding.try_acquire() else {
        return busy(1, "too many batches are being forwarded");
    };
    let batch: ObservationBatch = match serde_json::from_slice(&body) {
        Ok(batch) => batch,
        Err(error) => return malformed(&format!("not a batch of observations: {error}")),
    };
    match relay.upstream.observe(&batch).await {
        Ok(receipt) => HttpResponse::Ok().json(receipt),
        // It would be refused for ever, so its author has to hear of it.
        Err(UpstreamError::Refused {
            status: status @ (400 | 413 | 422),
            detail,
        }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            problem(status, "invalid", &detail)
        }
        Err(error) => busy(2, &format!("it cannot be forwarded: {error}")),
    }
}

fn no_answer(why: NoAnswer) -> HttpResponse {
    match why {
        NoAnswer::NothingYet => busy(1, "this node has no snapshot itself yet"),
        NoAnswer::TooMuch { retry_after } => busy(retry_after, "too many nodes ask at once"),
    }
}

fn busy(retry_after: u64, why: &str) -> HttpResponse {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "not-ready", why);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, retry_after.into());
    response
}

/// A problem document, as the control plane would answer it.
fn problem(status: StatusCode, slug: &str, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    HttpResponse::build(status)
        .content_type("application/problem+json")
        .body(
            serde_json::json!({
                "type": format!("https://tidegate.dev/errors/{slug}"),
                "title": title,
                "status": status.as_u16(),
                "detail": detail,
            })
            .to_string(),
        )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
