//! What the journal is, vouched for, over HTTP.

use crate::http::access::{AllowedEverywhere, ReadAccess};
use crate::http::problem::Problem;
use actix_web::web::Json;
use tidegate_model::head::SignedHead;

/// The journal's newest record and what stands for all up to it, signed at this moment with the key that signs snapshots.
/// Keep it elsewhere: `tidegate verify --heads` finds out by it whether the past was rewritten, cut or reordered.
#[utoipa::path(
    get, path = "/api/v1/journal/head", operation_id = "readJournalHead", tag = "audit",
    responses((status = 200, description = "The head, and who vouches for it.", body = SignedHead)),
)]
pub(super) async fn head(allowed: AllowedEverywhere<ReadAccess>) -> Result<Json<SignedHead>, Problem> {
    Ok(Json(allowed.head()?))
}
