//! What led to a decision.

use serde::{Deserialize, Serialize};
use tidegate_decide::neighbour::Neighbours;
use tidegate_decide::quarantine;
use tidegate_decide::rollout::{Input, Observed};
use tidegate_decide::shadow::Seen;
use tidegate_model::access::Author;
use tidegate_model::basis::{Basis, Text};
use tidegate_model::key::{PolicyName, Revision, RuleName};
use tidegate_model::verdict::Look;

/// What led to a decision. What the world that was known then tells already is not told twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Cause {
    /// A person started it, by the policy at this revision.
    Started {
        /// The policy's.
        policy: Revision,
        /// The second policy that is judged beside it, at its revision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shadow: Option<(PolicyName, Revision)>,
        /// The other rollouts that concerned it.
        #[serde(default, skip_serializing_if = "Neighbours::is_empty")]
        neighbours: Neighbours,
        /// The version of the time zone data.
        zone_data: String,
    },
    /// A person wanted a drill.
    Drilled,
    /// These rules of its shadow were looked at; none: time passed for it.
    Shadow(Vec<RuleName>),
    /// These rules were looked at.
    Looked(Vec<RuleName>),
    /// What the nodes serve has changed.
    Fleet,
    /// The alerts that concern it have changed.
    Alerts,
    /// What concerns it of other rollouts has changed.
    Neighbours,
    /// Anything else that its actor takes in.
    Input(Box<Input>),
    /// Its actor failed too often and is kept apart: this was seen for it.
    Apart(quarantine::Seen),
}

impl Cause {
    /// What `input` is, beside what is known of the world with it.
    pub fn of(input: &Input) -> Self {
        match input {
            Input::Looked(looks) => Self::Looked(looks.iter().map(|look| look.rule.clone()).collect()),
            Input::Fleet(_) => Self::Fleet,
            Input::Alerts(_) => Self::Alerts,
            Input::Neighbours(_) => Self::Neighbours,
            other => Self::Input(Box::new(other.clone())),
        }
    }

    /// What its shadow saw, beside what is known of the world with it.
    pub fn of_shadow(seen: &Seen) -> Self {
        Self::Shadow(match seen {
            Seen::Time => Vec::new(),
            Seen::Looks(looks) => looks.iter().map(|look| look.rule.clone()).collect(),
        })
    }

    /// What its shadow saw again, given what was known of the world with it; `None` when the world lacks a look, and
    /// for what no shadow sees.
    pub(crate) fn seen(&self, observed: &Observed) -> Option<Seen> {
        match self {
            Self::Shadow(rules) if rules.is_empty() => Some(Seen::Time),
            Self::Shadow(rules) => looks(rules, observed).map(Seen::Looks),
            _ => None,
        }
    }

    /// The input again, given what was known of the world with it; `None` for what no actor took in, or when the
    /// world lacks a look.
    pub(crate) fn input(&self, observed: &Observed) -> Option<Input> {
        match self {
            Self::Looked(rules) => looks(rules, observed).map(Input::Looked),
            Self::Fleet => Some(Input::Fleet(observed.fleet.clone())),
            Self::Alerts => Some(Input::Alerts(observed.firing.clone())),
            Self::Neighbours => Some(Input::Neighbours(observed.neighbours.clone())),
            Self::Input(input) => Some(Input::clone(input)),
            Self::Started { .. } | Self::Drilled | Self::Shadow(_) | Self::Apart(_) => None,
        }
    }

    /// Whose record it led to; `None` when it does not say.
    pub(crate) fn author(&self) -> Option<&Author> {
        match self {
            Self::Input(input) => match input.as_ref() {
                Input::Command { by, .. }
                | Input::Amend { by, .. }
                | Input::Accelerate { by, .. }
                | Input::FlagEdited { by, .. } => Some(by),
                _ => Some(&Author::Tidegate),
            },
            Self::Apart(quarantine::Seen::Command(_)) | Self::Started { .. } | Self::Drilled => None,
            Self::Looked(_)
            | Self::Fleet
            | Self::Alerts
            | Self::Neighbours
            | Self::Shadow(_)
            | Self::Apart(_) => Some(&Author::Tidegate),
        }
    }

    /// What a decision rests on for which nothing of the world was looked at.
    ///
    /// # Errors
    /// When JSON cannot carry it.
    pub fn alone(&self) -> Result<Box<Basis>, serde_json::Error> {
        Ok(Box::new(Basis {
            input: Text::of(self)?,
            world: None,
            looks: std::collections::BTreeMap::new(),
        }))
    }
}

/// The newest look at each of these rules; `None` when one is missing.
fn looks(rules: &[RuleName], observed: &Observed) -> Option<Vec<Look>> {
    rules
        .iter()
        .map(|rule| observed.looks.get(rule).cloned())
        .collect()
}
