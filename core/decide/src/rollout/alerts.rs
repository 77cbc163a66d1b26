//! What alerts call for. Like what the rules call for, nothing stands in front of it.

use super::draft::Draft;
use super::reach::{Reach, reach};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::alert::{Alert, TakenAlert};
use tidegate_model::because::{Decision, Reason};
use tidegate_model::key::Fingerprint;
use tidegate_model::policy::Action;
use tidegate_model::rollout::{Ending, PauseOwner, Rollout, RolloutChange};

use super::Observed;
use crate::step::Step;

/// What a rollout is decided to do about its alerts.
pub(super) enum Reaction {
    /// A person has to be woken.
    Alarm(Decision, Vec<Reason>),
    /// Good news.
    Relief(Decision, Vec<Reason>),
}

impl Reaction {
    /// The step.
    pub(super) fn step(self, draft: Draft<'_>) -> Step {
        match self {
            Self::Alarm(decision, reasons) => draft.alert(decision, reasons),
            Self::Relief(decision, reasons) => draft.wait(decision, reasons),
        }
    }
}

/// Does what alerts call for that was not done before.
pub(super) fn react(draft: &mut Draft<'_>) -> Option<Reaction> {
    let relieved = forget_what_is_over(draft);
    let mut new: Vec<(Alert, Action)> = draft
        .observed
        .firing
        .alerts
        .values()
        .filter(|(alert, _)| !is_taken(&draft.rollout, alert))
        .cloned()
        .collect();
    new.sort_by_key(|(_, action)| std::cmp::Reverse(*action));
    if let Some((_, strongest)) = new.first() {
        let strongest = *strongest;
        return Some(take(draft, &new, strongest));
    }
    if let Some(silence) = notice_silence(draft) {
        return Some(silence);
    }
    let share = draft.rollout.share;
    (!relieved.is_empty()).then(|| {
        let decision = if draft.rollout.pauses.is_empty() {
            Decision::Resumed { share }
        } else {
            Decision::Paused { share }
        };
        Reaction::Relief(decision, relieved)
    })
}

fn is_taken(rollout: &Rollout, alert: &Alert) -> bool {
    let taken = rollout.alerts.get(&alert.fingerprint);
    taken.is_some_and(|taken| taken.starts == alert.starts)
}

fn take(draft: &mut Draft<'_>, new: &[(Alert, Action)], strongest: Action) -> Reaction {
    let mut reasons: Vec<Reason> = new.iter().map(|(alert, _)| fires(alert)).collect();
    let (reach, instead) = reach(&draft.rollout, strongest);
    reasons.extend(instead);
    for (alert, action) in new {
        draft.change(RolloutChange::AlertTaken {
            fingerprint: alert.fingerprint.clone(),
            starts: alert.starts,
            action: *action,
            text: alert.told(),
        });
    }
    if reach == Reach::Rollback {
        draft.change(RolloutChange::RollingBack {
            ending: Ending::RolledBack,
            cause: reasons.clone(),
        });
        draft.publish();
        return Reaction::Alarm(Decision::RollingBack, reasons);
    }
    if let Reach::Retreat(stage) = reach {
        draft.change(RolloutChange::Retreated { stage });
        draft.publish();
    }
    for (alert, _) in new.iter().filter(|(_, action)| *action >= Action::Pause) {
        let owner = PauseOwner::Alert(alert.fingerprint.clone());
        if !draft.rollout.pauses.contains_key(&owner) {
            draft.change(RolloutChange::Paused {
                owner,
                reason: alert.told(),
                by: Author::Tidegate,
            });
        }
    }
    let share = draft.rollout.share;
    let decision = match reach {
        Reach::Alert => Decision::Alerted { share },
        Reach::Pause => Decision::Paused { share },
        Reach::Retreat(_) | Reach::Rollback => Decision::Retreated { share },
    };
    Reaction::Alarm(decision, reasons)
}

