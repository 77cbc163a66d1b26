//! How many users meet the candidate before a person says that it may be more.

use super::draft::Draft;
use super::reach::{Reach, reach};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::policy::Action;
use tidegate_model::rollout::{Budget, Ending, PauseOwner, Rollout, RolloutChange};

/// Says once of each budget that it is spent, or would be by the next stage, and does what the policy says.
pub(super) fn react(draft: &mut Draft<'_>) -> Option<(Decision, Vec<Reason>)> {
    let (budget, reason) = spent(&draft.rollout, draft.now)?;
    let action = match (budget, &draft.rollout.start.plan.exposure) {
        (Budget::UserMinutes, Some(exposure)) => exposure.action,
        _ => Action::Pause,
    };
    draft.change(RolloutChange::ExposureSpent { budget });
    let mut reasons = vec![reason];
    let (reach, instead) = reach(&draft.rollout, action);
    reasons.extend(instead);
    if reach == Reach::Rollback {
        draft.change(RolloutChange::RollingBack {
            ending: Ending::RolledBack,
            cause: reasons.clone(),
        });
        draft.publish();
        return Some((Decision::RollingBack, reasons));
    }
    if let Reach::Retreat(stage) = reach {
        draft.change(RolloutChange::Retreated { stage });
        draft.publish();
    }
    if !draft.rollout.pauses.contains_key(&PauseOwner::Exposure) {
        let reason = reasons.iter().map(ToString::to_string).collect::<Vec<_>>();
        draft.change(RolloutChange::Paused {
            owner: PauseOwner::Exposure,
            reason: reason.join("; "),
            by: Author::Tidegate,
        });
    }
    let share = draft.rollout.share;
    let decision = match reach {
        Reach::Retreat(_) => Decision::Retreated { share },
        _ => Decision::Paused { share },
    };
    Some((decision, reasons))
}

/// The first budget that is spent, or would be by the next stage, and of which nobody was told.
fn spent(rollout: &Rollout, now: Timestamp) -> Option<(Budget, Reason)> {
    let exposure = rollout.start.plan.exposure.as_ref()?;
    let news = |budget: Budget| !rollout.exposed.told.contains(&budget);
    if let Some(of) = exposure.user_minutes.filter(|_| news(Budget::UserMinutes)) {
        let spent = rollout.user_minutes(exposure, now);
        let reason = Reason::Exposure {
            budget: Budget::UserMinutes,
            spent,
            of,
            by: None,
        };
        if spent >= of {
            return Some((Budget::UserMinutes, reason));
        }
    }
    let of = exposure.units.filter(|_| news(Budget::Units))?;
    let next = rollout.start.plan.stage(rollout.next_stage()?)?;
    let units = exposure.units_of(next.percentage);
    let reason = Reason::Exposure {
        budget: Budget::Units,
        spent: units,
        of,
        by: Some(next.name.clone()),
    };
    (units > of).then_some((Budget::Units, reason))
}
