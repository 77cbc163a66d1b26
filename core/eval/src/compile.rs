//! From a snapshot's definitions to what is evaluated, with everything that is wrong at once.

mod chain;
mod experiment;
mod flag;
mod predicate;
mod segment;
mod timing;

use crate::flag::CompiledFlag;
use crate::names::Names;
use crate::prepared::MemoCounts;
use crate::segment::Segment;
use crate::snapshot::CompiledSnapshot;
use crate::vocabulary::{AttributeId, Table, Vocabulary};
use std::collections::BTreeMap;
use tidegate_model::catalog::CHAIN_MAX;
use tidegate_model::environment::Bucketing;
use tidegate_model::flag::Flag;
use tidegate_model::invalid::{Invalid, Violation, nearest};
use tidegate_model::key::{FlagKey, SegmentKey};
use tidegate_model::segment::{Segment as SegmentDefinition, StagedSegment};
use tidegate_model::snapshot::{SnapshotContent, SnapshotFlag, Version};
use tidegate_model::units::Lists;

/// How far prerequisites may lead from flag to flag. Evaluation follows them on the stack.
pub const PREREQUISITE_DEPTH_MAX: usize = CHAIN_MAX;
/// How far segments may lead from segment to segment. Evaluation follows them on the stack.
pub const SEGMENT_DEPTH_MAX: usize = CHAIN_MAX;

/// What has been resolved so far, and what is wrong.
struct Compiler<'a> {
    version: Version,
    lists: &'a Lists,
    vocabulary: Vocabulary,
    /// Sorted by key, as in the compiled snapshot.
    bucketing: Bucketing,
    flags: Vec<&'a Flag>,
    /// Edits of segments that are being opened, each with its guard.
    staged: BTreeMap<&'a SegmentKey, (&'a StagedSegment, &'a SnapshotFlag)>,
    flag_places: Table<FlagKey, u32>,
    segment_places: Table<SegmentKey, u32>,
    /// Flags that are prerequisites: each one's place among the flags, and among themselves.
    prerequisites: BTreeMap<u32, u32>,
    found: Vec<Violation>,
}

/// Compiles a snapshot.
pub(crate) fn compile(
    content: &SnapshotContent,
    version: Version,
    lists: &Lists,
) -> Result<CompiledSnapshot, Invalid> {
    let mut sources: Vec<&SnapshotFlag> = content.flags.iter().collect();
    sources.sort_by_key(|source| source.flag.key());
    let mut compiler = Compiler {
        version,
        lists,
        vocabulary: Vocabulary::new(),
        bucketing: content.bucketing,
        flags: sources.iter().map(|source| &source.flag).collect(),
        staged: BTreeMap::new(),
        flag_places: Table::default(),
        segment_places: Table::default(),
        prerequisites: BTreeMap::new(),
        found: Vec::new(),
    };
    compiler.place_names(&content.segments);
    compiler.place_staged(&content.staged, &sources);
    compiler.check_chains(&content.segments);
    let segments: Box<[Segment]> = content
        .segments
        .iter()
        .map(|segment| compiler.segment(segment))
        .collect();
    let mut flags: Box<[CompiledFlag]> = sources.iter().map(|source| compiler.flag(source)).collect();
    timing::tell(&segments, &mut flags);
    // A snapshot has at most 32 MiB, far fewer than 2^32 of either.
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let memos = MemoCounts {
        segments: count(segments.len()),
        prerequisites: count(compiler.prerequisites.len()),
    };
    let mut places = Names::default();
    for (place, flag) in (0..).zip(&flags) {
        places.get_or_insert(&flag.cold.key, || place);
    }
    compiler.vocabulary.close();
    let mut units = vec![AttributeId::TARGETING_KEY];
    for flag in &flags {
        if !units.contains(&flag.unit) {
            units.push(flag.unit);
        }
    }
    let snapshot = CompiledSnapshot {
        version,
        vocabulary: compiler.vocabulary,
        flags,
        nothing: CompiledFlag::nothing(version),
        places,
        segments,
        segment_places: compiler.segment_places,
        memos,
        units: units.into(),
    };
    Invalid::unless_empty(compiler.found, snapshot)
}

