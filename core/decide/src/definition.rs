//! Saving and deleting flags and segments.

use crate::refusal::Refusal;
use crate::staged::{check_by_hand, check_settled};
use tidegate_model::catalog::Catalog;
use tidegate_model::change::Change;
use tidegate_model::flag::{Flag, FlagDefinition, FlagState, FlagStatus, Pin};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{ExperimentKey, RolloutId, SegmentKey, VariationKey};
use tidegate_model::rollout::DRILL_FLAG;
use tidegate_model::segment::{Segment, SegmentDefinition};

/// The change that gives a flag this definition; `None` when it has it already.
///
/// # Errors
/// What is wrong with the definition, by itself or beside the others; or what a running rollout,
/// or the flag being archived, forbids.
pub fn save_flag(
    catalog: &Catalog,
    before: Option<&FlagState>,
    definition: FlagDefinition,
) -> Result<Option<Change>, Refusal> {
    let flag = Flag::new(definition)?;
    if before.is_some_and(|before| before.flag == flag) {
        return Ok(None);
    }
    check_by_hand(flag.key())?;
    let mut violations = catalog.violations_with_flag(&flag);
    if flag.key().as_str() == DRILL_FLAG {
        let fix = "give the flag another key";
        violations.push(Violation::new("key", flag.key(), "drills go under this key", fix));
    }
    if let Some(before) = before {
        violations.extend(dependants_violations(catalog, &before.flag, &flag));
    }
    Invalid::unless_empty(violations, ())?;
    if let Some(before) = before {
        check_archived(&before.flag, &flag)?;
        if let Some(pin) = &before.pin {
            check_pinned(pin, &before.flag, &flag)?;
        }
        if let Some(experiment) = &before.held {
            check_held(experiment, &before.flag, &flag)?;
        }
    }
    Ok(Some(Change::FlagSaved(flag)))
}

/// Variations that other flags wait for must not vanish under them.
fn dependants_violations(catalog: &Catalog, before: &Flag, after: &Flag) -> Vec<Violation> {
    let vanished = |key: &VariationKey| before.variation(key).is_some() && after.variation(key).is_none();
    let mut found = Vec::new();
    for other in catalog.flags.values().filter(|other| other.key() != after.key()) {
        for prerequisite in &other.definition().prerequisites {
            if prerequisite.flag != *after.key() {
                continue;
            }
            for variation in prerequisite.variations.iter().filter(|key| vanished(key)) {
                found.push(Violation::new(
                    "variations",
                    variation,
                    format!("{} has this variation as a prerequisite", other.key()),
                    format!("keep it, or change the prerequisites of {} first", other.key()),
                ));
            }
        }
    }
    found
}

/// An archived flag is taken out again before anything else about it changes.
fn check_archived(before: &Flag, after: &Flag) -> Result<(), Refusal> {
    if before.definition().status != FlagStatus::Archived {
        return Ok(());
    }
    let unarchived = FlagDefinition {
        status: after.definition().status,
        ..before.definition().clone()
    };
    if unarchived == *after.definition() {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!(
            "{} is archived, and nothing but its status may change",
            before.key()
        ),
        "set its status to active or inactive first, and change the rest after that",
    ))
}

