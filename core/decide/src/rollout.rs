//! The step function of a rollout.

use crate::refusal::Refusal;
use crate::step::Step;
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::because::{Because, Decision};
use tidegate_model::key::{NodeName, Revision, RuleName};
use tidegate_model::rollout::{Rollout, RolloutCommand};
use tidegate_model::verdict::Look;

/// What an actor knows of the world and may forget: after a restart it is observed anew.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// When each rule's source was last asked.
    pub asked: BTreeMap<RuleName, Timestamp>,
    /// The newest look at each rule.
    pub looks: BTreeMap<RuleName, Look>,
    /// What the nodes serve.
    pub fleet: Fleet,
}

/// What the nodes serve of one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fleet {
    /// The split revision that is published.
    pub published: Revision,
    /// Live nodes, each with the split revision of this rollout that it serves
    /// ([`Revision::ABSENT`]: none, or never said).
    pub live: BTreeMap<NodeName, Revision>,
    /// Whether every node that may be live has been heard of: after a start of the control plane a
    /// whole lease must pass first. Until then a rollback cannot be final.
    pub all_heard: bool,
}

/// What comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Time passed.
    Wake,
    /// Sources answered.
    Looked(Vec<Look>),
    /// What the nodes serve has changed.
    Fleet(Fleet),
    /// A person wants something.
    Command {
        /// What.
        command: RolloutCommand,
        /// Who.
        by: Author,
        /// As what.
        role: Role,
    },
}

/// The next step of `rollout`. `observed` already contains what `input` brings.
///
/// # Errors
/// When `input` is a command that cannot be followed.
pub fn step(
    rollout: &Rollout,
    _observed: &Observed,
    _input: &Input,
    _now: Timestamp,
) -> Result<Step, Refusal> {
    Ok(Step {
        changes: Vec::new(),
        effects: Vec::new(),
        wake_at: None,
        because: Because {
            decision: Decision::Holds { share: rollout.share },
            reasons: Vec::new(),
        },
    })
}

impl Observed {
    /// Takes in what `input` brings.
    pub fn take_in(&mut self, _input: &Input) {}

    /// Takes in what `step` is about to ask.
    pub fn note_asked(&mut self, _step: &Step, _now: Timestamp) {}
}
