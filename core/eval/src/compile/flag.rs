//! Compiling flags.

use super::{Compiler, unknown};
use crate::bucket::Salt;
use crate::flag::{Cold, CompiledFlag, Individual, Prerequisite, Rollout, Rule, Serve, Variation};
use crate::timing::Timing;
use crate::vocabulary::AttributeId;
use std::collections::BTreeMap;
use tidegate_model::condition;
use tidegate_model::flag::{self, Flag, FlagDefinition, WeightedVariation};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, VariationKey};
use tidegate_model::share::Share;
use tidegate_model::snapshot::{RolloutSplit, SnapshotFlag};

/// The places of one flag's variations, and what is wrong with it.
pub(super) struct Names {
    places: BTreeMap<VariationKey, u16>,
    pub(super) wrong: Vec<Violation>,
}

impl Compiler<'_> {
    /// Compiles a flag.
    pub(super) fn flag(&mut self, source: &SnapshotFlag) -> CompiledFlag {
        let flag = &source.flag;
        let definition = flag.definition();
        let mut names = Names::of(definition);
        let prerequisites = self.prerequisites(flag, &mut names.wrong);
        let individuals = self.individuals(definition, &mut names);
        let rules = self.rules(definition, &mut names);
        let experiment = flag
            .running_experiment()
            .and_then(|one| self.experiment(one, &mut names));
        let split = source.rollout.as_ref();
        let rollout = split.and_then(|split| names.rollout(split, split.share));
        let waves = split
            .map(|split| self.waves(split, &mut names))
            .unwrap_or_default();
        let fallback = flag.fallback().and_then(|serve| names.serve("fallback", serve));
        let off = definition
            .off
            .as_ref()
            .and_then(|key| names.variation("off", key));
        let unit = match &definition.unit {
            Some(attribute) => self.vocabulary.add_attribute(attribute),
            None => AttributeId::TARGETING_KEY,
        };
        self.found_in(names.wrong, || format!("flags.{}", flag.key()));
        let rule_names = definition.rules.iter().map(|rule| rule.name.as_str().into());
        let rollout_name = source.rollout.as_ref().map(|split| Rollout {
            id: split.rollout.clone(),
            share: split.share,
            waves: split.waves.as_slice().into(),
        });
        let mut compiled = CompiledFlag {
            fixed: None,
            status: definition.status,
            variations: definition.variations.iter().map(variation).collect(),
            rules,
            experiment,
            rollout,
            waves,
            fallback,
            individuals,
            prerequisites,
            off,
            unit,
            salt: Salt::new(flag.salt(), self.bucketing),
            cold: Box::new(Cold {
                key: flag.key().as_str().into(),
                version: self.version,
                rule_names: rule_names.collect(),
                rollout: rollout_name,
                timing: Timing::NEVER,
            }),
        };
        compiled.fixed = compiled.find_fixed();
        compiled
    }

    /// Buckets are the same in a wave as outside, so the widest wave that holds is all that counts.
    fn waves(&mut self, split: &RolloutSplit, names: &mut Names) -> Box<[Rule]> {
        let mut compiled = Vec::new();
        for (i, wave) in split.waves.iter().enumerate() {
            let mut wrong = Vec::new();
            let when = self.predicate(&condition::Predicate::Segment(wave.segment.clone()), &mut wrong);
            let placed = wrong.into_iter();
            names
                .wrong
                .extend(placed.map(|one| one.inside(&format!("rollout.waves[{i}]"))));
            if let Some(serve) = names.rollout(split, wave.share) {
                compiled.push(Rule { when, serve });
            }
        }
        compiled.into()
    }

    fn prerequisites(&mut self, flag: &Flag, wrong: &mut Vec<Violation>) -> Box<[Prerequisite]> {
        let mut compiled = Vec::new();
        for (i, prerequisite) in flag.definition().prerequisites.iter().enumerate() {
            let path = format!("prerequisites[{i}]");
            let place = self.flag_places.get(&prerequisite.flag).copied();
            let other = place.and_then(|place| self.flags.get(place as usize).copied());
            let (Some(place), Some(other)) = (place, other) else {
                let known = self.flag_places.keys().map(FlagKey::as_str);
                let name = prerequisite.flag.as_str();
                wrong.push(unknown(&format!("{path}.flag"), name, "flag", known));
                continue;
            };
            let variations = &other.definition().variations;
            let mut accepted = Vec::new();
            for key in &prerequisite.variations {
                match (0..).zip(variations).find(|(_, variation)| &variation.key == key) {
                    Some((place, _)) => accepted.push(place),
                    None => {
                        let known = variations.iter().map(|variation| variation.key.as_str());
                        let path = format!("{path}.variations");
                        wrong.push(unknown(&path, key.as_str(), "variation of that flag", known));
                    }
                }
            }
            let next = u32::try_from(self.prerequisites.len()).unwrap_or(u32::MAX);
            compiled.push(Prerequisite {
                flag: place,
                memo: *self.prerequisites.entry(place).or_insert(next),
                accepted: accepted.into(),
                key: prerequisite.flag.clone(),
            });
        }
        compiled.into()
    }

    fn individuals(&mut self, definition: &FlagDefinition, names: &mut Names) -> Box<[Individual]> {
        let individuals = definition.individuals.iter().enumerate();
        individuals
            .filter_map(|(i, individual)| {
                let variation =
                    names.variation(&format!("individuals[{i}].variation"), &individual.variation)?;
                Some(Individual {
                    units: self.units(&individual.units),
                    variation,
                })
            })
            .collect()
    }

    fn rules(&mut self, definition: &FlagDefinition, names: &mut Names) -> Box<[Rule]> {
        let mut compiled = Vec::new();
        for (i, rule) in definition.rules.iter().enumerate() {
            let mut wrong = Vec::new();
            let when = self.predicate(&rule.when, &mut wrong);
            let placed = wrong
                .into_iter()
                .map(|one| one.inside(&format!("rules[{i}].when")));
            names.wrong.extend(placed);
            if let Some(serve) = names.serve(&format!("rules[{i}].serve"), &rule.serve) {
                compiled.push(Rule { when, serve });
            }
        }
        compiled.into()
    }
}

