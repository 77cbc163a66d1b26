//! A rollout: a policy applied to one flag, and the one fold from changes to its state.

use crate::access::{Author, Role};
use crate::alert::TakenAlert;
use crate::because::Reason;
use crate::gate::GateState;
use crate::key::{
    EnvironmentKey, Fingerprint, FlagKey, PolicyName, Revision, RolloutId, RolloutName, RuleName, SegmentKey,
    StageName, TargetName, VariationKey,
};
use crate::policy::{Audience, Policy, Rule};
use crate::share::Share;
use crate::snapshot::{Digest, RolloutSplit};
use crate::span::Span;
use crate::verdict::{Look, Verdict};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

mod change;
mod exposed;
mod fold;
mod given_way;
mod pause;
mod proposal;
mod reckoned;
mod shadow;

pub use change::RolloutChange;
pub use exposed::{Budget, Exposed};
pub use fold::FoldError;
pub use given_way::GivenWay;
pub use pause::{Pause, PauseOwner};
pub use proposal::PlanProposal;
pub use reckoned::Reckoned;
pub use shadow::{Shadow, ShadowDecision};

/// A rollout as the journal tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// How it began.
    pub start: RolloutStart,
    /// When it began.
    pub started: DateTime<Utc>,
    /// Where it is.
    pub phase: Phase,
    /// How far the flag is, or is being, opened.
    pub share: Share,
    /// The revision at which `share` was last set; nodes confirm this.
    pub split_revision: Revision,
    /// Who or what keeps it from advancing.
    pub pauses: BTreeMap<PauseOwner, Pause>,
    /// The word given for the next stage, if any.
    pub approval: Option<GivenApproval>,
    /// The last stage before the one in force that lasted its time with every rule healthy: where a
    /// retreat leads.
    pub proven_stage: Option<usize>,
    /// Whether the stage in force was entered by a retreat. Numbers from before it are then those of
    /// the wider stage, and only rules that roll back still act on them.
    pub retreated: bool,
    /// What is remembered of each rule's looks.
    pub rules: BTreeMap<RuleName, RuleMemory>,
    /// Why it was rolled back or aborted; empty otherwise. Kept, because it is what people ask
    /// long after the looks are gone.
    pub cause: Vec<Reason>,
    /// Alerts that it has acted on and that still fire, as far as was heard.
    #[serde(default)]
    pub alerts: BTreeMap<Fingerprint, TakenAlert>,
    /// Whether a person was woken because alerts do not come through.
    #[serde(default)]
    pub alerts_silent: bool,
    /// How far the gates of the next stage are that were asked.
    #[serde(default)]
    pub gates: BTreeMap<TargetName, GateState>,
    /// Since when the last stage is done and it is only watched.
    #[serde(default)]
    pub monitoring: Option<DateTime<Utc>>,
    /// The furthest point of no return that took effect, from 0.
    #[serde(default)]
    pub no_return: Option<usize>,
    /// Another plan, which waits for somebody's word.
    #[serde(default)]
    pub proposal: Option<Box<PlanProposal>>,
    /// Who has changed its plan since it began, and so cannot approve anything of it.
    #[serde(default)]
    pub editors: Vec<Author>,
    /// When each stage up to the one in force was opened, the first one first. Empty while it waits for others
    /// before it opens at all.
    #[serde(default)]
    pub opened: Vec<DateTime<Utc>>,
    /// Rollouts without whose success it never gets further, and that were shut: a person was told.
    #[serde(default)]
    pub failed_dependencies: BTreeMap<RolloutName, RolloutId>,
    /// Another rollout that it gives way to.
    #[serde(default)]
    pub gives_way: Option<GivenWay>,
    /// How much of everybody's time the candidate has had.
    #[serde(default)]
    pub exposed: Exposed,
    /// A second policy that is judged beside it and never acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<Shadow>>,
    /// When windows let the next stage open, as reckoned last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reckoned: Option<Reckoned>,
}

