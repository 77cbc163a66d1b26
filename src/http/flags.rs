//! Flags over HTTP.

use crate::http::access::{Allowed, EditAccess, ReadAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use actix_web::web::Json;
use serde::Serialize;
use tidegate_actors::view::Revised;
use tidegate_model::flag::{FlagDefinition, FlagState, FlagStatus, Pin};
use tidegate_model::key::{ExperimentKey, FlagKey, Revision};

/// A flag, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagView {
    /// What it says: what `PUT` takes.
    definition: FlagDefinition,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
    /// The rollout that owns its fallback at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<Pin>,
    /// How many rollouts were ever started on it.
    attempts: u32,
    /// The experiment that runs on it at present, or is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<ExperimentKey>,
}

impl From<Revised<FlagState>> for FlagView {
    fn from(Revised { value, revision }: Revised<FlagState>) -> Self {
        Self {
            definition: value.flag.into(),
            revision,
            pin: value.pin,
            attempts: value.attempts,
            held: value.held,
        }
    }
}

impl From<Revised<FlagState>> for Entity<FlagView> {
    fn from(flag: Revised<FlagState>) -> Self {
        Self {
            revision: flag.revision,
            shown: flag.into(),
        }
    }
}

/// All flags of an environment, sorted by key.
#[utoipa::path(
    get, path = "/api/v1/{environment}/flags", operation_id = "listFlags", tag = "flags",
    responses((status = 200, description = "The flags.", body = Listed<FlagView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<FlagView>>, Problem> {
    let flags = allowed.control().flags(allowed.environment()).await?;
    Ok(Json(Listed::of(flags)))
}

/// One flag.
#[utoipa::path(
    get, path = "/api/v1/{environment}/flags/{key}", operation_id = "readFlag", tag = "flags",
    responses((status = 200, description = "The flag; its revision is the ETag.", body = FlagView)),
)]
pub(super) async fn read(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<FlagKey>,
) -> Result<Entity<FlagView>, Problem> {
    let flag = allowed.control().flag(allowed.environment(), &key).await?;
    Ok(flag.into())
}

/// Gives a flag this definition, whole.
///
/// The body may leave out `key`. An existing flag is changed only with the ETag that was read in
/// `If-Match`, or with `If-Match: *`. Saving what is there already changes nothing.
#[utoipa::path(
    put, path = "/api/v1/{environment}/flags/{key}", operation_id = "saveFlag", tag = "flags",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`.")),
    request_body = FlagDefinition,
    responses(
        (status = 200, description = "The flag as it is now.", body = FlagView),
        (status = 409, description = "A rollout holds the flag."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 422, description = "The definition breaks rules."),
        (status = 428, description = "It exists, and If-Match is missing."),
    ),
)]
pub(super) async fn save(
    allowed: Allowed<EditAccess>,
    Named(key): Named<FlagKey>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<FlagView>, Problem> {
    let definition: FlagDefinition = body.read_keyed(key.as_str())?;
    let expect = precondition.to_save();
    let saved = allowed
        .control()
        .save_flag(allowed.environment(), definition, expect, allowed.author());
    Ok(saved.await.map_err(|error| precondition.problem(error))?.into())
}

/// Archives a flag: callers get their own default from now on. Its history stays.
#[utoipa::path(
    delete, path = "/api/v1/{environment}/flags/{key}", operation_id = "archiveFlag", tag = "flags",
    params(("If-Match" = String, Header, description = "The ETag that was read, or `*`.")),
    responses(
        (status = 200, description = "The archived flag.", body = FlagView),
        (status = 409, description = "A rollout holds the flag."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 428, description = "If-Match is missing."),
    ),
)]
pub(super) async fn archive(
    allowed: Allowed<EditAccess>,
    Named(key): Named<FlagKey>,
    precondition: Precondition,
) -> Result<Entity<FlagView>, Problem> {
    let control = allowed.control();
    let found = control.flag(allowed.environment(), &key).await?;
    let expect = precondition.to_remove(&format!("flag {key}"), found.revision)?;
    let definition = FlagDefinition {
        status: FlagStatus::Archived,
        ..found.value.flag.into()
    };
    let saved = control.save_flag(allowed.environment(), definition, expect, allowed.author());
    Ok(saved.await.map_err(|error| precondition.problem(error))?.into())
}
