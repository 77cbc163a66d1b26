//! A snapshot compiled for evaluation.

use crate::compile;
use crate::evaluation::Evaluation;
use crate::flag::CompiledFlag;
use crate::names::Names;
use crate::prepared::{MemoCounts, PreparedContext};
use crate::segment::Segment;
use crate::vocabulary::{AttributeId, Table, Vocabulary};
use tidegate_model::flag::FlagStatus;
use tidegate_model::invalid::Invalid;
use tidegate_model::key::SegmentKey;
use tidegate_model::snapshot::{SnapshotContent, Version};
use tidegate_model::units::Lists;

/// A snapshot compiled for evaluation. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct CompiledSnapshot {
    pub(crate) version: Version,
    pub(crate) vocabulary: Vocabulary,
    /// Sorted by key.
    pub(crate) flags: Box<[CompiledFlag]>,
    /// Stands for every flag that does not exist.
    pub(crate) nothing: CompiledFlag,
    /// Places in `flags`.
    pub(crate) places: Names,
    pub(crate) segments: Box<[Segment]>,
    /// Places in `segments`.
    pub(crate) segment_places: Table<SegmentKey, u32>,
    pub(crate) memos: MemoCounts,
    /// The attributes that flags deal by, each once, the targeting key first.
    pub(crate) units: Box<[AttributeId]>,
}

impl CompiledSnapshot {
    /// Compiles a snapshot whose segments have no imported lists.
    ///
    /// # Errors
    /// What a node could choke on, with the flag or segment named.
    pub fn compile(content: &SnapshotContent, version: Version) -> Result<Self, Invalid> {
        Self::compile_with(content, version, &Lists::new())
    }

    /// Compiles a snapshot with the lists of units that its segments name
    /// ([`SnapshotContent::lists`]). Lists are shared, not copied.
    ///
    /// # Errors
    /// What a node could choke on, with the flag or segment named; a list that is not at hand too.
    pub fn compile_with(content: &SnapshotContent, version: Version, lists: &Lists) -> Result<Self, Invalid> {
        compile::compile(content, version, lists)
    }

    /// Where in the history it stands.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The flags' keys, sorted. Archived flags are left out.
    pub fn flag_keys(&self) -> impl Iterator<Item = &str> {
        self.shown().map(|flag| &*flag.cold.key)
    }

    /// The answer for one flag. Cannot fail, takes no lock, allocates nothing.
    #[inline]
    pub fn evaluate<'a>(&'a self, flag: &str, context: &PreparedContext<'_>) -> Evaluation<'a> {
        self.answer(self.flag(flag), context)
    }

    /// The answers for some flags, in the order in which they are named.
    pub fn evaluate_many<'a, K: AsRef<str>>(
        &'a self,
        flags: impl IntoIterator<Item = K>,
        context: &PreparedContext<'_>,
    ) -> impl Iterator<Item = Evaluation<'a>> {
        flags
            .into_iter()
            .map(|flag| self.evaluate(flag.as_ref(), context))
    }

    /// The answers for all flags, sorted by their keys. Archived flags are left out.
    pub fn evaluate_all<'a>(&'a self, context: &PreparedContext<'_>) -> impl Iterator<Item = Evaluation<'a>> {
        self.shown().map(|flag| self.answer(flag, context))
    }

    /// The answers for one flag and many contexts, in their order.
    pub fn evaluate_batch<'a, 'p, 'c: 'p>(
        &'a self,
        flag: &str,
        contexts: impl IntoIterator<Item = &'p PreparedContext<'c>>,
    ) -> impl Iterator<Item = Evaluation<'a>> {
        let flag = self.flag(flag);
        contexts
            .into_iter()
            .map(move |context| self.answer(flag, context))
    }

    /// The flag of this name, archived ones too.
    #[inline]
    pub(crate) fn find(&self, key: &str) -> Option<&CompiledFlag> {
        self.flags.get(self.places.get(key)? as usize)
    }

    /// The flag of this name, or what stands for no flag.
    #[inline]
    fn flag(&self, key: &str) -> &CompiledFlag {
        self.find(key).unwrap_or(&self.nothing)
    }

    #[inline]
    fn answer<'a>(&'a self, flag: &'a CompiledFlag, context: &PreparedContext<'_>) -> Evaluation<'a> {
        Evaluation {
            flag,
            outcome: self.decide(flag, context),
        }
    }

    fn shown(&self) -> impl Iterator<Item = &CompiledFlag> {
        let flags = self.flags.iter();
        flags.filter(|flag| flag.status != FlagStatus::Archived)
    }
}
