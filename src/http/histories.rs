//! What the journal tells of one rollout, over HTTP: explanations of any moment, and reports.

use crate::http::access::{Allowed, ReadAccess};
use crate::http::path::{Named, Query};
use crate::http::problem::Problem;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Json;
use std::str::FromStr;
use tidegate_actors::view::ExplanationView;
use tidegate_model::Timestamp;
use tidegate_model::key::RolloutId;
use tidegate_trail::report::Report;

/// What a page that is nothing but text and drawings may do.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// As data.
    Json,
    /// For a ticket.
    Markdown,
    /// As a page.
    Html,
}

impl FromStr for Format {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            _ => Err(()),
        }
    }
}

/// Where a rollout stood at a moment, why, on what evidence, and who did what before.
///
/// Told from the journal: the last decision until then stood. Reading it takes time in proportion to the journal.
#[utoipa::path(
    get, path = "/api/v1/{environment}/rollouts/{id}/explanation", operation_id = "explainRollout", tag = "rollouts",
    params(("at" = Option<String>, Query, description = "The moment, for example `2026-11-22T09:00:00Z`; now, if it is left out.")),
    responses(
        (status = 200, description = "The explanation.", body = ExplanationView),
        (status = 422, description = "The rollout had not begun then."),
    ),
)]
pub(super) async fn explanation(
    allowed: Allowed<ReadAccess>,
    Named(id): Named<RolloutId>,
    query: Query,
) -> Result<Json<ExplanationView>, Problem> {
    let query = query.only(&["at"])?;
    let at: Option<Timestamp> = query.get("at", "at is a moment in UTC", "2026-11-22T09:00:00Z")?;
    let explained = allowed.control().explain_rollout(allowed.environment(), &id, at);
    Ok(Json(explained.await?))
}

/// How a rollout went, or goes so far: its stages, who did what, what each rule said, what was done to keep users safe,
/// and what the result rests on.
#[utoipa::path(
    get, path = "/api/v1/{environment}/rollouts/{id}/report", operation_id = "reportRollout", tag = "rollouts",
    params(("format" = Option<String>, Query, description = "`json` (by default), `markdown`, or `html`: a page without scripts, with charts.")),
    responses((status = 200, description = "The report.", content(
        (Report = "application/json"), (String = "text/markdown"), (String = "text/html"),
    ))),
)]
pub(super) async fn report(
    allowed: Allowed<ReadAccess>,
    Named(id): Named<RolloutId>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["format"])?;
    let format = query.get("format", "format is json, markdown or html", "html")?;
    let report = allowed
        .control()
        .report_rollout(allowed.environment(), &id)
        .await?;
    Ok(match format.unwrap_or(Format::Json) {
        Format::Json => HttpResponse::Ok().json(report),
        Format::Markdown => markdown(report.markdown()),
        Format::Html => page(report.html()),
    })
}

/// A text for a ticket.
pub(super) fn markdown(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/markdown; charset=utf-8")
        .body(text)
}

/// A page that is nothing but text and drawings.
pub(super) fn page(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .body(html)
}