fn variation(variation: &flag::Variation) -> Variation {
    Variation {
        value: variation.value.clone(),
        key: variation.key.clone(),
        json: variation.value.to_string().into(),
    }
}

impl Names {
    fn of(definition: &FlagDefinition) -> Self {
        let keys = definition
            .variations
            .iter()
            .map(|variation| variation.key.clone());
        Self {
            places: keys.zip(0..).collect(),
            wrong: Vec::new(),
        }
    }

    /// The variations in the order of their places.
    pub(super) fn in_order(&self) -> Vec<&VariationKey> {
        let mut placed: Vec<_> = self.places.iter().collect();
        placed.sort_by_key(|(_, place)| **place);
        placed.into_iter().map(|(key, _)| key).collect()
    }

    fn variation(&mut self, field: &str, key: &VariationKey) -> Option<u16> {
        let place = self.places.get(key).copied();
        if place.is_none() {
            let known = self.places.keys().map(VariationKey::as_str);
            self.wrong
                .push(unknown(field, key.as_str(), "variation of the flag", known));
        }
        place
    }

    fn serve(&mut self, field: &str, serve: &flag::Serve) -> Option<Serve> {
        match serve {
            flag::Serve::Variation(key) => self.variation(field, key).map(Serve::One),
            flag::Serve::Split(parts) => self.split(field, parts),
        }
    }

    pub(super) fn split(&mut self, field: &str, parts: &[WeightedVariation]) -> Option<Serve> {
        let parts: Vec<(Share, u16)> = parts
            .iter()
            .filter_map(|part| Some((part.weight, self.variation(field, &part.variation)?)))
            .collect();
        Serve::of_weights(parts)
    }

    fn rollout(&mut self, split: &RolloutSplit, share: Share) -> Option<Serve> {
        let candidate = self.variation("rollout.candidate", &split.candidate);
        let safe = self.variation("rollout.safe", &split.safe);
        let rest = Share::of_parts(Share::TOTAL - share.parts()).ok()?;
        Serve::of_weights([(share, candidate?), (rest, safe?)])
    }
}
