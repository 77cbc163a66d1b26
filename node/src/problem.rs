//! Errors as problem documents (RFC 9457), of the same kinds as the control plane's.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use std::fmt;
use tidegate_model::invalid::Violation;

/// What kind of problem it is. Each has a page in `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The body is not what the route reads.
    MalformedBody,
    /// No token, or one that does not work.
    Unauthenticated,
    /// The token's role does not include what the route asks.
    Forbidden,
    /// The body is larger than the route reads.
    BodyTooLarge,
    /// The body can be read, and says what cannot be.
    Invalid,
    /// No such thing, or not for this caller.
    NotFound,
    /// The caller asks more often than it may, or for more than there is room.
    TooBusy,
    /// No snapshot is served yet.
    NotReady,
    /// What was sent cannot be kept.
    StorageUnavailable,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (
                StatusCode::BAD_REQUEST,
                "https://tidegate.dev/errors/malformed-body",
                "The body cannot be read",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "https://tidegate.dev/errors/unauthenticated",
                "A working token is needed",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "https://tidegate.dev/errors/forbidden",
                "The token may not do this",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "https://tidegate.dev/errors/body-too-large",
                "The body is too large",
            ),
            Self::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "https://tidegate.dev/errors/invalid",
                "What the body says breaks rules",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "https://tidegate.dev/errors/not-found",
                "There is no such thing",
            ),
            Self::TooBusy => (
                StatusCode::TOO_MANY_REQUESTS,
                "https://tidegate.dev/errors/too-busy",
                "Too much at once",
            ),
            Self::NotReady => (
                StatusCode::SERVICE_UNAVAILABLE,
                "https://tidegate.dev/errors/not-ready",
                "The node has no snapshot yet",
            ),
            Self::StorageUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "https://tidegate.dev/errors/storage-unavailable",
                "Nothing can be stored at present",
            ),
        }
    }
}

/// A problem, boxed: it is the `Err` of most routes.
#[derive(Debug)]
pub(crate) struct Problem(Box<Contents>);

#[derive(Debug)]
struct Contents {
    kind: Kind,
    detail: String,
    violations: Vec<Violation>,
    ofrep: Option<OfrepMembers>,
    retry_after_seconds: Option<u64>,
}

/// What every OFREP error carries; several clients read these unguarded.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OfrepMembers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    pub(crate) error_code: &'static str,
    pub(crate) error_details: String,
}

/// A problem as it is written.
#[derive(Serialize)]
struct ProblemText<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    violations: &'a [Violation],
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    ofrep: Option<&'a OfrepMembers>,
}

impl Problem {
    /// A problem; `detail` says what, where, why and how to fix it.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Contents {
            kind,
            detail: detail.into(),
            violations: vec![],
            ofrep: None,
            retry_after_seconds: (kind == Kind::NotReady).then_some(1),
        }))
    }

    /// The same with the fields that are wrong.
    #[must_use]
    pub(crate) fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.0.violations = violations;
        self
    }

    /// The same, to be tried again after this many seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The same, readable to OFREP clients too; about the flag `key` if there is one.
    #[must_use]
    pub(crate) fn for_ofrep(mut self, key: Option<&str>) -> Self {
        self.0.ofrep = Some(OfrepMembers {
            key: key.map(str::to_owned),
            error_code: "GENERAL",
            error_details: self.0.detail.clone(),
        });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, kind, title) = self.0.kind.parts();
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        if self.0.kind == Kind::Unauthenticated {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"tidegate\""));
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            response.insert_header((RETRY_AFTER, seconds));
        }
        let text = ProblemText {
            kind,
            title,
            status: status.as_u16(),
            detail: &self.0.detail,
            violations: &self.0.violations,
            ofrep: self.0.ofrep.as_ref(),
        };
        // Plain text and numbers can always be written as JSON.
        response.body(serde_json::to_vec(&text).unwrap_or_default())
    }
}
