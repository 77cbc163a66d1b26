//! What changed from one snapshot to the next, so that not every node has to load everything anew.
//!
//! Flags and segments are carried as the very text that they are in the target, never read and
//! written again: a delta that fits gives the target's content byte for byte, and its digest proves it.

use super::{Digest, Snapshot, SnapshotHeader, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Most steps that a [`Chain`] remembers.
const STEPS_MAX: usize = 256;

/// Most text that a [`Chain`] remembers, in bytes.
const CHAIN_BYTES_MAX: usize = 8 << 20;

/// The way from one snapshot to a later one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delta {
    /// Where it leads. The signature is the target's own.
    pub header: SnapshotHeader,
    /// The version that it starts from.
    pub base: Version,
    /// The digest of the content that it starts from.
    pub base_digest: Digest,
    /// How the target hashes units; `None` when its content does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucketing: Option<Box<RawValue>>,
    /// Flags with their rollouts, each as in the target.
    pub flags: Changes,
    /// Segments, each as in the target.
    pub segments: Changes,
    /// Staged edits of segments, each as in the target.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub staged: Changes,
    /// The drill of the target, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Box<RawValue>>,
}

/// What changed among flags, segments, or staged edits of segments.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Changes {
    /// New ones and changed ones, sorted by key.
    pub changed: Vec<Box<RawValue>>,
    /// The keys of those that are gone, sorted.
    pub removed: Vec<String>,
}

/// Why a delta does not lead anywhere from here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaRefusal {
    /// It cannot be read, or what it is applied to cannot.
    #[error("the delta cannot be read: {0}")]
    Unreadable(String),
    /// It starts from something else.
    #[error("the delta starts from {expected}, what is held is {held}")]
    OtherBase {
        /// What it starts from.
        expected: Version,
        /// What is held.
        held: Version,
    },
    /// It does not lead where it says.
    #[error("the delta leads to content of digest {found}, its header says {stated}")]
    Differs {
        /// The digest of what came out.
        found: Digest,
        /// The digest that was to come out.
        stated: Digest,
    },
}

impl DeltaRefusal {
    /// The cause, as the label of a metric.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "delta_unreadable",
            Self::OtherBase { .. } => "delta_other_base",
            Self::Differs { .. } => "delta_differs",
        }
    }
}

/// The members of a snapshot's content, in their order, each as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts<'a> {
    #[serde(borrow)]
    environment: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    bucketing: Option<&'a RawValue>,
    #[serde(borrow)]
    flags: Vec<&'a RawValue>,
    #[serde(borrow)]
    segments: Vec<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    staged: Vec<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    drill: Option<&'a RawValue>,
}

/// What names a segment, a flag (which stands beside its rollout), or a staged edit (whose definition has the segment's
/// key).
#[derive(Deserialize)]
struct Keyed {
    key: Option<String>,
    flag: Option<Named>,
    definition: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    key: String,
}

type ByKey<'a> = BTreeMap<String, &'a RawValue>;

fn texts(snapshot: &Snapshot) -> Result<Texts<'_>, DeltaRefusal> {
    serde_json::from_str(snapshot.content.get()).map_err(unreadable)
}

fn by_key<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Result<ByKey<'a>, DeltaRefusal> {
    let keyed = |item: &'a RawValue| {
        let keyed: Keyed = serde_json::from_str(item.get()).map_err(unreadable)?;
        let inside = keyed.flag.or(keyed.definition).map(|named| named.key);
        let key = keyed.key.or(inside);
        let key = key.ok_or_else(|| DeltaRefusal::Unreadable("an item has no key".to_owned()))?;
        Ok((key, item))
    };
    items.into_iter().map(keyed).collect()
}

fn unreadable(error: serde_json::Error) -> DeltaRefusal {
    DeltaRefusal::Unreadable(error.to_string())
}

impl Changes {
    fn between(base: &ByKey<'_>, target: &ByKey<'_>) -> Self {
        let same =
            |key: &String, item: &RawValue| base.get(key).is_some_and(|before| before.get() == item.get());
        let changed = target.iter().filter(|(key, item)| !same(key, item));
        let removed = base.keys().filter(|key| !target.contains_key(*key));
        Self {
            changed: changed.map(|(_, item)| (*item).to_owned()).collect(),
            removed: removed.cloned().collect(),
        }
    }

    /// These changes, and then those.
    fn then(&self, next: &Self) -> Result<Self, DeltaRefusal> {
        let mut changed = by_key(self.changed.iter().map(|item| &**item))?;
        for key in &next.removed {
            changed.remove(key);
        }
        let after = by_key(next.changed.iter().map(|item| &**item))?;
        let mut removed: Vec<String> = self.removed.iter().chain(&next.removed).cloned().collect();
        removed.retain(|key| !after.contains_key(key) && !changed.contains_key(key));
        removed.sort();
        removed.dedup();
        changed.extend(after);
        Ok(Self {
            changed: changed.into_values().map(ToOwned::to_owned).collect(),
            removed,
        })
    }

