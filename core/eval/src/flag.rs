//! A flag, compiled.

use crate::bucket::Salt;
use crate::constant_set::ConstantSet;
use crate::experiment::Experiment;
use crate::outcome::{Cause, Outcome};
use crate::predicate::Predicate;
use crate::timing::Timing;
use crate::vocabulary::AttributeId;
use serde_json::Value;
use tidegate_model::environment::Bucketing;
use tidegate_model::flag::FlagStatus;
use tidegate_model::key::{FlagKey, RolloutId, VariationKey};
use tidegate_model::policy::Wave;
use tidegate_model::share::Share;
use tidegate_model::snapshot::Version;

/// A flag, compiled. Everything it names is resolved: variations are places in the flag, other flags
/// and segments are places in the snapshot.
///
/// What deciding needs lies in front, what only names the decision is apart in [`Cold`].
#[derive(Debug)]
pub(crate) struct CompiledFlag {
    /// What everybody gets, if everybody gets the same.
    pub(crate) fixed: Option<Outcome>,
    pub(crate) status: FlagStatus,
    /// In the order of the definition.
    pub(crate) variations: Box<[Variation]>,
    pub(crate) rules: Box<[Rule]>,
    /// The running experiment, which stands in front of the rollout.
    pub(crate) experiment: Option<Box<Experiment>>,
    /// The running rollout's split, which stands in front of the fallback.
    pub(crate) rollout: Option<Serve>,
    /// Segments to which the rollout is open further; the first that holds decides.
    pub(crate) waves: Box<[Rule]>,
    pub(crate) fallback: Option<Serve>,
    pub(crate) individuals: Box<[Individual]>,
    pub(crate) prerequisites: Box<[Prerequisite]>,
    /// The variation served while inactive and when a prerequisite fails.
    pub(crate) off: Option<u16>,
    pub(crate) unit: AttributeId,
    pub(crate) salt: Salt,
    pub(crate) cold: Box<Cold>,
}

/// What a flag's decisions are called.
#[derive(Debug)]
pub(crate) struct Cold {
    /// Empty where there is no flag.
    pub(crate) key: Box<str>,
    /// The snapshot's.
    pub(crate) version: Version,
    pub(crate) rule_names: Box<[Box<str>]>,
    pub(crate) rollout: Option<Rollout>,
    /// When its answers may change.
    pub(crate) timing: Timing,
}

/// One of a flag's values.
#[derive(Debug)]
pub(crate) struct Variation {
    pub(crate) value: Value,
    pub(crate) key: VariationKey,
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
    /// The other flag's name.
    pub(crate) key: FlagKey,
}

/// Units that get a variation whatever the rules say.
#[derive(Debug)]
pub(crate) struct Individual {
    pub(crate) units: ConstantSet,
    pub(crate) variation: u16,
}

/// Contexts that get something else than the fallback.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) when: Predicate,
    pub(crate) serve: Serve,
}

/// The name of the running rollout, and how far it is open.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub(crate) id: RolloutId,
    pub(crate) share: Share,
    pub(crate) waves: Box<[Wave]>,
}

/// One variation, or several by bucket. Variations are places in the flag.
#[derive(Debug)]
pub(crate) enum Serve {
    One(u16),
    /// Up to four, in place.
    Few(Few),
    Many(Box<[Part]>),
}

/// Two to four variations, each with consecutive buckets.
#[derive(Debug)]
pub(crate) struct Few {
    /// Where each one's buckets end and the next one's begin; past the last one, where nobody is.
    ends: [u32; 3],
    variations: [u16; 4],
}

/// A variation's part of the buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Where its buckets end; they begin where the part before ends. The last ends at [`Share::TOTAL`].
    end: u32,
    variation: u16,
}

impl Serve {
    /// What the weights lead to: a weight of 100 % is no split, and needs no unit.
    pub(crate) fn of_weights(parts: impl IntoIterator<Item = (Share, u16)>) -> Option<Self> {
        let mut end = 0_u32;
        let split: Box<[Part]> = parts
            .into_iter()
            .filter(|(weight, _)| *weight != Share::ZERO)
            .map(|(weight, variation)| {
                end = end.saturating_add(weight.parts());
                Part { end, variation }
            })
            .collect();
        match &*split {
            [] => None,
            [only] => Some(Self::One(only.variation)),
            [first, rest @ ..] if rest.len() <= 3 => {
                let part = |place: usize| split.get(place).copied();
                let end = |place| part(place).map_or(Share::TOTAL, |part| part.end);
                let variation = |place| part(place).map_or(first.variation, |part| part.variation);
                Some(Self::Few(Few {
                    ends: [end(0), end(1), end(2)],
                    variations: [variation(0), variation(1), variation(2), variation(3)],
                }))
            }
            _ => Some(Self::Many(split)),
        }
    }

