//! What a node's routes say of themselves: their part of an OpenAPI document.

use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

/// The routes' own annotations.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::ofrep::evaluate_one,
    crate::ofrep::bulk::evaluate_all,
    crate::stream::follow,
    crate::evaluate::evaluate,
    crate::events::take_in,
    crate::exposures::take_in,
    crate::enrolments::enrol,
    crate::cache::show,
    crate::cache::clear,
))]
struct Annotations;

/// The node's routes. Problems are referred to as the schema `Problem`, and tokens as the security
/// scheme `bearer`: the document that this becomes a part of has both.
pub fn document() -> OpenApi {
    let mut document = Annotations::openapi();
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().for_each(complete);
    }
    document
}

/// What all routes have in common.
fn complete(operation: &mut Operation) {
    let mut also = vec![
        ("401", "No token, or one that does not work."),
        (
            "429",
            "The token asks more often than the node's limit, or there are too many streams; `Retry-After` says in seconds when to try again.",
        ),
        ("default", "Any other problem."),
    ];
    if operation.security.is_some() {
        also.push(("403", "The token's role does not include this."));
    }
    if operation.request_body.is_some() {
        also.push(("413", "The body is too large."));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in also {
        let response = ResponseBuilder::new().description(description).build();
        let known = responses.entry(status.to_owned());
        known.or_insert_with(|| RefOr::T(response));
    }
    for (status, response) in responses {
        let is_problem = status.starts_with(['4', '5']) || status == "default";
        if let (true, RefOr::T(response)) = (is_problem, response)
            && response.content.is_empty()
        {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let media_type = "application/problem+json".to_owned();
            response.content.insert(media_type, content.into());
        }
    }
}
