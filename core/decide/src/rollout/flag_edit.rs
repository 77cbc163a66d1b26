//! An edit of the flag while it is rolled out (faults.md F47).
//!
//! What the rollout stands on is pinned and cannot be edited at all. Any other edit may change who gets the
//! candidate, and so what the numbers say: evidence from before it is none.

use super::draft::Draft;
use super::waiting::said;
use crate::refusal::Refusal;
use crate::step::Step;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::flag::{Flag, FlagDefinition};
use tidegate_model::policy::FlagEdits;
use tidegate_model::rollout::{Phase, RolloutChange};

/// Saves the flag, and has the rollout begin again if the edit may change who gets what.
pub(super) fn take_in(
    mut draft: Draft<'_>,
    before: &Flag,
    after: &Flag,
    by: &Author,
) -> Result<Step, Refusal> {
    let running = matches!(draft.rollout.phase, Phase::Running { .. });
    if draft.rollout.has_ended() {
        return Err(Refusal::conflict(
            format!("{} has just ended", draft.rollout.start.id),
            "read the flag again, then edit it",
        ));
    }
    if !running || draft.rollout.is_waiting() || is_quiet(before, after) {
        draft.save_flag(after);
        return Ok(draft.hold());
    }
    let start = &draft.rollout.start;
    if start.plan.flag_edits == FlagEdits::Refuse {
        return Err(Refusal::conflict(
            format!(
                "{} is being rolled out by {}, and policy {} lets nobody edit its flag meanwhile",
                start.flag, start.id, start.policy
            ),
            "wait until it has ended, or end it; 'flagEdits: restart' would have it begin again",
        ));
    }
    draft.save_flag(after);
    let stage = draft.rollout.no_return.unwrap_or(0);
    draft.change(RolloutChange::Restarted { stage });
    draft.publish();
    let share = draft.rollout.share;
    let reasons = [Reason::FlagEdited].into_iter().chain(said(by, "")).collect();
    Ok(draft.wait(Decision::Restarted { share }, reasons))
}

/// Whether nobody can get another value by the edit.
fn is_quiet(before: &Flag, after: &Flag) -> bool {
    let old = before.definition();
    let told = FlagDefinition {
        description: old.description.clone(),
        visibility: old.visibility,
        ..after.definition().clone()
    };
    told == *old
}
