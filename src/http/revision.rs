//! ETags and `If-Match`: nobody overwrites what they have not seen.

use crate::http::problem::{Kind, Problem};
use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use std::future::{Ready, ready};
use tidegate_actors::control::ControlError;
use tidegate_model::invalid::Violation;
use tidegate_model::key::Revision;
use tidegate_store::Expect;

/// The ETag of a revision.
pub(crate) fn etag(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// One thing, answered with its revision as the ETag.
pub(crate) struct Entity<T> {
    /// What is shown of it.
    pub(crate) shown: T,
    /// Its revision.
    pub(crate) revision: Revision,
}

impl<T: Serialize> Responder for Entity<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((header::ETAG, etag(self.revision)))
            .json(self.shown)
    }
}

/// What the caller says about the revision it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    Missing,
    /// `If-Match: *`: whatever it is.
    Any,
    /// `If-Match: "7"`: this one.
    Revision(Revision),
    /// `If-None-Match: *`: it must be new.
    New,
}

impl Precondition {
    /// What the control plane is to expect when a thing is saved: without a word, that it is new.
    pub(crate) fn to_save(self) -> Expect {
        match self {
            Self::Missing | Self::New => Expect::Revision(Revision::ABSENT),
            Self::Any => Expect::Any,
            Self::Revision(revision) => Expect::Revision(revision),
        }
    }

    /// What the control plane is to expect when a thing that was found at revision `found` is removed.
    ///
    /// # Errors
    /// When the caller did not say which revision it has seen, or has seen another.
    pub(crate) fn to_remove(self, what: &str, found: Revision) -> Result<Expect, Problem> {
        match self {
            Self::Missing | Self::New => Err(required(what).at_revision(found)),
            Self::Revision(seen) if seen != found => Err(stale(what, seen, found)),
            Self::Any | Self::Revision(_) => Ok(Expect::Revision(found)),
        }
    }

    /// What the control plane is to expect when a rollout gets a command: without a word, anything.
    pub(crate) fn to_command(self) -> Expect {
        match self {
            Self::Missing | Self::New | Self::Any => Expect::Any,
            Self::Revision(revision) => Expect::Revision(revision),
        }
    }

    /// The problem that the control plane's refusal is to a caller who said this.
    pub(crate) fn problem(self, error: ControlError) -> Problem {
        match (error, self) {
            (ControlError::Stale { what, actual, .. }, Self::Missing) => required(&what).at_revision(actual),
            (ControlError::Stale { what, actual, .. }, Self::New) => {
                let detail =
                    format!("{what} exists already; to change it, read it and send its ETag in If-Match");
                Problem::new(Kind::StaleRevision, detail).at_revision(actual)
            }
            (
                ControlError::Stale {
                    what,
                    expected,
                    actual,
                },
                Self::Revision(_),
            ) => stale(&what, expected, actual),
            (error, _) => error.into(),
        }
    }
}

fn stale(what: &str, seen: Revision, actual: Revision) -> Problem {
    let is = match actual {
        Revision::ABSENT => "does not exist".to_owned(),
        actual => format!("is at revision {actual}"),
    };
    let detail = format!("{what} {is}, you have seen {seen}; read it again and repeat your change");
    Problem::new(Kind::StaleRevision, detail).at_revision(actual)
}

fn required(what: &str) -> Problem {
    Problem::new(
        Kind::PreconditionRequired,
        format!(
            "{what} exists already, and the request does not say which revision of it you have seen; \
             read it and send its ETag in the header If-Match, or 'If-Match: *' to change whatever there is"
        ),
    )
}

impl FromRequest for Precondition {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = |name| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap_or("?").trim())
        };
        ready(match (header(header::IF_MATCH), header(header::IF_NONE_MATCH)) {
            (None, None) => Ok(Self::Missing),
            (Some("*"), None) => Ok(Self::Any),
            (Some(text), None) => revision(text),
            (None, Some("*")) => Ok(Self::New),
            (None, Some(text)) => Err(refused("If-None-Match", text, "on a write, If-None-Match is '*'")),
            (Some(_), Some(text)) => Err(refused(
                "If-None-Match",
                text,
                "only one of If-Match and If-None-Match is given",
            )),
        })
    }
}

/// Proxies that compress answers mark their ETags as weak; the revision in them is the same.
fn revision(text: &str) -> Result<Precondition, Problem> {
    let strong = text.strip_prefix("W/").unwrap_or(text);
    let digits = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let revision = digits.and_then(|digits| digits.parse().ok()).map(Revision);
    revision.map(Precondition::Revision).ok_or_else(|| {
        refused(
            "If-Match",
            text,
            "If-Match is '*' or one ETag, in its quotes, as it was read",
        )
    })
}

fn refused(header: &str, value: &str, rule: &str) -> Problem {
    Problem::malformed_request(Violation::new(header, value, rule, "for example If-Match: \"7\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    async fn read(headers: &[(&'static str, &'static str)]) -> Result<Precondition, Problem> {
        let mut request = TestRequest::put();
        for header in headers {
            request = request.append_header(*header);
        }
        Precondition::extract(&request.to_http_request()).await
    }

    #[actix_web::test]
    async fn preconditions_are_read_strictly() {
        for (headers, expected) in [
            (&[][..], Some(Precondition::Missing)),
            (
                &[("if-match", "\"7\"")],
                Some(Precondition::Revision(Revision(7))),
            ),
            (
                &[("if-match", "W/\"7\"")],
                Some(Precondition::Revision(Revision(7))),
            ),
            (&[("if-match", "*")], Some(Precondition::Any)),
            (&[("if-none-match", "*")], Some(Precondition::New)),
            (&[("if-match", "7")], None),
            (&[("if-match", "\"7\", \"8\"")], None),
            (&[("if-match", "\"-1\"")], None),
            (&[("if-match", "\"a\"")], None),
            (&[("if-none-match", "\"7\"")], None),
            (&[("if-match", "\"7\""), ("if-none-match", "*")], None),
        ] {
            let read = read(headers).await;
            assert_eq!(read.as_ref().ok(), expected.as_ref(), "{headers:?}");
            if let Err(problem) = read {
                assert_eq!(problem.kind(), Kind::MalformedRequest);
            }
        }
    }

    #[test]
    fn f22_the_loser_reads_again() {
        let stale = || ControlError::Stale {
            what: "flag checkout".to_owned(),
            expected: Revision(3),
            actual: Revision(4),
        };
        for (precondition, status) in [
            (Precondition::Missing, 428),
            (Precondition::New, 412),
            (Precondition::Revision(Revision(3)), 412),
            (Precondition::Any, 409),
        ] {
            let response = precondition.problem(stale()).error_response();
            assert_eq!(response.status().as_u16(), status, "{precondition:?}");
            assert_eq!(response.headers().get("etag").unwrap(), "\"4\"");
        }
        assert_eq!(
            Precondition::Missing
                .to_remove("it", Revision(4))
                .unwrap_err()
                .kind(),
            Kind::PreconditionRequired
        );
        assert_eq!(
            Precondition::Missing.to_save(),
            Expect::Revision(Revision::ABSENT)
        );
        assert_eq!(Precondition::Missing.to_command(), Expect::Any);
    }
}
