//! What became true: changes, the records that carry them, and the one fold into state.

mod shutting;

use crate::Timestamp;
use crate::access::{Author, Token};
use crate::alert::{Alert, AlertState};
use crate::basis::Basis;
use crate::because::Because;
use crate::environment::EnvironmentSettings;
use crate::flag::{Flag, FlagState, Pin, Serve};
use crate::freeze::Frozen;
use crate::key::{
    EnvironmentKey, Fingerprint, FlagKey, PolicyName, Revision, RolloutId, SegmentKey, TokenName,
    VariationKey,
};
use crate::policy::Policy;
use crate::request::RequestMark;
use crate::rollout::{FoldError, Rollout, RolloutChange};
use crate::segment::{Segment, SegmentState, StagedSegment};
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
    pub const ALL: [Self; 8] = [
        Self::Flag,
        Self::Segment,
        Self::Policy,
        Self::Rollout,
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
            "alert" => Fingerprint::new(name).map(|key| Self::Alert(place, key)),
            "environment" if name == SETTINGS => Ok(Self::Environment(place)),
            "environment" => return Err(bad("an environment has settings and nothing else")),
            "freeze" if name == SWITCH => Ok(Self::Freeze(place)),
            "freeze" => return Err(bad("an environment has one switch that freezes it")),
            _ => {
                return Err(bad(
                    "known kinds are flag, segment, policy, rollout, environment, freeze, alert, token",
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

/// What became true of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A flag has this definition now.
    FlagSaved(Flag),
    /// A rollout took hold of a flag.
    FlagPinned(Pin),
    /// The rollout that held the flag let go of it; everybody gets this variation now.
    FlagSettled {
        /// What everybody gets who is caught by nothing else.
        fallback: VariationKey,
    },
    /// A segment has this definition now.
    SegmentSaved(Segment),
    /// An edit of a segment is opened step by step.
    SegmentStaged(Box<StagedSegment>),
    /// The edit of a segment that was opened step by step is over.
    SegmentSettled {
        /// Whether it is the segment's definition now; else it is dropped.
        adopted: bool,
    },
    /// A segment is gone.
    SegmentDeleted,
    /// A policy reads like this now.
    PolicySaved(Box<PolicyState>),
    /// A policy is gone. Rollouts that pinned it keep their copy.
    PolicyDeleted,
    /// Something became true of a rollout.
    Rollout(RolloutChange),
    /// An environment has these settings now.
    EnvironmentSaved(EnvironmentSettings),
    /// Nothing opens in an environment any more.
    Frozen(Box<Frozen>),
    /// Its line goes on.
    Thawed,
    /// An alert fires.
    AlertFired(Box<Alert>),
    /// An alert is over.
    AlertResolved {
        /// The alert. Its start may never have been heard.
        alert: Box<Alert>,
        /// When it was over.
        ended: Timestamp,
    },
    /// An alert that was over long ago is not remembered any more.
    AlertForgotten,
    /// A token exists.
    TokenCreated(Token),
    /// A token does not work any more.
    TokenRevoked,
}

/// A policy and the text it was read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyState {
    /// What it says.
    pub policy: Policy,
    /// As it was written.
    pub text: String,
    /// Who wrote it, and so cannot approve what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Author>,
}

/// The state of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityState {
    /// A flag's.
    Flag(FlagState),
    /// A segment's.
    Segment(SegmentState),
    /// A policy's.
    Policy(Box<PolicyState>),
    /// A rollout's.
    Rollout(Box<Rollout>),
    /// An environment's settings.
    Environment(EnvironmentSettings),
    /// Of the switch that stops an environment's line, while it is stopped.
    Freeze(Box<Frozen>),
    /// An alert's.
    Alert(Box<AlertState>),
    /// A token's.
    Token(Token),
}

/// The changes of one thing inside a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which thing.
    pub entity: EntityRef,
    /// Its revision after the change.
    pub revision: Revision,
    /// What became true.
    pub change: Change,
}

/// One line of the journal: changes that became true together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its place in the journal, from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Author,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// On what: for decisions of rollouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Box<Basis>>,
    /// Through which request, if its caller gave it a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestMark>,
    /// What. Never empty.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Whether it is about nothing but what the shadow of a rollout would have done.
    pub fn is_of_shadow(&self) -> bool {
        let shadowed =
            |entry: &Entry| matches!(entry.change, Change::Rollout(RolloutChange::Shadowed { .. }));
        self.entries.iter().all(shadowed)
    }
}

