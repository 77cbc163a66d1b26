//! What the service is used to.

use super::cursor::{Cursor, shown, suggestion};
use super::keys;
use crate::key::RuleName;
use crate::policy::Traffic;
use std::collections::BTreeMap;

pub(super) fn read(at: &Cursor<'_>, rules: Option<&[&str]>) -> Option<Traffic> {
    let traffic = at.mapping(&keys::TRAFFIC)?;
    let per_minute = traffic.get("perMinute").and_then(|at| {
        let number = at.number()?;
        if number <= 0.0 {
            at.error(
                "without any request nothing is ever seen",
                "write how many there are in a minute, for example 6000",
            );
            return None;
        }
        Some(number)
    });
    let baseline = traffic.or("baseline", BTreeMap::new(), |at| baseline(at, rules));
    Some(Traffic {
        per_minute: per_minute?,
        baseline: baseline?,
    })
}

fn baseline(at: &Cursor<'_>, rules: Option<&[&str]>) -> Option<BTreeMap<RuleName, f64>> {
    let mut usual = BTreeMap::new();
    let mut whole = true;
    for (name, at) in at.entries()? {
        if rules.is_some_and(|rules| !rules.contains(&name)) {
            let known = rules.unwrap_or_default().iter().copied();
            at.error(
                format!("there is no rule {}", shown(name)),
                suggestion(name, known),
            );
            whole = false;
            continue;
        }
        let share = at.number().filter(|share| {
            let is_share = (0.0..1.0).contains(share);
            if !is_share {
                at.error(
                    format!("{share} is no share of requests"),
                    "write how many of them the rule usually counts, from 0 to below 100 %, for example 0.2%",
                );
            }
            is_share
        });
        match (name.parse(), share) {
            (Ok(name), Some(share)) => {
                usual.insert(name, share);
            }
            _ => whole = false,
        }
    }
    whole.then_some(usual)
}
