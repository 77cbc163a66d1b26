//! Names of things. Every name is valid from the moment it exists.

use crate::invalid::Violation;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// Keys stand in URL paths, and several OpenFeature clients do not percent-encode them there, so
/// only the unreserved characters of RFC 3986 section 2.3 are allowed.
fn check(text: &str, noun: &'static str) -> Result<(), Violation> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
    let path_segment_of_dots = matches!(text, "." | "..");
    if text.is_empty() || text.len() > KEY_BYTES_MAX || !text.chars().all(allowed) || path_segment_of_dots {
        return Err(Violation::new(
            noun,
            text,
            format!(
                "a {noun} has 1 to {KEY_BYTES_MAX} characters, each a letter, digit, '.', '_', '~' or '-'"
            ),
            "for example 'new-checkout'",
        ));
    }
    Ok(())
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        ///
        /// 1 to 255 of the characters `A-Z a-z 0-9 . _ ~ -`. Cloning is cheap.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = "^[A-Za-z0-9._~-]{1,255}$")]
        pub struct $name(Arc<str>);

        impl $name {
            /// A valid name.
            ///
            /// # Errors
            /// A violation naming the rule, if the text is not a valid name.
            pub fn new(text: &str) -> Result<Self, Violation> {
                check(text, $noun)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Violation;
            fn from_str(text: &str) -> Result<Self, Violation> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Violation;
            fn try_from(text: String) -> Result<Self, Violation> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> Self {
                key.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

key!(
    /// A namespace of flags, segments and rollouts: `production`, `staging`.
    EnvironmentKey,
    "environment"
);
key!(
    /// Names a flag inside its environment.
    FlagKey,
    "flag key"
);
key!(
    /// Names a variation inside its flag.
    VariationKey,
    "variation key"
);
key!(
    /// Names a segment inside its environment.
    SegmentKey,
    "segment key"
);
key!(
    /// Names an experiment inside its environment.
    ExperimentKey,
    "experiment key"
);
key!(
    /// Names a layer, whose parts keep experiments from sharing units.
    LayerKey,
    "layer key"
);
key!(
    /// Names a holdout: units that its experiments leave alone.
    HoldoutKey,
    "holdout key"
);
key!(
    /// Names a rollout policy inside its environment.
    PolicyName,
    "policy name"
);
key!(
    /// Names a stage inside its policy.
    StageName,
    "stage name"
);
key!(
    /// Names a safety rule inside its policy.
    RuleName,
    "rule name"
);
key!(
    /// Names an evaluation node in its environment.
    NodeName,
    "node name"
);
key!(
    /// Names an access token. The secret is another thing and never stored.
    TokenName,
    "token name"
);
key!(
    /// Names a metric that is sent as events.
    MetricName,
    "metric name"
);
key!(
    /// Names what fires: a hash of an alert's labels, as the Alertmanager writes it.
    Fingerprint,
    "alert fingerprint"
);
key!(
    /// Names where a control plane may send something: a chat room, a webhook, an Alertmanager.
    TargetName,
    "target name"
);
key!(
    /// Names a rollout inside its environment: by its id, or by its flag, which means the flag's newest one.
    RolloutName,
    "flag or rollout"
);
key!(
    /// Names one rollout: the flag's key, a dot, and the number of the attempt.
    RolloutId,
    "rollout id"
);

impl RolloutId {
    /// The id of the `attempt`-th rollout of `flag`, counted from 1.
    ///
    /// # Errors
    /// When the flag's key leaves no room for the attempt.
    pub fn of_attempt(flag: &FlagKey, attempt: u32) -> Result<Self, Violation> {
        Self::new(&format!("{flag}.{attempt}"))
    }
}

/// Counts the changes of one entity; 0 is "does not exist yet".
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of an entity that does not exist.
    pub const ABSENT: Self = Self(0);

    /// The revision after one more change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for good in ["a", "new-checkout", "A.b_c~9", &"x".repeat(255)] {
            assert!(FlagKey::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "é", "a?b", &"x".repeat(256)] {
            assert!(FlagKey::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deserialising_checks_too() {
        let error = serde_json::from_str::<FlagKey>("\"a/b\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("flag key") && error.contains("new-checkout"),
            "{error}"
        );
    }
}