/// What a running rollout stands on stays as it was when it started (F45), so that a rollback leads
/// to the same value and every unit keeps its place (F49).
fn check_pinned(pin: &Pin, before: &Flag, after: &Flag) -> Result<(), Refusal> {
    let (old, new) = (before.definition(), after.definition());
    let mut touched: Vec<String> = Vec::new();
    for (side, key) in [
        ("the candidate", &pin.candidate),
        ("the safe variation", &pin.safe),
    ] {
        let value = |flag: &Flag| flag.variation(key).map(|variation| variation.value.clone());
        match value(after) {
            None => touched.push(format!("{side} '{key}' is removed")),
            kept if kept != value(before) => touched.push(format!("the value of {side} '{key}' changes")),
            Some(_) => {}
        }
    }
    for (field, same) in [
        ("type", old.kind == new.kind),
        ("numberFormat", old.number_format == new.number_format),
        ("status", old.status == new.status),
        ("fallback", old.fallback == new.fallback),
        ("unit", old.unit == new.unit),
        ("salt", before.salt() == after.salt()),
    ] {
        if !same {
            touched.push(format!("'{field}' changes"));
        }
    }
    if touched.is_empty() {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!(
            "{} is held by rollout {}, and {}",
            before.key(),
            pin.rollout,
            touched.join(", ")
        ),
        "leave that as it is until the rollout has ended, or roll it back or abort it first",
    ))
}

/// While an experiment holds a flag, who takes part and what the arms are stays as it is: otherwise its arms would be of
/// different people. Switching the flag off is always allowed, and switching it on again.
fn check_held(experiment: &ExperimentKey, before: &Flag, after: &Flag) -> Result<(), Refusal> {
    let (old, new) = (before.definition(), after.definition());
    let running = if old.experiment.is_some() {
        FlagStatus::Experiment
    } else {
        FlagStatus::Active
    };
    let expected = FlagDefinition {
        description: new.description.clone(),
        visibility: new.visibility,
        status: match new.status {
            FlagStatus::Inactive => FlagStatus::Inactive,
            _ => running,
        },
        ..old.clone()
    };
    if expected == *new {
        return Ok(());
    }
    Err(Refusal::conflict(
        format!(
            "{} is held by experiment {experiment}, and only its description, its visibility and its status (inactive, or \
             {} again) may change",
            before.key(),
            match running {
                FlagStatus::Experiment => "experiment",
                _ => "active",
            }
        ),
        format!("stop the experiment first: tidegate experiment stop {experiment} --revert --reason TEXT"),
    ))
}

/// The change that gives a segment this definition; `None` when it has it already.
///
/// # Errors
/// What is wrong with the definition, by itself or beside the others; or that running rollouts open to it: what they
/// measured would be of others.
pub fn save_segment(
    catalog: &Catalog,
    definition: SegmentDefinition,
    opening: &[RolloutId],
) -> Result<Option<Change>, Refusal> {
    let segment = Segment::new(definition)?;
    if catalog.segments.get(segment.key()) == Some(&segment) {
        return Ok(None);
    }
    check_settled(catalog.staged.get(segment.key()))?;
    check_wave(segment.key(), opening)?;
    Invalid::unless_empty(catalog.violations_with_segment(&segment), ())?;
    Ok(Some(Change::SegmentSaved(segment)))
}

pub(crate) fn check_wave(key: &SegmentKey, opening: &[RolloutId]) -> Result<(), Refusal> {
    if opening.is_empty() {
        return Ok(());
    }
    let opening: Vec<&str> = opening.iter().map(RolloutId::as_str).collect();
    Err(Refusal::conflict(
        format!("segment {key} is a wave of {}", opening.join(", ")),
        "leave it as it is until that has ended, or roll it back or abort it first",
    ))
}

/// The change that removes a segment.
///
/// # Errors
/// Who still uses it: flags and segments, or running rollouts that open to it.
pub fn delete_segment(catalog: &Catalog, key: &SegmentKey, opening: &[RolloutId]) -> Result<Change, Refusal> {
    if !catalog.segments.contains_key(key) {
        return Err(Refusal::conflict(
            format!("there is no segment {key}"),
            "nothing to do",
        ));
    }
    check_settled(catalog.staged.get(key))?;
    check_wave(key, opening)?;
    let users = catalog.users_of_segment(key);
    if users.is_empty() {
        return Ok(Change::SegmentDeleted);
    }
    Err(Refusal::conflict(
        format!("segment {key} is used by {}", users.join(", ")),
        "take it out of them first",
    ))
}