impl<'a> Compiler<'a> {
    /// Puts every staged edit beside its guard.
    fn place_staged(&mut self, staged: &'a [StagedSegment], flags: &[&'a SnapshotFlag]) {
        for one in staged {
            let key = one.definition.key();
            let field = format!("staged.{key}");
            let guard = flags.iter().find(|flag| *flag.flag.key() == one.guard);
            if !self.segment_places.contains_key(key) {
                let known = self.segment_places.keys().map(SegmentKey::as_str);
                self.found.push(unknown(&field, key.as_str(), "segment", known));
            }
            let Some(guard) = guard else {
                let known = self.flag_places.keys().map(FlagKey::as_str);
                let field = format!("{field}.guard");
                self.found
                    .push(unknown(&field, one.guard.as_str(), "flag", known));
                continue;
            };
            if self.staged.insert(key, (one, guard)).is_some() {
                self.found.push(twice("staged", key.as_str()));
            }
        }
    }
}

impl Compiler<'_> {
    fn place_names(&mut self, segments: &[SegmentDefinition]) {
        for (place, flag) in (0..).zip(&self.flags) {
            if self.flag_places.insert(flag.key().clone(), place).is_some() {
                self.found.push(twice("flags", flag.key().as_str()));
            }
        }
        for (place, segment) in (0..).zip(segments) {
            if self.segment_places.insert(segment.key().clone(), place).is_some() {
                self.found.push(twice("segments", segment.key().as_str()));
            }
        }
    }

    /// Refuses what evaluation could not follow to its end.
    fn check_chains(&mut self, segments: &[SegmentDefinition]) {
        let needs = |flag: &&Flag| {
            let named = flag.definition().prerequisites.iter();
            named
                .filter_map(|one| self.flag_places.get(&one.flag).copied())
                .collect()
        };
        let needed: Vec<Vec<u32>> = self.flags.iter().map(needs).collect();
        let flag_name = |place: u32| {
            self.flags
                .get(place as usize)
                .map_or("", |flag| flag.key().as_str())
        };
        let of_flags = chain::violations(&needed, PREREQUISITE_DEPTH_MAX, flag_name);

        let names = |segment: &SegmentDefinition| {
            let staged = self.staged.get(segment.key());
            let staged = staged.map(|(staged, _)| staged.definition.segments());
            let named = segment.segments().into_iter().chain(staged.into_iter().flatten());
            named
                .filter_map(|(_, key)| self.segment_places.get(key).copied())
                .collect()
        };
        let named: Vec<Vec<u32>> = segments.iter().map(names).collect();
        let segment_name = |place: u32| segments.get(place as usize).map_or("", |one| one.key().as_str());
        let of_segments = chain::violations(&named, SEGMENT_DEPTH_MAX, segment_name);

        let at = |noun: &'static str, field: &'static str| {
            move |(name, one): (&str, Violation)| one.inside(field).inside(&format!("{noun}.{name}"))
        };
        let of_flags: Vec<_> = of_flags.into_iter().map(at("flags", "prerequisites")).collect();
        let of_segments: Vec<_> = of_segments.into_iter().map(at("segments", "when")).collect();
        self.found.extend(of_flags);
        self.found.extend(of_segments);
    }
}

fn twice(noun: &str, key: &str) -> Violation {
    Violation::new(
        format!("{noun}.{key}"),
        key,
        "each key stands in a snapshot once",
        "remove one of the two",
    )
}

/// That a name leads nowhere, beside the nearest name that does not.
fn unknown<'a>(field: &str, name: &str, noun: &str, known: impl Iterator<Item = &'a str>) -> Violation {
    let fix = match nearest(name, known) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("create the {noun} first, or remove its name"),
    };
    Violation::new(field, name, format!("there is no such {noun}"), fix)
}
