//! What an evaluation answers.

use crate::flag::{CompiledFlag, Variation};
use crate::outcome::Outcome;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use tidegate_model::Timestamp;
use tidegate_model::snapshot::Version;
use tidegate_model::span::Span;

/// The answer for one flag and one context, borrowed from the snapshot. Two words: what was decided is
/// put into names and values only where it is asked for.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    pub(crate) flag: &'a CompiledFlag,
    pub(crate) outcome: Outcome,
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
    /// The unit takes part in an experiment, and got its arm.
    Experiment {
        /// Which experiment.
        experiment: &'a str,
        /// Whether it has several arms.
        split: bool,
    },
    /// The unit is held out of the experiment: the fallback decided.
    Holdout {
        /// Which holdout.
        holdout: &'a str,
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

/// How long an answer stays what it is, as far as time is concerned. A new snapshot may change any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// As long as the snapshot.
    Always,
    /// It may change at this moment.
    Until(Timestamp),
    /// It may change at any time: do not keep it.
    Unknown,
}

impl Lasting {
    /// Whether the answer may be kept for a while.
    pub fn is_cacheable(self) -> bool {
        self != Self::Unknown
    }

    /// How long it may be kept from that moment on; `None` for as long as the snapshot, or not at all.
    pub fn ttl(self, at: Timestamp) -> Option<Span> {
        match self {
            Self::Until(end) => Some(Span::between(at, end)),
            Self::Always | Self::Unknown => None,
        }
    }
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

impl<'a> Evaluation<'a> {
    /// The flag's key; empty when there is no such flag.
    pub fn flag(&self) -> &'a str {
        &self.flag.cold.key
    }

    /// The value as parsed; `None` is "use the caller's default".
    #[inline]
    pub fn value(&self) -> Option<&'a Value> {
        self.served().map(|variation| &variation.value)
    }

    /// The value as JSON text, written once when the snapshot was compiled.
    pub fn json(&self) -> Option<&'a str> {
        self.served().map(|variation| &*variation.json)
    }

    /// The variation; empty when there is none.
    pub fn variation(&self) -> &'a str {
        self.served().map_or("", |variation| variation.key.as_str())
    }

    /// The variation's place in the flag's definition, counted from 0; `None` when there is none.
    #[inline]
    pub fn variation_place(&self) -> Option<usize> {
        self.outcome.variation().map(usize::from)
    }

    /// Why.
    pub fn reason(&self) -> Reason<'a> {
        self.outcome.reason(self.flag)
    }

    /// The name of the rule that matched.
    pub fn rule(&self) -> Option<&'a str> {
        match self.reason() {
            Reason::TargetingMatch { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// How long the same context gets the same answer from this snapshot, when it asks at this moment.
    pub fn lasting(&self, at: Timestamp) -> Lasting {
        self.flag.cold.timing.after(at)
    }

    /// The snapshot it came from.
    pub fn version(&self) -> Version {
        self.flag.cold.version
    }

    #[inline]
    fn served(&self) -> Option<&'a Variation> {
        self.flag.variations.get(self.outcome.variation()? as usize)
    }
}

/// The same answer, from whichever compiled copy of the snapshot.
impl PartialEq for Evaluation<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.version(), self.flag(), self.variation()) == (other.version(), other.flag(), other.variation())
            && self.value() == other.value()
            && self.reason() == other.reason()
    }
}

impl fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluation")
            .field("flag", &self.flag())
            .field("value", &self.value())
            .field("variation", &self.variation())
            .field("reason", &self.reason())
            .field("version", &self.version())
            .finish()
    }
}

impl Serialize for Evaluation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("Evaluation", 4)?;
        match self.value() {
            Some(value) => written.serialize_field("value", value)?,
            None => written.skip_field("value")?,
        }
        written.serialize_field("variation", self.variation())?;
        written.serialize_field("reason", &self.reason())?;
        written.serialize_field("version", &self.version())?;
        written.end()
    }
}
