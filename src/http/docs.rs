//! The OpenAPI document and the pages that show it, all from this binary.

use crate::http::access::Anybody;
use crate::http::openapi;
use crate::http::problem::{Kind, Problem};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use utoipa_swagger_ui::Config;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    // The document is plain text and lists, which can always be written as JSON.
    serde_json::to_vec(&openapi::document())
        .unwrap_or_default()
        .into()
});

static PAGES: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));

/// What the API offers, as an OpenAPI 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "documentation",
    responses((status = 200, description = "The document.", body = Object)),
)]
pub(super) async fn document(_: Anybody) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(DOCUMENT.clone())
}

/// Leads to the pages.
#[utoipa::path(
    get, path = "/docs", operation_id = "docsDoor", tag = "documentation",
    responses((status = 308, description = "To `/docs/`.")),
)]
pub(super) async fn door(_: Anybody) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

/// The same to look at and try out, in a browser.
#[utoipa::path(
    get, path = "/docs/{file}", operation_id = "docs", tag = "documentation",
    responses((status = 200, description = "A page or a part of one.", body = String, content_type = "text/html")),
)]
pub(super) async fn page(_: Anybody, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let file = request.match_info().get("file").unwrap_or_default();
    let found = utoipa_swagger_ui::serve(file, PAGES.clone());
    let found = found.map_err(|_| Problem::incident("documentation-without-pages"))?;
    let found =
        found.ok_or_else(|| Problem::new(Kind::NotFound, "there is no such page; start at /docs/"))?;
    let mut response = HttpResponse::Ok();
    if found.gzpipped {
        response.insert_header(header::ContentEncoding::Gzip);
    }
    Ok(response
        .content_type(found.content_type)
        .body(found.bytes.into_owned()))
}