    /// Whether it takes a bucket to decide.
    #[inline]
    pub(crate) fn is_split(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    /// The variation for a bucket that is only computed when it is needed.
    #[inline]
    pub(crate) fn variation(&self, bucket: impl FnOnce() -> Option<u32>) -> Option<u16> {
        // Counted, not searched: no processor can guess where a bucket falls.
        match self {
            Self::One(variation) => Some(*variation),
            Self::Few(few) => {
                let bucket = bucket()?;
                let place: usize = few.ends.iter().map(|end| usize::from(bucket >= *end)).sum();
                few.variations.get(place).copied()
            }
            Self::Many(parts) => {
                let bucket = bucket()?;
                let place: usize = parts.iter().map(|part| usize::from(bucket >= part.end)).sum();
                parts.get(place).map(|part| part.variation)
            }
        }
    }
}

impl CompiledFlag {
    /// What stands for every flag that does not exist.
    pub(crate) fn nothing(version: Version) -> Self {
        Self {
            fixed: Some(Outcome::new(None, Cause::FlagNotFound)),
            status: FlagStatus::Archived,
            variations: Box::default(),
            rules: Box::default(),
            experiment: None,
            rollout: None,
            waves: Box::default(),
            fallback: None,
            individuals: Box::default(),
            prerequisites: Box::default(),
            off: None,
            unit: AttributeId::TARGETING_KEY,
            salt: Salt::new("", Bucketing::default()),
            cold: Box::new(Cold {
                key: Box::default(),
                version,
                rule_names: Box::default(),
                rollout: None,
                timing: Timing::NEVER,
            }),
        }
    }

    /// Whether something stands in front of the rules.
    #[inline]
    pub(crate) fn has_exceptions(&self) -> bool {
        !self.prerequisites.is_empty() || !self.individuals.is_empty()
    }

    /// Everything it asks of a context.
    pub(crate) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        let audience = self.experiment.iter().filter_map(|one| one.audience.as_ref());
        let rules = self.rules.iter().chain(&self.waves);
        rules.map(|rule| &rule.when).chain(audience)
    }

    /// Whether everybody gets the fallback.
    pub(crate) fn is_untargeted(&self) -> bool {
        !self.has_exceptions() && self.rules.is_empty() && self.experiment.is_none() && self.rollout.is_none()
    }

    /// The name of a variation.
    pub(crate) fn variation_key(&self, place: u16) -> Option<&str> {
        let variation = self.variations.get(place as usize);
        variation.map(|variation| variation.key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However many variations there are, each gets the buckets that its weight says, in order.
        #[test]
        fn every_bucket_has_its_variation(cuts in prop::collection::btree_set(0..=Share::TOTAL, 0..9)) {
            let mut starts: Vec<u32> = cuts.into_iter().collect();
            starts.insert(0, 0);
            let ends = starts.iter().skip(1).copied().chain([Share::TOTAL]);
            let weights: Vec<(Share, u16)> = starts
                .iter()
                .zip(ends)
                .zip(0..)
                .map(|((start, end), place)| (Share::of_parts(end - start).unwrap(), place))
                .collect();
            let serve = Serve::of_weights(weights.iter().copied()).unwrap();
            let near = starts.iter().flat_map(|start| [start.saturating_sub(1), *start, start + 1]);
            for bucket in near.filter(|bucket| *bucket < Share::TOTAL) {
                let expected = starts.iter().rposition(|start| *start <= bucket).unwrap();
                let found = serve.variation(|| Some(bucket));
                prop_assert_eq!(found, u16::try_from(expected).ok(), "{}", bucket);
            }
            let used = weights.iter().filter(|(weight, _)| *weight != Share::ZERO).count();
            prop_assert_eq!(serve.is_split(), used > 1);
        }
    }
}
