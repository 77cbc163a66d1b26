//! What is still done for a rollout whose actor fails too often.
//!
//! Nothing here shares code with the step function: that is what may be failing.

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
    match (rollout.start.plan.blind.action, rollout.proven_stage) {
        (BlindAction::Hold, _) => None,
        (BlindAction::Pause, _) => Some(step(
            rollout,
            vec![pause],
            Decision::Paused { share: rollout.share },
            reasons,
        )),
        (BlindAction::Retreat, Some(stage)) => {
            let share = rollout
                .start
                .plan
                .stage(stage)
                .map_or(Share::ZERO, |stage| stage.percentage);
            let changes = vec![RolloutChange::Retreated { stage }, pause];
            Some(step(rollout, changes, Decision::Retreated { share }, reasons))
        }
        (BlindAction::Retreat | BlindAction::Rollback, _) => Some(back(rollout, Ending::RolledBack, reasons)),
    }
}

/// What a person may still ask for: rollback and abort. `None` for everything else.
pub fn command(rollout: &Rollout, command: &RolloutCommand, by: &Author) -> Option<Step> {
    let Phase::Running { .. } = rollout.phase else {
        return None;
    };
    let (ending, reason) = match command {
        RolloutCommand::Rollback { reason } => (Ending::RolledBack, reason),
        RolloutCommand::Abort { reason } => (Ending::Aborted, reason),
        _ => return None,
    };
    Some(back(
        rollout,
        ending,
        vec![Reason::Command {
            by: by.to_string(),
            reason: reason.clone(),
        }],
    ))
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
