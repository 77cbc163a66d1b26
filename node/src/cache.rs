//! What the cache of bulk answers holds.

use crate::access::Scope;
use crate::caller::Caller;
use crate::problem::{Kind, Problem};
use actix_web::HttpResponse;

/// What the cache of bulk answers holds, and how often it helped.
#[utoipa::path(
    get, path = "/v1/cache", operation_id = "showCache", tag = "evaluation",
    responses((status = 200, description = "Its size and hit rate.", body = Object, example = json!({
        "entries": 812, "entriesMax": 16384, "bytes": 9_871_360, "bytesMax": 33_554_432, "hits": 90_214, "misses": 1302, "hitRate": 0.9857
    }))),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate_all"))),
)]
pub(crate) async fn show(caller: Caller) -> Result<HttpResponse, Problem> {
    let surface = guarded(&caller)?.node.surface();
    let statistics = surface.results().statistics(surface.metrics());
    Ok(HttpResponse::Ok().json(statistics))
}

/// Throws all kept answers away. They cannot be wrong, so this is for measuring.
#[utoipa::path(
    delete, path = "/v1/cache", operation_id = "clearCache", tag = "evaluation",
    responses((status = 204, description = "They are gone.")),
    security(("bearer" = [])),
    extensions(("x-tidegate-permission" = json!("evaluate_all"))),
)]
pub(crate) async fn clear(caller: Caller) -> Result<HttpResponse, Problem> {
    guarded(&caller)?.node.surface().results().clear();
    Ok(HttpResponse::NoContent().finish())
}

/// How much others ask is nothing for those who get values only.
fn guarded(caller: &Caller) -> Result<&Caller, Problem> {
    match caller.grant.scope {
        Scope::Server => Ok(caller),
        Scope::Client => Err(Problem::new(
            Kind::Forbidden,
            "the token gets values only; use one of the role server",
        )),
    }
}
