//! Imported lists of units over HTTP.

use crate::http::access::{Allowed, EditAccess, FetchAccess};
use crate::http::body::Streamed;
use crate::http::path::{Named, Query};
use crate::http::problem::Problem;
use crate::http::revision::{Entity, Precondition};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tidegate_model::key::{Revision, SegmentKey};
use tidegate_model::segment::SegmentDefinition;
use tidegate_model::snapshot::Digest;
use tidegate_model::units::reader::{ListFormat, ListReader};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// A segment with what was just imported into it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportView {
    /// What the segment says now.
    definition: SegmentDefinition,
    /// Counts its changes; what `If-Match` compares.
    revision: Revision,
    /// What was read.
    import: ImportCounts,
}

/// What was read of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportCounts {
    /// How many units the list has.
    units: u64,
    /// How many were read, each time one stood there.
    read: u64,
    /// How many of those had been read before.
    duplicates: u64,
}

/// Gives a segment a list of units, in place of the one it had; up to 64 MiB and 5,000,000 units.
///
/// CSV has the unit in its first column, or in the one that `column` names. NDJSON has one text or whole
/// number a line, or one object with the unit in the field that `column` names, by default
/// `targetingKey`. A segment that does not exist is made, of the list alone; an existing one is changed
/// only with the ETag that was read in `If-Match`, or with `If-Match: *`. Nothing is imported if one
/// line is bad.
#[utoipa::path(
    put, path = "/api/v1/{environment}/segments/{key}/list", operation_id = "importList", tag = "segments",
    params(
        ("column" = Option<String>, Query, description = "The column, by its name in the first row, or the field."),
        ("If-Match" = Option<String>, Header, description = "The ETag that was read, or `*`."),
    ),
    request_body(content((String = "text/csv"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "The segment as it is now, and what was read.", body = ImportView),
        (status = 412, description = "It was changed meanwhile."),
        (status = 413, description = "The body has more than 64 MiB."),
        (status = 422, description = "Lines are bad: each is named by its number."),
        (status = 428, description = "It exists, and If-Match is missing."),
    ),
)]
pub(super) async fn import(
    allowed: Allowed<EditAccess>,
    Named(key): Named<SegmentKey>,
    precondition: Precondition,
    query: Query,
    body: Streamed,
) -> Result<Entity<ImportView>, Problem> {
    let query = query.only(&["column"])?;
    let column: Option<String> = query.get("column", "a column has a name", "user_id")?;
    let format = match body.media_type(&[CSV, NDJSON])?.as_str() {
        // RFC 4180 section 3 has this parameter.
        CSV => ListFormat::Csv {
            header: column.is_some() || body.parameter("header").is_some_and(|header| header == "present"),
            column,
        },
        _ => ListFormat::Ndjson { field: column },
    };
    let mut reader = ListReader::new(format);
    body.read(|piece| reader.feed(piece)).await?;
    let read = tokio::task::spawn_blocking(move || reader.finish()).await;
    let read = read.map_err(|_panic| Problem::incident("import-ended-early"))?;
    let read = read.map_err(|invalid| Problem::invalid(invalid.into_violations()))?;
    let import = ImportCounts {
        units: read.set.len() as u64,
        read: read.read,
        duplicates: read.duplicates,
    };
    let expect = precondition.to_save();
    let (control, environment) = (allowed.control(), allowed.environment());
    let saved = control.import_list(environment, &key, read.set, expect, allowed.author());
    let saved = saved.await.map_err(|error| precondition.problem(error))?;
    Ok(Entity {
        revision: saved.revision,
        shown: ImportView {
            definition: saved.value.segment.into(),
            revision: saved.revision,
            import,
        },
    })
}

/// The bytes of a list of units, by their digest. What a digest stands for never changes.
///
/// `tgunit01`, the count as eight bytes, and the XXH3 hashes of the units in ascending order, eight
/// bytes each, all little-endian.
#[utoipa::path(
    get, path = "/api/v1/{environment}/lists/{digest}", operation_id = "fetchList", tag = "nodes",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag of the list that is held.")),
    responses(
        (status = 200, description = "The list.", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 304, description = "It is what you have."),
    ),
)]
pub(super) async fn fetch(
    allowed: Allowed<FetchAccess>,
    Named(digest): Named<Digest>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let etag = format!("\"{digest}\"");
    let held = request.headers().get(header::IF_NONE_MATCH);
    let mut response = if held.is_some_and(|held| held == etag.as_str()) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((header::ETAG, etag.as_str()))
        .insert_header((header::CACHE_CONTROL, "private, max-age=31536000, immutable"));
    if held.is_some_and(|held| held == etag.as_str()) {
        return Ok(response.finish());
    }
    let bytes = allowed.control().list_of_units(&digest).await?;
    Ok(response.content_type("application/octet-stream").body(bytes))
}
