//! Names of everything that has a state.

use crate::key::{
    EnvironmentKey, ExperimentKey, Fingerprint, FlagKey, PolicyName, RolloutId, SegmentKey, TokenName,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of things that have a state.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A flag.
    Flag,
    /// A segment.
    Segment,
    /// A rollout policy.
    Policy,
    /// A rollout.
    Rollout,
    /// An experiment.
    Experiment,
    /// An environment's settings.
    Environment,
    /// The switch that stops an environment's line.
    Freeze,
    /// An alert of an Alertmanager.
    Alert,
    /// An access token.
    Token,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Flag,
        Self::Segment,
        Self::Policy,
        Self::Rollout,
        Self::Experiment,
        Self::Environment,
        Self::Freeze,
        Self::Alert,
        Self::Token,
    ];

    /// The kind's name in keys and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Segment => "segment",
            Self::Policy => "policy",
            Self::Rollout => "rollout",
            Self::Experiment => "experiment",
            Self::Environment => "environment",
            Self::Freeze => "freeze",
            Self::Alert => "alert",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that has a state. Written as `flag/production/new-checkout`; tokens as `token/-/ci`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EntityRef {
    /// A flag in an environment.
    Flag(EnvironmentKey, FlagKey),
    /// A segment in an environment.
    Segment(EnvironmentKey, SegmentKey),
    /// A policy in an environment.
    Policy(EnvironmentKey, PolicyName),
    /// A rollout in an environment.
    Rollout(EnvironmentKey, RolloutId),
    /// An experiment in an environment.
    Experiment(EnvironmentKey, ExperimentKey),
    /// An environment's settings: `environment/production/settings`.
    Environment(EnvironmentKey),
    /// The switch that stops an environment's line: `freeze/production/switch`.
    Freeze(EnvironmentKey),
    /// An alert in an environment.
    Alert(EnvironmentKey, Fingerprint),
    /// A token.
    Token(TokenName),
}

crate::schema::text!(
    EntityRef,
    "kind/environment/name, for example flag/production/new-checkout"
);

/// The name of an environment's settings.
const SETTINGS: &str = "settings";
/// The name of the switch that stops its line.
const SWITCH: &str = "switch";

impl EntityRef {
    /// What kind of thing it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Flag(..) => Kind::Flag,
            Self::Segment(..) => Kind::Segment,
            Self::Policy(..) => Kind::Policy,
            Self::Rollout(..) => Kind::Rollout,
            Self::Experiment(..) => Kind::Experiment,
            Self::Environment(_) => Kind::Environment,
            Self::Freeze(_) => Kind::Freeze,
            Self::Alert(..) => Kind::Alert,
            Self::Token(_) => Kind::Token,
        }
    }

    /// Where it is; tokens are nowhere.
    pub fn environment(&self) -> Option<&EnvironmentKey> {
        match self {
            Self::Flag(environment, _)
            | Self::Segment(environment, _)
            | Self::Policy(environment, _)
            | Self::Rollout(environment, _)
            | Self::Experiment(environment, _)
            | Self::Environment(environment)
            | Self::Freeze(environment)
            | Self::Alert(environment, _) => Some(environment),
            Self::Token(_) => None,
        }
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Flag(_, key) => key.as_str(),
            Self::Segment(_, key) => key.as_str(),
            Self::Policy(_, name) => name.as_str(),
            Self::Rollout(_, id) => id.as_str(),
            Self::Experiment(_, key) => key.as_str(),
            Self::Environment(_) => SETTINGS,
            Self::Freeze(_) => SWITCH,
            Self::Alert(_, fingerprint) => fingerprint.as_str(),
            Self::Token(name) => name.as_str(),
        }
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let environment = self.environment().map_or("-", EnvironmentKey::as_str);
        write!(f, "{}/{environment}/{}", self.kind(), self.name())
    }
}

impl From<EntityRef> for String {
    fn from(entity: EntityRef) -> Self {
        entity.to_string()
    }
}

impl std::str::FromStr for EntityRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("{text:?} is not the name of an entity: {why}");
        let mut parts = text.splitn(3, '/');
        let (Some(kind), Some(place), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("it looks like flag/production/new-checkout"));
        };
        if kind == "token" {
            return TokenName::new(name)
                .map(Self::Token)
                .map_err(|error| bad(&error.to_string()));
        }
        let place = EnvironmentKey::new(place).map_err(|error| bad(&error.to_string()))?;
        match kind {
            "flag" => FlagKey::new(name).map(|key| Self::Flag(place, key)),
            "segment" => SegmentKey::new(name).map(|key| Self::Segment(place, key)),
            "policy" => PolicyName::new(name).map(|key| Self::Policy(place, key)),
            "rollout" => RolloutId::new(name).map(|key| Self::Rollout(place, key)),
            "experiment" => ExperimentKey::new(name).map(|key| Self::Experiment(place, key)),
            "alert" => Fingerprint::new(name).map(|key| Self::Alert(place, key)),
            "environment" if name == SETTINGS => Ok(Self::Environment(place)),
            "environment" => return Err(bad("an environment has settings and nothing else")),
            "freeze" if name == SWITCH => Ok(Self::Freeze(place)),
            "freeze" => return Err(bad("an environment has one switch that freezes it")),
            _ => {
                return Err(bad(
                    "known kinds are flag, segment, policy, rollout, experiment, environment, freeze, alert, token",
                ));
            }
        }
        .map_err(|error| bad(&error.to_string()))
    }
}

impl TryFrom<String> for EntityRef {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_names_round_trip() {
        for text in [
            "flag/production/a",
            "segment/s/b",
            "policy/p/canary",
            "rollout/p/a.1",
            "experiment/p/new-button",
            "environment/p/settings",
            "freeze/p/switch",
            "alert/p/64f9f5e172e01281",
            "token/-/ci",
        ] {
            assert_eq!(text.parse::<EntityRef>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "flag",
            "flag/production",
            "flag/a b/c",
            "thing/a/b",
            "environment/p/flags",
            "freeze/p/settings",
        ] {
            assert!(bad.parse::<EntityRef>().is_err(), "{bad}");
        }
    }
}