/// How a rollout began. Only its plan ever changes, by somebody's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStart {
    /// Its name; holds the attempt.
    pub id: RolloutId,
    /// Where.
    pub environment: EnvironmentKey,
    /// Which flag it opens.
    pub flag: FlagKey,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Which policy.
    pub policy: PolicyName,
    /// The policy with every query filled in, pinned: later edits of the file change nothing by
    /// themselves.
    pub plan: Arc<Policy>,
    /// Digest of `plan`: what approvals are bound to.
    pub plan_digest: Digest,
    /// What was given for the policy's arguments.
    pub arguments: BTreeMap<String, String>,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation that a rollback returns to.
    pub safe: VariationKey,
    /// Who started it, and so cannot approve it.
    pub by: Author,
    /// Who wrote the policy last, and so cannot approve it either; `None` when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub editor: Option<Author>,
    /// The plan of its shadow, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Arc<Policy>>,
    /// Whether it is a drill: nodes confirm it, and no user has anything to do with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// The segment whose staged edit it opens, through the flag that guards it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentKey>,
}

/// The key under which drills go: no flag has it.
pub const DRILL_FLAG: &str = "tidegate.drill";

/// Where a rollout is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Phase {
    /// A stage is in force. What it waits for is derived, never stored.
    Running {
        /// Which stage, from 0.
        stage: usize,
        /// When it was decided.
        since: DateTime<Utc>,
        /// When a quorum of nodes had confirmed it: the start of its clock.
        effective: Option<DateTime<Utc>>,
    },
    /// The safe variation is in force for everybody; not yet confirmed by every live node.
    RollingBack {
        /// When it was decided.
        since: DateTime<Utc>,
        /// How it will end.
        ending: Ending,
    },
    /// Ended.
    Ended {
        /// How.
        ending: Ending,
        /// When.
        at: DateTime<Utc>,
        /// From the decision to the last confirmation; `None` when it completed.
        took: Option<Span>,
    },
}

/// How a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everybody has the candidate.
    Completed,
    /// The numbers turned bad, or somebody said so.
    RolledBack,
    /// Somebody ended it for another reason.
    Aborted,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Completed => "completed",
            Self::RolledBack => "rolled back",
            Self::Aborted => "aborted",
        })
    }
}

/// Somebody's word that a stage may open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GivenApproval {
    /// The stage that may open, from 0.
    pub stage: usize,
    /// The plan it was given for.
    pub plan_digest: Digest,
    /// Whose word.
    pub by: Author,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is remembered of a rule's looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleMemory {
    /// The last looks, oldest first, at most as many as the rule's `trip.of`.
    #[schema(value_type = Vec<Verdict>)]
    pub looks: VecDeque<Verdict>,
    /// Since when the newest verdict has been saying the same kind of thing: healthy, breached, or
    /// neither of them.
    pub since: DateTime<Utc>,
    /// The newest look that is in the journal. Looks that change nothing are not.
    pub last: Look,
    /// When it could be judged again after an outage. Its windows have a hole before that.
    pub recovered: Option<DateTime<Utc>>,
    /// Whether a person was woken because of what has been said since `since`.
    pub alerted: bool,
}

impl RuleMemory {
    /// How often a rule that stays healthy is journalled all the same. A look speaks for its whole
    /// window, so one look a window leaves no hole in a streak that must be without a break. A rule that
    /// looks more seldom than that is heard whenever it looks.
    pub fn heartbeat(rule: &Rule) -> Span {
        rule.window.max(rule.interval).max(Span::seconds(60))
    }

    /// How many of the remembered looks were bad.
    pub fn bad(&self) -> u32 {
        let bad = self
            .looks
            .iter()
            .filter(|verdict| **verdict == Verdict::Breached)
            .count();
        u32::try_from(bad).unwrap_or(u32::MAX)
    }
}

