//! What an action comes to where the rollout stands.
//!
//! Nothing stands in front of going back but a point of no return that took effect: there, going back is
//! declared to do more harm than staying. What calls for it then leads back as far as that point, pauses,
//! and wakes a person.

use tidegate_model::because::Reason;
use tidegate_model::policy::Action;
use tidegate_model::rollout::Rollout;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A person hears of it.
    Alert,
    /// It stays.
    Pause,
    /// Back to this stage.
    Retreat(usize),
    /// The safe variation for everybody.
    Rollback,
}

/// What `action` comes to, and why it is something else than it says.
pub(crate) fn reach(rollout: &Rollout, action: Action) -> (Reach, Option<Reason>) {
    let past = past_no_return(rollout);
    match (action, rollout.way_back()) {
        (Action::Alert, _) => (Reach::Alert, None),
        (Action::Pause, _) => (Reach::Pause, None),
        (Action::Retreat, Some(stage)) => (Reach::Retreat(stage), None),
        (Action::Retreat, None) if past.is_none() => (Reach::Rollback, Some(Reason::NothingProven)),
        (Action::Rollback, _) if past.is_none() => (Reach::Rollback, None),
        (Action::Rollback, Some(stage)) => (Reach::Retreat(stage), past),
        (Action::Retreat | Action::Rollback, None) => (Reach::Pause, past),
    }
}

/// That the rollout is past a point of no return, if so.
pub(crate) fn past_no_return(rollout: &Rollout) -> Option<Reason> {
    let stage = rollout.start.plan.stage(rollout.no_return?)?.name.clone();
    Some(Reason::PastNoReturn { stage })
}
