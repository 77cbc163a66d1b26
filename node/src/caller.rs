//! The permission to evaluate, as an extractor: a route without it cannot reach a node.

use crate::access::{Admission, Grant};
use crate::node::Node;
use crate::problem::{Kind, Problem};
use crate::rate_limit::whole_seconds;
use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Ready, ready};
use tidegate_replica::{Served, ServedFlag};

/// The nodes that answer on one server, one for each environment.
#[derive(Debug)]
pub(crate) struct Hosted(pub(crate) Vec<Node>);

/// A caller that was admitted, with the node that admitted it.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) node: Node,
    pub(crate) grant: Grant,
}

impl Caller {
    /// The flag of this name, if there is one that the caller may see. To everybody else a hidden
    /// flag is no flag.
    pub(crate) fn flag<'a>(&self, served: &'a Served, key: &str) -> Option<&'a ServedFlag> {
        served.flag(key).filter(|flag| self.sees(flag))
    }

    /// Whether the flag exists for the caller.
    pub(crate) fn sees(&self, flag: &ServedFlag) -> bool {
        self.grant.scope.sees(flag)
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let secret = secret(request.headers());
        let mut best = Admission::Unknown;
        // Tokens are bound to environments: the node that knows the token is the one meant.
        for node in request
            .app_data::<web::Data<Hosted>>()
            .into_iter()
            .flat_map(|hosted| &hosted.0)
        {
            match node.access().admit(secret) {
                Admission::Granted(grant) => {
                    let node = node.clone();
                    let admitted = within_limit(&node, &grant, request).map(|()| Self { node, grant });
                    return ready(admitted);
                }
                Admission::Forbidden => best = Admission::Forbidden,
                Admission::Unknown => {}
            }
        }
        ready(Err(refusal(best, secret.is_some(), request)))
    }
}

fn within_limit(node: &Node, grant: &Grant, request: &HttpRequest) -> Result<(), Problem> {
    let Some(limit) = node.surface().limit() else {
        return Ok(());
    };
    limit.take(&grant.credential).map_err(|wait| {
        node.surface().metrics().refused("rate_limit");
        let seconds = whole_seconds(wait);
        let detail = format!("this token asks more often than the node's limit; try again in {seconds} s");
        Problem::new(Kind::TooBusy, detail)
            .retry_after(seconds)
            .for_ofrep(request.match_info().get("key"))
    })
}

fn refusal(admission: Admission, has_secret: bool, request: &HttpRequest) -> Problem {
    let problem = match (admission, has_secret) {
        (Admission::Forbidden, _) => Problem::new(
            Kind::Forbidden,
            "the token may not evaluate flags; use one of the role server or client",
        ),
        (_, true) => Problem::new(
            Kind::Unauthenticated,
            "the token is unknown, revoked or expired; create one with: tidegate token create NAME --role server",
        ),
        (_, false) => Problem::new(
            Kind::Unauthenticated,
            "there is no token; send one as 'Authorization: Bearer …' or 'X-API-Key: …'",
        ),
    };
    problem.for_ofrep(request.match_info().get("key"))
}

/// The secret of a request: `Authorization: Bearer …`, else `X-API-Key: …`.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    bearer.or_else(|| text("x-api-key"))
}
