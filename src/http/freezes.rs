//! Stopping an environment's line over HTTP.

use crate::http::access::{Allowed, OperateAccess, ReadAccess};
use crate::http::body::JsonText;
use crate::http::problem::Problem;
use actix_web::web::Json;
use serde::Deserialize;
use tidegate_actors::freeze::FreezeView;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Turn {
    /// Shown to everybody whom it holds up, and kept in the audit log.
    reason: String,
}

/// Whether the environment's line is stopped.
#[utoipa::path(
    get, path = "/api/v1/{environment}/freeze", operation_id = "readFreeze", tag = "environments",
    responses((status = 200, description = "Who stopped it, when and why.", body = FreezeView)),
)]
pub(super) async fn read(allowed: Allowed<ReadAccess>) -> Result<Json<FreezeView>, Problem> {
    Ok(Json(allowed.control().frozen(allowed.environment())?))
}

/// Stops the environment's line: nothing starts, opens or completes until it is thawed.
///
/// Safety goes on: rules are looked at and act, and a rollback is never held. A line that is stopped already
/// stays as it is.
#[utoipa::path(
    post, path = "/api/v1/{environment}/freeze", operation_id = "freezeEnvironment", tag = "environments",
    request_body = Turn,
    responses(
        (status = 200, description = "It is stopped.", body = FreezeView),
        (status = 422, description = "There is no reason, or a very long one."),
    ),
)]
pub(super) async fn freeze(
    allowed: Allowed<OperateAccess>,
    body: JsonText,
) -> Result<Json<FreezeView>, Problem> {
    let Turn { reason } = body.read()?;
    let frozen = allowed
        .control()
        .freeze(allowed.environment(), reason, allowed.author());
    Ok(Json(frozen.await?))
}

/// Lets the environment's line go on.
#[utoipa::path(
    post, path = "/api/v1/{environment}/thaw", operation_id = "thawEnvironment", tag = "environments",
    request_body = Turn,
    responses(
        (status = 200, description = "It goes on.", body = FreezeView),
        (status = 422, description = "There is no reason, or a very long one."),
    ),
)]
pub(super) async fn thaw(
    allowed: Allowed<OperateAccess>,
    body: JsonText,
) -> Result<Json<FreezeView>, Problem> {
    let Turn { reason } = body.read()?;
    let thawed = allowed
        .control()
        .thaw(allowed.environment(), reason, allowed.author());
    Ok(Json(thawed.await?))
}
