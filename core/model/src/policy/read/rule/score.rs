//! Rules that weigh other rules.

use super::{Judged, refuse};
use crate::policy::read::cursor::{Cursor, Mapping, shown, suggestion};
use crate::policy::read::{LIST_MAX, keys};
use crate::policy::{Comparison, Score, ScorePart, Source};

pub(super) fn read(rule: &Mapping<'_>, at: &Cursor<'_>, names: &[&str]) -> Option<Judged> {
    let score = at.mapping(&keys::SCORE)?;
    let own = "a score is judged by 'pass' and 'marginal'";
    let looked = "a score is looked at whenever one of its rules was";
    let fine = refuse(
        rule,
        "score",
        &[
            ("threshold", own),
            ("comparison", own),
            ("clear", own),
            ("window", looked),
            ("interval", looked),
        ],
    );
    let of = score.get("of").and_then(|at| parts(at, names));
    let pass = score.get("pass").and_then(share);
    let marginal = match score.get("marginal") {
        Some(at) => marginal(at, pass),
        None => pass,
    };
    fine?;
    Some(Judged {
        source: Source::Score(Score { of: of? }),
        comparison: Comparison::LessThan,
        threshold: marginal?,
        clear: pass?,
    })
}

/// A score: more than 0, at most 1.
fn share(at: &Cursor<'_>) -> Option<f64> {
    let share = at.number()?;
    if share <= 0.0 || share > 1.0 {
        at.error("a score is more than 0 % and at most 100 %", "for example 75%");
        return None;
    }
    Some(share)
}

fn marginal(at: &Cursor<'_>, pass: Option<f64>) -> Option<f64> {
    let marginal = share(at)?;
    let pass = pass?;
    if marginal > pass {
        at.error(
            format!("the marginal score {marginal} is above the score {pass} that passes"),
            format!("write at most {pass}"),
        );
        return None;
    }
    Some(marginal)
}

fn parts(at: &Cursor<'_>, names: &[&str]) -> Option<Vec<ScorePart>> {
    let items = at.list()?;
    if items.is_empty() || items.len() > LIST_MAX {
        at.error(
            format!("{} rules are weighed; 1 to {LIST_MAX} can be", items.len()),
            "add the names of rules",
        );
        return None;
    }
    let mut seen: Vec<&str> = Vec::new();
    let parts: Vec<_> = items
        .iter()
        .map(|item| {
            let part = part(item, names);
            let again = part.as_ref().and_then(|part| {
                names
                    .iter()
                    .find(|name| **name == part.rule.as_str() && seen.contains(*name))
            });
            if let Some(again) = again {
                item.error(
                    format!("{} is weighed twice", shown(again)),
                    "give it the sum of both weights",
                );
                return None;
            }
            seen.extend(
                part.iter()
                    .flat_map(|part| names.iter().find(|name| **name == part.rule.as_str())),
            );
            part
        })
        .collect();
    parts.into_iter().collect()
}

fn part(at: &Cursor<'_>, names: &[&str]) -> Option<ScorePart> {
    let part = at.mapping(&keys::SCORE_PART)?;
    let rule = part.get("rule");
    if let Some(at) = rule
        && let Some(name) = at.peek().filter(|name| !names.contains(name))
    {
        at.error(
            format!("there is no rule {} to weigh", shown(name)),
            suggestion(name, names.iter().copied()),
        );
        return None;
    }
    let weight = part.or("weight", 1.0, |at| {
        let weight = at.number()?;
        if weight <= 0.0 {
            at.error("a weight is more than 0", "leave the rule out instead");
            return None;
        }
        Some(weight)
    });
    Some(ScorePart {
        rule: rule?.name()?,
        weight: weight?,
    })
}
