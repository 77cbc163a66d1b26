//! What nodes pull and tell.

use crate::http::access::{Allowed, ReadAccess, ServeAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Query;
use crate::http::problem::{Kind, Problem};
use actix_web::http::header;
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse};
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, NodeView};
use tidegate_model::invalid::Violation;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::{SnapshotHeader, Version};

/// Longest wait for a newer snapshot, in seconds: shorter than proxies' patience.
const WAIT_SECONDS_MAX: u64 = 30;

/// The newest snapshot of an environment, as soon as there is one that the node does not have.
///
/// `after` is the version that the node serves; without it, the version in `If-None-Match`. If the
/// newest snapshot is that one, the answer waits up to `wait` seconds for a newer one, then is 304.
#[utoipa::path(
    get, path = "/api/v1/{environment}/snapshots/current", operation_id = "pullSnapshot", tag = "nodes",
    params(
        ("after" = Option<String>, Query, description = "The version that the node serves, as `1.42`."),
        ("wait" = Option<u64>, Query, description = "How long to wait for a newer one, in seconds, 0 to 30; 0 by default."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the snapshot that the node has."),
    ),
    responses(
        (status = 200, description = "The snapshot; its version is the ETag.", body = Object),
        (status = 304, description = "There is no newer one."),
    ),
)]
pub(super) async fn pull(
    allowed: Allowed<ServeAccess>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["after", "wait"])?;
    let after: Option<Version> = query.get("after", "a version is two numbers with a dot between", "1.42")?;
    let after = after.or_else(|| etag_version(&request));
    let patience = patience(&query)?;
    let newest = allowed
        .control()
        .newer_than(allowed.environment(), after, patience)
        .await;
    let newest = newest.ok_or_else(|| no_snapshot(allowed.environment()))?;
    let version = newest.header.version;
    let mut response = if after == Some(version) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((header::ETAG, format!("\"{version}\"")));
    if after == Some(version) {
        return Ok(response.finish());
    }
    Ok(response
        .content_type("application/json")
        .body(newest.bytes.clone()))
}

fn patience(query: &Query) -> Result<Duration, Problem> {
    let rule = "a wait is a whole number of seconds, 0 to 30";
    let seconds = query.get("wait", rule, "20")?.unwrap_or(0);
    if seconds > WAIT_SECONDS_MAX {
        return Err(Problem::malformed_request(Violation::new(
            "wait",
            seconds,
            rule,
            "ask again after 30 s",
        )));
    }
    Ok(Duration::from_secs(seconds))
}

fn etag_version(request: &HttpRequest) -> Option<Version> {
    let text = request.headers().get(header::IF_NONE_MATCH)?.to_str().ok()?;
    text.trim()
        .trim_start_matches("W/")
        .trim_matches('"')
        .parse()
        .ok()
}

fn no_snapshot(environment: &EnvironmentKey) -> Problem {
    Problem::new(
        Kind::NotFound,
        format!("there is no snapshot of environment {environment} yet"),
    )
}

/// What identifies the newest snapshot of an environment.
#[utoipa::path(
    get, path = "/api/v1/{environment}/snapshots/current/header", operation_id = "readSnapshotHeader", tag = "nodes",
    responses((status = 200, description = "The header.", body = SnapshotHeader)),
)]
pub(super) async fn header(allowed: Allowed<ReadAccess>) -> Result<Json<SnapshotHeader>, Problem> {
    let newest = allowed.control().published(allowed.environment());
    let newest = newest.ok_or_else(|| no_snapshot(allowed.environment()))?;
    Ok(Json(newest.header.clone()))
}

/// All nodes heard of since the start, sorted by name, with the version that each serves.
#[utoipa::path(
    get, path = "/api/v1/{environment}/nodes", operation_id = "listNodes", tag = "nodes",
    responses((status = 200, description = "The nodes.", body = Listed<NodeView>)),
)]
pub(super) async fn nodes(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<NodeView>>, Problem> {
    let nodes = allowed.control().nodes(allowed.environment()).await?;
    Ok(Json(Listed::of(nodes)))
}

/// Takes in what a node says of itself: the version it serves, and what was counted since its last
/// report. A report that is sent again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/{environment}/nodes/report", operation_id = "reportNode", tag = "nodes",
    request_body = NodeReport,
    responses(
        (status = 204, description = "Taken in."),
        (status = 422, description = "The report breaks rules."),
    ),
)]
pub(super) async fn report(allowed: Allowed<ServeAccess>, body: JsonText) -> Result<HttpResponse, Problem> {
    let report: NodeReport = body.read()?;
    allowed.control().report(allowed.environment(), report).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    #[actix_web::test]
    async fn waits_are_bounded() {
        for (uri, seconds) in [
            ("/?wait=30", Some(30)),
            ("/", Some(0)),
            ("/?wait=31", None),
            ("/?wait=-1", None),
            ("/?wait=5s", None),
        ] {
            let query = Query::extract(&TestRequest::with_uri(uri).to_http_request())
                .await
                .unwrap();
            assert_eq!(patience(&query).ok(), seconds.map(Duration::from_secs), "{uri}");
        }
    }

    #[test]
    fn etags_are_versions() {
        for (text, version) in [
            ("\"1.42\"", Some((1, 42))),
            ("W/\"1.42\"", Some((1, 42))),
            ("\"x\"", None),
            ("*", None),
        ] {
            let request = TestRequest::default()
                .insert_header(("if-none-match", text))
                .to_http_request();
            let read = etag_version(&request).map(|version| (version.epoch, version.number));
            assert_eq!(read, version, "{text}");
        }
    }
}
