//! What the API, the command line and the dashboard are shown.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::Observed;
use tidegate_model::Timestamp;
use tidegate_model::because::{Because, Decision};
use tidegate_model::evidence::Trace;
use tidegate_model::gate::GateState;
use tidegate_model::key::{
    EnvironmentKey, FlagKey, NodeName, PolicyName, Revision, RolloutId, RuleName, TargetName, VariationKey,
};
use tidegate_model::policy::{Audience, Wave};
use tidegate_model::rollout::{Ending, GivenApproval, Pause, PauseOwner, Phase, Rollout, Shadow};
use tidegate_model::share::Share;
use tidegate_model::snapshot::Digest;
use tidegate_model::verdict::Look;

/// A thing and the revision at which it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised<T> {
    /// The thing.
    pub value: T,
    /// Its revision.
    pub revision: Revision,
}

/// A rollout, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Its name.
    pub id: RolloutId,
    /// Where.
    pub environment: EnvironmentKey,
    /// Which flag it opens.
    pub flag: FlagKey,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// By which policy.
    pub policy: PolicyName,
    /// Digest of the plan that it follows: what approvals are bound to.
    pub plan_digest: Digest,
    /// The variation being opened.
    pub candidate: VariationKey,
    /// The variation that a rollback returns to.
    pub safe: VariationKey,
    /// Counts its changes; what `If-Match` compares.
    pub revision: Revision,
    /// In one word: `waiting` (for others, before it opens at all), `running`, `monitoring`, `paused`, `rolling_back`, `completed`, `rolled_back`, `aborted`.
    pub status: String,
    /// Where it is.
    pub phase: Phase,
    /// The name of the stage in force, if there is one.
    pub stage: Option<String>,
    /// The stages, with name and percentage.
    pub stages: Vec<StageView>,
    /// How far the flag is, or is being, opened.
    pub share: Share,
    /// Who has it, while some segments are open further than others; the share is what its author reckons then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Who or what keeps it from advancing.
    #[schema(value_type = BTreeMap<String, Pause>)]
    pub pauses: BTreeMap<PauseOwner, Pause>,
    /// The word given for the next stage, if any.
    pub approval: Option<GivenApproval>,
    /// Another plan that waits for somebody's word.
    #[serde(default)]
    pub proposal: Option<ProposalView>,
    /// The stage from which nothing leads back without a person's explicit word, once it took effect.
    #[serde(default)]
    pub no_return: Option<String>,
    /// How far the gates of the next stage are that were asked.
    #[schema(value_type = BTreeMap<String, GateState>)]
    pub gates: BTreeMap<TargetName, GateState>,
    /// How much of its budgets of exposure is spent, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<ExposureView>,
    /// The newest look at each rule.
    #[schema(value_type = BTreeMap<String, Look>)]
    pub looks: BTreeMap<RuleName, Look>,
    /// In one line: what was decided last and why, or why nothing is.
    pub because: String,
    /// The same, one reason a line, most important first.
    pub reasons: Vec<String>,
    /// Live nodes that serve the rollout's newest share.
    pub confirmed: Vec<NodeName>,
    /// Live nodes that do not yet.
    pub waiting_for: Vec<NodeName>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// Who began it.
    pub by: String,
    /// Whether its actor failed too often and is kept apart; the keeper acts for it when blind.
    pub quarantined: bool,
    /// What another policy, which is judged beside it and never acts, would have done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowView>,
}

/// What a policy that never acts would have done, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowView {
    /// Which policy.
    pub policy: PolicyName,
    /// Where it would be, in the words of a rollout's `status`.
    pub status: String,
    /// The name of the stage that it would be in, if there is one.
    pub stage: Option<String>,
    /// How far it would have opened the flag.
    pub share: Share,
    /// The newest look at each of its rules.
    #[schema(value_type = BTreeMap<String, Look>)]
    pub looks: BTreeMap<RuleName, Look>,
    /// What it would have done, oldest first; the newest 50.
    pub decisions: Vec<ShadowDecisionView>,
}

/// Something that a shadow would have done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowDecisionView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// In one line: what, and why.
    pub because: String,
}

