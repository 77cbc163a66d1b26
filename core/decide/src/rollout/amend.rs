//! Another plan for a rollout that runs: what tightens holds at once, what loosens needs somebody's word.

use super::command::over;
use super::draft::Draft;
use super::waiting::said;
use crate::amendment::{Difference, differences, misfit};
use crate::refusal::Refusal;
use crate::staged::check_plan;
use crate::step::Step;
use std::sync::Arc;
use tidegate_model::access::{Author, Permission, Role};
use tidegate_model::because::{Decision, Reason};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Policy, Stage};
use tidegate_model::rollout::{PlanProposal, Rollout, RolloutChange};
use tidegate_model::share::Share;
use tidegate_model::snapshot::Digest;

/// Has the rollout follow `policy`, at once if that loosens nothing.
pub(super) fn amend(
    draft: Draft<'_>,
    policy: &Policy,
    editor: Option<&Author>,
    by: &Author,
) -> Result<Step, Refusal> {
    let Some(stage) = draft.rollout.stage() else {
        return Err(over(&draft.rollout, &draft.rollout.phase));
    };
    let start = &draft.rollout.start;
    let plan = policy.bind(&Bindings {
        environment: start.environment.clone(),
        flag: start.flag.clone(),
        variation: start.candidate.clone(),
        baseline: start.safe.clone(),
        arguments: start.arguments.clone(),
    })?;
    adopt(draft, plan, stage, editor, by)
}

/// Gives the rollout these stages for those that are still ahead. The stage in force keeps its own time and
/// evidence, and so does each of the others: none is skipped.
pub(super) fn accelerate(draft: Draft<'_>, stages: &[Stage], by: &Author) -> Result<Step, Refusal> {
    let Some(stage) = draft.rollout.stage() else {
        return Err(over(&draft.rollout, &draft.rollout.phase));
    };
    let mut plan = Policy::clone(&draft.rollout.start.plan);
    let id = &draft.rollout.start.id;
    let here = plan.stage(stage).map_or(Share::ZERO, |stage| stage.percentage);
    let ahead: Vec<Stage> = (stages.iter())
        .filter(|stage| stage.percentage > here)
        .cloned()
        .collect();
    if ahead.is_empty() && here < Share::ALL {
        return Err(Refusal::conflict(
            format!("no stage of that schedule lies ahead of {id}, which is at {here}"),
            "give the stages that are still to come, up to 100",
        ));
    }
    plan.schedule.stages.truncate(stage + 1);
    let taken = |new: &Stage| plan.schedule.stages.iter().any(|old| old.name == new.name);
    if let Some(twice) = ahead.iter().find(|new| taken(new)) {
        return Err(Refusal::conflict(
            format!("{id} has had a stage called {}", twice.name),
            "give the stages ahead names of their own",
        ));
    }
    plan.schedule.stages.extend(ahead);
    adopt(draft, plan, stage, None, by)
}

/// Has the rollout follow `plan`, at once if that loosens nothing.
fn adopt(
    mut draft: Draft<'_>,
    plan: Policy,
    stage: usize,
    editor: Option<&Author>,
    by: &Author,
) -> Result<Step, Refusal> {
    let start = &draft.rollout.start;
    let digest = plan.digest();
    if digest == start.plan_digest {
        return Ok(withdraw(draft, by));
    }
    check_fit(&draft.rollout, &plan, stage)?;
    if start.segment.is_some() {
        check_plan(&plan)?;
    }
    let plan = Arc::new(plan);
    let differences = differences(&start.plan, &plan, stage);
    let loosens = differences.iter().any(|difference| difference.loosens);
    let reasons = reasons(by, &differences);
    let share = draft.rollout.share;
    if loosens {
        draft.change(RolloutChange::PlanProposed(Box::new(PlanProposal {
            plan,
            digest,
            by: by.clone(),
            editor: editor.cloned(),
            differences: differences.iter().map(ToString::to_string).collect(),
            at: draft.now,
        })));
        return Ok(draft.wait(Decision::PlanProposed { share }, reasons));
    }
    let editors = [Some(by), editor].into_iter().flatten().cloned().collect();
    draft.change(RolloutChange::PlanChanged { plan, editors });
    Ok(draft.wait(Decision::PlanChanged { share }, reasons))
}

/// Lets the rollout follow the plan that was proposed.
pub(super) fn approve(mut draft: Draft<'_>, by: &Author, role: Role, seen: &Digest) -> Result<Step, Refusal> {
    let id = &draft.rollout.start.id;
    let Some(proposal) = draft.rollout.proposal.clone() else {
        return Err(Refusal::conflict(
            format!("no other plan waits for approval in {id}"),
            "nothing to do",
        ));
    };
    if proposal.digest != *seen {
        return Err(Refusal::conflict(
            format!("another plan than the one you have seen is proposed for {id}"),
            "read the rollout again, then approve the plan that is proposed now",
        ));
    }
    let rollout = &draft.rollout;
    let hands = [
        Some(&rollout.start.by),
        rollout.start.editor.as_ref(),
        Some(&proposal.by),
        proposal.editor.as_ref(),
    ];
    let involved = hands
        .into_iter()
        .flatten()
        .chain(&rollout.editors)
        .any(|hand| by.is_same_person(hand));
    if involved {
        return Err(Refusal::Forbidden {
            why: format!("{by} has a hand in {id} or in the plan that is proposed, and cannot approve it"),
            fix: "ask somebody else, with a token of their own".to_owned(),
        });
    }
    if !role.allows(Permission::Approve) {
        return Err(Refusal::Forbidden {
            why: format!("the role {role} may not approve"),
            fix: "ask an approver or an admin".to_owned(),
        });
    }
    let Some(stage) = rollout.stage() else {
        return Err(over(rollout, &rollout.phase));
    };
    check_fit(rollout, &proposal.plan, stage)?;
    let mut reasons = said(by, "approved");
    reasons.extend(
        proposal
            .differences
            .iter()
            .map(|text| Reason::PlanDiffers { text: text.clone() }),
    );
    draft.change(RolloutChange::PlanChanged {
        editors: [Some(proposal.by), proposal.editor]
            .into_iter()
            .flatten()
            .collect(),
        plan: proposal.plan,
    });
    let share = draft.rollout.share;
    Ok(draft.wait(Decision::PlanChanged { share }, reasons))
}

/// Forgets the plan that was proposed, if there is one.
pub(super) fn withdraw(mut draft: Draft<'_>, by: &Author) -> Step {
    if draft.rollout.proposal.is_none() {
        return draft.hold();
    }
    draft.change(RolloutChange::PlanWithdrawn);
    draft.wait(Decision::PlanWithdrawn, said(by, ""))
}

fn check_fit(rollout: &Rollout, plan: &Policy, stage: usize) -> Result<(), Refusal> {
    match misfit(&rollout.start.plan, plan, stage) {
        Some(why) => Err(Refusal::conflict(
            format!("{} cannot follow that plan: {why}", rollout.start.id),
            "change only what lies ahead; for anything else end this rollout and start another",
        )),
        None => Ok(()),
    }
}

fn reasons(by: &Author, differences: &[Difference]) -> Vec<Reason> {
    let differ = differences.iter().map(|difference| Reason::PlanDiffers {
        text: difference.to_string(),
    });
    said(by, "").into_iter().chain(differ).collect()
}
