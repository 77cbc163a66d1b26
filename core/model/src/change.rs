//! What became true: changes, the records that carry them, and the one fold into state.

mod entity;
mod shutting;

pub use entity::{EntityRef, Kind};

use crate::Timestamp;
use crate::access::{Author, Token};
use crate::alert::{Alert, AlertState};
use crate::basis::Basis;
use crate::because::Because;
use crate::environment::EnvironmentSettings;
use crate::experiment::{Experiment, ExperimentChange, ExperimentState};
use crate::flag::{Flag, FlagState, Pin, Serve};
use crate::freeze::Frozen;
use crate::key::{ExperimentKey, Revision, VariationKey};
use crate::policy::Policy;
use crate::request::RequestMark;
use crate::rollout::{FoldError, Rollout, RolloutChange};
use crate::segment::{Segment, SegmentState, StagedSegment};
use serde::{Deserialize, Serialize};

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
    /// An experiment holds a flag.
    FlagHeld {
        /// Which.
        experiment: ExperimentKey,
        /// What it deals; `None`: nothing for now.
        dealing: Option<Box<Experiment>>,
    },
    /// The experiment that held the flag let go of it.
    FlagLetGo {
        /// What everybody gets now who is caught by nothing else; `None`: what they got without the experiment.
        fallback: Option<VariationKey>,
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
    /// Something became true of an experiment.
    Experiment(ExperimentChange),
    /// A draft of an experiment is gone.
    ExperimentDeleted,
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
    /// An experiment's.
    Experiment(Box<ExperimentState>),
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
            (
                Change::FlagSaved(_)
                | Change::FlagPinned(_)
                | Change::FlagSettled { .. }
                | Change::FlagHeld { .. }
                | Change::FlagLetGo { .. },
                before @ (None | Some(Self::Flag(_))),
            ) => Self::Flag(flag(change, before)?),
            (
                Change::SegmentSaved(_) | Change::SegmentStaged(_) | Change::SegmentSettled { .. },
                before @ (None | Some(Self::Segment(_))),
            ) => Self::Segment(segment(change, before)?),
            (Change::SegmentDeleted, Some(Self::Segment(_)))
            | (Change::PolicyDeleted, Some(Self::Policy(_)))
            | (Change::ExperimentDeleted, Some(Self::Experiment(_)))
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
            (Change::Experiment(change), None) => {
                Self::Experiment(Box::new(ExperimentState::apply(None, change, at)?))
            }
            (Change::Experiment(change), Some(Self::Experiment(state))) => {
                Self::Experiment(Box::new(ExperimentState::apply(Some(*state), change, at)?))
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

/// The flag after a change of it.
fn flag(change: &Change, before: Option<EntityState>) -> Result<FlagState, FoldError> {
    let before = match before {
        Some(EntityState::Flag(state)) => Some(state),
        _ => None,
    };
    let state = match (change, before) {
        (Change::FlagSaved(flag), None) => FlagState {
            flag: flag.clone(),
            pin: None,
            attempts: 0,
            held: None,
        },
        (Change::FlagSaved(flag), Some(state)) => FlagState {
            flag: flag.clone(),
            ..state
        },
        (Change::FlagPinned(pin), Some(state)) => FlagState {
            pin: Some(pin.clone()),
            attempts: state.attempts + 1,
            ..state
        },
        (Change::FlagSettled { fallback }, Some(state)) => {
            let settled = state.flag.with_fallback(Serve::Variation(fallback.clone()));
            FlagState {
                flag: settled.map_err(|error| impossible(change, &error.to_string()))?,
                pin: None,
                ..state
            }
        }
        (Change::FlagHeld { experiment, dealing }, Some(state)) => {
            let held = state.hold(experiment, dealing.as_deref());
            held.map_err(|error| impossible(change, &error.to_string()))?
        }
        (Change::FlagLetGo { fallback }, Some(state)) => {
            let free = state.let_go(fallback.as_ref());
            free.map_err(|error| impossible(change, &error.to_string()))?
        }
        (change, before) => return Err(impossible(change, &format!("{before:?}"))),
    };
    Ok(state)
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
