//! What definitions are lowered from, and what was found out about them so far.

use super::logic::Logic;
use super::{DEPTH_MAX, FLAG_BYTES_MAX};
use std::collections::BTreeMap;
use tidegate_model::catalog::Catalog;
use tidegate_model::flag::Flag;
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, SegmentKey};
use tidegate_model::segment::{AFTER, Segment, StagedSegment};
use tidegate_model::snapshot::{RolloutSplit, SnapshotContent};

/// Definitions of one environment on their way to flagd.
#[derive(Debug, Default)]
pub(super) struct Lowering<'a> {
    pub(super) flags: BTreeMap<&'a FlagKey, (&'a Flag, Option<&'a RolloutSplit>)>,
    segments: BTreeMap<&'a SegmentKey, &'a Segment>,
    /// Edits of segments that are being opened.
    staged: BTreeMap<&'a SegmentKey, &'a StagedSegment>,
    /// Segments as they are in place.
    segments_lowered: BTreeMap<SegmentKey, Found>,
    /// What flags serve, as other flags ask for it.
    pub(super) served: BTreeMap<FlagKey, Found>,
}

/// What a definition means, or why it cannot be said. `None` while it is being found out: only a
/// definition that leads back to itself sees that.
pub(super) type Found = Option<Result<Logic, Vec<Violation>>>;

impl<'a> Lowering<'a> {
    /// Everything in a snapshot.
    pub(super) fn of_content(content: &'a SnapshotContent) -> Self {
        Self {
            flags: content
                .flags
                .iter()
                .map(|one| (one.flag.key(), (&one.flag, one.rollout.as_ref())))
                .collect(),
            segments: content.segments.iter().map(|one| (one.key(), one)).collect(),
            staged: content
                .staged
                .iter()
                .map(|one| (one.definition.key(), one))
                .collect(),
            ..Self::default()
        }
    }

    /// Everything in a catalogue.
    fn of_catalog(catalog: &'a Catalog) -> Self {
        Self {
            flags: catalog
                .flags
                .iter()
                .map(|(key, flag)| (key, (flag, None)))
                .collect(),
            segments: catalog.segments.iter().collect(),
            ..Self::default()
        }
    }

    /// Who is in the segment of this name.
    pub(super) fn segment(&mut self, key: &SegmentKey) -> Result<Logic, Vec<Violation>> {
        match self.segments_lowered.get(key) {
            Some(Some(known)) => return known.clone(),
            Some(None) => return Err(vec![leads_back("when", key.as_str())]),
            None => {}
        }
        self.segments_lowered.insert(key.clone(), None);
        let found = match self.segments.get(key).copied() {
            Some(segment) => match self.staged.get(key).copied() {
                Some(staged) => self.with_staged(segment, staged),
                None => self.segment_in_place(segment),
            },
            None => Err(vec![Violation::new(
                "segment",
                key,
                "there is no such segment",
                "create it first, or remove its name",
            )]),
        };
        self.segments_lowered.insert(key.clone(), Some(found.clone()));
        found
    }
}

impl Lowering<'_> {
    /// Who is in a segment of which some units have an edit already: those to whom the guard gives it, by the edit.
    fn with_staged(&mut self, segment: &Segment, staged: &StagedSegment) -> Result<Logic, Vec<Violation>> {
        let before = self.segment_in_place(segment)?;
        let named = |one: Violation| one.inside("staged");
        let after = self.segment_in_place(&staged.definition);
        let after = after.map_err(|why| why.into_iter().map(named).collect::<Vec<_>>())?;
        let served = self.served(&staged.guard)?;
        let has_it = match served.constant() {
            Some(known) => Logic::literal((known.as_str() == Some(AFTER)).into()),
            None => served.same_as(AFTER.into()),
        };
        let who = Logic::choose(vec![(has_it, after)], Some(before));
        match check_costs("when", [&who].into_iter()) {
            None => Ok(who),
            Some(violation) => Err(vec![violation]),
        }
    }
}

/// What of a flag cannot be said in flagd's language, each with its place in the definition. Empty
/// when the flag can be lowered, and for archived flags, which flagd never hears of.
///
/// `catalog` has the segments and flags that it names. The flag itself need not be in it yet.
pub fn cannot_lower(flag: &Flag, catalog: &Catalog) -> Vec<Violation> {
    let mut lowering = Lowering::of_catalog(catalog);
    lowering.flags.insert(flag.key(), (flag, None));
    lowering.definition(flag, None).err().unwrap_or_default()
}

/// What of a segment cannot be said in flagd's language, each with its place in the definition.
///
/// `catalog` has the segments that it names. The segment itself need not be in it yet.
pub fn cannot_lower_segment(segment: &Segment, catalog: &Catalog) -> Vec<Violation> {
    let mut lowering = Lowering::of_catalog(catalog);
    lowering.segments.insert(segment.key(), segment);
    lowering.segment(segment.key()).err().unwrap_or_default()
}

/// Refuses what clients could not read, if the parts stood in one expression.
pub(super) fn check_costs<'l>(field: &str, parts: impl Iterator<Item = &'l Logic>) -> Option<Violation> {
    let (mut bytes, mut depth) = (0, 0);
    for part in parts {
        bytes += part.bytes();
        depth = part.depth().max(depth);
    }
    if bytes > FLAG_BYTES_MAX {
        let rule = format!("a definition has at most {FLAG_BYTES_MAX} bytes in flagd's language");
        let fix = "shorten its lists, or the definitions of its segments and prerequisites";
        return Some(Violation::new(field, format!("{bytes} bytes"), rule, fix));
    }
    if depth > DEPTH_MAX {
        let rule = format!(
            "a definition nests at most {DEPTH_MAX} deep in flagd's language, with segments and prerequisites in place"
        );
        let fix = "shorten the chain of segments or prerequisites";
        return Some(Violation::new(field, format!("{depth} deep"), rule, fix));
    }
    None
}

/// That a chain of names never ends.
pub(super) fn leads_back(field: &str, name: &str) -> Violation {
    Violation::new(
        field,
        name,
        "names do not lead back to where they started",
        "remove one of the names on this path",
    )
}
