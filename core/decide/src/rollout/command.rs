//! What a person commands.

use super::amend;
use super::draft::Draft;
use super::reach::past_no_return;
use super::waiting::{said, valid_approval};
use crate::refusal::Refusal;
use crate::step::Step;
use tidegate_model::access::{Author, Role};
use tidegate_model::because::Decision;
use tidegate_model::invalid::Violation;
use tidegate_model::key::StageName;
use tidegate_model::rollout::{Ending, PauseOwner, Phase, Rollout, RolloutChange, RolloutCommand};
use tidegate_model::snapshot::Digest;

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1000;

/// Follows a command, if it can be followed.
pub(super) fn follow(
    draft: Draft<'_>,
    command: &RolloutCommand,
    by: &Author,
    role: Role,
) -> Result<Step, Refusal> {
    check_reason(command)?;
    match (&draft.rollout.phase, command) {
        // Asked for twice in the heat of the moment: it is being done.
        (Phase::RollingBack { .. }, RolloutCommand::Rollback { .. } | RolloutCommand::Abort { .. }) => {
            return Ok(draft.hold());
        }
        (Phase::Running { .. }, _) => {}
        (phase, _) => return Err(over(&draft.rollout, phase)),
    }
    match command {
        RolloutCommand::Pause { reason } => Ok(pause(draft, by, reason)),
        RolloutCommand::Resume { owner, reason } => resume(draft, by, owner, reason),
        RolloutCommand::Approve { stage, plan } => {
            check_plan(&draft.rollout, plan.as_ref())?;
            approve(draft, by, role, stage)
        }
        RolloutCommand::ApprovePlan { plan } => amend::approve(draft, by, role, plan),
        RolloutCommand::WithdrawPlan => Ok(amend::withdraw(draft, by)),
        RolloutCommand::Retreat { reason } => retreat(draft, by, reason),
        RolloutCommand::Rollback { reason, .. } => {
            check_return(&draft.rollout, command)?;
            Ok(roll_back(draft, by, reason, Ending::RolledBack))
        }
        RolloutCommand::Abort { reason, .. } => {
            check_return(&draft.rollout, command)?;
            Ok(roll_back(draft, by, reason, Ending::Aborted))
        }
    }
}

/// Everybody who slows a rollout says why, for those who come after. Only a rollback may go without:
/// nobody has to think of words at 3 a.m.
fn check_reason(command: &RolloutCommand) -> Result<(), Refusal> {
    let (reason, required) = match command {
        RolloutCommand::Approve { .. }
        | RolloutCommand::ApprovePlan { .. }
        | RolloutCommand::WithdrawPlan => return Ok(()),
        RolloutCommand::Pause { reason }
        | RolloutCommand::Retreat { reason }
        | RolloutCommand::Abort { reason, .. } => (reason, true),
        RolloutCommand::Resume { owner, reason } => (reason, owner.is_failure()),
        RolloutCommand::Rollback {
            reason,
            past_no_return,
        } => (reason, *past_no_return),
    };
    let refuse = |rule: String, fix: &str| {
        Err(Refusal::Invalid(
            Violation::new("reason", reason, rule, fix).into(),
        ))
    };
    if required && reason.trim().is_empty() {
        let fix = "say in a few words what you know; it stands in the audit log";
        return refuse("this command needs a reason".to_owned(), fix);
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return refuse(
            format!("a reason has at most {REASON_CHARS_MAX} characters"),
            "shorten it",
        );
    }
    Ok(())
}

/// Past a point of no return, going back takes an explicit word: declared to do more harm than good, it
/// must not happen by habit.
pub(crate) fn check_return(rollout: &Rollout, command: &RolloutCommand) -> Result<(), Refusal> {
    let meant = matches!(
        command,
        RolloutCommand::Rollback {
            past_no_return: true,
            ..
        } | RolloutCommand::Abort {
            past_no_return: true,
            ..
        }
    );
    match past_no_return(rollout) {
        Some(past) if !meant => Err(Refusal::conflict(
            past.to_string(),
            "if going back is what you mean, say so with 'pastNoReturn' (--past-no-return) and why",
        )),
        _ => Ok(()),
    }
}

