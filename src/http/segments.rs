//! Segments over HTTP.

use crate::http::access::{Allowed, EditAccess, OperateAccess, ReadAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use crate::http::rollouts::begun;
use actix_web::HttpResponse;
use actix_web::web::Json;
use serde::Serialize;
use tidegate_actors::view::{Revised, RolloutView};
use tidegate_decide::staged::StageSegment;
use tidegate_model::access::Permission;
use tidegate_model::key::{Revision, SegmentKey};
use tidegate_model::segment::{SegmentDefinition, SegmentState, StagedSegment};

/// A segment, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentView {
    /// What it says: what `PUT` takes.
    definition: SegmentDefinition,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
    /// An edit of it that is being opened. Until that has ended there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    staged: Option<Box<StagedSegment>>,
}

impl From<Revised<SegmentState>> for SegmentView {
    fn from(Revised { value, revision }: Revised<SegmentState>) -> Self {
        Self {
            definition: value.segment.into(),
            revision,
            staged: value.staged,
        }
    }
}

impl From<Revised<SegmentState>> for Entity<SegmentView> {
    fn from(segment: Revised<SegmentState>) -> Self {
        Self {
            revision: segment.revision,
            shown: segment.into(),
        }
    }
}

/// All segments of an environment, sorted by key.
#[utoipa::path(
    get, path = "/api/v1/{environment}/segments", operation_id = "listSegments", tag = "segments",
    responses((status = 200, description = "The segments.", body = Listed<SegmentView>)),
)]
pub(super) async fn list(allowed: Allowed<ReadAccess>) -> Result<Json<Listed<SegmentView>>, Problem> {
    let segments = allowed.control().segments(allowed.environment()).await?;
    Ok(Json(Listed::of(segments)))
}

/// One segment.
#[utoipa::path(
    get, path = "/api/v1/{environment}/segments/{key}", operation_id = "readSegment", tag = "segments",
    responses((status = 200, description = "The segment; its revision is the ETag.", body = SegmentView)),
)]
pub(super) async fn read(
    allowed: Allowed<ReadAccess>,
    Named(key): Named<SegmentKey>,
) -> Result<Entity<SegmentView>, Problem> {
    let segment = allowed.control().segment(allowed.environment(), &key).await?;
    Ok(segment.into())
}

/// Gives a segment this definition, whole.
///
/// The body may leave out `key`. An existing segment is changed only with the ETag that was read in
/// `If-Match`, or with `If-Match: *`.
#[utoipa::path(
    put, path = "/api/v1/{environment}/segments/{key}", operation_id = "saveSegment", tag = "segments",
    params(("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`.")),
    request_body = SegmentDefinition,
    responses(
        (status = 200, description = "The segment as it is now.", body = SegmentView),
        (status = 409, description = "A rollout opens an edit of it, or opens to it."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 422, description = "The definition breaks rules."),
        (status = 428, description = "It exists, and If-Match is missing."),
    ),
)]
pub(super) async fn save(
    allowed: Allowed<EditAccess>,
    Named(key): Named<SegmentKey>,
    precondition: Precondition,
    body: JsonText,
) -> Result<Entity<SegmentView>, Problem> {
    let definition: SegmentDefinition = body.read_keyed(key.as_str())?;
    let expect = precondition.to_save();
    let saved = allowed
        .control()
        .save_segment(allowed.environment(), definition, expect, allowed.author());
    Ok(saved.await.map_err(|error| precondition.problem(error))?.into())
}

/// Opens an edit of a segment step by step, guarded as a rollout is.
///
/// A flag `segment.<key>` is made or taken again, and a rollout of it begins, all at once or not at all. Units to which the
/// rollout has opened are in the segment by the new definition, all others by the present one. When it completes, the new
/// definition is the segment's; when it is rolled back or aborted, the new definition is dropped. Needs the permissions
/// operate and edit.
#[utoipa::path(
    post, path = "/api/v1/{environment}/segments/{key}/staged", operation_id = "stageSegment", tag = "segments",
    params(("If-Match" = Option<String>, Header, description = "The ETag of the segment that was read.")),
    request_body = StageSegment,
    responses(
        (status = 201, description = "The rollout that opens it, in its first stage.", body = RolloutView,
            headers(("Location" = String, description = "Where it is."))),
        (status = 409, description = "An edit of it is being opened already, or it cannot begin now."),
        (status = 412, description = "The segment was changed meanwhile."),
        (status = 422, description = "The definition breaks rules, or the policy does not fit."),
    ),
)]
pub(super) async fn stage(
    allowed: Allowed<OperateAccess>,
    Named(key): Named<SegmentKey>,
    precondition: Precondition,
    body: JsonText,
) -> Result<HttpResponse, Problem> {
    allowed.require_all(&[Permission::Operate, Permission::Edit])?;
    let request: StageSegment = body.read()?;
    let (environment, expect) = (allowed.environment(), precondition.to_command());
    let staged = allowed
        .control()
        .stage_segment(environment, &key, request, expect, allowed.author());
    let rollout = staged.await.map_err(|error| precondition.problem(error))?;
    Ok(begun(environment, &rollout))
}

/// Removes a segment that no flag and no other segment names.
#[utoipa::path(
    delete, path = "/api/v1/{environment}/segments/{key}", operation_id = "deleteSegment", tag = "segments",
    params(("If-Match" = String, Header, description = "The ETag that was read, or `*`.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "Something names it, or a rollout opens an edit of it or opens to it."),
        (status = 412, description = "It was changed meanwhile."),
        (status = 428, description = "If-Match is missing."),
    ),
)]
pub(super) async fn delete(
    allowed: Allowed<EditAccess>,
    Named(key): Named<SegmentKey>,
    precondition: Precondition,
) -> Result<HttpResponse, Problem> {
    let (control, environment) = (allowed.control(), allowed.environment());
    let found = control.segment(environment, &key).await?;
    let expect = precondition.to_remove(&format!("segment {key}"), found.revision)?;
    let deleted = control.delete_segment(environment, &key, expect, allowed.author());
    deleted.await.map_err(|error| precondition.problem(error))?;
    Ok(HttpResponse::NoContent().finish())
}
