//! Segments over HTTP.

use crate::http::access::{Allowed, EditAccess, ReadAccess};
use crate::http::body::JsonText;
use crate::http::listed::Listed;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use actix_web::HttpResponse;
use actix_web::web::Json;
use serde::Serialize;
use tidegate_actors::view::Revised;
use tidegate_model::key::{Revision, SegmentKey};
use tidegate_model::segment::{Segment, SegmentDefinition};

/// A segment, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SegmentView {
    /// What it says: what `PUT` takes.
    definition: SegmentDefinition,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
}

impl From<Revised<Segment>> for SegmentView {
    fn from(Revised { value, revision }: Revised<Segment>) -> Self {
        Self {
            definition: value.into(),
            revision,
        }
    }
}

impl From<Revised<Segment>> for Entity<SegmentView> {
    fn from(segment: Revised<Segment>) -> Self {
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

/// Removes a segment that no flag and no other segment names.
#[utoipa::path(
    delete, path = "/api/v1/{environment}/segments/{key}", operation_id = "deleteSegment", tag = "segments",
    params(("If-Match" = String, Header, description = "The ETag that was read, or `*`.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 409, description = "Something names it."),
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
