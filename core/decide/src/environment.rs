//! An environment's settings, and what they ask of definitions.

use crate::refusal::Refusal;
use tidegate_interop::flagd;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::Change;
use tidegate_model::environment::{EnvironmentSettings, FlagdTarget};
use tidegate_model::flag::Flag;
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::key::{EnvironmentKey, FlagKey, Revision, VariationKey};
use tidegate_model::segment::{AFTER, BEFORE, StagedSegment, guard};
use tidegate_model::share::Share;
use tidegate_model::snapshot::{RolloutSplit, SnapshotContent, SnapshotFlag, Version};

/// The change that gives an environment these settings; `None` when it has them already.
///
/// # Errors
/// What flagd's clients could not get, if they must get everything; or whose units would be dealt
/// anew in the middle of a rollout.
pub fn save_settings(
    environment: &EnvironmentKey,
    before: EnvironmentSettings,
    after: EnvironmentSettings,
    catalog: &Catalog,
    pinned: &[FlagKey],
) -> Result<Option<Change>, Refusal> {
    if before == after {
        return Ok(None);
    }
    if before.bucketing != after.bucketing && !pinned.is_empty() {
        let flags: Vec<&str> = pinned.iter().map(FlagKey::as_str).collect();
        return Err(Refusal::conflict(
            format!(
                "another bucketing deals all units anew, and rollouts or experiments run on {}",
                flags.join(", ")
            ),
            "wait until they have ended, or end them",
        ));
    }
    if after.flagd == FlagdTarget::Require {
        Invalid::unless_empty(violations(environment, after, catalog, None), ())?;
    }
    Ok(Some(Change::EnvironmentSaved(after)))
}

/// Refuses a change of a flag or segment after which flagd's clients would not get every flag, where
/// they must.
///
/// # Errors
/// What cannot be said in flagd's language, each with its place; places in other flags than the one
/// that is saved begin with `flags.` and the flag's key.
pub fn check_target(
    environment: &EnvironmentKey,
    settings: EnvironmentSettings,
    catalog: &Catalog,
    change: &Change,
) -> Result<(), Refusal> {
    if settings.flagd != FlagdTarget::Require {
        return Ok(());
    }
    let mut after = catalog.clone();
    let own = match change {
        Change::FlagSaved(flag) => {
            after.flags.insert(flag.key().clone(), flag.clone());
            Some(flag.key())
        }
        Change::SegmentSaved(segment) => {
            after.segments.insert(segment.key().clone(), segment.clone());
            Invalid::unless_empty(flagd::cannot_lower_segment(segment, &after), ())?;
            None
        }
        Change::SegmentStaged(staged) => {
            Invalid::unless_empty(flagd::cannot_lower_segment(&staged.definition, &after), ())?;
            let guard = guard(staged.definition.key())?;
            after.flags.insert(guard.key().clone(), guard);
            let key = staged.definition.key().clone();
            after.staged.insert(key, StagedSegment::clone(staged));
            None
        }
        _ => return Ok(()),
    };
    Invalid::unless_empty(violations(environment, settings, &after, own), ())?;
    Ok(())
}

/// The split of a rollout that opens an edit of a segment, when some have it and some have not: then both definitions
/// stand wherever the segment does. Other rollouts take no room.
fn half_open(flag: &FlagKey, catalog: &Catalog) -> Option<RolloutSplit> {
    let staged = catalog.staged.values().find(|staged| staged.guard == *flag)?;
    Some(RolloutSplit {
        rollout: staged.rollout.clone(),
        revision: Revision::ABSENT,
        candidate: VariationKey::new(AFTER).ok()?,
        safe: VariationKey::new(BEFORE).ok()?,
        share: Share::of_parts(Share::TOTAL / 2).ok()?,
        waves: Vec::new(),
    })
}

/// Everything in the catalogue that flagd's clients would not get.
fn violations(
    environment: &EnvironmentKey,
    settings: EnvironmentSettings,
    catalog: &Catalog,
    own: Option<&FlagKey>,
) -> Vec<Violation> {
    let flag = |flag: &Flag| SnapshotFlag {
        flag: flag.clone(),
        rollout: half_open(flag.key(), catalog),
    };
    let content = SnapshotContent {
        environment: environment.clone(),
        bucketing: settings.bucketing,
        flags: catalog.flags.values().map(flag).collect(),
        segments: catalog.segments.values().cloned().collect(),
        staged: catalog.staged.values().cloned().collect(),
        drill: None,
    };
    let lowered = match flagd::lower(&content, Version::default()) {
        Ok(lowered) => lowered,
        Err(too_large) => {
            return vec![Violation::new(
                "flags",
                format!("{} bytes", too_large.bytes),
                too_large.to_string(),
                "shorten the largest flags, or set the environment's 'flagd' to 'off'",
            )];
        }
    };
    let mut found = Vec::new();
    for left in lowered.left_out {
        let place = format!("flags.{}", left.flag);
        let is_own = own == Some(&left.flag);
        let placed = left.why.into_iter();
        found.extend(placed.map(|one| if is_own { one } else { one.inside(&place) }));
    }
    found
}
