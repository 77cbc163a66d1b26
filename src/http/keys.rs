//! The keys that snapshots are signed with.

use crate::http::access::{AdministerAccess, Allowed, FetchAccess};
use crate::http::body::JsonText;
use crate::http::path::Named;
use crate::http::problem::Problem;
use actix_web::web::Json;
use tidegate_model::snapshot::{KeyId, KeyList};

/// The public keys that are valid, the one that signs first. They are the same for all environments.
#[utoipa::path(
    get, path = "/api/v1/{environment}/keys", operation_id = "listKeys", tag = "keys",
    responses((status = 200, description = "The keys, and who vouches for them.", body = KeyList)),
)]
pub(super) async fn list(allowed: Allowed<FetchAccess>) -> Result<Json<KeyList>, Problem> {
    Ok(Json((*allowed.control().key_list()).clone()))
}

/// Makes a new key that signs from now on, for all environments. The one before stays valid until it
/// is retired.
#[utoipa::path(
    post, path = "/api/v1/{environment}/keys/rotate", operation_id = "rotateKey", tag = "keys",
    request_body(content = Object, description = "Nothing: `{}`."),
    responses(
        (status = 200, description = "The keys, the new one first.", body = KeyList),
        (status = 409, description = "Two keys are valid already; the older one has to be retired first."),
    ),
)]
pub(super) async fn rotate(
    allowed: Allowed<AdministerAccess>,
    body: JsonText,
) -> Result<Json<KeyList>, Problem> {
    body.nothing()?;
    allowed.require_everywhere("keys are turned")?;
    Ok(Json((*allowed.control().rotate_key().await?).clone()))
}

/// Retires the key that does not sign any more: nodes refuse what it signed, except what they have on
/// disk. This cannot be undone.
#[utoipa::path(
    post, path = "/api/v1/{environment}/keys/{id}/retire", operation_id = "retireKey", tag = "keys",
    request_body(content = Object, description = "Nothing: `{}`."),
    responses(
        (status = 200, description = "The keys that are left.", body = KeyList),
        (status = 409, description = "The key is the one that signs."),
    ),
)]
pub(super) async fn retire(
    allowed: Allowed<AdministerAccess>,
    Named(id): Named<KeyId>,
    body: JsonText,
) -> Result<Json<KeyList>, Problem> {
    body.nothing()?;
    allowed.require_everywhere("keys are turned")?;
    Ok(Json((*allowed.control().retire_key(id).await?).clone()))
}