    fn apply<'a>(&'a self, items: Vec<&'a RawValue>) -> Result<Vec<&'a RawValue>, DeltaRefusal> {
        let mut items = by_key(items)?;
        for key in &self.removed {
            items.remove(key);
        }
        items.extend(by_key(self.changed.iter().map(|item| &**item))?);
        Ok(items.into_values().collect())
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }

    fn bytes(&self) -> usize {
        let changed: usize = self.changed.iter().map(|item| item.get().len()).sum();
        let removed: usize = self.removed.iter().map(String::len).sum();
        changed + removed
    }
}

impl Delta {
    /// The way from `base` to `target`.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn between(base: &Snapshot, target: &Snapshot) -> Result<Self, DeltaRefusal> {
        let (from, to) = (texts(base)?, texts(target)?);
        Ok(Self {
            header: target.header.clone(),
            base: base.header.version,
            base_digest: base.header.digest.clone(),
            bucketing: to.bucketing.map(ToOwned::to_owned),
            flags: Changes::between(&by_key(from.flags)?, &by_key(to.flags)?),
            segments: Changes::between(&by_key(from.segments)?, &by_key(to.segments)?),
            staged: Changes::between(&by_key(from.staged)?, &by_key(to.staged)?),
            drill: to.drill.map(ToOwned::to_owned),
        })
    }

    /// The target, if what is held is the base and the way leads where the header says. Nothing is
    /// changed in place: what is held stays as it is.
    ///
    /// # Errors
    /// Why this delta is of no use here; the whole snapshot has to be loaded then.
    pub fn apply(&self, held: &Snapshot) -> Result<Snapshot, DeltaRefusal> {
        if held.header.digest != self.base_digest {
            return Err(DeltaRefusal::OtherBase {
                expected: self.base,
                held: held.header.version,
            });
        }
        let held = texts(held)?;
        let target = Texts {
            environment: held.environment,
            bucketing: self.bucketing.as_deref(),
            flags: self.flags.apply(held.flags)?,
            segments: self.segments.apply(held.segments)?,
            staged: self.staged.apply(held.staged)?,
            drill: self.drill.as_deref(),
        };
        let content = serde_json::value::to_raw_value(&target).map_err(unreadable)?;
        let found = Digest::of(content.get().as_bytes());
        if found != self.header.digest {
            return Err(DeltaRefusal::Differs {
                found,
                stated: self.header.digest.clone(),
            });
        }
        Ok(Snapshot {
            header: self.header.clone(),
            content,
        })
    }

    fn then(&self, next: &Self) -> Result<Self, DeltaRefusal> {
        Ok(Self {
            header: next.header.clone(),
            base: self.base,
            base_digest: self.base_digest.clone(),
            bucketing: next.bucketing.clone(),
            flags: self.flags.then(&next.flags)?,
            segments: self.segments.then(&next.segments)?,
            staged: self.staged.then(&next.staged)?,
            drill: next.drill.clone(),
        })
    }

    fn bytes(&self) -> usize {
        self.flags.bytes() + self.segments.bytes() + self.staged.bytes()
    }
}

/// The last steps of an environment's history: from which older snapshots the newest can be reached.
/// Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    steps: VecDeque<Arc<Delta>>,
    bytes: usize,
}

impl Chain {
    /// The same history with one more step. A step that does not begin where the last one ended
    /// begins a new history.
    #[must_use]
    pub fn and(&self, step: Delta) -> Self {
        let follows = |last: &Arc<Delta>| last.header.digest == step.base_digest;
        let mut longer = if self.steps.back().is_some_and(follows) {
            self.clone()
        } else {
            Self::default()
        };
        longer.bytes += step.bytes();
        longer.steps.push_back(Arc::new(step));
        while longer.steps.len() > STEPS_MAX || longer.bytes > CHAIN_BYTES_MAX {
            let Some(oldest) = longer.steps.pop_front() else {
                break;
            };
            longer.bytes -= oldest.bytes();
        }
        longer
    }

    /// The way from this version to the newest, if it is remembered.
    pub fn since(&self, version: Version) -> Option<Delta> {
        let start = self.steps.iter().position(|step| step.base == version)?;
        let mut steps = self.steps.iter().skip(start);
        let first = Delta::clone(steps.next()?);
        steps.try_fold(first, |way, step| way.then(step)).ok()
    }
}
