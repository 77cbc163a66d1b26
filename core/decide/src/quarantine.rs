//! What is still done for a rollout whose actor fails too often.
//!
//! Nothing here shares code with the step function: that is what may be failing.

use crate::refusal::Refusal;
use crate::step::{Effect, Step};
use tidegate_model::access::Author;
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::policy::BlindAction;
use tidegate_model::rollout::{Ending, PauseOwner, Phase, Rollout, RolloutChange, RolloutCommand};
use tidegate_model::share::Share;

/// The policy's blind action; `None` when that is to hold, or there is nothing left to do.
pub fn blind_action(rollout: &Rollout) -> Option<Step> {
    let Phase::Running { .. } = rollout.phase else {
        return None;
    };
    if rollout.pauses.contains_key(&PauseOwner::Blind) {
        // It was taken before, here or by the step function.
        return None;
    }
    let pause = RolloutChange::Paused {
        owner: PauseOwner::Blind,
        reason: "its actor failed too often and is kept apart".to_owned(),
        by: Author::Tidegate,
    };
    let reasons = vec![Reason::Command {
        by: "keeper".to_owned(),
        reason: "the actor fails".to_owned(),
    }];
    let no_return = past_no_return(rollout);
    let stays = no_return.is_some() && rollout.way_back().is_none();
    let reasons: Vec<Reason> = reasons.into_iter().chain(no_return.clone()).collect();
    match (rollout.start.plan.blind.action, rollout.way_back()) {
        (BlindAction::Hold, _) => None,
        (BlindAction::Pause, _) => Some(paused(rollout, pause, reasons)),
        (BlindAction::Retreat | BlindAction::Rollback, _) if stays => Some(paused(rollout, pause, reasons)),
        (BlindAction::Retreat, Some(stage)) => Some(retreated(rollout, stage, pause, reasons)),
        (BlindAction::Rollback, Some(stage)) if no_return.is_some() => {
            Some(retreated(rollout, stage, pause, reasons))
        }
        (BlindAction::Retreat | BlindAction::Rollback, _) => Some(back(rollout, Ending::RolledBack, reasons)),
    }
}

/// That nothing leads back without a person's explicit word, if so.
fn past_no_return(rollout: &Rollout) -> Option<Reason> {
    let stage = rollout.start.plan.stage(rollout.no_return?)?.name.clone();
    Some(Reason::PastNoReturn { stage })
}

fn paused(rollout: &Rollout, pause: RolloutChange, reasons: Vec<Reason>) -> Step {
    let share = rollout.share;
    step(rollout, vec![pause], Decision::Paused { share }, reasons)
}

fn retreated(rollout: &Rollout, stage: usize, pause: RolloutChange, reasons: Vec<Reason>) -> Step {
    let to = rollout.start.plan.stage(stage);
    let share = to.map_or(Share::ZERO, |stage| stage.percentage);
    let changes = vec![RolloutChange::Retreated { stage }, pause];
    step(rollout, changes, Decision::Retreated { share }, reasons)
}

/// What a person may still ask for: rollback and abort, past a point of no return with an explicit word.
///
/// # Errors
/// For everything else, and once it is being rolled back.
pub fn command(rollout: &Rollout, command: &RolloutCommand, by: &Author) -> Result<Step, Refusal> {
    let id = &rollout.start.id;
    let (ending, reason, meant) = match (&rollout.phase, command) {
        (
            Phase::Running { .. },
            RolloutCommand::Rollback {
                reason,
                past_no_return,
            },
        ) => (Ending::RolledBack, reason, *past_no_return),
        (
            Phase::Running { .. },
            RolloutCommand::Abort {
                reason,
                past_no_return,
            },
        ) => (Ending::Aborted, reason, *past_no_return),
        _ => {
            return Err(Refusal::conflict(
                format!("rollout {id} failed too often and is kept apart"),
                "roll it back or abort it, or restart the control plane to give it another chance",
            ));
        }
    };
    if let Some(past) = past_no_return(rollout).filter(|_| !meant) {
        return Err(Refusal::conflict(
            past.to_string(),
            "if going back is what you mean, say so with 'pastNoReturn' (--past-no-return) and why",
        ));
    }
    let reasons = vec![Reason::Command {
        by: by.to_string(),
        reason: reason.clone(),
    }];
    Ok(back(rollout, ending, reasons))
}

fn back(rollout: &Rollout, ending: Ending, reasons: Vec<Reason>) -> Step {
    step(
        rollout,
        vec![RolloutChange::RollingBack {
            ending,
            cause: reasons.clone(),
        }],
        Decision::RollingBack,
        reasons,
    )
}

fn step(rollout: &Rollout, changes: Vec<RolloutChange>, decision: Decision, reasons: Vec<Reason>) -> Step {
    let entity = EntityRef::Rollout(rollout.start.environment.clone(), rollout.start.id.clone());
    Step {
        changes: changes
            .into_iter()
            .map(|change| (entity.clone(), Change::Rollout(change)))
            .collect(),
        effects: vec![Effect::Publish],
        wake_at: None,
        because: Because { decision, reasons },
    }
}
