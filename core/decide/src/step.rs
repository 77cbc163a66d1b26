//! What every step function answers.

use crate::rollout::Question;
use tidegate_model::Timestamp;
use tidegate_model::because::Because;
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::key::RuleName;

/// What becomes true, what must be done then, when to look again, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What becomes true, all at once or not at all.
    pub changes: Vec<(EntityRef, Change)>,
    /// What must be done once the changes are stored. Idempotent: sent again after a restart.
    pub effects: Vec<Effect>,
    /// When to look again; `None`: only when something arrives.
    pub wake_at: Option<Timestamp>,
    /// Why this, or why nothing.
    pub because: Because,
}

/// What the world feels of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the sources of these rules.
    Measure(Vec<RuleName>),
    /// Ask these gates.
    Ask(Vec<Question>),
    /// What nodes serve has changed: publish.
    Publish,
    /// Wake a person.
    Alert(String),
}
