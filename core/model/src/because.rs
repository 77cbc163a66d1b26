//! Why something was decided, and why nothing was: what an operator reads at 3 a.m.

use crate::key::{
    Fingerprint, NodeName, PolicyName, RolloutId, RolloutName, RuleName, StageName, TargetName,
};
use crate::policy::{Comparison, DependencyKind};
use crate::rollout::{Budget, PauseOwner};
use crate::share::Share;
use crate::span::Span;
use crate::verdict::{UnknownReason, Verdict};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

mod text;

pub use text::Figure;

/// A decision and everything that led to it. The compiler warns when one is thrown away.
#[must_use = "an explanation that nobody keeps is a decision nobody can review"]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// What was decided.
    pub decision: Decision,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Decision {
    /// A rollout began with this share.
    Started {
        /// The first stage's share.
        share: Share,
    },
    /// Nothing changes.
    Holds {
        /// The share it stays at.
        share: Share,
    },
    /// The stage took effect on the nodes.
    TookEffect {
        /// The share that the nodes serve.
        share: Share,
    },
    /// The next stage opened.
    Advanced {
        /// The stage that opened.
        stage: StageName,
        /// Its share.
        share: Share,
    },
    /// Waits for a person.
    Paused {
        /// The share it stays at.
        share: Share,
    },
    /// Goes on.
    Resumed {
        /// The share it goes on from.
        share: Share,
    },
    /// A person let a stage open.
    Approved {
        /// The stage that may open.
        stage: StageName,
    },
    /// It follows another plan.
    PlanChanged {
        /// The share it stays at.
        share: Share,
    },
    /// Another plan waits for somebody's word.
    PlanProposed {
        /// The share it stays at.
        share: Share,
    },
    /// The other plan is not wanted any more.
    PlanWithdrawn,
    /// It begins again, without any evidence.
    Restarted {
        /// The share it begins with.
        share: Share,
    },
    /// Back to an earlier stage.
    Retreated {
        /// The share it went back to.
        share: Share,
    },
    /// The safe variation was put in force for everybody; not yet confirmed by every node.
    RollingBack,
    /// Every live node confirmed the safe variation.
    RolledBack {
        /// From the decision to the last confirmation.
        took: Span,
    },
    /// The last stage is done; it is still watched.
    Monitoring {
        /// Until when at least.
        until: DateTime<Utc>,
    },
    /// The candidate is what everybody gets.
    Completed,
    /// A person ended it, and every live node confirmed the safe variation.
    Aborted,
    /// Something worth waking a person, with no change of share.
    Alerted {
        /// The share it stays at.
        share: Share,
    },
    /// What a policy that is only judged beside a rollout would have done.
    Shadowed {
        /// Which policy.
        policy: PolicyName,
        /// What, in words.
        would: String,
    },
    /// A definition was saved.
    Saved,
    /// Nothing opens in the environment any more.
    Frozen,
    /// The environment's line goes on.
    Thawed,
    /// Something about an experiment.
    Experiment {
        /// What.
        step: ExperimentStep,
    },
}

/// What was decided about an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentStep {
    /// It was designed, or its design changed.
    Designed,
    /// It is to start by itself.
    Scheduled,
    /// It does not start by itself any more.
    Unscheduled,
    /// It could not start yet.
    Waits,
    /// It deals arms.
    Started,
    /// It goes on as it is.
    Watched,
    /// It deals no arms for now.
    Paused,
    /// It deals arms again.
    Resumed,
    /// Units were left out one by one.
    Excluded,
    /// A look was taken that counts.
    Looked,
    /// It speaks for something else than before.
    Advised,
    /// Its weights are others.
    Dealt,
    /// It is over.
    Stopped,
    /// Its flag goes another way than was said at its end.
    Settled,
    /// Its numbers are final.
    Concluded,
    /// It is put away.
    Archived,
}

