//! The OpenAPI document: the routes' own annotations, and what follows from the table of routes.

use crate::http::access::{Who, names};
use crate::http::problem::Problem;
use crate::http::repeats::is_repeatable;
use crate::http::routes::{Annotations, Route, table};
use actix_web::http::Method;
use utoipa::OpenApi as _;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder,
};

/// Stands in every operation and says which permission it asks.
const PERMISSION: &str = "x-tidegate-permission";
const BEARER: &str = "bearer";

/// The whole document.
pub(crate) fn document() -> OpenApi {
    let mut document = Annotations::openapi();
    document.info = InfoBuilder::new()
        .title("Tidegate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Opens features gradually and shuts them by itself when the numbers turn bad. \
             Every error is a problem document (RFC 9457).",
        ))
        .build();
    document.merge(tidegate_node::document());
    let components = document.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme(BEARER, bearer);
    for route in table() {
        let item = document.paths.paths.get_mut(&shown_path(route.path));
        if let Some(operation) = item.and_then(|item| operation(item, &route.method)) {
            complete(operation, &route);
        }
    }
    document
}

/// OpenAPI knows no patterns in variable segments.
pub(crate) fn shown_path(path: &str) -> String {
    path.replace(":.*}", "}")
}

/// The operation of this method.
pub(crate) fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

fn complete(operation: &mut Operation, route: &Route) {
    let permission = match route.who {
        Who::Everybody => "none".to_owned(),
        Who::Permission(any_of) => names(any_of),
        Who::PermissionEverywhere(any_of) => format!("{}, for all environments", names(any_of)),
    };
    let extension = ExtensionsBuilder::new().add(PERMISSION, permission).build();
    operation.extensions.get_or_insert_default().merge(extension);
    for (name, description) in SEGMENTS {
        if shown_path(route.path).contains(&format!("{{{name}}}")) {
            let parameter = ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(*description))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .build();
            operation
                .parameters
                .get_or_insert_default()
                .push(parameter.into());
        }
    }
    if route.who != Who::Everybody {
        operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])]);
        add(operation, "401", "No token, or one that does not work.");
        add(
            operation,
            "403",
            "The token's role does not include the permission.",
        );
        add(
            operation,
            "404",
            "There is no such environment for this token, or no such thing in it.",
        );
    }
    if operation.request_body.is_some() {
        add(
            operation,
            "400",
            "The body cannot be read; the detail names path, line and column.",
        );
        add(operation, "413", "The body has more than 1 MiB.");
        add(operation, "415", "The body is of another media type.");
    }
    if is_repeatable(&route.method, route.path) {
        repeatable(operation);
    }
    add(operation, "default", "Any other problem.");
    for (status, response) in &mut operation.responses.responses {
        let is_problem = status.starts_with(['4', '5']) || status == "default";
        if let (true, RefOr::T(response)) = (is_problem, response) {
            carry_problem(response);
        }
    }
}

/// What the variable segments of paths are.
const SEGMENTS: &[(&str, &str)] = &[
    ("environment", "The environment, for example `production`."),
    ("key", "The key, for example `new-checkout`."),
    ("name", "The name."),
    (
        "id",
        "The rollout's id: the flag's key, a dot, the attempt; for example `new-checkout.1`.",
    ),
    (
        "digest",
        "The SHA-256 of the list's bytes, in lower-case hexadecimal.",
    ),
    ("file", "The file; empty for the page itself."),
];

/// What every change takes and may answer.
fn repeatable(operation: &mut Operation) {
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "1 to 255 visible characters, for example a fresh UUID. Within 24 hours the same request with the same key \
             is not done again, and is answered as it was, byte for byte.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(parameter.into());
    let done = ResponseBuilder::new()
        .description("It was done before, and its answer is not kept; `Location` says where to look.")
        .content(
            "application/json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Told")))
                .build(),
        )
        .build();
    let responses = &mut operation.responses.responses;
    responses.insert("303".to_owned(), RefOr::T(done));
    add(
        operation,
        "409",
        "The same request is under way, or the state stands in the way.",
    );
    add(
        operation,
        "422",
        "The key stands for another request, or what the body says breaks rules.",
    );
}

fn add(operation: &mut Operation, status: &str, description: &str) {
    let responses = &mut operation.responses.responses;
    responses
        .entry(status.to_owned())
        .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
}

fn carry_problem(response: &mut Response) {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    response
        .content
        .insert(Problem::MEDIA_TYPE.to_owned(), content.into());
}
