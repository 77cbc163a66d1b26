//! What is done around every request: it gets a name, is counted, logged, and survives a panic.

use crate::http::access::ApiState;
use crate::http::problem::{Kind, Problem};
use crate::tokens::random_hex;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from the caller, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// What stands for the route of a request that has none.
const NO_ROUTE: &str = "none";

/// Answers are not kept by caches unless they say so themselves, and never taken for something else by
/// browsers; pages load nothing from elsewhere (faults.md X13).
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
             img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
];

/// The middleware. It stands around each route, not around the application, so that the route is
/// known and the request may be kept for the answer to a panic.
pub(crate) async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let began = Instant::now();
    let kept = request.request().clone();
    let id = request_id(&kept);
    // What a panic leaves behind is the request's own state, which nobody looks at again.
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let mut response = match answer {
        Ok(answer) => answer?.map_into_left_body(),
        Err(_) => {
            let problem = Problem::incident(id.clone());
            ServiceResponse::new(kept.clone(), actix_web::HttpResponse::from_error(problem))
                .map_into_right_body()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // An answer may say itself how long it may be kept, when a digest stands for it, and that it runs no scripts at all.
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    record(&kept, &response, &id, began.elapsed());
    Ok(response)
}

/// The caller's own request id if it gave a plain one, otherwise a new one.
fn request_id(request: &HttpRequest) -> String {
    let plain = |id: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
    };
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    given.filter(plain).map_or_else(random_hex, ToOwned::to_owned)
}

/// Counts and logs. The path itself and the query are left out: they may hold what is private.
fn record<B>(request: &HttpRequest, response: &ServiceResponse<B>, id: &str, took: Duration) {
    let route = request.match_pattern().unwrap_or_else(|| NO_ROUTE.to_owned());
    let status = response.status();
    let method = request.method().as_str();
    if let Some(state) = request.app_data::<ApiState>() {
        state.metrics().observe(method, &route, status.as_u16(), took);
    }
    let latency_ms = took.as_micros() as f64 / 1000.0;
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let kind = problem.map_or("", |problem| problem.kind().slug());
    // A probe that is told "not ready" has its answer; the reason was logged where it arose.
    let failed = status.is_server_error() && problem.is_none_or(|problem| problem.kind() != Kind::NotReady);
    let status = status.as_u16();
    if failed {
        let cause = problem.and_then(Problem::cause).unwrap_or_default();
        tracing::error!(
            method,
            route,
            status,
            latency_ms,
            request_id = id,
            problem = kind,
            cause,
            "request failed"
        );
    } else if route.starts_with("/api/") {
        tracing::info!(
            method,
            route,
            status,
            latency_ms,
            request_id = id,
            problem = kind,
            "request"
        );
    } else {
        // Probes and scrapes come every few seconds.
        tracing::debug!(
            method,
            route,
            status,
            latency_ms,
            request_id = id,
            problem = kind,
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use actix_web::{App, HttpResponse, web};

    async fn fails() -> HttpResponse {
        panic!("a handler that fails")
    }

    #[actix_web::test]
    async fn a_panic_is_answered_and_the_next_request_served() {
        let resource = web::resource("/{what}")
            .wrap(from_fn(observe))
            .route(web::get().to(fails));
        let app = init_service(App::new().service(resource)).await;
        for id in ["one", "two"] {
            let request = TestRequest::with_uri("/x").insert_header(("x-request-id", id));
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), 500);
            assert_eq!(response.headers().get("x-request-id").unwrap(), id);
            assert_eq!(
                response.headers().get("x-content-type-options").unwrap(),
                "nosniff"
            );
            let body: serde_json::Value = read_body_json(response).await;
            assert_eq!(body["incident"], id);
            assert_eq!(body["type"], "https://tidegate.dev/errors/incident");
        }
    }

    #[test]
    fn only_plain_request_ids_are_taken_over() {
        let id_of = |given: &str| {
            let request = TestRequest::default()
                .insert_header(("x-request-id", given))
                .to_http_request();
            request_id(&request)
        };
        assert_eq!(id_of("a-B_1.2"), "a-B_1.2");
        for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_eq!(id_of(bad).len(), 16, "{bad}");
        }
    }
}
