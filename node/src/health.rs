//! Whether the node lives, and whether it can answer.

use crate::node::Node;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidegate_replica::{StaleBecause, Standing, exposition};

/// The body of `/readyz`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Readiness<'a> {
    node: &'a str,
    environment: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<StaleBecause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    /// `shut` while the node's lease is over, so that flags in rollout serve their safe variations.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollouts: Option<&'static str>,
}

/// The process answers; that is all this says.
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"state": "live"}))
}

/// 503 until a snapshot is served. A stale node is ready: it answers, and says how old.
pub(crate) async fn readyz(node: web::Data<Node>) -> HttpResponse {
    let standing = node.replica().standing();
    let (version, because) = match standing {
        Standing::Blind => (None, None),
        Standing::Current { version, .. } => (Some(version), None),
        Standing::Stale { version, because, .. } => (Some(version), Some(because)),
    };
    let served = node.replica().served();
    let shut = served.is_some_and(|served| served.is_shut());
    let body = Readiness {
        node: node.replica().name().as_str(),
        environment: node.environment().as_str(),
        state: standing.word(),
        because,
        version: version.map(|version| version.to_string()),
        age_seconds: standing.age().map(|age| age.as_secs()),
        rollouts: shut.then_some("shut"),
    };
    match standing {
        Standing::Blind => HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .json(body),
        Standing::Current { .. } | Standing::Stale { .. } => HttpResponse::Ok().json(body),
    }
}

/// The node's metrics in Prometheus' text format.
pub(crate) async fn metrics(node: web::Data<Node>) -> HttpResponse {
    match exposition(node.replica()) {
        Ok(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4")
            .body(text),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot write the metrics"
            );
            HttpResponse::InternalServerError().finish()
        }
    }
}
