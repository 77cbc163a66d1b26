//! Other rollouts that this one waits for.
//!
//! Nothing here is in front of a rollback, and nothing here leads back: it keeps stages from opening. One
//! that was shut, and without whose success this one never gets further, tells a person.

use super::Observed;
use super::draft::Draft;
use crate::neighbour::{Neighbour, Standing};
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, Reason};
use tidegate_model::key::{RolloutId, RolloutName};
use tidegate_model::policy::{DependencyKind, Stage};
use tidegate_model::rollout::{Ending, PauseOwner, Rollout, RolloutChange};

/// What of other rollouts keeps `next` from opening.
pub(crate) fn waits(rollout: &Rollout, observed: &Observed, next: &Stage) -> Vec<Reason> {
    let mut found: Vec<Reason> = (rollout.start.plan.dependencies.all())
        .filter_map(|(how, name)| {
            let says = hinders(rollout, observed.neighbours.named(name), how, next)?;
            let name = name.clone();
            Some(Reason::Dependency { how, name, says })
        })
        .collect();
    let others = observed.neighbours.0.values();
    let keep_away = others.filter(|other| {
        let mut names = other.dependencies.not_with.iter().map(RolloutName::as_str);
        names.any(|name| [rollout.start.id.as_str(), rollout.start.flag.as_str()].contains(&name))
    });
    for other in keep_away {
        let how = DependencyKind::NotWith;
        if let (Some(says), Ok(name)) = (
            hinders(rollout, Some(other), how, next),
            RolloutName::new(other.flag.as_str()),
        ) {
            let reason = Reason::Dependency { how, name, says };
            if !found.contains(&reason) {
                found.push(reason);
            }
        }
    }
    found
}

/// Why `other`, waited for like this, keeps `next` from opening; `None` if it does not.
fn hinders(
    rollout: &Rollout,
    other: Option<&Neighbour>,
    how: DependencyKind,
    next: &Stage,
) -> Option<String> {
    let Some(other) = other else {
        return (how != DependencyKind::NotWith).then(|| "it has had no rollout yet".to_owned());
    };
    match how {
        DependencyKind::After => {
            let done = other.standing == Standing::Ended(Ending::Completed);
            (!done).then(|| other.told())
        }
        DependencyKind::With if other.has_failed() => Some(other.told()),
        DependencyKind::With => (other.proven < next.percentage).then(|| {
            format!(
                "{} is proven up to {}, and {} opens {}",
                other.id, other.proven, next.name, next.percentage
            )
        }),
        DependencyKind::NotWith => {
            let open = matches!(other.standing, Standing::Open | Standing::RollingBack);
            (open && is_later(rollout, other)).then(|| other.told())
        }
    }
}

/// Whether this rollout opened after the other one. One that has not opened at all is always later.
fn is_later(rollout: &Rollout, other: &Neighbour) -> bool {
    let Some(first) = rollout.opened.first() else {
        return true;
    };
    let theirs = other.opened.first().unwrap_or(first);
    (first, &rollout.start.id) > (theirs, &other.id)
}

/// Says once of each rollout that was shut, and without whose success this one never gets further.
pub(super) fn react(draft: &mut Draft<'_>) -> Option<(Decision, Vec<Reason>)> {
    let rollout = &draft.rollout;
    let failed: Vec<(DependencyKind, RolloutName, RolloutId, String)> = rollout
        .start
        .plan
        .dependencies
        .needed()
        .filter_map(|(how, name)| {
            let other = draft.observed.neighbours.named(name)?;
            let told = rollout.failed_dependencies.get(name) == Some(&other.id);
            let news = other.has_failed() && !told;
            news.then(|| (how, name.clone(), other.id.clone(), other.told()))
        })
        .collect();
    if failed.is_empty() {
        return None;
    }
    let mut reasons = Vec::new();
    for (how, name, id, says) in failed {
        draft.change(RolloutChange::DependencyFailed {
            name: name.clone(),
            rollout: id,
        });
        let owner = PauseOwner::Dependency(name.clone());
        if !draft.rollout.pauses.contains_key(&owner) {
            draft.change(RolloutChange::Paused {
                owner,
                reason: says.clone(),
                by: Author::Tidegate,
            });
        }
        reasons.push(Reason::Dependency { how, name, says });
    }
    let share = draft.rollout.share;
    Some((Decision::Paused { share }, reasons))
}
