//! A second policy, judged beside the one that acts.

use super::{FoldError, Rollout, RolloutChange, RolloutStart};
use crate::Timestamp;
use crate::because::{Because, Decision};
use crate::key::Revision;
use crate::policy::Policy;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most decisions of a shadow that are kept with the rollout; all of them are in the journal.
const DECISIONS_KEPT: usize = 50;

/// What a rollout would be if another policy were the one that acts. Nothing is served, published, asked or
/// told by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// The rollout as it would be; its plan is the shadow's.
    pub rollout: Rollout,
    /// What would have been decided, oldest first; the newest of them.
    pub decisions: VecDeque<ShadowDecision>,
}

/// Something that a shadow would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowDecision {
    /// When.
    pub at: DateTime<Utc>,
    /// What, and why.
    pub because: Because,
}

impl Shadow {
    /// The shadow of a rollout that begins; `None` if its plan has no stages.
    pub(super) fn begin(
        start: &RolloutStart,
        plan: &Arc<Policy>,
        at: Timestamp,
        revision: Revision,
    ) -> Option<Box<Self>> {
        let start = RolloutStart {
            policy: plan.name.clone(),
            plan_digest: plan.digest(),
            plan: plan.clone(),
            shadow: None,
            ..start.clone()
        };
        let started = RolloutChange::Started(Box::new(start));
        let rollout = Rollout::apply(None, &started, at, revision).ok()?;
        Some(Box::new(Self {
            rollout,
            decisions: VecDeque::new(),
        }))
    }

    /// What it would have decided, as it is told of its rollout.
    pub fn told(&self, because: Because) -> Because {
        Because {
            decision: Decision::Shadowed {
                policy: self.rollout.start.policy.clone(),
                would: because.decision.to_string(),
            },
            reasons: because.reasons,
        }
    }

    /// Lets something become true of the shadow, and nothing else.
    pub(super) fn follow(
        &mut self,
        changes: &[RolloutChange],
        because: &Because,
        at: Timestamp,
        revision: Revision,
    ) -> Result<(), FoldError> {
        for change in changes {
            self.rollout = Rollout::apply(Some(self.rollout.clone()), change, at, revision)?;
        }
        if !matches!(because.decision, Decision::Holds { .. }) {
            self.decisions.push_back(ShadowDecision {
                at,
                because: because.clone(),
            });
        }
        while self.decisions.len() > DECISIONS_KEPT {
            self.decisions.pop_front();
        }
        Ok(())
    }
}
