//! What the API answers when it does not do what was asked: RFC 9457 problem documents.
//!
//! The status is chosen by what the reader does next: 400 and 422 mend the request, 409 look at the
//! state and decide anew, 412 read again and repeat, 429 and 503 wait and repeat.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;
use tidegate_decide::serving::{self, Cause};
use tidegate_model::invalid::Violation;
use tidegate_model::key::Revision;
use tidegate_model::policy::diagnostic::Diagnostic;
use tidegate_model::request::RequestKey;
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema, ToSchema};

mod control;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $status:ident, $slug:literal, $title:literal;)*) => {
        /// What kind of problem it is. Each has a page in `docs/errors/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// All kinds, in the order of their statuses.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The last part of the `type`, and the name of its page.
            pub(crate) fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// In a few words; the same for every problem of the kind.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The status it is answered with.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

kinds! {
    /// The body is not what the route reads.
    MalformedBody: BAD_REQUEST, "malformed-body", "The body cannot be read";
    /// The path, the query or a header is not what the route reads.
    MalformedRequest: BAD_REQUEST, "malformed-request", "The request cannot be read";
    /// No token, or one that does not work.
    Unauthenticated: UNAUTHORIZED, "unauthenticated", "A working token is needed";
    /// The token's role does not include what the route asks.
    Forbidden: FORBIDDEN, "forbidden", "The token may not do this";
    /// No such thing, or no such route.
    NotFound: NOT_FOUND, "not-found", "There is no such thing";
    /// The route exists, with other methods.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method-not-allowed", "The route has other methods";
    /// The body came too slowly.
    RequestTimeout: REQUEST_TIMEOUT, "request-timeout", "The body did not arrive in time";
    /// What was asked does not fit the state as it is now.
    Conflict: CONFLICT, "conflict", "The state stands in the way";
    /// The same request is being done.
    UnderWay: CONFLICT, "under-way", "The same request is under way";
    /// What was asked for was moved to an archive.
    Archived: GONE, "archived", "It is in the archive";
    /// It was changed since the caller read it.
    StaleRevision: PRECONDITION_FAILED, "stale-revision", "It was changed meanwhile";
    /// The body is larger than any route reads.
    BodyTooLarge: PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    /// The body is of a media type, or compressed in a way, that the route does not read.
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another media type";
    /// The body can be read, and asks for what cannot be.
    Invalid: UNPROCESSABLE_ENTITY, "invalid", "What the body says breaks rules";
    /// A policy's text has mistakes.
    InvalidPolicy: UNPROCESSABLE_ENTITY, "invalid-policy", "The policy has mistakes";
    /// A key that stands for another request.
    OtherRequest: UNPROCESSABLE_ENTITY, "other-request", "The key stands for another request";
    /// An existing thing is to be changed without a word about which revision of it was read.
    PreconditionRequired: PRECONDITION_REQUIRED, "precondition-required", "The revision is needed";
    /// Too much at once.
    TooBusy: TOO_MANY_REQUESTS, "too-busy", "Too much at once";
    /// A mistake in Tidegate.
    Incident: INTERNAL_SERVER_ERROR, "incident", "Something went wrong in Tidegate";
    /// The store takes nothing.
    StorageUnavailable: SERVICE_UNAVAILABLE, "storage-unavailable", "Nothing can be stored at present";
    /// The control plane takes nothing but what shuts.
    ServesOnly: SERVICE_UNAVAILABLE, "serves-only", "The control plane only serves";
    /// The control plane cannot do its work.
    NotReady: SERVICE_UNAVAILABLE, "not-ready", "The control plane is not ready";
    /// There is no room for anything but what shuts rollouts.
    DiskFull: INSUFFICIENT_STORAGE, "disk-full", "The disk is full";
}

/// A problem, boxed: it is the `Err` of every route.
#[derive(Debug)]
pub(crate) struct Problem(Box<Contents>);

#[derive(Debug)]
struct Contents {
    kind: Kind,
    detail: String,
    violations: Vec<Violation>,
    diagnostics: Vec<Diagnostic>,
    revision: Option<Revision>,
    incident: Option<String>,
    oldest: Option<u64>,
    retry_after_seconds: Option<u64>,
    allow: Vec<Method>,
    cause: Option<String>,
}

/// A problem as it is written: RFC 9457 with a few members of our own.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemText<'a> {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, in a few words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What, where, why, and how to fix it.
    detail: &'a str,
    /// Everything wrong with what was sent, field by field.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    violations: &'a [Violation],
    /// Everything wrong with a policy's text, with line and column.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    diagnostics: &'a [Diagnostic],
    /// The revision that the thing has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    /// What to look for in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<&'a str>,
    /// The oldest record that can be read here.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
}

impl Problem {
    /// Too much at once; `retry_after` in seconds.
    pub(crate) fn busy(detail: impl Into<String>, retry_after: u64) -> Self {
        let mut problem = Self::new(Kind::TooBusy, detail);
        problem.0.retry_after_seconds = Some(retry_after);
        problem
    }

