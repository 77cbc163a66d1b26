//! Rollouts that share something, and so could each be the cause of the same bad numbers.
//!
//! One of them advances at a time, and the next waits until what was opened has settled: until it has been
//! in force for the longest window that anybody looks back. A breach that could be anybody's undoes the
//! newest advance first. Whose turn it is not gives way, for a bounded time: until that advance is undone
//! and one window has passed, or until it is clear that nobody undoes it.

use super::Observed;
use super::draft::Draft;
use super::reach::{Reach, reach};
use crate::neighbour::{Neighbour, Standing, shared};
use std::collections::BTreeSet;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::key::{RolloutId, RolloutName, RuleName};
use tidegate_model::policy::{Action, Policy, Rule};
use tidegate_model::rollout::{Ending, GivenWay, PauseOwner, Phase, Rollout, RolloutChange};
use tidegate_model::span::Span;

/// How long another rollout has to undo its advance, until the nodes have confirmed it. A node that does not
/// is dead by then: its lease has ended.
const PATIENCE: Span = Span::seconds(90);

/// Rollouts that share something with this one and have not completed, and what it is.
fn interlocked<'a>(
    rollout: &'a Rollout,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a Neighbour, Vec<String>)> {
    let ours = &rollout.start.plan.interlock;
    let all = observed.neighbours.0.values();
    all.filter(|other| other.standing != Standing::Ended(Ending::Completed))
        .map(|other| (other, shared(ours, &other.interlock)))
        .filter(|(_, common)| !common.is_empty())
}

