//! Other rollouts that a policy's rollouts wait for.

use super::cursor::{Cursor, shown};
use super::{LIST_MAX, keys};
use crate::key::RolloutName;
use crate::policy::Dependencies;
use std::collections::BTreeSet;

pub(super) fn read(at: &Cursor<'_>) -> Option<Dependencies> {
    let dependencies = at.mapping(&keys::DEPENDENCIES)?;
    let after = dependencies.or("after", BTreeSet::new(), names);
    let with = dependencies.or("with", BTreeSet::new(), names);
    let not_with = dependencies.or("notWith", BTreeSet::new(), names);
    let read = Dependencies {
        after: after?,
        with: with?,
        not_with: not_with?,
    };
    if read.is_empty() {
        at.error(
            "nobody is waited for",
            "for example { after: [payments-api] }, or leave it out",
        );
        return None;
    }
    let asked = read.after.union(&read.with);
    let both: Vec<&str> = asked
        .filter(|name| read.not_with.contains(*name))
        .map(RolloutName::as_str)
        .collect();
    if let (false, Some(at)) = (both.is_empty(), dependencies.get("notWith")) {
        at.error(
            format!("{} is both waited for and kept away from", both.join(", ")),
            "'after' is enough: what has completed does not run at the same time",
        );
        return None;
    }
    Some(read)
}

/// Flags or rollouts, each once.
fn names(at: &Cursor<'_>) -> Option<BTreeSet<RolloutName>> {
    let items = at.list()?;
    if items.len() > LIST_MAX {
        at.error(format!("{} names; at most {LIST_MAX} are read", items.len()), "");
        return None;
    }
    let mut names = BTreeSet::new();
    let mut sound = true;
    for item in &items {
        let Some(name) = item.name::<RolloutName>() else {
            sound = false;
            continue;
        };
        if !names.insert(name.clone()) {
            item.error(
                format!("{} is named twice", shown(name.as_str())),
                "keep one of them",
            );
            sound = false;
        }
    }
    sound.then_some(names)
}
