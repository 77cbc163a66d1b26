//! A snapshot compiled for evaluation.

use crate::compile;
use crate::evaluation::{ErrorCode, Evaluation, Reason};
use crate::flag::{CompiledFlag, Variation};
use crate::predicate::Segment;
use crate::prepared::{MemoCounts, PreparedContext};
use crate::vocabulary::{Table, Vocabulary};
use tidegate_model::context::Context;
use tidegate_model::flag::FlagStatus;
use tidegate_model::invalid::Invalid;
use tidegate_model::key::FlagKey;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// A snapshot compiled for evaluation. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct CompiledSnapshot {
    pub(crate) version: Version,
    pub(crate) vocabulary: Vocabulary,
    /// Sorted by key.
    pub(crate) flags: Box<[CompiledFlag]>,
    /// Places in `flags`.
    pub(crate) places: Table<FlagKey, u32>,
    pub(crate) segments: Box<[Segment]>,
    pub(crate) memos: MemoCounts,
}

impl CompiledSnapshot {
    /// Compiles a snapshot.
    ///
    /// # Errors
    /// What a node could choke on, with the flag or segment named.
    pub fn compile(content: &SnapshotContent, version: Version) -> Result<Self, Invalid> {
        compile::compile(content, version)
    }

    /// Where in the history it stands.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The flags' keys, sorted. Archived flags are left out.
    pub fn flag_keys(&self) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(|flag| flag.status != FlagStatus::Archived)
            .map(|flag| flag.key.as_str())
    }

    /// Looks up the context's attributes once for any number of evaluations.
    pub fn prepare(&self, context: &Context) -> PreparedContext {
        PreparedContext::new(&self.vocabulary, context, self.memos)
    }

    /// The answer for one flag. Cannot fail, takes no lock, allocates nothing.
    pub fn evaluate<'a>(&'a self, flag: &str, context: &PreparedContext) -> Evaluation<'a> {
        let Some(flag) = self.flag(flag) else {
            return self.evaluation(None, Reason::Error(ErrorCode::FlagNotFound));
        };
        let decision = self.decide(flag, context);
        self.evaluation(decision.variation, decision.reason)
    }

    /// The answer that a decision stands for.
    pub(crate) fn evaluation<'a>(
        &self,
        variation: Option<&'a Variation>,
        reason: Reason<'a>,
    ) -> Evaluation<'a> {
        Evaluation {
            value: variation.map(|one| &one.value),
            json: variation.map(|one| &*one.json),
            variation: variation.map_or("", |one| one.key.as_str()),
            reason,
            version: self.version,
        }
    }

    /// The name of the flag at a place.
    pub(crate) fn flag_key(&self, place: u32) -> &str {
        self.flags
            .get(place as usize)
            .map_or("", |flag| flag.key.as_str())
    }

    /// The flag of this name, archived ones too.
    pub(crate) fn flag(&self, key: &str) -> Option<&CompiledFlag> {
        let place = self.places.get(key)?;
        self.flags.get(*place as usize)
    }
}
