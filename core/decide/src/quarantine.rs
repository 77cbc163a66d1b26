//! What is still done for a rollout whose actor fails too often.
//!
//! Nothing here shares code with the step function: that is what may be failing. It opens nothing, and has nothing
//! measured; it goes back when a person, an alert or blindness calls for it, and ends a rollback that every node
//! confirmed.

use crate::refusal::Refusal;
use crate::rollout::Fleet;
use crate::step::{Effect, Step};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::alert::{Alert, Firing};
use tidegate_model::because::{Because, Decision, Reason};
use tidegate_model::change::{Change, EntityRef};
use tidegate_model::policy::{Action, BlindAction};
use tidegate_model::rollout::{Ending, PauseOwner, Phase, Rollout, RolloutChange, RolloutCommand};
use tidegate_model::share::Share;
use tidegate_model::span::Span;

/// What is seen for a rollout that is kept apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Nobody could look at its rules for as long as its policy has patience.
    Blind,
    /// A person wants this.
    Command(RolloutCommand),
    /// The alerts that concern it have changed.
    Alerts(Firing),
    /// What the nodes serve of it has changed.
    Fleet(Fleet),
}

/// What follows for a rollout that is kept apart; `None` when nothing does.
///
/// # Errors
/// When a person wants something else than going back, or does not say that it is meant past a point of no return.
pub fn step(rollout: &Rollout, seen: &Seen, by: &Author, now: Timestamp) -> Result<Option<Step>, Refusal> {
    match seen {
        Seen::Blind => Ok(blind(rollout)),
        Seen::Command(wanted) => command(rollout, wanted, by).map(Some),
        Seen::Alerts(firing) => Ok(hear(rollout, firing)),
        Seen::Fleet(fleet) => Ok(confirm(rollout, fleet, now)),
    }
}

/// What an action comes to where the rollout stands.
enum Way {
    Stay,
    Pause,
    Retreat(usize),
    Back,
}

fn way(rollout: &Rollout, action: Action) -> Way {
    let bound = past_no_return(rollout).is_some();
    match (action, rollout.way_back()) {
        (Action::Alert, _) => Way::Stay,
        (Action::Pause, _) => Way::Pause,
        (Action::Retreat | Action::Rollback, None) if bound => Way::Pause,
        (Action::Retreat, Some(stage)) => Way::Retreat(stage),
        (Action::Rollback, Some(stage)) if bound => Way::Retreat(stage),
        (Action::Retreat | Action::Rollback, _) => Way::Back,
    }
}

/// The policy's blind action, unless that is to hold, or it was taken before.
fn blind(rollout: &Rollout) -> Option<Step> {
    let Phase::Running { .. } = rollout.phase else {
        return None;
    };
    if rollout.pauses.contains_key(&PauseOwner::Blind) {
        return None;
    }
    let action = match rollout.start.plan.blind.action {
        BlindAction::Hold => return None,
        BlindAction::Pause => Action::Pause,
        BlindAction::Retreat => Action::Retreat,
        BlindAction::Rollback => Action::Rollback,
    };
    let reason = Reason::Command {
        by: "keeper".to_owned(),
        reason: "the actor fails".to_owned(),
    };
    let pause = RolloutChange::Paused {
        owner: PauseOwner::Blind,
        reason: "its actor failed too often and is kept apart".to_owned(),
        by: Author::Tidegate,
    };
    Some(act(rollout, action, Vec::new(), vec![pause], vec![reason]))
}

/// What alerts call for that was not done before. One that is over clears nothing here: that waits for the actor.
fn hear(rollout: &Rollout, firing: &Firing) -> Option<Step> {
    let Phase::Running { .. } = rollout.phase else {
        return None;
    };
    let is_new = |alert: &Alert| {
        let taken = rollout.alerts.get(&alert.fingerprint);
        taken.is_none_or(|taken| taken.starts != alert.starts)
    };
    let mut new: Vec<&(Alert, Action)> = firing
        .alerts
        .values()
        .filter(|(alert, _)| is_new(alert))
        .collect();
    new.sort_by_key(|(_, action)| Reverse(*action));
    let (_, strongest) = new.first()?;
    let fires = |alert: &Alert| Reason::AlertFires {
        fingerprint: alert.fingerprint.clone(),
        since: alert.starts,
        text: alert.told(),
    };
    let taken = new.iter().map(|(alert, action)| RolloutChange::AlertTaken {
        fingerprint: alert.fingerprint.clone(),
        starts: alert.starts,
        action: *action,
        text: alert.told(),
    });
    let pauses = (new.iter())
        .filter(|(_, action)| *action >= Action::Pause)
        .map(|(alert, _)| (PauseOwner::Alert(alert.fingerprint.clone()), alert.told()))
        .filter(|(owner, _)| !rollout.pauses.contains_key(owner))
        .map(|(owner, reason)| RolloutChange::Paused {
            owner,
            reason,
            by: Author::Tidegate,
        });
    let reasons = new.iter().map(|(alert, _)| fires(alert)).collect();
    Some(act(
        rollout,
        *strongest,
        taken.collect(),
        pauses.collect(),
        reasons,
    ))
}