    /// The media type of a problem.
    pub(crate) const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of this kind; `detail` says what, where, why and how to fix it.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Contents {
            kind,
            detail: detail.into(),
            violations: Vec::new(),
            diagnostics: Vec::new(),
            revision: None,
            incident: None,
            oldest: None,
            retry_after_seconds: None,
            allow: Vec::new(),
            cause: None,
        }))
    }

    /// What was sent breaks these rules.
    pub(crate) fn invalid(violations: Vec<Violation>) -> Self {
        Self::violating(Kind::Invalid, violations)
    }

    /// The path, the query or a header breaks this rule.
    pub(crate) fn malformed_request(violation: Violation) -> Self {
        Self::violating(Kind::MalformedRequest, vec![violation])
    }

    fn violating(kind: Kind, violations: Vec<Violation>) -> Self {
        let detail: Vec<String> = violations.iter().map(Violation::to_string).collect();
        let mut problem = Self::new(kind, detail.join("; "));
        problem.0.violations = violations;
        problem
    }

    /// A mistake in Tidegate, which the log has under `incident`.
    pub(crate) fn incident(incident: impl Into<String>) -> Self {
        let incident = incident.into();
        let detail = format!("nothing was changed; the log has more under incident {incident}");
        let mut problem = Self::new(Kind::Incident, detail);
        problem.0.incident = Some(incident);
        problem
    }

    /// Nothing is taken but what shuts, for these reasons.
    fn serves_only(causes: &[Cause]) -> Self {
        let causes: Vec<String> = causes.iter().map(Cause::to_string).collect();
        let detail = format!(
            "nothing was changed; the control plane only serves, because {}; nodes go on, and rollbacks, retreats, pauses, \
             aborts, freezes, alerts and revoked tokens are taken; repeat the request when /readyz says ready, which is \
             {} after the cause is over",
            causes.join(", and "),
            serving::RECOVERY,
        );
        let mut problem = Self::new(Kind::ServesOnly, detail);
        problem.0.retry_after_seconds = Some(serving::RECOVERY.duration().as_secs());
        problem
    }

    /// What was asked for is before the record `oldest`, with which the journal begins.
    pub(crate) fn archived(oldest: u64) -> Self {
        let detail = format!(
            "records before {oldest} were moved to an archive; ask for records after {}, or read the archive on the control plane's machine, for example with: tidegate replay --archive FOLDER",
            oldest - 1
        );
        let mut problem = Self::new(Kind::Archived, detail);
        problem.0.oldest = Some(oldest);
        problem
    }

    /// The same request is being done at this moment.
    pub(crate) fn under_way() -> Self {
        let detail = "a request with the same Idempotency-Key is being done; repeat it in 1 s for its answer";
        let mut problem = Self::new(Kind::UnderWay, detail);
        problem.0.retry_after_seconds = Some(1);
        problem
    }

    /// The key was used for something else.
    pub(crate) fn other_request(key: &RequestKey) -> Self {
        let rule = "within 24 hours a key stands for one request: one method, path and body";
        let fix = "send a fresh key with a new request, and the request unchanged when you repeat it";
        let violation = Violation::new("Idempotency-Key", key, rule, fix);
        Self::violating(Kind::OtherRequest, vec![violation])
    }

    /// The route has these methods, not the one that was used.
    pub(crate) fn method_not_allowed(method: &Method, allow: Vec<Method>) -> Self {
        let known: Vec<&str> = allow.iter().map(Method::as_str).collect();
        let detail = format!(
            "{method} is not a method of this route; use {}",
            known.join(" or ")
        );
        let mut problem = Self::new(Kind::MethodNotAllowed, detail);
        problem.0.allow = allow;
        problem
    }

    /// The same problem, telling which revision the thing has now.
    #[must_use]
    pub(crate) fn at_revision(mut self, revision: Revision) -> Self {
        self.0.revision = Some(revision);
        self
    }

    /// The kind.
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What, where, why, and how to fix it.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What lies behind it: for the log, never for the caller.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        ProblemText::schema()
    }
}

impl ToSchema for Problem {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ProblemText::schemas(schemas);
    }
}

