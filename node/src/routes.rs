//! The routes of a node, to be mounted on any server.

use crate::caller::Hosted;
use crate::node::Node;
use crate::{cache, enrolments, evaluate, events, exposures, health, ofrep, stream};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{Error, HttpResponse};

/// Largest request body, in bytes, after decompression.
const BODY_BYTES_MAX: usize = 1 << 20;

/// OFREP and events, answered by these nodes, one for each environment: the first that admits the
/// caller's token answers.
pub fn routes(nodes: Vec<Node>) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static {
    let hosted = web::Data::new(Hosted(nodes));
    move |config| {
        let resource = |path: &str, bytes_max: usize| {
            web::resource(path)
                .app_data(PayloadConfig::new(bytes_max))
                .wrap(from_fn(cors))
                .route(web::method(Method::OPTIONS).to(preflight))
        };
        config
            .app_data(hosted)
            .service(
                resource("/ofrep/v1/evaluate/flags", BODY_BYTES_MAX)
                    .route(web::post().to(ofrep::bulk::evaluate_all)),
            )
            // The tail may have slashes: some clients do not encode the key.
            .service(
                resource("/ofrep/v1/evaluate/flags/{key:.+}", BODY_BYTES_MAX)
                    .route(web::post().to(ofrep::evaluate_one)),
            )
            .service(resource(stream::PATH, BODY_BYTES_MAX).route(web::get().to(stream::follow)))
            .service(
                resource("/v1/evaluate", evaluate::BODY_BYTES_MAX).route(web::post().to(evaluate::evaluate)),
            )
            .service(resource("/v1/events", BODY_BYTES_MAX).route(web::post().to(events::take_in)))
            .service(resource("/v1/exposures", BODY_BYTES_MAX).route(web::post().to(exposures::take_in)))
            .service(
                resource("/v1/experiments/{experiment}/enrolments", BODY_BYTES_MAX)
                    .route(web::post().to(enrolments::enrol)),
            )
            .service(
                resource("/v1/cache", BODY_BYTES_MAX)
                    .route(web::get().to(cache::show))
                    .route(web::delete().to(cache::clear)),
            );
    }
}

/// `/livez`, `/readyz` and `/metrics` of a node that has a server of its own.
pub fn probes(node: Node) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static {
    let node = web::Data::new(node);
    move |config| {
        config
            .app_data(node)
            .route("/livez", web::get().to(health::livez))
            .route("/readyz", web::get().to(health::readyz))
            .route("/metrics", web::get().to(health::metrics));
    }
}

/// Answers a browser that asks before it sends. It sends no credentials with this.
async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"))
        .insert_header((
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, if-none-match, last-event-id, x-api-key",
        ))
        // Chromium's upper limit, in seconds.
        .insert_header((ACCESS_CONTROL_MAX_AGE, "7200"))
        .finish()
}

/// Lets pages of every origin call. There are no cookies to abuse: what counts is the token.
async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    const ANY: HeaderValue = HeaderValue::from_static("*");
    // Without this, browsers never send If-None-Match.
    const EXPOSED: HeaderValue =
        HeaderValue::from_static("ETag, Retry-After, Tidegate-State, Tidegate-Version");
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    Ok(response)
}
