//! Sync over HTTP: what the flagd daemon's `http` source polls.

use super::Flagd;
use super::admit::{Door, Introduction, Purpose, secret_of};
use crate::access::Scope;
use crate::problem::{Kind, Problem};
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use tonic::{Code, Status};

const METHOD: &str = "http/flags.json";

#[derive(Clone)]
struct Source {
    flagd: Flagd,
}

impl Flagd {
    /// `GET /flagd/v1/{environment}/flags.json`, for those who show a token with which every flag may
    /// be seen.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static {
        let source = web::Data::new(Source { flagd: self.clone() });
        move |config| {
            let resource = web::resource("/flagd/v1/{environment}/flags.json")
                .app_data(source)
                .route(web::get().to(flags))
                .route(web::head().to(flags));
            config.service(resource);
        }
    }
}

/// The whole configuration, or 304 if the daemon has it.
async fn flags(request: HttpRequest, source: web::Data<Source>) -> Result<HttpResponse, Problem> {
    let environment = request.match_info().get("environment").unwrap_or_default();
    let flagd = &source.flagd;
    let headers = credentials(request.headers());
    let introduction = Introduction {
        door: Door::TokenOnly,
        anonymous: Scope::Client,
        purpose: Purpose::Synchronise,
        headers: &headers,
        selector: environment,
    };
    let caller = flagd.admit(&introduction).map_err(|status| {
        flagd.refused(METHOD, &status);
        problem(&status)
    })?;
    let configuration = caller.realm.newest_configuration().await;
    let configuration = caller.realm.calls.counted(METHOD, configuration);
    let configuration = configuration.map_err(|status| problem(&status))?;
    let known = matches(request.headers(), &configuration.etag);
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, configuration.etag.clone()))
        .insert_header((CACHE_CONTROL, "no-cache"));
    Ok(if known {
        response.finish()
    } else {
        response
            .content_type("application/json")
            .body(configuration.text.clone())
    })
}

/// The one header that counts, in the other HTTP library's type. The path names the environment, so a
/// selector is no part of it.
fn credentials(headers: &HeaderMap) -> hyper::HeaderMap {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(secret_of);
    let secret = bearer.or_else(|| text("x-api-key"));
    let header = secret.and_then(|secret| format!("Bearer {secret}").parse().ok());
    header
        .map(|value| (hyper::header::AUTHORIZATION, value))
        .into_iter()
        .collect()
}

fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == etag || one == "*")
}

fn problem(status: &Status) -> Problem {
    let kind = match status.code() {
        Code::Unauthenticated => Kind::Unauthenticated,
        Code::PermissionDenied => Kind::Forbidden,
        Code::NotFound => Kind::NotFound,
        _ => Kind::NotReady,
    };
    Problem::new(kind, status.message())
}