/// One reason for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// What a rule said last.
    Rule {
        /// Which rule.
        rule: RuleName,
        /// What it said.
        verdict: Verdict,
        /// The value, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
        /// Which side is bad.
        comparison: Comparison,
        /// Where the bad side begins.
        threshold: f64,
        /// How many of the remembered looks were bad.
        bad: u32,
        /// How many have to be, to trip.
        need: u32,
        /// What the value was made of, or the provider's own words, if there are any.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
        /// Whether it is only shown and never acts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
    /// There is no recent look at a rule that was taken since the stage took effect.
    NotLooked {
        /// Which rule.
        rule: RuleName,
    },
    /// The stage has not lasted long enough.
    Soaking {
        /// When it will have.
        until: DateTime<Utc>,
    },
    /// The pause between two stages.
    BetweenStages {
        /// When it ends.
        until: DateTime<Utc>,
    },
    /// The last stage is done, and it is still watched.
    Monitoring {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// A stage took effect from which nothing leads back without a person's explicit word.
    PastNoReturn {
        /// Which stage.
        stage: StageName,
    },
    /// Something that another plan changes.
    PlanDiffers {
        /// What, and how.
        text: String,
    },
    /// Another plan waits for somebody's word; nothing waits for that.
    PlanWaits {
        /// Who wants it.
        by: String,
    },
    /// A rule has not been healthy long enough.
    HealthyFor {
        /// Which rule.
        rule: RuleName,
        /// How long it must be.
        needs: Span,
        /// How long it has been.
        has: Span,
    },
    /// Outside of every window in which stages may open.
    Window {
        /// When the next one opens; `None` if none does within the horizon that was searched.
        opens: Option<DateTime<Utc>>,
        /// The operator's words for a window that closes, if it is one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The next opening was reckoned by other time zone data before.
    ZoneData {
        /// The version then.
        before: String,
        /// The version now.
        now: String,
        /// When the window would have opened; `None`: none did within the horizon.
        was: Option<DateTime<Utc>>,
        /// When it opens; `None` if none does within the horizon.
        opens: Option<DateTime<Utc>>,
    },
    /// What is left of the window is shorter than the next stage lasts.
    WindowTooShort {
        /// Which stage.
        stage: StageName,
        /// How long it lasts.
        needs: Span,
        /// When what is left ends.
        closes: DateTime<Utc>,
        /// When it opens with time enough; `None` if not within the horizon that was searched.
        opens: Option<DateTime<Utc>>,
    },
    /// What the numbers of an experiment say.
    Found {
        /// In words.
        text: String,
    },
    /// Somebody stopped the environment's line.
    Frozen {
        /// Who.
        by: String,
        /// Since when.
        since: DateTime<Utc>,
        /// In their words.
        reason: String,
    },
    /// A freeze of the policy is in force.
    FreezePlanned {
        /// When it is over.
        until: DateTime<Utc>,
        /// In the policy's words.
        reason: String,
    },
    /// A stage needs somebody's word.
    ApprovalMissing {
        /// Which stage.
        stage: StageName,
        /// Who may give it, as text.
        roles: String,
    },
    /// The word that was given has run out.
    ApprovalExpired {
        /// Which stage.
        stage: StageName,
    },
    /// The word was given for another plan.
    ApprovalVoid {
        /// Which stage.
        stage: StageName,
    },
    /// Nodes have not all confirmed yet.
    Acknowledgement {
        /// How many live nodes confirmed.
        confirmed: u32,
        /// How many are live.
        live: u32,
        /// Those that have not.
        waiting_for: Vec<NodeName>,
        /// How far it is from the quorum that the policy asks for, if that is not the usual one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        quorum: String,
    },
    /// After a start of the control plane, nodes may serve that have not been heard of yet.
    NodesUnheard,
    /// Paused.
    PausedBy {
        /// By whom or what.
        owner: PauseOwner,
        /// In their words.
        reason: String,
    },
    /// A rule could not be judged for too long.
    Blind {
        /// Which rule.
        rule: RuleName,
        /// Why not.
        unknown: UnknownReason,
        /// For how long.
        lasted: Span,
        /// How long is too long.
        budget: Span,
    },
    /// An alert fires that concerns the rollout.
    AlertFires {
        /// What fires.
        fingerprint: Fingerprint,
        /// Since when.
        since: DateTime<Utc>,
        /// Its name and what it says.
        text: String,
    },
    /// An alert that paused the rollout is over.
    AlertOver {
        /// What fired.
        fingerprint: Fingerprint,
    },
    /// Nobody knows whether alerts come through.
    AlertsSilent {
        /// When the watchdog was last heard; `None`: not since the control plane started.
        heard: Option<DateTime<Utc>>,
        /// How often it is to be heard.
        every: Span,
    },
    /// A gate has not passed.
    Gate {
        /// Who is asked.
        target: TargetName,
        /// About which stage.
        stage: StageName,
        /// What it says, if anything.
        says: String,
        /// When a person hears of it; `None` while it was not asked.
        due: Option<DateTime<Utc>>,
    },
    /// A budget of exposure is spent, or would be.
    Exposure {
        /// Which one.
        budget: Budget,
        /// How much of it is, or would be.
        spent: u64,
        /// How much there is.
        of: u64,
        /// The stage that would spend it, if it is not spent yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<StageName>,
    },
    /// Its flag was edited while it runs.
    FlagEdited,
    /// It waited for others before it opened at all, and does not any more.
    WaitOver,
    /// Another rollout that is waited for.
    Dependency {
        /// How.
        how: DependencyKind,
        /// As the plan names it.
        name: RolloutName,
        /// Where it is, and what that forbids.
        says: String,
    },
    /// Another rollout with which it shares something advanced, and that has not settled yet.
    InterlockHeld {
        /// Which one.
        rollout: RolloutId,
        /// What they share, and where the other one is.
        says: String,
    },
    /// Rules are breached, and a newer advance of another rollout is undone first.
    GivesWay {
        /// Whose advance.
        rollout: RolloutId,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// The newest advance was this rollout's, and it shares something with another one that is breached.
    UndoneFor {
        /// Which one is breached.
        rollout: RolloutId,
        /// Which rules say so.
        rules: String,
    },
    /// No stage has been proven healthy yet, so a retreat is a rollback.
    NothingProven,
    /// Every rule was healthy over its whole window, after the stage had lasted long enough.
    AllHealthy,
    /// The last stage is done.
    LastStageDone,
    /// A person said so.
    Command {
        /// Who.
        by: String,
        /// In their words.
        reason: String,
    },
    /// It has ended; nothing will change any more.
    Finished,
}

impl Decision {
    /// The decision in one word: a metric's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Holds { .. } => "holds",
            Self::TookEffect { .. } => "took_effect",
            Self::Advanced { .. } => "advanced",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Approved { .. } => "approved",
            Self::PlanChanged { .. } => "plan_changed",
            Self::PlanProposed { .. } => "plan_proposed",
            Self::PlanWithdrawn => "plan_withdrawn",
            Self::Restarted { .. } => "restarted",
            Self::Retreated { .. } => "retreated",
            Self::RollingBack => "rolling_back",
            Self::RolledBack { .. } => "rolled_back",
            Self::Monitoring { .. } => "monitoring",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Alerted { .. } => "alerted",
            Self::Shadowed { .. } => "shadowed",
            Self::Saved => "saved",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
            Self::Experiment { step } => step.name(),
        }
    }
}

impl ExperimentStep {
    /// The step in one word: a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Designed => "experiment_designed",
            Self::Scheduled => "experiment_scheduled",
            Self::Unscheduled => "experiment_unscheduled",
            Self::Waits => "experiment_waits",
            Self::Started => "experiment_started",
            Self::Watched => "experiment_watched",
            Self::Paused => "experiment_paused",
            Self::Resumed => "experiment_resumed",
            Self::Excluded => "experiment_excluded",
            Self::Looked => "experiment_looked",
            Self::Advised => "experiment_advised",
            Self::Dealt => "experiment_dealt",
            Self::Stopped => "experiment_stopped",
            Self::Settled => "experiment_settled",
            Self::Concluded => "experiment_concluded",
            Self::Archived => "experiment_archived",
        }
    }
}