/// What of interlocked rollouts keeps a stage from opening.
pub(super) fn waits(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Reason> {
    let ours = rollout.start.plan.longest_window();
    let held = interlocked(rollout, observed).filter_map(|(other, common)| {
        let settles = other
            .effective
            .map(|effective| ours.max(other.window).after(effective));
        let says = match (other.standing, settles) {
            (Standing::Waiting | Standing::Ended(_), _) => return None,
            (Standing::RollingBack, _) => "it is being rolled back".to_owned(),
            (Standing::Open, _) if other.gives_way.is_some() => "it is breached".to_owned(),
            (Standing::Open, None) => format!("its {} is not in force on the nodes yet", other.share),
            (Standing::Open, Some(settles)) if now < settles => format!(
                "its {} has not settled before {}",
                other.share,
                settles.format("%Y-%m-%d %H:%M:%S UTC")
            ),
            (Standing::Open, Some(_)) => return None,
        };
        Some(Reason::InterlockHeld {
            rollout: other.id.clone(),
            says: format!("{says} ({})", common.join(", ")),
        })
    });
    held.collect()
}

/// That it gives way, if so: until that is over it advances no further.
pub(super) fn gives_way(rollout: &Rollout) -> Option<Reason> {
    rollout.gives_way.as_ref().map(|given| Reason::GivesWay {
        rollout: given.to.clone(),
        since: given.since,
    })
}

/// Whether what the rule says could be another rollout's fault, so that it may give way with it.
pub(super) fn may_give_way(plan: &Policy, rule: &Rule) -> bool {
    rule.shared && rule.action >= Action::Retreat && !plan.interlock.0.is_empty()
}

/// Whose turn it is when rules are breached that could be anybody's.
pub(super) enum Turn {
    /// This rollout's.
    Own,
    /// Still the one's that it gives way to.
    Others,
    /// This one's, from now on.
    Give(Way),
}

/// To whom it gives way.
pub(super) struct Way {
    to: RolloutId,
    /// When the advance was opened that is undone first; `None`: it is undone already.
    advance: Option<Timestamp>,
    /// To whom it gave way before, in vain.
    passed: BTreeSet<RolloutId>,
}

/// Whose turn it is.
pub(super) fn turn(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Turn {
    if has_just_retreated(rollout, observed, now) {
        return Turn::Others;
    }
    let mut passed = BTreeSet::new();
    if let Some(given) = &rollout.gives_way {
        if !is_over(rollout, observed, given, now) {
            return Turn::Others;
        }
        passed.clone_from(&given.passed);
        if !has_acted(observed.neighbours.0.get(&given.to), given) {
            passed.insert(given.to.clone());
        }
    }
    let Some(ours) = rollout.opened.last() else {
        return Turn::Own;
    };
    let ours = (ours, &rollout.start.id);
    let newer = interlocked(rollout, observed)
        .map(|(other, _)| other)
        .filter(|other| other.standing == Standing::Open && !passed.contains(&other.id))
        .filter_map(|other| Some((other.opened.last()?, &other.id)))
        .filter(|theirs| *theirs > ours);
    if let Some((advance, to)) = newer.max() {
        return Turn::Give(Way {
            to: to.clone(),
            advance: Some(*advance),
            passed,
        });
    }
    match just_undone(rollout, observed, now).filter(|_| rollout.gives_way.is_none()) {
        Some(other) => Turn::Give(Way {
            to: other.id.clone(),
            advance: None,
            passed,
        }),
        None => Turn::Own,
    }
}

/// Whether it went back itself, beside others, so recently that the numbers may not show it yet: nobody else is
/// to blame before they do.
fn has_just_retreated(rollout: &Rollout, observed: &Observed, now: Timestamp) -> bool {
    let Phase::Running { since, effective, .. } = rollout.phase else {
        return false;
    };
    let window = rollout.start.plan.longest_window();
    let over = effective.map_or(PATIENCE.after(since), |effective| window.after(effective));
    let over = over.min(PATIENCE.plus(window).after(since));
    rollout.retreated && now < over && interlocked(rollout, observed).next().is_some()
}

/// Another rollout that went back since this one last opened a stage, and so recently that the numbers may
/// not show it yet.
fn just_undone<'a>(rollout: &'a Rollout, observed: &'a Observed, now: Timestamp) -> Option<&'a Neighbour> {
    let ours = rollout.opened.last()?;
    let window = rollout.start.plan.longest_window();
    let others = interlocked(rollout, observed).map(|(other, _)| other);
    let recent = others.filter(|other| {
        let over = match other.effective {
            Some(effective) => window.after(effective),
            None => other.undone.map_or(now, |undone| PATIENCE.after(undone)),
        };
        other.undone.is_some_and(|undone| undone >= *ours) && now < over
    });
    recent.max_by_key(|other| other.undone)
}

/// Whether the one that it gives way to has undone the advance.
fn has_acted(other: Option<&Neighbour>, given: &GivenWay) -> bool {
    other
        .is_none_or(|other| other.standing != Standing::Open || other.opened.last() != given.advance.as_ref())
}

/// Whether it has given way for long enough.
pub(super) fn is_over(rollout: &Rollout, observed: &Observed, given: &GivenWay, now: Timestamp) -> bool {
    let other = observed.neighbours.0.get(&given.to);
    let undone = match other {
        // It has ended, about when it was asked to.
        None => Some(given.since),
        Some(other) if has_acted(Some(other), given) => other.effective,
        Some(_) => None,
    };
    let windows = given
        .rules
        .iter()
        .filter_map(|rule| rollout.start.plan.rule(rule));
    let window = windows.map(|rule| rule.window).max().unwrap_or_default();
    let over = undone.map_or(PATIENCE.after(given.since), |undone| window.after(undone));
    over.min(PATIENCE.plus(window).after(given.since)) <= now
}

/// Gives way, and tells a person.
pub(super) fn give(draft: &mut Draft<'_>, way: Way, rules: BTreeSet<RuleName>) -> (Decision, Reason) {
    let to = way.to.clone();
    draft.change(RolloutChange::GaveWay {
        to: way.to,
        advance: way.advance,
        rules,
        passed: way.passed,
    });
    let share = draft.rollout.share;
    let since = draft.now;
    (
        Decision::Alerted { share },
        Reason::GivesWay { rollout: to, since },
    )
}

/// Undoes the newest advance if another rollout gives way to it.
pub(super) fn react(draft: &mut Draft<'_>) -> Option<(Decision, Vec<Reason>)> {
    let newest = draft
        .rollout
        .opened
        .last()
        .filter(|_| draft.rollout.stage().is_some())?;
    let ours = &draft.rollout.start.id;
    let (other, given) = interlocked(&draft.rollout, draft.observed).find_map(|(other, _)| {
        let given = other.gives_way.as_ref()?;
        let ours = given.to == *ours && given.advance.as_ref() == Some(newest);
        ours.then(|| (other.id.clone(), given.clone()))
    })?;
    let rules: Vec<&str> = given.rules.iter().map(RuleName::as_str).collect();
    let mut reasons = vec![Reason::UndoneFor {
        rollout: other.clone(),
        rules: rules.join(", "),
    }];
    let (reach, instead) = reach(&draft.rollout, Action::Retreat);
    reasons.extend(instead);
    if reach == Reach::Rollback {
        draft.change(RolloutChange::RollingBack {
            ending: Ending::RolledBack,
            cause: reasons.clone(),
        });
        draft.publish();
        return Some((Decision::RollingBack, reasons));
    }
    let owner = PauseOwner::Interlock(RolloutName::new(other.as_str()).ok()?);
    let stands = draft.rollout.pauses.contains_key(&owner);
    if let Reach::Retreat(stage) = reach {
        draft.change(RolloutChange::Retreated { stage });
        draft.publish();
    } else if stands {
        return None;
    }
    if !stands {
        draft.change(RolloutChange::Paused {
            owner,
            reason: format!("{other} breaches {}", rules.join(", ")),
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