/// An error and everything behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.slug(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let contents = &self.0;
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(Self::MEDIA_TYPE);
        if contents.kind == Kind::Unauthenticated {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"tidegate\""));
        }
        if let Some(seconds) = contents.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(revision) = contents.revision.filter(|revision| *revision != Revision::ABSENT) {
            response.insert_header((header::ETAG, format!("\"{revision}\"")));
        }
        if !contents.allow.is_empty() {
            let methods: Vec<&str> = contents.allow.iter().map(Method::as_str).collect();
            response.insert_header((header::ALLOW, methods.join(", ")));
        }
        let text = ProblemText {
            kind: format!("https://tidegate.dev/errors/{}", contents.kind.slug()),
            title: contents.kind.title(),
            status: self.status_code().as_u16(),
            detail: &contents.detail,
            violations: &contents.violations,
            diagnostics: &contents.diagnostics,
            revision: contents.revision,
            incident: contents.incident.as_deref(),
            oldest: contents.oldest,
        };
        // Plain text and numbers can always be written as JSON.
        response.body(serde_json::to_vec(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;
    use serde_json::{Value, json};
    use tidegate_actors::control::ControlError;
    use tidegate_decide::refusal::Refusal;
    use tidegate_model::policy::diagnostic::Severity;
    use tidegate_store::StoreError;

    async fn check(problem: Problem, status: u16, expected: Value) -> HttpResponse<()> {
        let response = problem.error_response();
        assert_eq!(response.status().as_u16(), status);
        let (head, body) = response.into_parts();
        assert_eq!(head.headers().get("content-type").unwrap(), Problem::MEDIA_TYPE);
        let body: Value = serde_json::from_slice(&to_bytes(body).await.unwrap()).unwrap();
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty());
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&body[member], value, "{member} of {body}");
        }
        head
    }

    #[actix_web::test]
    async fn what_the_control_plane_refuses_becomes_what_the_reader_does_next() {
        let not_found = ControlError::NotFound {
            what: "flag checkout".to_owned(),
        };
        let says =
            json!({"type": "https://tidegate.dev/errors/not-found", "detail": "there is no flag checkout"});
        check(not_found.into(), 404, says).await;

        let stale = ControlError::Stale {
            what: "flag checkout".to_owned(),
            expected: Revision(3),
            actual: Revision(4),
        };
        check(stale.into(), 409, json!({"revision": 4})).await;

        let violation = Violation::new("variations[1].key", "on", "each key once", "rename one");
        let invalid = Refusal::Invalid(violation.clone().into());
        let says = json!({"violations": [violation], "revision": null});
        check(ControlError::Refused(invalid).into(), 422, says).await;

        let conflict = ControlError::Refused(Refusal::conflict("it has ended", "start another"));
        check(
            conflict.into(),
            409,
            json!({"detail": "it has ended; start another"}),
        )
        .await;

        let forbidden = Refusal::Forbidden {
            why: "you started it".to_owned(),
            fix: "ask somebody else".to_owned(),
        };
        let says = json!({"detail": "you started it; ask somebody else"});
        check(ControlError::Refused(forbidden).into(), 403, says).await;

        let diagnostic = Diagnostic {
            severity: Severity::Error,
            line: 3,
            column: 5,
            path: "schedule".to_owned(),
            message: "has no stages".to_owned(),
            hint: String::new(),
        };
        let says =
            json!({"diagnostics": [diagnostic.clone()], "detail": "3:5: error: schedule: has no stages"});
        check(ControlError::Policy(vec![diagnostic]).into(), 422, says).await;

        let incident = ControlError::Incident { id: "i1".to_owned() };
        check(incident.into(), 500, json!({"incident": "i1"})).await;

        let archived = ControlError::Store(StoreError::Archived { oldest: 501 });
        check(archived.into(), 410, json!({"oldest": 501})).await;

        let busy = check(ControlError::Busy { retry_after: 2 }.into(), 429, json!({})).await;
        assert_eq!(busy.headers().get("retry-after").unwrap(), "2");
    }

    #[actix_web::test]
    async fn what_the_store_says_stays_in_the_log() {
        let io = StoreError::Io {
            operation: "write of /srv/journal".to_owned(),
            cause: "no space".to_owned(),
        };
        let problem = Problem::from(ControlError::Store(io));
        assert!(problem.cause().unwrap().contains("no space"));
        assert!(!problem.detail().contains("/srv"));
        check(
            problem,
            503,
            json!({"type": "https://tidegate.dev/errors/storage-unavailable"}),
        )
        .await;
    }

    #[actix_web::test]
    async fn headers_tell_machines_what_to_do() {
        let unauthenticated = check(Problem::new(Kind::Unauthenticated, "x"), 401, json!({})).await;
        assert_eq!(
            unauthenticated.headers().get("www-authenticate").unwrap(),
            "Bearer realm=\"tidegate\""
        );

        let method = Problem::method_not_allowed(&Method::PATCH, vec![Method::GET, Method::PUT]);
        let says = json!({"detail": "PATCH is not a method of this route; use GET or PUT"});
        assert_eq!(
            check(method, 405, says).await.headers().get("allow").unwrap(),
            "GET, PUT"
        );

        let stale = Problem::new(Kind::StaleRevision, "x").at_revision(Revision(9));
        assert_eq!(
            check(stale, 412, json!({})).await.headers().get("etag").unwrap(),
            "\"9\""
        );
    }

    #[test]
    fn every_kind_has_a_page_and_every_page_a_kind() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors");
        let mut pages: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README.md")
            .collect();
        let mut slugs: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| format!("{}.md", kind.slug()))
            .collect();
        pages.sort();
        slugs.sort();
        assert_eq!(pages, slugs);
        for kind in Kind::ALL.iter().copied() {
            let page = std::fs::read_to_string(format!("{folder}/{}.md", kind.slug())).unwrap();
            assert!(
                page.starts_with(&format!("# {}\n", kind.title())),
                "{}",
                kind.slug()
            );
            assert!(
                page.contains(&format!("Status {}", kind.status().as_u16())),
                "{}",
                kind.slug()
            );
        }
    }
}