/// What a person can ask of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "kind")]
pub enum RolloutCommand {
    /// Do not advance.
    Pause {
        /// Why.
        reason: String,
    },
    /// Clear one pause.
    Resume {
        /// Whose; by default the operators'.
        #[serde(default = "operator")]
        owner: PauseOwner,
        /// Why; required for pauses that stand for a failure.
        #[serde(default)]
        reason: String,
    },
    /// Let a stage open.
    Approve {
        /// Which stage: the next one.
        stage: StageName,
        /// The digest of the plan that was looked at: refused when the plan is another one by now.
        #[serde(default, rename = "planDigest", skip_serializing_if = "Option::is_none")]
        plan: Option<Digest>,
    },
    /// Let it follow the plan that was proposed.
    ApprovePlan {
        /// The digest of the plan that was looked at.
        #[serde(rename = "planDigest")]
        plan: Digest,
    },
    /// Forget the plan that was proposed.
    WithdrawPlan,
    /// Back to the last stage that was proven healthy.
    Retreat {
        /// Why.
        reason: String,
    },
    /// The safe variation for everybody, because something is wrong.
    Rollback {
        /// Why; required past a point of no return.
        reason: String,
        /// That it is meant although a point of no return took effect.
        #[serde(default, rename = "pastNoReturn", skip_serializing_if = "std::ops::Not::not")]
        past_no_return: bool,
    },
    /// The safe variation for everybody, because it is not wanted any more.
    Abort {
        /// Why.
        reason: String,
        /// That it is meant although a point of no return took effect.
        #[serde(default, rename = "pastNoReturn", skip_serializing_if = "std::ops::Not::not")]
        past_no_return: bool,
    },
}

fn operator() -> PauseOwner {
    PauseOwner::Operator
}

impl Rollout {
    /// Whether nothing will change any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    /// Whether it waits for others before it opens at all.
    pub fn is_waiting(&self) -> bool {
        self.opened.is_empty() && matches!(self.phase, Phase::Running { .. })
    }

    /// The stage in force, from 0; `None` when there is none any more.
    pub fn stage(&self) -> Option<usize> {
        match self.phase {
            Phase::Running { stage, .. } => Some(stage),
            Phase::RollingBack { .. } | Phase::Ended { .. } => None,
        }
    }

    /// The last stage that was proven healthy, if it lies behind no point of no return: where a retreat
    /// leads.
    pub fn way_back(&self) -> Option<usize> {
        self.proven_stage
            .filter(|stage| self.no_return.is_none_or(|limit| *stage >= limit))
    }

    /// The stage that opens next, from 0; `None` when the one in force is the last.
    pub fn next_stage(&self) -> Option<usize> {
        let opened = usize::from(!self.is_waiting());
        self.stage()
            .map(|stage| stage + opened)
            .filter(|next| self.start.plan.stage(*next).is_some())
    }

    /// What nodes act on; `None` when it has ended and the flag's fallback speaks for itself.
    pub fn split(&self) -> Option<RolloutSplit> {
        let Audience { share, waves } = self.audience();
        (!self.has_ended()).then(|| RolloutSplit {
            rollout: self.start.id.clone(),
            revision: self.split_revision,
            candidate: self.start.candidate.clone(),
            safe: self.start.safe.clone(),
            share,
            waves,
        })
    }

    /// Who has the candidate now, or is about to.
    pub fn audience(&self) -> Audience {
        let open = self.stage().filter(|_| self.share > Share::ZERO);
        open.map_or_else(Audience::default, |stage| self.start.plan.audience(stage))
    }

    /// Whether somebody of this role may approve the stage at `index`, if nothing else stands against it.
    pub fn may_approve(&self, index: usize, role: Role) -> bool {
        let stage = self.start.plan.stage(index);
        let approval = stage.and_then(|stage| stage.wait_for_approval.as_ref());
        approval.is_some_and(|approval| approval.roles.contains(&role))
    }
}
