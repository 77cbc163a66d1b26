//! Pauses, and whose they are.

use crate::access::Author;
use crate::invalid::Violation;
use crate::key::{Fingerprint, RolloutName, RuleName, TargetName};
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
    /// A budget of exposure that is spent. Clears only by a person, with a reason.
    Exposure,
    /// An alert. Clears when it is over, if all that it did was to pause; else only by a person, with
    /// a reason.
    Alert(Fingerprint),
    /// A gate that said no. Clears only by a person, with a reason; the gate is then asked anew.
    Gate(TargetName),
    /// Another rollout without whose success it never gets further, and that was shut. Clears only by a
    /// person, with a reason.
    Dependency(RolloutName),
    /// Another rollout that shares something with it, and for whose breach its newest advance was undone.
    /// Clears only by a person, with a reason.
    Interlock(RolloutName),
}

crate::schema::text!(
    PauseOwner,
    "operator, blind, exposure, rule:<name>, alert:<fingerprint>, gate:<target>, dependency:<rollout>, or interlock:<rollout>"
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
            Self::Exposure => f.pad("exposure"),
            Self::Alert(fingerprint) => f.pad(&format!("alert:{fingerprint}")),
            Self::Gate(target) => f.pad(&format!("gate:{target}")),
            Self::Dependency(name) => f.pad(&format!("dependency:{name}")),
            Self::Interlock(name) => f.pad(&format!("interlock:{name}")),
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
            ("exposure", _) => Ok(Self::Exposure),
            (_, Some(("rule", rule))) => Ok(Self::Rule(RuleName::new(rule)?)),
            (_, Some(("alert", fingerprint))) => Ok(Self::Alert(Fingerprint::new(fingerprint)?)),
            (_, Some(("gate", target))) => Ok(Self::Gate(TargetName::new(target)?)),
            (_, Some(("dependency", name))) => Ok(Self::Dependency(RolloutName::new(name)?)),
            (_, Some(("interlock", name))) => Ok(Self::Interlock(RolloutName::new(name)?)),
            _ => Err(Violation::new(
                "owner",
                &text,
                "a pause is owned by 'operator', 'blind', 'exposure', 'rule:<name>', 'alert:<fingerprint>', 'gate:<target>', 'dependency:<rollout>' or 'interlock:<rollout>'",
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