impl EntityState {
    /// The state after one more change; `None` when the thing is gone.
    ///
    /// # Errors
    /// When the change cannot follow the state.
    pub fn apply(
        before: Option<Self>,
        change: &Change,
        at: Timestamp,
        revision: Revision,
    ) -> Result<Option<Self>, FoldError> {
        let after = match (change, before) {
            (Change::FlagSaved(flag), None) => Self::Flag(FlagState {
                flag: flag.clone(),
                pin: None,
                attempts: 0,
            }),
            (Change::FlagSaved(flag), Some(Self::Flag(state))) => Self::Flag(FlagState {
                flag: flag.clone(),
                ..state
            }),
            (Change::FlagPinned(pin), Some(Self::Flag(state))) => Self::Flag(FlagState {
                pin: Some(pin.clone()),
                attempts: state.attempts + 1,
                ..state
            }),
            (Change::FlagSettled { fallback }, Some(Self::Flag(state))) => {
                let settled = state.flag.with_fallback(Serve::Variation(fallback.clone()));
                let flag = settled.map_err(|error| impossible(change, &error.to_string()))?;
                Self::Flag(FlagState {
                    flag,
                    pin: None,
                    ..state
                })
            }
            (
                Change::SegmentSaved(_) | Change::SegmentStaged(_) | Change::SegmentSettled { .. },
                before @ (None | Some(Self::Segment(_))),
            ) => Self::Segment(segment(change, before)?),
            (Change::SegmentDeleted, Some(Self::Segment(_)))
            | (Change::PolicyDeleted, Some(Self::Policy(_)))
            | (Change::Thawed, Some(Self::Freeze(_)))
            | (Change::AlertForgotten, Some(Self::Alert(_))) => {
                return Ok(None);
            }
            (Change::PolicySaved(policy), None | Some(Self::Policy(_))) => Self::Policy(policy.clone()),
            (Change::Rollout(change), None) => {
                Self::Rollout(Box::new(Rollout::apply(None, change, at, revision)?))
            }
            (Change::Rollout(change), Some(Self::Rollout(rollout))) => {
                Self::Rollout(Box::new(Rollout::apply(Some(*rollout), change, at, revision)?))
            }
            (Change::EnvironmentSaved(settings), None | Some(Self::Environment(_))) => {
                Self::Environment(*settings)
            }
            (Change::Frozen(frozen), None) => Self::Freeze(frozen.clone()),
            (Change::AlertFired(alert), None | Some(Self::Alert(_))) => Self::Alert(Box::new(AlertState {
                alert: Alert::clone(alert),
                ended: None,
                heard: at,
            })),
            (Change::AlertResolved { alert, ended }, None | Some(Self::Alert(_))) => {
                Self::Alert(Box::new(AlertState {
                    alert: Alert::clone(alert),
                    ended: Some(*ended),
                    heard: at,
                }))
            }
            (Change::TokenCreated(token), None) => Self::Token(token.clone()),
            (Change::TokenRevoked, Some(Self::Token(token))) => Self::Token(Token {
                revoked: Some(at),
                ..token
            }),
            (change, before) => return Err(impossible(change, &format!("{before:?}"))),
        };
        Ok(Some(after))
    }
}

/// The segment after a change that leaves one. While an edit of it is staged, only that one's end follows.
fn segment(change: &Change, before: Option<EntityState>) -> Result<SegmentState, FoldError> {
    let before = match before {
        Some(EntityState::Segment(state)) => Some(state),
        _ => None,
    };
    match (change, before) {
        (Change::SegmentSaved(segment), None | Some(SegmentState { staged: None, .. })) => {
            Ok(segment.clone().into())
        }
        (
            Change::SegmentStaged(staged),
            Some(SegmentState {
                segment,
                staged: None,
            }),
        ) => Ok(SegmentState {
            segment,
            staged: Some(staged.clone()),
        }),
        (
            Change::SegmentSettled { adopted },
            Some(SegmentState {
                segment,
                staged: Some(staged),
            }),
        ) => Ok(if *adopted { staged.definition } else { segment }.into()),
        (change, before) => Err(impossible(change, &format!("{before:?}"))),
    }
}

fn impossible(change: &Change, state: &str) -> FoldError {
    FoldError {
        change: format!("{change:?}"),
        state: state.to_owned(),
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