impl From<&Shadow> for ShadowView {
    fn from(shadow: &Shadow) -> Self {
        let rollout = &shadow.rollout;
        let decisions = shadow.decisions.iter();
        Self {
            policy: rollout.start.policy.clone(),
            status: status(rollout).to_owned(),
            stage: rollout
                .stage()
                .and_then(|stage| rollout.start.plan.stage(stage))
                .map(|stage| stage.name.to_string()),
            share: rollout.share,
            looks: rollout
                .rules
                .iter()
                .map(|(rule, memory)| (rule.clone(), memory.last.clone()))
                .collect(),
            decisions: decisions
                .map(|decision| ShadowDecisionView {
                    at: decision.at,
                    because: decision.because.to_string(),
                })
                .collect(),
        }
    }
}

/// Another plan that waits for somebody's word, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProposalView {
    /// Digest of the plan: what the word for it is bound to.
    pub plan_digest: Digest,
    /// By which policy.
    pub policy: PolicyName,
    /// Who wants it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it changes, one thing each.
    pub differences: Vec<String>,
}

/// Where a rollout stood at a moment, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationView {
    /// The moment.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The last decision until then: it stood.
    pub decided: DecisionView,
    /// Its reasons, one each, most important first.
    pub reasons: Vec<String>,
    /// The rollout as it was then, without what only its actor knew: which nodes served it.
    pub rollout: RolloutView,
    /// The newest look at each rule that the decision knew of, and what it was judged from.
    pub looks: Vec<KeptLookView>,
    /// The decisions before that did more than hold, oldest first, at most 50.
    pub before: Vec<DecisionView>,
}

/// A decision, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionView {
    /// Its record in the journal.
    pub record: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Whose.
    pub by: String,
    /// What, and why, in one line.
    pub because: String,
}

/// A look, with what it was judged from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptLookView {
    /// The record of the journal that keeps it.
    pub record: u64,
    /// The look.
    pub look: Look,
    /// What was asked, what came back, and where the rollout stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// How much of its budgets of exposure a rollout has spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExposureView {
    /// How many units there are, as the policy says.
    pub audience: u64,
    /// How many minutes of units the candidate has had.
    pub user_minutes: u64,
    /// How many it may have.
    pub user_minutes_of: Option<u64>,
    /// How many units have the candidate now.
    pub units: u64,
    /// How many may have it.
    pub units_of: Option<u64>,
}

/// A stage, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Its name.
    pub name: String,
    /// How far it opens; of a wave, how many of everybody have it then, as its author reckons.
    pub percentage: Share,
    /// The segment to which it opens, and how far, if it is a wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<Wave>,
    /// Whether it needs somebody's word before it opens.
    pub needs_approval: bool,
    /// Whether nothing leads back from it but a person's explicit word.
    #[serde(default)]
    pub point_of_no_return: bool,
}

/// A running rollout as its actor sees it.
pub(crate) fn rollout(
    rollout: &Rollout,
    revision: Revision,
    observed: &Observed,
    because: Option<&Because>,
    now: Timestamp,
) -> RolloutView {
    let mut view = at_rest(rollout, revision);
    view.exposure = exposure(rollout, now);
    if let Some(because) = because {
        view.because = because.to_string();
        view.reasons = because.reasons.iter().map(ToString::to_string).collect();
    }
    view.looks.extend(
        observed
            .looks
            .iter()
            .map(|(rule, look)| (rule.clone(), look.clone())),
    );
    for (node, served) in &observed.fleet.live {
        let confirmed = *served >= rollout.split_revision;
        if confirmed {
            &mut view.confirmed
        } else {
            &mut view.waiting_for
        }
        .push(node.clone());
    }
    view
}

