//! What probes and Prometheus ask: without a token, and telling nothing that needs one.

use crate::http::access::Anybody;
use crate::http::problem::{Kind, Problem};
use actix_web::HttpResponse;
use actix_web::web::Json;
use prometheus::TextEncoder;
use serde::Serialize;
use std::collections::BTreeMap;
use tidegate_decide::serving::Cause;
use tidegate_model::key::EnvironmentKey;

/// How the control plane is doing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Readiness {
    /// `ready`, or `serves_only` while only what shuts is taken; otherwise the answer is a problem.
    status: &'static str,
    /// Why it only serves; left out while it does more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// How many flags and rollouts are kept apart because their actors failed too often. The metrics
    /// and the log name them.
    quarantined: usize,
    /// How many flags vanish only when somebody confirms it.
    waiting_flags: usize,
    /// Environments that take in no observations, and why: their experiments learn nothing new, all else goes on. Left out
    /// while there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    not_observing: BTreeMap<EnvironmentKey, String>,
    /// How far the wall clock has moved away since the start, in seconds: it was set, or the machine slept.
    clock_offset_seconds: f64,
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/livez", operation_id = "live", tag = "health",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")),
)]
pub(super) async fn live(_: Anybody) -> &'static str {
    "live\n"
}

/// Whether the control plane can store and publish.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready", tag = "health",
    responses(
        (status = 200, description = "It can, or at least it serves and takes what shuts.", body = Readiness),
        (status = 503, description = "It cannot; the detail says why."),
    ),
)]
pub(super) async fn ready(anybody: Anybody) -> Result<Json<Readiness>, Problem> {
    let health = anybody.health().await;
    match health.not_ready {
        Some(why) => Err(Problem::new(Kind::NotReady, why)),
        // Still 200: nodes pull from here, and whoever wants to roll back must find the way.
        None => Ok(Json(Readiness {
            status: match health.serves_only.is_empty() {
                true => "ready",
                false => "serves_only",
            },
            reasons: health.serves_only.iter().map(Cause::to_string).collect(),
            quarantined: health.quarantined.len(),
            waiting_flags: health.waiting_flags,
            not_observing: health.not_observing,
            clock_offset_seconds: health.clock_offset_seconds,
        })),
    }
}

/// What the control plane measures of itself, in the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, description = "All metrics.", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(anybody: Anybody) -> Result<HttpResponse, Problem> {
    let text = TextEncoder::new().encode_to_string(&anybody.registry().await.gather());
    let text = text.map_err(|_| Problem::incident("metrics-without-names"))?;
    Ok(HttpResponse::Ok()
        .content_type(prometheus::TEXT_FORMAT)
        .body(text))
}
