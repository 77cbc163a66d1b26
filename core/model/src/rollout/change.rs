//! What becomes true of rollouts, as the journal keeps it.

use super::{Budget, Ending, PauseOwner, PlanProposal, Reckoned, RolloutStart};
use crate::access::Author;
use crate::because::{Because, Reason};
use crate::gate::GateVerdict;
use crate::key::{Fingerprint, RolloutId, RolloutName, RuleName, TargetName};
use crate::policy::{Action, Policy};
use crate::verdict::Look;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What became true of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "camelCase", tag = "kind")]
pub enum RolloutChange {
    /// It began, in its first stage.
    Started(Box<RolloutStart>),
    /// It began, and waits for others before it opens its first stage.
    Queued(Box<RolloutStart>),
    /// The first stage opened: nothing is waited for any more.
    Opened,
    /// A rollout without whose success this one never gets further was shut.
    DependencyFailed {
        /// As the plan names it.
        name: RolloutName,
        /// Which one it was.
        rollout: RolloutId,
    },
    /// Rules are breached, and it could be the fault of a newer advance of another rollout: that is undone
    /// first.
    GaveWay {
        /// Whose advance.
        to: RolloutId,
        /// When that was opened; `None`: it is undone already.
        advance: Option<DateTime<Utc>>,
        /// Which rules.
        rules: BTreeSet<RuleName>,
        /// To whom it gave way before in the same breach, in vain.
        passed: BTreeSet<RolloutId>,
    },
    /// It gives way to nobody any more.
    WayOver,
    /// A quorum of nodes confirmed the stage.
    TookEffect,
    /// A stage opened; the one before it is proven.
    Advanced {
        /// Which stage, from 0.
        stage: usize,
    },
    /// The last stage is done; it is still watched.
    Monitoring,
    /// Somebody wants another plan that loosens something.
    PlanProposed(Box<PlanProposal>),
    /// Nobody wants it any more.
    PlanWithdrawn,
    /// It follows another plan.
    PlanChanged {
        /// The policy with every query filled in.
        plan: Arc<Policy>,
        /// Whose work it is.
        editors: Vec<Author>,
    },
    /// Something became true of its shadow, and of nothing else.
    Shadowed {
        /// What.
        changes: Vec<RolloutChange>,
        /// What the shadow would have decided, and why.
        because: Because,
    },
    /// Windows are shut, and the calendar says when the next stage may open.
    Reckoned(Reckoned),
    /// A look that is worth remembering.
    Looked(Look),
    /// A reason not to advance.
    Paused {
        /// Whose.
        owner: PauseOwner,
        /// In their words.
        reason: String,
        /// Who.
        by: Author,
    },
    /// A reason is gone.
    Resumed {
        /// Whose reason it was.
        owner: PauseOwner,
        /// Why it is gone.
        reason: String,
        /// Who said so.
        by: Author,
    },
    /// A stage may open.
    Approved {
        /// Which stage, from 0.
        stage: usize,
        /// Who said so.
        by: Author,
    },
    /// Back to an earlier stage.
    Retreated {
        /// Which stage, from 0.
        stage: usize,
    },
    /// A budget of exposure is spent, or would be by the next stage: a person was told.
    ExposureSpent {
        /// Which one.
        budget: Budget,
    },
    /// Its flag was edited: it begins again, without any evidence.
    Restarted {
        /// In which stage, from 0: the first one, or the point of no return that took effect.
        stage: usize,
    },
    /// Something worth waking a person, once.
    Alerted {
        /// Which rule.
        rule: RuleName,
        /// What.
        text: String,
    },
    /// An alert was acted on.
    AlertTaken {
        /// What fires.
        fingerprint: Fingerprint,
        /// Since when.
        starts: DateTime<Utc>,
        /// What is done about it.
        action: Action,
        /// What it says.
        text: String,
    },
    /// An alert that was acted on is over.
    AlertOver {
        /// What fired.
        fingerprint: Fingerprint,
    },
    /// Alerts do not come through any more, or come through again.
    AlertsSilent {
        /// Whether they do not.
        silent: bool,
    },
    /// A gate of the next stage was asked for the first time.
    GateAsked {
        /// Which.
        target: TargetName,
    },
    /// A gate of the next stage said something new.
    GateAnswered {
        /// Which.
        target: TargetName,
        /// What.
        verdict: GateVerdict,
        /// In its own words.
        reason: String,
    },
    /// A gate of the next stage has not passed in time.
    GateOverdue {
        /// Which.
        target: TargetName,
    },
    /// The safe variation for everybody.
    RollingBack {
        /// How it will end.
        ending: Ending,
        /// Why.
        cause: Vec<Reason>,
    },
    /// It ended.
    Ended {
        /// How.
        ending: Ending,
    },
}
