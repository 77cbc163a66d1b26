//! Which environment a caller of flagd's protocols gets, if any.

use super::{Flagd, Realm};
use crate::access::{Admission, Grant, Scope};
use crate::credential::Credential;
use crate::rate_limit::whole_seconds;
use hyper::HeaderMap;
use std::sync::Arc;
use tonic::Status;

/// What callers get who show no token: flagd's clients cannot be given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// They are let in: for addresses that only one's own programs can reach.
    Open,
    /// They are refused, unless the node lets in everybody.
    TokenOnly,
}

/// The metadata that names an environment.
pub(super) const SELECTOR: &str = "flagd-selector";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Values.
    Evaluate,
    /// The definitions, with everything that targeting says about people.
    Synchronise,
}

/// A caller that was let in.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) realm: Arc<Realm>,
    pub(super) scope: Scope,
}

/// How a caller introduces itself.
pub(super) struct Introduction<'a> {
    pub(super) door: Door,
    /// What those see who are let in without a token.
    pub(super) anonymous: Scope,
    pub(super) purpose: Purpose,
    pub(super) headers: &'a HeaderMap,
    /// The selector of a message or path, weaker than the one in the metadata.
    pub(super) selector: &'a str,
}

impl Flagd {
    /// The environment that the caller asks for, if it is let in there.
    ///
    /// # Errors
    /// The status to answer with.
    pub(super) fn admit(&self, introduction: &Introduction<'_>) -> Result<Caller, Status> {
        let text = |name| {
            introduction
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let selector = text(SELECTOR).unwrap_or(introduction.selector).trim();
        let wanted = environment_of(selector);
        let secret = text("authorization").and_then(secret_of);
        let (mut is_known, mut is_let_in) = (false, false);
        for realm in &*self.realms {
            let grant = match realm.admission(secret, introduction) {
                Admission::Unknown => continue,
                Admission::Granted(grant) if introduction.purpose.suits(grant.scope) => grant,
                Admission::Granted(_) | Admission::Forbidden => {
                    is_known = true;
                    continue;
                }
            };
            is_let_in = true;
            if wanted.is_none_or(|wanted| wanted == realm.node.environment().as_str()) {
                realm.within_limit(&grant, introduction.purpose)?;
                return Ok(Caller {
                    realm: Arc::clone(realm),
                    scope: grant.scope,
                });
            }
        }
        Err(match secret {
            // Let in somewhere, but not where it wants to.
            _ if is_let_in => no_such_environment(selector),
            _ if is_known => Status::permission_denied(introduction.purpose.role_wanted()),
            Some(_) => Status::unauthenticated(
                "the token in the metadata 'authorization' is unknown, revoked or expired",
            ),
            None => Status::unauthenticated(
                "there is no token; send the metadata 'authorization: Bearer …', or start Tidegate with --flagd-open if only \
                 your own programs can reach this address",
            ),
        })
    }
}

impl Purpose {
    /// Definitions are for those who may see every flag.
    fn suits(self, scope: Scope) -> bool {
        self == Self::Evaluate || scope == Scope::Server
    }

    fn role_wanted(self) -> &'static str {
        match self {
            Self::Evaluate => "the token may not evaluate flags; use one of the role server or client",
            Self::Synchronise => "the token may not read definitions; use one of the role server",
        }
    }
}

impl Realm {
    fn admission(&self, secret: Option<&str>, introduction: &Introduction<'_>) -> Admission {
        if secret.is_none() && introduction.door == Door::Open {
            return Admission::Granted(Grant {
                scope: introduction.anonymous,
                credential: Credential::NOBODY,
            });
        }
        self.node.access().admit(secret)
    }

    fn within_limit(&self, grant: &Grant, purpose: Purpose) -> Result<(), Status> {
        let surface = self.node.surface();
        let Some(limit) = surface.limit().filter(|_| purpose == Purpose::Evaluate) else {
            return Ok(());
        };
        limit.take(&grant.credential).map_err(|wait| {
            surface.metrics().refused("rate_limit");
            Status::resource_exhausted(format!(
                "more calls than the node's limit; try again in {} s",
                whole_seconds(wait)
            ))
        })
    }
}

/// `Bearer …`
pub(super) fn secret_of(authorization: &str) -> Option<&str> {
    let (scheme, secret) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// The environment that a selector names: `flagSetId=x`, `source=x` or just `x`. `None` when it names
/// none.
fn environment_of(selector: &str) -> Option<&str> {
    let name = match selector.split_once('=') {
        Some(("flagSetId" | "source", name)) => name.trim(),
        _ => selector,
    };
    (!name.is_empty()).then_some(name)
}

fn no_such_environment(selector: &str) -> Status {
    Status::not_found(format!(
        "the selector {:?} names no environment that this caller can see; an environment is a flag set and a source here, \
         so say flagSetId=production, source=production or production",
        shortened(selector)
    ))
}

/// As much of a foreign text as an answer should repeat.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    text.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_environments() {
        for (selector, environment) in [
            ("", None),
            ("flagSetId=", None),
            ("flagSetId=staging", Some("staging")),
            ("source=staging", Some("staging")),
            ("staging", Some("staging")),
            ("other=staging", Some("other=staging")),
        ] {
            assert_eq!(environment_of(selector), environment, "{selector}");
        }
    }

    #[test]
    fn only_bearer_tokens_are_secrets() {
        for (header, secret) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
        ] {
            assert_eq!(secret_of(header), secret, "{header}");
        }
    }
}
