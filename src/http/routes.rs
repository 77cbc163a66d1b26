//! The table of routes: the only list of what the API offers.
//!
//! Who may use a route is read off the type of its first argument, for the check and for the
//! OpenAPI document alike; a route whose first argument says nothing about it does not compile.

use crate::http::access::{Guard, Who};
use crate::http::admission::admit;
use crate::http::observe::observe;
use crate::http::problem::{Kind, Problem};
use crate::http::repeats::{Told, repeatable};
use crate::http::{
    access_tokens, alerts, audit, docs, drills, environments, experiments, findings, flags, freezes, health,
    histories, journal, keys, lists, policies, rollouts, segments, snapshots,
};
use actix_web::dev::ResourceDef;
use actix_web::guard::fn_guard;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, web};
use std::sync::LazyLock;

/// One route.
pub(crate) struct Route {
    /// The method. A route with GET takes HEAD too.
    pub(crate) method: Method,
    /// The path, with its variable segments in braces.
    pub(crate) path: &'static str,
    /// Who may use it.
    pub(crate) who: Who,
    answer: actix_web::Route,
}

impl Route {
    fn new<F, Args>(method: Method, path: &'static str, answer: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + Guard + 'static,
        F::Output: Responder + 'static,
    {
        Self {
            method,
            path,
            who: Args::WHO,
            answer: web::route().to(answer),
        }
    }

    fn methods(&self) -> impl Iterator<Item = Method> + use<> {
        let head = (self.method == Method::GET).then_some(Method::HEAD);
        std::iter::once(self.method.clone()).chain(head)
    }
}

macro_rules! routes {
    ($($method:ident $path:literal => $room:ident::$verb:ident;)*) => {
        /// All routes.
        pub(crate) fn table() -> Vec<Route> {
            vec![$(Route::new(Method::$method, $path, $room::$verb)),*]
        }

        /// What the routes' own annotations say of them.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($room::$verb),*), components(schemas(Problem, Told)))]
        pub(crate) struct Annotations;
    };
}

routes! {
    GET    "/api/v1/{environment}/flags" => flags::list;
    GET    "/api/v1/{environment}/flags/{key}" => flags::read;
    PUT    "/api/v1/{environment}/flags/{key}" => flags::save;
    DELETE "/api/v1/{environment}/flags/{key}" => flags::archive;

    GET    "/api/v1/{environment}/segments" => segments::list;
    GET    "/api/v1/{environment}/segments/{key}" => segments::read;
    PUT    "/api/v1/{environment}/segments/{key}" => segments::save;
    DELETE "/api/v1/{environment}/segments/{key}" => segments::delete;
    POST   "/api/v1/{environment}/segments/{key}/staged" => segments::stage;
    PUT    "/api/v1/{environment}/segments/{key}/list" => lists::import;
    GET    "/api/v1/{environment}/lists/{digest}" => lists::fetch;

    POST   "/api/v1/{environment}/policies/lint" => policies::lint;
    GET    "/api/v1/{environment}/policies" => policies::list;
    GET    "/api/v1/{environment}/policies/{name}" => policies::read;
    PUT    "/api/v1/{environment}/policies/{name}" => policies::save;
    DELETE "/api/v1/{environment}/policies/{name}" => policies::delete;

    GET    "/api/v1/{environment}/rollouts" => rollouts::list;
    POST   "/api/v1/{environment}/rollouts" => rollouts::start;
    GET    "/api/v1/{environment}/rollouts/{id}" => rollouts::read;
    GET    "/api/v1/{environment}/rollouts/{id}/explanation" => histories::explanation;
    GET    "/api/v1/{environment}/rollouts/{id}/report" => histories::report;
    POST   "/api/v1/{environment}/rollouts/{id}/commands" => rollouts::command;
    POST   "/api/v1/{environment}/rollouts/{id}/plan" => rollouts::amend;

    POST   "/api/v1/{environment}/experiments/check" => experiments::check;
    POST   "/api/v1/{environment}/experiments/plan" => findings::make_plan;
    GET    "/api/v1/{environment}/experiments" => experiments::list;
    GET    "/api/v1/{environment}/experiments/{key}" => experiments::read;
    PUT    "/api/v1/{environment}/experiments/{key}" => experiments::save;
    DELETE "/api/v1/{environment}/experiments/{key}" => experiments::delete;
    POST   "/api/v1/{environment}/experiments/{key}/commands" => experiments::command;
    GET    "/api/v1/{environment}/experiments/{key}/results" => findings::results;
    GET    "/api/v1/{environment}/experiments/{key}/course" => findings::course;
    GET    "/api/v1/{environment}/experiments/{key}/report" => findings::report;
    POST   "/api/v1/{environment}/observations" => experiments::observe;

    POST   "/api/v1/{environment}/alerts" => alerts::deliver;
    GET    "/api/v1/{environment}/alerts" => alerts::list;

    GET    "/api/v1/{environment}/snapshots/current" => snapshots::pull;
    GET    "/api/v1/{environment}/snapshots/current/header" => snapshots::header;
    GET    "/api/v1/{environment}/snapshots/stream" => snapshots::stream;
    GET    "/api/v1/{environment}/snapshots/waiting" => snapshots::waiting;
    POST   "/api/v1/{environment}/snapshots/confirm" => snapshots::confirm;
    GET    "/api/v1/{environment}/nodes" => snapshots::nodes;
    POST   "/api/v1/{environment}/nodes/report" => snapshots::report;

    GET    "/api/v1/{environment}/settings" => environments::read;
    PUT    "/api/v1/{environment}/settings" => environments::save;

    GET    "/api/v1/{environment}/freeze" => freezes::read;
    POST   "/api/v1/{environment}/freeze" => freezes::freeze;
    POST   "/api/v1/{environment}/thaw" => freezes::thaw;

    POST   "/api/v1/{environment}/drills" => drills::run;

    GET    "/api/v1/{environment}/keys" => keys::list;
    POST   "/api/v1/{environment}/keys/rotate" => keys::rotate;
    POST   "/api/v1/{environment}/keys/{id}/retire" => keys::retire;

    GET    "/api/v1/{environment}/audit" => audit::page;
    GET    "/api/v1/journal/head" => journal::head;

    GET    "/api/v1/tokens" => access_tokens::list;
    POST   "/api/v1/tokens" => access_tokens::create;
    DELETE "/api/v1/tokens/{name}" => access_tokens::revoke;

    GET    "/livez" => health::live;
    GET    "/readyz" => health::ready;
    GET    "/metrics" => health::metrics;
    GET    "/openapi.json" => docs::document;
    GET    "/docs" => docs::door;
    GET    "/docs/{file:.*}" => docs::page;
}

/// Puts all routes in place, and a problem everywhere else.
pub(crate) fn register(config: &mut web::ServiceConfig) {
    for route in table() {
        let methods: Vec<Method> = route.methods().collect();
        let resource = web::resource(route.path)
            .guard(fn_guard(move |context| methods.contains(&context.head().method)))
            .wrap(from_fn(repeatable))
            .wrap(from_fn(admit))
            .wrap(from_fn(observe))
            .route(route.answer);
        config.service(resource);
    }
    config.default_service(web::route().to(elsewhere).wrap(from_fn(observe)));
}

/// The paths of the table as patterns. Compiled once: a request that leads nowhere must be cheap.
static PATTERNS: LazyLock<Vec<(ResourceDef, Vec<Method>)>> = LazyLock::new(|| {
    let routes = table().into_iter();
    routes
        .map(|route| (ResourceDef::new(route.path), route.methods().collect()))
        .collect()
});

/// What is no route: an unknown path, or a known one with another method.
async fn elsewhere(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.path();
    let here = PATTERNS.iter().filter(|(pattern, _)| pattern.is_match(path));
    let methods: Vec<Method> = here.flat_map(|(_, methods)| methods.clone()).collect();
    if methods.is_empty() {
        let detail = "no route has this path; /docs lists them all, spelled exactly";
        return Err(Problem::new(Kind::NotFound, detail));
    }
    Err(Problem::method_not_allowed(request.method(), methods))
}
