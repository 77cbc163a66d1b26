//! What nodes pull and tell.

use crate::http::access::{Allowed, EditAccess, ReadAccess, ServeAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Query;
use crate::http::problem::{Kind, Problem};
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, NodeView, Receipt};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{EnvironmentKey, FlagKey};
use tidegate_model::snapshot::{SnapshotHeader, Version};
use tidegate_node::distribution::{self, Ask, NoAnswer};

/// Longest wait for a newer snapshot, in seconds: shorter than proxies' patience.
const WAIT_SECONDS_MAX: u64 = 30;

/// The newest snapshot of an environment, as soon as there is one that the node does not have.
///
/// `after` is the version that the node serves; without it, the version in `If-None-Match`. If the
/// newest snapshot is that one, the answer waits up to `wait` seconds for a newer one, then is 304.
/// With `delta=1`, or `Accept: application/vnd.tidegate.delta+json`, the answer may be the way from
/// there instead of the whole snapshot, if it is remembered and shorter.
#[utoipa::path(
    get, path = "/api/v1/{environment}/snapshots/current", operation_id = "pullSnapshot", tag = "nodes",
    params(
        ("after" = Option<String>, Query, description = "The version that the node serves, as `1.42`."),
        ("wait" = Option<u64>, Query, description = "How long to wait for a newer one, in seconds, 0 to 30; 0 by default."),
        ("delta" = Option<u8>, Query, description = "1 if a delta from that version will do; 0 by default."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the snapshot that the node has."),
    ),
    responses(
        (status = 200, description = "The snapshot, or the delta; its version is the ETag.", body = Object),
        (status = 304, description = "There is no newer one."),
        (status = 429, description = "Too many nodes load whole snapshots; `Retry-After` says when to ask again."),
    ),
)]
pub(super) async fn pull(
    allowed: Allowed<ServeAccess>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["after", "wait", "delta"])?;
    let after = after(&query)?;
    let delta = match query.get("delta", "1 or 0", "1")?.unwrap_or(0_u8) {
        0 => false,
        1 => true,
        other => {
            let rule = "delta is 1 or 0";
            return Err(Problem::malformed_request(Violation::new(
                "delta", other, rule, "delta=1",
            )));
        }
    };
    let ask = Ask::of(&request, after, patience(&query)?, delta);
    let answer = distribution::pull(allowed.publication()?, &request, &ask).await;
    answer.map_err(|why| no_answer(why, allowed.environment()))
}

/// Word of every new version of an environment, as server-sent events, for as long as the connection
/// lasts.
///
/// `snapshot` tells version and digest of the newest snapshot, and brings the delta from the version told
/// before if it is small; its id is the version. `heartbeat` tells the newest version every 15 to 25
/// seconds. Versions that were published while a connection took nothing are left out.
#[utoipa::path(
    get, path = "/api/v1/{environment}/snapshots/stream", operation_id = "followSnapshots", tag = "nodes",
    params(
        ("after" = Option<String>, Query, description = "The version that the node serves, as `1.42`."),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, as browsers repeat it."),
    ),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        (status = 429, description = "Too many streams are open; `Retry-After` says when to ask again."),
    ),
)]
pub(super) async fn stream(
    allowed: Allowed<ServeAccess>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["after"])?;
    let repeated = request.headers().get("last-event-id");
    let repeated = repeated.and_then(|id| id.to_str().ok()?.parse().ok());
    let after = after(&query)?.or(repeated);
    let answer = distribution::stream(allowed.publication()?, after);
    answer.map_err(|why| no_answer(why, allowed.environment()))
}

fn after(query: &Query) -> Result<Option<Version>, Problem> {
    query.get("after", "a version is two numbers with a dot between", "1.42")
}

fn no_answer(why: NoAnswer, environment: &EnvironmentKey) -> Problem {
    match why {
        NoAnswer::NothingYet => no_snapshot(environment),
        NoAnswer::TooMuch { retry_after } => Problem::busy(
            "too many nodes ask at once; ask again when Retry-After says",
            retry_after,
        ),
    }
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

/// Flags that vanish only when somebody confirms it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WaitingFlags {
    /// Their keys, sorted.
    flags: BTreeSet<FlagKey>,
}

/// The flags that many others vanished with at once, which are published as they were until somebody
/// confirms that it is meant.
#[utoipa::path(
    get, path = "/api/v1/{environment}/snapshots/waiting", operation_id = "listWaitingFlags", tag = "nodes",
    responses((status = 200, description = "The flags; usually none.", body = WaitingFlags)),
)]
pub(super) async fn waiting(allowed: Allowed<ReadAccess>) -> Result<Json<WaitingFlags>, Problem> {
    let flags = allowed.control().waiting_flags(allowed.environment())?;
    Ok(Json(WaitingFlags {
        flags: flags.into_iter().collect(),
    }))
}

/// Confirms that these flags, which must be all that wait, may vanish from the snapshots.
#[utoipa::path(
    post, path = "/api/v1/{environment}/snapshots/confirm", operation_id = "confirmLoss", tag = "nodes",
    request_body = WaitingFlags,
    responses(
        (status = 204, description = "They vanish with the next snapshot, at once."),
        (status = 409, description = "Other flags wait."),
    ),
)]
pub(super) async fn confirm(allowed: Allowed<EditAccess>, body: JsonText) -> Result<HttpResponse, Problem> {
    let WaitingFlags { flags } = body.read()?;
    let (environment, by) = (allowed.environment(), allowed.author());
    allowed.control().confirm_loss(environment, flags, by).await?;
    Ok(HttpResponse::NoContent().finish())
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
        (status = 200, description = "Taken in.", body = Receipt),
        (status = 422, description = "The report breaks rules."),
    ),
)]
pub(super) async fn report(allowed: Allowed<ServeAccess>, body: JsonText) -> Result<Json<Receipt>, Problem> {
    let report: NodeReport = body.read()?;
    let receipt = allowed.control().report(allowed.environment(), report).await?;
    Ok(Json(receipt))
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
}