/// A rollout as the store has it.
pub(crate) fn at_rest(rollout: &Rollout, revision: Revision) -> RolloutView {
    let start = &rollout.start;
    let told = how_it_went(rollout);
    let stage = |stage: &tidegate_model::policy::Stage| StageView {
        name: stage.name.to_string(),
        percentage: stage.percentage,
        wave: stage.wave.clone(),
        needs_approval: stage.wait_for_approval.is_some(),
        point_of_no_return: stage.point_of_no_return,
    };
    RolloutView {
        id: start.id.clone(),
        environment: start.environment.clone(),
        flag: start.flag.clone(),
        attempt: start.attempt,
        policy: start.policy.clone(),
        plan_digest: start.plan_digest.clone(),
        candidate: start.candidate.clone(),
        safe: start.safe.clone(),
        revision,
        status: status(rollout).to_owned(),
        phase: rollout.phase.clone(),
        stage: rollout
            .stage()
            .filter(|_| !rollout.is_waiting())
            .and_then(|stage| start.plan.stage(stage))
            .map(|stage| stage.name.to_string()),
        stages: start.plan.schedule.stages.iter().map(stage).collect(),
        share: rollout.share,
        audience: Some(rollout.audience()).filter(|audience| !audience.waves.is_empty()),
        pauses: rollout.pauses.clone(),
        approval: rollout.approval.clone(),
        proposal: rollout.proposal.as_ref().map(|proposal| ProposalView {
            plan_digest: proposal.digest.clone(),
            policy: proposal.plan.name.clone(),
            by: proposal.by.to_string(),
            at: proposal.at,
            differences: proposal.differences.clone(),
        }),
        no_return: rollout
            .no_return
            .and_then(|stage| start.plan.stage(stage))
            .map(|stage| stage.name.to_string()),
        gates: rollout.gates.clone(),
        exposure: exposure(rollout, rollout.exposed.since.unwrap_or(rollout.started)),
        looks: rollout
            .rules
            .iter()
            .map(|(rule, memory)| (rule.clone(), memory.last.clone()))
            .collect(),
        because: told.as_ref().map(ToString::to_string).unwrap_or_default(),
        reasons: told
            .iter()
            .flat_map(|told| &told.reasons)
            .map(ToString::to_string)
            .collect(),
        confirmed: Vec::new(),
        waiting_for: Vec::new(),
        started: rollout.started,
        by: start.by.to_string(),
        quarantined: false,
        shadow: rollout.shadow.as_deref().map(ShadowView::from),
    }
}

/// How much of its budgets is spent at `now`.
fn exposure(rollout: &Rollout, now: Timestamp) -> Option<ExposureView> {
    let exposure = rollout.start.plan.exposure.as_ref()?;
    Some(ExposureView {
        audience: exposure.audience,
        user_minutes: rollout.user_minutes(exposure, now),
        user_minutes_of: exposure.user_minutes,
        units: exposure.units_of(rollout.share),
        units_of: exposure.units,
    })
}

/// What can be told of a rollout without its actor: how it ended, or is about to, and why.
fn how_it_went(rollout: &Rollout) -> Option<Because> {
    let decision = match &rollout.phase {
        Phase::Running { .. } => return None,
        Phase::RollingBack { .. } => Decision::RollingBack,
        Phase::Ended {
            ending: Ending::Completed,
            ..
        } => Decision::Completed,
        Phase::Ended {
            ending: Ending::Aborted,
            ..
        } => Decision::Aborted,
        Phase::Ended {
            ending: Ending::RolledBack,
            took,
            ..
        } => Decision::RolledBack {
            took: took.unwrap_or_default(),
        },
    };
    Some(Because {
        decision,
        reasons: rollout.cause.clone(),
    })
}

/// Why a rollout that has ended does nothing any more.
pub(crate) fn ended(view: &RolloutView) -> Refusal {
    let why = format!("rollout {} has ended: {}", view.id, view.status.replace('_', " "));
    Refusal::conflict(why, format!("start a new one on {}", view.flag))
}

fn status(rollout: &Rollout) -> &'static str {
    match &rollout.phase {
        Phase::Running { .. } if !rollout.pauses.is_empty() => "paused",
        Phase::Running { .. } if rollout.is_waiting() => "waiting",
        Phase::Running { .. } if rollout.monitoring.is_some() => "monitoring",
        Phase::Running { .. } => "running",
        Phase::RollingBack { .. } => "rolling_back",
        Phase::Ended {
            ending: Ending::Completed,
            ..
        } => "completed",
        Phase::Ended {
            ending: Ending::RolledBack,
            ..
        } => "rolled_back",
        Phase::Ended {
            ending: Ending::Aborted,
            ..
        } => "aborted",
    }
}
