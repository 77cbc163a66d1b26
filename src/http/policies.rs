//! Rollout policies over HTTP. They are written as YAML and shown as both.

use crate::http::access::{Allowed, EditAccess, ReadAccess};
use crate::http::body::YamlText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition, etag};
use actix_web::http::header;
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use tidegate_actors::view::Revised;
use tidegate_model::change::PolicyState;
use tidegate_model::key::{PolicyName, Revision};
use tidegate_model::policy::Policy;
use tidegate_model::policy::diagnostic::{Diagnostic, Severity};
use tidegate_model::policy::read::read as read_policy;

const YAML: &str = "application/yaml";

/// A policy, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyView {
    /// What it says, with every default filled in.
    policy: Policy,
    /// As it was written: what `PUT` takes.
    text: String,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
    /// What probably is not as it was meant. Only after it was saved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Diagnostic>,
}

impl From<Revised<PolicyState>> for PolicyView {
    fn from(Revised { value, revision }: Revised<PolicyState>) -> Self {
        Self {
            policy: value.policy,
            text: value.text,
            revision,
            diagnostics: Vec::new(),
        }
    }
}

/// What is wrong with a policy's text.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lint {
    /// Whether it could be saved: nothing below is an error.
    valid: bool,
    /// Everything wrong with it, in the order of the text.
    diagnostics: Vec<Diagnostic>,
}

/// All policies of an environment, sorted by name.
#[utoipa::path(
    get, path = "/api/v1/{environment}/policies", operation_id = "listPolicies", tag = "policies",
    responses((status = 200, description = "The policies.", body = Listed<PolicyView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<PolicyView>>, Problem> {
    let policies = allowed.control().policies(allowed.environment()).await?;
    Ok(Json(Listed::of(policies)))
}

/// One policy, or its text as it was written with `Accept: application/yaml`.
#[utoipa::path(
    get, path = "/api/v1/{environment}/policies/{name}", operation_id = "readPolicy", tag = "policies",
    responses((status = 200, description = "The policy; its revision is the ETag.", content(
        (PolicyView = "application/json"),
        (String = "application/yaml"),
    ))),
)]
pub(super) async fn read(
    allowed: Allowed<ReadAccess>,
    Named(name): Named<PolicyName>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let found = allowed.control().policy(allowed.environment(), &name).await?;
    let revision = found.revision;
    let mut response = if wants_yaml(&request) {
        let mut response = HttpResponse::Ok();
        response
            .insert_header((header::ETAG, etag(revision)))
            .content_type(YAML)
            .body(found.value.text)
    } else {
        let shown = PolicyView::from(found);
        Entity { shown, revision }.respond_to(&request)
    };
    response
        .headers_mut()
        .append(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(response)
}

fn wants_yaml(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("yaml"))
}

/// Saves a policy under the name that its text gives, which must be the name in the path.
///
/// An existing policy is changed only with the ETag that was read in `If-Match`, or with
/// `If-Match: *`. Rollouts that run go on with the text that they began with.
#[utoipa::path(
    put, path = "/api/v1/{environment}/policies/{name}", operation_id = "savePolicy", tag = "policies",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`.")),
    request_body(content = String, content_type = "application/yaml"),
    responses(
        (status = 200, description = "The policy as it is now, with warnings.", body = PolicyView),
        (status = 412, description = "It was changed meanwhile."),
        (status = 422, description = "The text has mistakes, each with line and column."),
        (status = 428, description = "It exists, and If-Match is missing."),
    ),
)]
pub(super) async fn save(
    allowed: Allowed<EditAccess>,
    Named(name): Named<PolicyName>,
    precondition: Precondition,
    YamlText(text): YamlText,
) -> Result<Entity<PolicyView>, Problem> {
    let expect = precondition.to_save();
    let saved = allowed
        .control()
        .save_policy(allowed.environment(), &name, text, expect, allowed.author());
    let (saved, diagnostics) = saved.await.map_err(|error| precondition.problem(error))?;
    Ok(Entity {
        revision: saved.revision,
        shown: PolicyView {
            diagnostics,
            ..saved.into()
        },
    })
}

/// Removes a policy. Rollouts that run go on with their copy.
#[utoipa::path(
    delete, path = "/api/v1/{environment}/policies/{name}", operation_id = "deletePolicy", tag = "policies",
    params(("If-Match" = String, Header, description = "The ETag that was read, or `*`.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 428, description = "If-Match is missing."),
    ),
)]
pub(super) async fn delete(
    allowed: Allowed<EditAccess>,
    Named(name): Named<PolicyName>,
    precondition: Precondition,
) -> Result<HttpResponse, Problem> {
    let (control, environment) = (allowed.control(), allowed.environment());
    let found = control.policy(environment, &name).await?;
    let expect = precondition.to_remove(&format!("policy {name}"), found.revision)?;
    let deleted = control.delete_policy(environment, &name, expect, allowed.author());
    deleted.await.map_err(|error| precondition.problem(error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// What would be wrong with a policy, without saving it.
#[utoipa::path(
    post, path = "/api/v1/{environment}/policies/lint", operation_id = "lintPolicy", tag = "policies",
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, description = "Everything that is wrong; nothing is saved.", body = Lint)),
)]
pub(super) async fn lint(_: Allowed<ReadAccess>, YamlText(text): YamlText) -> Json<Lint> {
    let (_, diagnostics) = read_policy(&text);
    let valid = diagnostics
        .iter()
        .all(|diagnostic| diagnostic.severity != Severity::Error);
    Json(Lint { valid, diagnostics })
}
