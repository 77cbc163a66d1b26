//! Pauses, and whose they are.

use crate::access::Author;
use crate::invalid::Violation;
use crate::key::{Fingerprint, RuleName, TargetName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who or what keeps a rollout from advancing. Clearing one leaves the others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PauseOwner {
    /// A person.
    Operator,
    /// A safety rule that tripped. Clears only by a person, with a reason.
    Rule(RuleName),
    /// Rules that could not be judged for too long. Clears only by a person, with a reason.
    Blind,
    /// An alert. Clears when it is over, if all that it did was to pause; else only by a person, with
    /// a reason.
    Alert(Fingerprint),
    /// A gate that said no. Clears only by a person, with a reason; the gate is then asked anew.
    Gate(TargetName),
}

crate::schema::text!(
    PauseOwner,
    "operator, blind, rule:<name>, alert:<fingerprint>, or gate:<target>"
);

impl PauseOwner {
    /// Whether it stands for a failure, which needs a person and a reason to go on.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Operator)
    }
}

impl fmt::Display for PauseOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.pad("operator"),
            Self::Rule(rule) => f.pad(&format!("rule:{rule}")),
            Self::Blind => f.pad("blind"),
            Self::Alert(fingerprint) => f.pad(&format!("alert:{fingerprint}")),
            Self::Gate(target) => f.pad(&format!("gate:{target}")),
        }
    }
}

impl From<PauseOwner> for String {
    fn from(owner: PauseOwner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for PauseOwner {
    type Error = Violation;
    fn try_from(text: String) -> Result<Self, Violation> {
        match (text.as_str(), text.split_once(':')) {
            ("operator", _) => Ok(Self::Operator),
            ("blind", _) => Ok(Self::Blind),
            (_, Some(("rule", rule))) => Ok(Self::Rule(RuleName::new(rule)?)),
            (_, Some(("alert", fingerprint))) => Ok(Self::Alert(Fingerprint::new(fingerprint)?)),
            (_, Some(("gate", target))) => Ok(Self::Gate(TargetName::new(target)?)),
            _ => Err(Violation::new(
                "owner",
                &text,
                "a pause is owned by 'operator', 'blind', 'rule:<name>', 'alert:<fingerprint>' or 'gate:<target>'",
                "see 'pauses' of the rollout for those that stand",
            )),
        }
    }
}

/// A reason not to advance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// In the owner's words.
    pub reason: String,
    /// Who.
    pub by: Author,
    /// Since when.
    pub since: DateTime<Utc>,
}
