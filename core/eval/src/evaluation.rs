//! What an evaluation answers.

use serde::Serialize;
use tidegate_model::snapshot::Version;

/// The answer for one flag and one context, borrowed from the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation<'a> {
    /// The value as parsed; `None` is "use the caller's default".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<&'a serde_json::Value>,
    /// The value as JSON text, written once when the snapshot was compiled.
    #[serde(skip)]
    pub json: Option<&'a str>,
    /// The variation; empty when there is none.
    pub variation: &'a str,
    /// Why.
    pub reason: Reason<'a>,
    /// The snapshot it came from.
    pub version: Version,
}

/// Why a context got what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason<'a> {
    /// The unit is named by the flag.
    IndividualOverride,
    /// A targeting rule matched.
    TargetingMatch {
        /// Its name.
        rule: &'a str,
        /// Whether the rule splits by bucket.
        split: bool,
    },
    /// A running rollout decided by bucket.
    Rollout {
        /// Which rollout.
        rollout: &'a str,
    },
    /// Nothing matched; the flag has targeting, and its fallback decided.
    Fallback {
        /// Whether the fallback splits by bucket.
        split: bool,
    },
    /// The flag serves everybody the same: no targeting at all.
    Static,
    /// Nothing matched and there is no fallback: the caller's default.
    Default,
    /// The flag is inactive or archived.
    Disabled,
    /// A prerequisite does not serve what it must.
    PrerequisiteFailed {
        /// Which one.
        flag: &'a str,
    },
    /// No answer; the caller's default.
    Error(ErrorCode),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum ErrorCode {
    /// There is no such flag.
    FlagNotFound,
    /// The decision needs a unit to bucket and the context has none.
    TargetingKeyMissing,
}