/// Alerts that are over. Each clears the pause that it made, and no other: a retreat needs a person,
/// as does whatever anybody else has paused. Only what was heard counts; an alert that nothing is
/// heard of goes on firing. Answers with the pauses that were cleared.
fn forget_what_is_over(draft: &mut Draft<'_>) -> Vec<Reason> {
    if draft.observed.firing.listening_since.is_none() {
        return Vec::new();
    }
    let fires = |fingerprint: &Fingerprint| draft.observed.firing.alerts.contains_key(fingerprint);
    let over: Vec<(Fingerprint, TakenAlert)> = draft
        .rollout
        .alerts
        .iter()
        .filter(|(fingerprint, _)| !fires(fingerprint))
        .map(|(fingerprint, taken)| (fingerprint.clone(), taken.clone()))
        .collect();
    let mut relieved = Vec::new();
    for (fingerprint, taken) in over {
        draft.change(RolloutChange::AlertOver {
            fingerprint: fingerprint.clone(),
        });
        let owner = PauseOwner::Alert(fingerprint.clone());
        if taken.action == Action::Pause && draft.rollout.pauses.contains_key(&owner) {
            draft.change(RolloutChange::Resumed {
                owner,
                reason: "the alert is over".to_owned(),
                by: Author::Tidegate,
            });
            relieved.push(Reason::AlertOver { fingerprint });
        }
    }
    relieved
}

/// Says once that alerts do not come through, and that they do again (faults.md F18).
fn notice_silence(draft: &mut Draft<'_>) -> Option<Reaction> {
    let silent = silent_from(&draft.rollout, draft.observed).is_some_and(|from| from <= draft.now);
    if silent == draft.rollout.alerts_silent || draft.observed.firing.listening_since.is_none() {
        return None;
    }
    draft.change(RolloutChange::AlertsSilent { silent });
    let share = draft.rollout.share;
    if silent {
        let reasons = silence(&draft.rollout, draft.observed, draft.now);
        return Some(Reaction::Alarm(
            Decision::Alerted { share },
            reasons.into_iter().collect(),
        ));
    }
    Some(Reaction::Relief(Decision::Holds { share }, Vec::new()))
}

/// When the watchdog will have been silent for too long; `None` when there is none.
fn silent_from(rollout: &Rollout, observed: &Observed) -> Option<Timestamp> {
    let watchdog = rollout.start.plan.watchdog.as_ref()?;
    let firing = &observed.firing;
    let heard = firing.watchdog_heard.or(firing.listening_since)?;
    Some(watchdog.patience().after(heard))
}

/// When a person has to hear next that alerts do not come through, if that lies ahead.
pub(super) fn silent_at(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Option<Timestamp> {
    silent_from(rollout, observed).filter(|from| *from > now)
}

/// What keeps a rollout from advancing: alerts that fire and that nobody has overruled, and silence
/// where a watchdog should be heard. Those that paused it are told as pauses.
pub(super) fn waits(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Reason> {
    let firing = observed.firing.alerts.values().filter(|(alert, _)| {
        let owner = PauseOwner::Alert(alert.fingerprint.clone());
        let taken = rollout.alerts.get(&alert.fingerprint);
        let overruled = taken.is_some_and(|taken| taken.overruled && taken.starts == alert.starts);
        !overruled && !rollout.pauses.contains_key(&owner)
    });
    let firing = firing.map(|(alert, _)| fires(alert));
    firing.chain(silence(rollout, observed, now)).collect()
}

/// That nobody knows whether alerts come through, if so.
fn silence(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Option<Reason> {
    let watchdog = rollout.start.plan.watchdog.as_ref()?;
    let heard = observed.firing.watchdog_heard;
    let comes_through = heard.is_some_and(|heard| now < watchdog.patience().after(heard));
    (!comes_through).then_some(Reason::AlertsSilent {
        heard,
        every: watchdog.every,
    })
}

fn fires(alert: &Alert) -> Reason {
    Reason::AlertFires {
        fingerprint: alert.fingerprint.clone(),
        since: alert.starts,
        text: alert.told(),
    }
}
