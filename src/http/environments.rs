//! Settings of environments over HTTP.

use crate::http::access::{AdministerAccess, Allowed, ReadAccess};
use crate::http::body::JsonText;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use serde::Serialize;
use tidegate_actors::view::Revised;
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::key::Revision;

/// An environment's settings, as they are shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsView {
    /// What they say: what `PUT` takes.
    settings: EnvironmentSettings,
    /// Counts their changes; what `If-Match` compares. 0 while they are the usual ones.
    revision: Revision,
}

impl From<Revised<EnvironmentSettings>> for Entity<SettingsView> {
    fn from(Revised { value, revision }: Revised<EnvironmentSettings>) -> Self {
        Self {
            revision,
            shown: SettingsView {
                settings: value,
                revision,
            },
        }
    }
}

/// The environment's settings.
#[utoipa::path(
    get, path = "/api/v1/{environment}/settings", operation_id = "readSettings", tag = "environments",
    responses((status = 200, description = "The settings; their revision is the ETag.", body = SettingsView)),
)]
pub(super) async fn read(allowed: Allowed<ReadAccess>) -> Result<Entity<SettingsView>, Problem> {
    Ok(allowed.control().settings(allowed.environment()).await?.into())
}

/// Gives the environment these settings, whole.
///
/// Settings that were saved before are changed only with the ETag that was read in `If-Match`, or with
/// `If-Match: *`.
#[utoipa::path(
    put, path = "/api/v1/{environment}/settings", operation_id = "saveSettings", tag = "environments",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`.")),
    request_body = EnvironmentSettings,
    responses(
        (status = 200, description = "The settings as they are now.", body = SettingsView),
        (status = 409, description = "Rollouts run that another bucketing would deal anew."),
        (status = 412, description = "They were changed meanwhile."),
        (status = 422, description = "Flags that flagd's clients must get cannot be said in its language."),
        (status = 428, description = "They were saved before, and If-Match is missing."),
    ),
)]
pub(super) async fn save(
    allowed: Allowed<AdministerAccess>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<SettingsView>, Problem> {
    let settings: EnvironmentSettings = body.read()?;
    let expect = precondition.to_save();
    let saved = allowed
        .control()
        .save_settings(allowed.environment(), settings, expect, allowed.author());
    Ok(saved.await.map_err(|error| precondition.problem(error))?.into())
}
