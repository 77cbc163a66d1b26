//! Errors as OFREP clients read them: `key`, `errorCode` and `errorDetails`, always.

use crate::problem::OfrepMembers;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use std::fmt;

/// Why a request, or one flag of it, has no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    members: OfrepMembers,
}

impl Refusal {
    fn new(status: StatusCode, error_code: &'static str, details: impl Into<String>) -> Self {
        Self {
            status,
            members: OfrepMembers {
                key: None,
                error_code,
                error_details: details.into(),
            },
        }
    }

    pub(super) fn parse_error(details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PARSE_ERROR", details)
    }

    pub(super) fn invalid_context(details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_CONTEXT", details)
    }

    pub(super) fn too_large() -> Self {
        let details = "the body is larger than 1 MiB; send fewer attributes";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "GENERAL", details)
    }

    pub(super) fn flag_not_found() -> Self {
        let details = "this token's environment has no such flag; check the key, the environment, and whether the flag's \
                       visibility includes the token's role";
        Self::new(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", details)
    }

    pub(super) fn targeting_key_missing() -> Self {
        let details = "the flag is dealt out by unit and the context has none; send targetingKey, or the attribute \
                       that the flag names as its unit";
        Self::new(StatusCode::BAD_REQUEST, "TARGETING_KEY_MISSING", details)
    }

    /// The same about this flag.
    pub(super) fn about(mut self, key: &str) -> Self {
        self.members.key = Some(key.to_owned());
        self
    }

    pub(super) fn into_members(self) -> OfrepMembers {
        self.members
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.members.error_details)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).json(&self.members)
    }
}
