//! What the cache of bulk answers holds.

use crate::access::Scope;
use crate::caller::Caller;
use crate::problem::{Kind, Problem};
use actix_web::HttpResponse;

/// `GET /v1/cache`
pub(crate) async fn show(caller: Caller) -> Result<HttpResponse, Problem> {
    let surface = guarded(&caller)?.node.surface();
    let statistics = surface.results().statistics(surface.metrics());
    Ok(HttpResponse::Ok().json(statistics))
}

/// `DELETE /v1/cache`: throws all answers away. They cannot be wrong, so this is for measuring.
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
