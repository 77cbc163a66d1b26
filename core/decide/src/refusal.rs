//! Why a request was not done.

use tidegate_model::invalid::Invalid;

/// Why a request was not done. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was asked cannot be, whatever the state.
    Invalid(Invalid),
    /// What was asked does not fit the state as it is now.
    Conflict {
        /// What stands in the way.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// The author may not.
    Forbidden {
        /// What the author lacks.
        why: String,
        /// What to do about it.
        fix: String,
    },
}

impl Refusal {
    /// A conflict with the state as it is now.
    pub fn conflict(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Conflict {
            why: why.into(),
            fix: fix.into(),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Conflict { why, fix } | Self::Forbidden { why, fix } => write!(f, "{why}; {fix}"),
        }
    }
}

impl std::error::Error for Refusal {}