/// Does what `action` comes to. What is `noted` becomes true in any case, what pauses it unless it is rolled back.
fn act(
    rollout: &Rollout,
    action: Action,
    noted: Vec<RolloutChange>,
    pauses: Vec<RolloutChange>,
    mut reasons: Vec<Reason>,
) -> Step {
    let way = way(rollout, action);
    if action >= Action::Retreat {
        reasons.extend(past_no_return(rollout));
    }
    let mut changes = noted;
    let decision = match way {
        Way::Back => {
            changes.push(RolloutChange::RollingBack {
                ending: Ending::RolledBack,
                cause: reasons.clone(),
            });
            return decided(rollout, changes, Decision::RollingBack, reasons);
        }
        Way::Retreat(stage) => {
            changes.push(RolloutChange::Retreated { stage });
            let to = rollout.start.plan.stage(stage);
            let share = to.map_or(Share::ZERO, |stage| stage.percentage);
            Decision::Retreated { share }
        }
        Way::Pause => Decision::Paused { share: rollout.share },
        Way::Stay => Decision::Alerted { share: rollout.share },
    };
    changes.extend(pauses);
    decided(rollout, changes, decision, reasons)
}

/// That nothing leads back without a person's explicit word, if so.
fn past_no_return(rollout: &Rollout) -> Option<Reason> {
    let stage = rollout.start.plan.stage(rollout.no_return?)?.name.clone();
    Some(Reason::PastNoReturn { stage })
}

/// What a person may still ask for: rollback and abort, past a point of no return with an explicit word.
fn command(rollout: &Rollout, command: &RolloutCommand, by: &Author) -> Result<Step, Refusal> {
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
    let change = RolloutChange::RollingBack {
        ending,
        cause: reasons.clone(),
    };
    Ok(decided(rollout, vec![change], Decision::RollingBack, reasons))
}

/// Ends a rollback once every node that may be live serves it (F44).
fn confirm(rollout: &Rollout, fleet: &Fleet, now: Timestamp) -> Option<Step> {
    let Phase::RollingBack { since, ending } = rollout.phase else {
        return None;
    };
    let serves = |served: &_| *served >= rollout.split_revision;
    if !(fleet.all_heard && serves(&fleet.published) && fleet.live.values().all(serves)) {
        return None;
    }
    let live = u32::try_from(fleet.live.len()).unwrap_or(u32::MAX);
    let confirmed = Reason::Acknowledgement {
        confirmed: live,
        live,
        waiting_for: Vec::new(),
        quorum: String::new(),
    };
    let decision = match ending {
        Ending::Aborted => Decision::Aborted,
        Ending::RolledBack | Ending::Completed => Decision::RolledBack {
            took: Span::between(since, now),
        },
    };
    let mut reasons = vec![confirmed];
    reasons.extend(rollout.cause.clone());
    let mut step = decided(rollout, vec![RolloutChange::Ended { ending }], decision, reasons);
    let start = &rollout.start;
    if let Some(segment) = &start.segment {
        let segment = EntityRef::Segment(start.environment.clone(), segment.clone());
        let dropped = Change::SegmentSettled { adopted: false };
        step.changes.push((segment, dropped));
    }
    if !start.drill {
        let flag = EntityRef::Flag(start.environment.clone(), start.flag.clone());
        let fallback = start.safe.clone();
        step.changes.push((flag, Change::FlagSettled { fallback }));
    }
    Some(step)
}

fn decided(rollout: &Rollout, changes: Vec<RolloutChange>, decision: Decision, reasons: Vec<Reason>) -> Step {
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
