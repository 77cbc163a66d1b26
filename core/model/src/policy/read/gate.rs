//! Gates of a stage: one mapping, or a list of them.

use super::cursor::{Cursor, shown};
use super::{LIST_MAX, keys};
use crate::gate::{DEFAULT_DEADLINE, DEFAULT_EVERY, EVERY_MAX, EVERY_MIN, Gate};

pub(super) fn read(at: &Cursor<'_>) -> Option<Vec<Gate>> {
    let Some(items) = at.items() else {
        return Some(vec![gate(at)?]);
    };
    if items.len() > LIST_MAX {
        at.error(format!("{} gates; at most {LIST_MAX} are asked", items.len()), "");
        return None;
    }
    let gates: Vec<_> = items.iter().map(gate).collect();
    let gates: Vec<Gate> = gates.into_iter().collect::<Option<_>>()?;
    for (index, (gate, item)) in gates.iter().zip(&items).enumerate() {
        if gates
            .iter()
            .take(index)
            .any(|earlier| earlier.target == gate.target)
        {
            item.error(
                format!("{} is asked already", shown(gate.target.as_str())),
                "name each target once",
            );
        }
    }
    Some(gates)
}

fn gate(at: &Cursor<'_>) -> Option<Gate> {
    let gate = at.mapping(&keys::GATE)?;
    let target = gate.get("target").and_then(Cursor::name);
    let deadline = gate.or("deadline", DEFAULT_DEADLINE, |at| {
        at.positive_span("a gate that has no time is always too late")
    });
    let every = gate.or("every", DEFAULT_EVERY, |at| {
        let every = at.span()?;
        if !(EVERY_MIN..=EVERY_MAX).contains(&every) {
            at.error(
                format!("a gate is asked every {EVERY_MIN} to {EVERY_MAX}"),
                "for example 30s",
            );
            return None;
        }
        Some(every)
    });
    let expires = gate.or("expires", None, |at| {
        at.positive_span("a pass that expires at once can never be used")
            .map(Some)
    });
    Some(Gate {
        target: target?,
        deadline: deadline?,
        every: every?,
        expires: expires?,
    })
}
