//! What the nodes confirm: that a stage took effect, that a rollback reached everybody.

use super::draft::Draft;
use super::waiting::acknowledgement;
use super::{Fleet, Observed};
use crate::step::Step;
use tidegate_model::because::Decision;
use tidegate_model::key::Revision;
use tidegate_model::rollout::{Ending, Phase, Rollout, RolloutChange};
use tidegate_model::span::Span;

/// How many of ten live nodes have to serve a stage before its clock starts. Not all: one node that
/// hangs must not hold up everybody, and a tenth of the units cannot turn a look healthy.
const QUORUM_OF_TEN: usize = 9;

/// Starts the clock of a stage once a quorum of nodes serves it.
pub(super) fn take_effect(mut draft: Draft<'_>) -> Step {
    let Phase::Running { effective: None, .. } = draft.rollout.phase else {
        return draft.hold();
    };
    let fleet = &draft.observed.fleet;
    let live = fleet.live.len();
    let quorum = serving(fleet, draft.rollout.split_revision) * 10 >= live * QUORUM_OF_TEN;
    if live == 0 || !quorum || !is_published(&draft.rollout, draft.observed) {
        return draft.hold();
    }
    let confirmed = acknowledgement(&draft.rollout, fleet);
    draft.change(RolloutChange::TookEffect);
    let share = draft.rollout.share;
    draft.wait(Decision::TookEffect { share }, vec![confirmed])
}

/// Ends a rollback once every live node serves it; anything else that is not running holds.
pub(super) fn rolling_back(mut draft: Draft<'_>) -> Step {
    let Phase::RollingBack { since, ending } = draft.rollout.phase else {
        return draft.hold();
    };
    let fleet = &draft.observed.fleet;
    let everybody = fleet.all_heard && serving(fleet, draft.rollout.split_revision) == fleet.live.len();
    if !everybody || !is_published(&draft.rollout, draft.observed) {
        return draft.hold();
    }
    let confirmed = acknowledgement(&draft.rollout, fleet);
    draft.change(RolloutChange::Ended { ending });
    draft.settle(draft.rollout.start.safe.clone());
    let decision = match ending {
        Ending::Aborted => Decision::Aborted,
        Ending::RolledBack | Ending::Completed => Decision::RolledBack {
            took: Span::between(since, draft.now),
        },
    };
    let mut reasons = vec![confirmed];
    reasons.extend(draft.rollout.cause.clone());
    draft.decide(decision, reasons)
}

fn is_published(rollout: &Rollout, observed: &Observed) -> bool {
    observed.fleet.published >= rollout.split_revision
}

fn serving(fleet: &Fleet, revision: Revision) -> usize {
    fleet.live.values().filter(|serves| **serves >= revision).count()
}
