//! A flag, compiled.

use crate::bucket::bucket;
use crate::predicate::Predicate;
use crate::prepared::PreparedContext;
use crate::vocabulary::{AttributeId, ConstantSet};
use serde_json::Value;
use std::sync::Arc;
use tidegate_model::flag::FlagStatus;
use tidegate_model::key::{FlagKey, RolloutId, VariationKey};
use tidegate_model::share::Share;

/// A flag, compiled. Everything it names is resolved: variations are shared, other flags and segments
/// are places in the snapshot.
#[derive(Debug)]
pub(crate) struct CompiledFlag {
    pub(crate) key: FlagKey,
    pub(crate) status: FlagStatus,
    pub(crate) off: Option<Arc<Variation>>,
    pub(crate) prerequisites: Box<[Prerequisite]>,
    pub(crate) individuals: Box<[Individual]>,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) fallback: Option<Serve>,
    pub(crate) unit: AttributeId,
    pub(crate) salt: Box<str>,
}

/// One of a flag's values.
#[derive(Debug)]
pub(crate) struct Variation {
    /// Its place in the flag, counted from 0; a flag has at most 256.
    pub(crate) place: u16,
    pub(crate) key: VariationKey,
    pub(crate) value: Value,
    /// The value as JSON text.
    pub(crate) json: Box<str>,
}

/// Another flag that must serve one of certain variations first.
#[derive(Debug)]
pub(crate) struct Prerequisite {
    /// The other flag's place in the snapshot.
    pub(crate) flag: u32,
    /// The other flag's place among the flags that are prerequisites.
    pub(crate) memo: u32,
    /// Places of the variations that will do.
    pub(crate) accepted: Box<[u16]>,
}

/// Units that get a variation whatever the rules say.
#[derive(Debug)]
pub(crate) struct Individual {
    pub(crate) units: ConstantSet,
    pub(crate) variation: Arc<Variation>,
}

/// Contexts that get something else than the fallback.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: Box<str>,
    pub(crate) when: Predicate,
    pub(crate) serve: Serve,
}

/// The running rollout in front of the fallback.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub(crate) id: RolloutId,
    pub(crate) share: Share,
    pub(crate) serve: Serve,
}

/// One variation, or several by bucket.
#[derive(Debug)]
pub(crate) enum Serve {
    One(Arc<Variation>),
    /// Each variation with the end of its buckets, ascending; the last ends at [`Share::TOTAL`].
    Split(Box<[(u32, Arc<Variation>)]>),
}

impl Serve {
    /// What the weights lead to: a weight of 100 % is no split, and needs no unit.
    pub(crate) fn of_weights(parts: impl IntoIterator<Item = (Share, Arc<Variation>)>) -> Option<Self> {
        let mut end = 0_u32;
        let split: Box<[_]> = parts
            .into_iter()
            .filter(|(weight, _)| *weight != Share::ZERO)
            .map(|(weight, variation)| {
                end = end.saturating_add(weight.parts());
                (end, variation)
            })
            .collect();
        match &*split {
            [] => None,
            [(_, only)] => Some(Self::One(Arc::clone(only))),
            _ => Some(Self::Split(split)),
        }
    }

    /// Whether it takes a bucket to decide.
    pub(crate) fn is_split(&self) -> bool {
        matches!(self, Self::Split(_))
    }

    /// The variation for a bucket that is only computed when it is needed.
    pub(crate) fn variation(&self, bucket: impl FnOnce() -> Option<u32>) -> Option<&Variation> {
        match self {
            Self::One(variation) => Some(variation),
            Self::Split(parts) => {
                let bucket = bucket()?;
                let part = parts.iter().find(|(end, _)| bucket < *end);
                part.map(|(_, variation)| &**variation)
            }
        }
    }
}

impl CompiledFlag {
    /// The bucket of the context's unit in this flag; `None` when it has no unit.
    pub(crate) fn bucket(&self, context: &PreparedContext) -> Option<u32> {
        context.unit(self.unit).map(|unit| bucket(&self.salt, unit))
    }

    /// Whether everybody gets the fallback.
    pub(crate) fn is_untargeted(&self) -> bool {
        self.prerequisites.is_empty()
            && self.individuals.is_empty()
            && self.rules.is_empty()
            && self.rollout.is_none()
    }
}
