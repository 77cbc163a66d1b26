//! By which time zone data windows were reckoned (faults.md F42).
//!
//! Openings are reckoned anew at every step. What is remembered is the last of them, with the version of the data, so
//! that another version which moves it is told and not only followed.

use super::draft::Draft;
use tidegate_model::because::Reason;
use tidegate_model::calendar::{Opening, opening};
use tidegate_model::rollout::{Reckoned, RolloutChange};

/// Remembers when windows let the next stage open, while they are shut. Answers with what other data has moved.
pub(super) fn reckon(draft: &mut Draft<'_>) -> Option<Reason> {
    let schedule = &draft.rollout.start.plan.schedule;
    let zone_data = &draft.observed.zone_data;
    if zone_data.is_empty() || schedule.windows.is_empty() {
        return None;
    }
    let next = draft.rollout.next_stage()?;
    let bake = draft.rollout.start.plan.stage(next)?.duration;
    let (Opening::Closed { opens, .. } | Opening::TooShort { opens, .. }) =
        opening(schedule, bake, draft.now)
    else {
        return None;
    };
    let reckoned = Reckoned {
        zone_data: zone_data.clone(),
        opens,
    };
    let before = draft.rollout.reckoned.clone();
    if before.as_ref() == Some(&reckoned) {
        return None;
    }
    draft.change(RolloutChange::Reckoned(reckoned));
    let before = before.filter(|before| before.zone_data != *zone_data && before.opens != opens)?;
    // An opening that is over says nothing: the next one is another by any data.
    if before.opens.is_some_and(|was| was <= draft.now) {
        return None;
    }
    Some(Reason::ZoneData {
        before: before.zone_data,
        now: zone_data.clone(),
        was: before.opens,
        opens,
    })
}
