//! Opening the first stage of a rollout that waits for others before it opens at all.

use super::draft::Draft;
use super::waiting::look;
use super::{Observed, alerts, dependencies, interlock};
use crate::freeze;
use crate::step::Step;
use tidegate_model::Timestamp;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::calendar::{Opening, opening};
use tidegate_model::policy::Stage;
use tidegate_model::rollout::{Rollout, RolloutChange};

/// Opens the first stage if nothing is waited for any more. Whoever started it has said so already.
pub(super) fn open(mut draft: Draft<'_>) -> Step {
    let waiting = look(&draft.rollout, draft.observed, draft.now);
    let first = draft.rollout.start.plan.stage(0).map(|stage| stage.name.clone());
    let (false, Some(stage)) = (waiting.blocked, first) else {
        return draft.hold();
    };
    draft.change(RolloutChange::Opened);
    draft.publish();
    let share = draft.rollout.share;
    draft.decide(Decision::Advanced { stage, share }, vec![Reason::WaitOver])
}

/// What the first stage waits for.
pub(super) fn waits(rollout: &Rollout, observed: &Observed, first: &Stage, now: Timestamp) -> Vec<Reason> {
    let schedule = &rollout.start.plan.schedule;
    let mut found: Vec<Reason> = rollout
        .pauses
        .iter()
        .map(|(owner, pause)| Reason::PausedBy {
            owner: owner.clone(),
            reason: pause.reason.clone(),
        })
        .collect();
    let frozen = freeze::holds(observed.frozen.as_ref(), &schedule.freezes, now);
    let is_frozen = !frozen.is_empty();
    found.extend(frozen);
    found.extend(alerts::waits(rollout, observed, now));
    found.extend(dependencies::waits(rollout, observed, first));
    found.extend(interlock::waits(rollout, observed, now));
    match opening(schedule, first.duration, now) {
        Opening::Open => {}
        Opening::Closed { .. } if is_frozen => {}
        Opening::Closed { opens, reason } => found.push(Reason::Window { opens, reason }),
        Opening::TooShort { closes, opens } => found.push(Reason::WindowTooShort {
            stage: first.name.clone(),
            needs: first.duration,
            closes,
            opens,
        }),
    }
    found
}