pub(super) fn over(rollout: &Rollout, phase: &Phase) -> Refusal {
    let id = &rollout.start.id;
    match phase {
        Phase::Ended { ending, at, .. } => Refusal::conflict(
            format!("{id} was {ending} at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
            "start a new rollout",
        ),
        _ => Refusal::conflict(
            format!("{id} is being rolled back, and nothing stops that"),
            "wait for the nodes to confirm it; then start a new rollout",
        ),
    }
}

fn pause(mut draft: Draft<'_>, by: &Author, reason: &str) -> Step {
    if draft.rollout.pauses.contains_key(&PauseOwner::Operator) {
        return draft.hold();
    }
    stop(&mut draft, by, reason);
    let share = draft.rollout.share;
    draft.wait(Decision::Paused { share }, said(by, reason))
}

fn stop(draft: &mut Draft<'_>, by: &Author, reason: &str) {
    draft.change(RolloutChange::Paused {
        owner: PauseOwner::Operator,
        reason: reason.to_owned(),
        by: by.clone(),
    });
}

fn resume(mut draft: Draft<'_>, by: &Author, owner: &PauseOwner, reason: &str) -> Result<Step, Refusal> {
    let id = &draft.rollout.start.id;
    if !draft.rollout.pauses.contains_key(owner) {
        let standing: Vec<String> = draft.rollout.pauses.keys().map(ToString::to_string).collect();
        return Err(if standing.is_empty() {
            Refusal::conflict(format!("{id} is not paused"), "nothing to do")
        } else {
            Refusal::conflict(
                format!("{id} is not paused by {owner}"),
                format!("name one of the pauses that stand: {}", standing.join(", ")),
            )
        });
    }
    draft.change(RolloutChange::Resumed {
        owner: owner.clone(),
        reason: reason.to_owned(),
        by: by.clone(),
    });
    let share = draft.rollout.share;
    let decision = if draft.rollout.pauses.is_empty() {
        Decision::Resumed { share }
    } else {
        Decision::Paused { share }
    };
    Ok(draft.wait(decision, said(by, reason)))
}

fn approve(mut draft: Draft<'_>, by: &Author, role: Role, named: &StageName) -> Result<Step, Refusal> {
    let index = approvable(&draft.rollout, named)?;
    may_approve(&draft.rollout, index, role, by)?;
    if valid_approval(&draft.rollout, draft.now).is_some() {
        return Ok(draft.hold());
    }
    draft.change(RolloutChange::Approved {
        stage: index,
        by: by.clone(),
    });
    let decision = Decision::Approved { stage: named.clone() };
    Ok(draft.wait(decision, said(by, "")))
}

/// The index of the stage of this name, if it is the next one and waits for approval.
fn approvable(rollout: &Rollout, named: &StageName) -> Result<usize, Refusal> {
    let plan = &rollout.start.plan;
    let id = &rollout.start.id;
    let Some(index) = plan.schedule.stages.iter().position(|stage| stage.name == *named) else {
        let known: Vec<&str> = plan
            .schedule
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        let fix = format!("its stages are {}", known.join(", "));
        return Err(Refusal::Invalid(
            Violation::new("stage", named, format!("{id} has no such stage"), fix).into(),
        ));
    };
    let next = rollout.next_stage();
    if next != Some(index) {
        let fix = match next.and_then(|next| plan.stage(next)) {
            Some(next) => format!("the next stage is '{}'", next.name),
            None => "it is in its last stage".to_owned(),
        };
        return Err(Refusal::conflict(
            format!("'{named}' is not the next stage of {id}"),
            fix,
        ));
    }
    if plan
        .stage(index)
        .is_none_or(|stage| stage.wait_for_approval.is_none())
    {
        return Err(Refusal::conflict(
            format!("'{named}' waits for nobody's approval"),
            "nothing to do: it opens by itself",
        ));
    }
    Ok(index)
}

/// Whoever approves says yes to what they have read (F23).
fn check_plan(rollout: &Rollout, seen: Option<&Digest>) -> Result<(), Refusal> {
    match seen {
        Some(seen) if *seen != rollout.start.plan_digest => Err(Refusal::conflict(
            format!(
                "the plan of {} is another one than you have seen",
                rollout.start.id
            ),
            "read the rollout again, then approve the plan that it has now",
        )),
        _ => Ok(()),
    }
}

/// Two people open a stage that asks for it: never those alone who started the rollout or wrote its
/// policy (X6).
fn may_approve(rollout: &Rollout, index: usize, role: Role, by: &Author) -> Result<(), Refusal> {
    let start = &rollout.start;
    let involved = if by.is_same_person(&start.by) {
        Some(format!("started {}", start.id))
    } else if (start.editor.iter())
        .chain(&rollout.editors)
        .any(|editor| by.is_same_person(editor))
    {
        Some(format!("wrote the plan that {} follows", start.id))
    } else {
        None
    };
    if let Some(did) = involved {
        return Err(Refusal::Forbidden {
            why: format!("{by} {did} and cannot approve it"),
            fix: "ask somebody else, with a token of their own".to_owned(),
        });
    }
    if rollout.may_approve(index, role) {
        return Ok(());
    }
    let stage = rollout
        .start
        .plan
        .stage(index)
        .and_then(|stage| stage.wait_for_approval.as_ref());
    let roles: Vec<String> = stage
        .into_iter()
        .flat_map(|asked| &asked.roles)
        .map(ToString::to_string)
        .collect();
    Err(Refusal::Forbidden {
        why: format!("the policy does not let the role {role} approve this stage"),
        fix: format!("ask one of these roles: {}", roles.join(", ")),
    })
}

fn retreat(mut draft: Draft<'_>, by: &Author, reason: &str) -> Result<Step, Refusal> {
    let Some(stage) = draft.rollout.way_back() else {
        if let Some(past) = past_no_return(&draft.rollout) {
            return Err(Refusal::conflict(
                past.to_string(),
                "pause it and mend forward; or roll back with 'pastNoReturn' (--past-no-return)",
            ));
        }
        return Err(Refusal::conflict(
            format!(
                "no earlier stage of {} was proven healthy",
                draft.rollout.start.id
            ),
            "roll back, or abort",
        ));
    };
    draft.change(RolloutChange::Retreated { stage });
    if !draft.rollout.pauses.contains_key(&PauseOwner::Operator) {
        stop(&mut draft, by, reason);
    }
    draft.publish();
    let share = draft.rollout.share;
    Ok(draft.alert(Decision::Retreated { share }, said(by, reason)))
}

fn roll_back(mut draft: Draft<'_>, by: &Author, reason: &str, ending: Ending) -> Step {
    let cause = said(by, reason);
    draft.change(RolloutChange::RollingBack {
        ending,
        cause: cause.clone(),
    });
    draft.publish();
    draft.alert(Decision::RollingBack, cause)
}
