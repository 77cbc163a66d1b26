//! What the nodes confirm: that a stage took effect, that a rollback reached everybody.

use super::draft::Draft;
use super::waiting::acknowledgement;
use super::{Fleet, Observed};
use crate::step::Step;
use tidegate_model::because::Decision;
use tidegate_model::key::{NodeName, Revision};
use tidegate_model::policy::QuorumBy;
use tidegate_model::rollout::{Ending, Phase, Rollout, RolloutChange};
use tidegate_model::share::Share;
use tidegate_model::span::Span;

/// Starts the clock of a stage once a quorum of nodes serves it.
pub(super) fn take_effect(mut draft: Draft<'_>) -> Step {
    let Phase::Running { effective: None, .. } = draft.rollout.phase else {
        return draft.hold();
    };
    if draft.rollout.is_waiting() {
        return draft.hold();
    }
    let fleet = &draft.observed.fleet;
    let quorum = draft.rollout.start.plan.schedule.quorum;
    let enough = carried(&draft.rollout, fleet) >= quorum.share;
    if fleet.live.is_empty() || !enough || !is_published(&draft.rollout, draft.observed) {
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

/// How much of what the live nodes carry is on those that serve the rollout's newest share, rounded down.
pub(super) fn carried(rollout: &Rollout, fleet: &Fleet) -> Share {
    let by_requests = rollout.start.plan.schedule.quorum.by == QuorumBy::Requests
        && fleet
            .live
            .keys()
            .any(|node| fleet.requests.get(node).is_some_and(|rate| *rate > 0));
    let weight = |node: &NodeName| match by_requests {
        true => fleet.requests.get(node).copied().unwrap_or_default(),
        false => 1,
    };
    let (mut all, mut confirmed) = (0_u128, 0_u128);
    for (node, serves) in &fleet.live {
        let weight = u128::from(weight(node));
        all += weight;
        confirmed += if *serves >= rollout.split_revision {
            weight
        } else {
            0
        };
    }
    let parts = confirmed * u128::from(Share::TOTAL) / all.max(1);
    u32::try_from(parts)
        .ok()
        .and_then(|parts| Share::of_parts(parts).ok())
        .unwrap_or_default()
}

fn serving(fleet: &Fleet, revision: Revision) -> usize {
    fleet.live.values().filter(|serves| **serves >= revision).count()
}
