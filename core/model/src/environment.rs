//! What holds for an environment as a whole.

use serde::{Deserialize, Serialize};

/// Whether flagd's clients get an environment's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagdTarget {
    /// They do not: any definition may be saved.
    #[default]
    Off,
    /// They get what can be said in flagd's language; the rest is saved, and named when it is published.
    Warn,
    /// What cannot be said in flagd's language is not saved.
    Require,
}

/// What units are hashed by. The two give unrelated buckets: changing it deals all units anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Bucketing {
    /// The canonical CBOR of the text `<salt>.<unit>`: flagd's engines of version 3, in PyPI's
    /// flagd-core 2 and in Rust.
    #[default]
    #[serde(rename = "v3")]
    V3,
    /// The UTF-8 of that text: flagd's engines of version 2, in npm and in flagd itself.
    #[serde(rename = "flagd-v2")]
    FlagdV2,
}

impl Bucketing {
    /// Its name in settings and in what flagd's clients are told.
    pub fn name(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::FlagdV2 => "flagd-v2",
        }
    }

    /// Whether it is the one that is used unless another is asked for.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What holds for an environment as a whole. An environment that was never given any has the usual
/// ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSettings {
    /// Whether flagd's clients get its flags.
    #[serde(default)]
    pub flagd: FlagdTarget,
    /// What units are hashed by.
    #[serde(default)]
    pub bucketing: Bucketing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_by_name() {
        let text = r#"{"flagd":"require","bucketing":"flagd-v2"}"#;
        let settings: EnvironmentSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        for bucketing in [Bucketing::V3, Bucketing::FlagdV2] {
            assert_eq!(serde_json::to_value(bucketing).unwrap(), bucketing.name());
        }
        let usual: EnvironmentSettings = serde_json::from_str("{}").unwrap();
        assert_eq!((usual.flagd, usual.bucketing), (FlagdTarget::Off, Bucketing::V3));
        assert!(serde_json::from_str::<EnvironmentSettings>(r#"{"flagd":"on"}"#).is_err());
    }
}
