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
    /// No snapshot is served yet.
    NotReady,
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
            Self::NotReady => (
                StatusCode::SERVICE_UNAVAILABLE,
                "https://tidegate.dev/errors/not-ready",
                "The node has no snapshot yet",
            ),
        }
    }
}

/// A problem.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    violations: Vec<Violation>,
    ofrep: Option<OfrepMembers>,
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
        Self {
            kind,
            detail: detail.into(),
            violations: vec![],
            ofrep: None,
        }
    }

    /// The same with the fields that are wrong.
    #[must_use]
    pub(crate) fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// The same, readable to OFREP clients too; about the flag `key` if there is one.
    #[must_use]
    pub(crate) fn for_ofrep(mut self, key: Option<&str>) -> Self {
        self.ofrep = Some(OfrepMembers {
            key: key.map(str::to_owned),
            error_code: "GENERAL",
            error_details: self.detail.clone(),
        });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, kind, title) = self.kind.parts();
        let mut response = HttpResponse::build(status);
        response.content_type("application/problem+json");
        match self.kind {
            Kind::Unauthenticated => response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"tidegate\"")),
            Kind::NotReady => response.insert_header((RETRY_AFTER, 1)),
            Kind::MalformedBody | Kind::Forbidden | Kind::BodyTooLarge | Kind::Invalid => &mut response,
        };
        let text = ProblemText {
            kind,
            title,
            status: status.as_u16(),
            detail: &self.detail,
            violations: &self.violations,
            ofrep: self.ofrep.as_ref(),
        };
        // Plain text and numbers can always be written as JSON.
        response.body(serde_json::to_vec(&text).unwrap_or_default())
    }
}
