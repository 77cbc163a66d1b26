//! Flags, lowered.

use super::buckets::Buckets;
use super::condition::check_length;
use super::experiment::arm_name;
use super::logic::Logic;
use super::segment::{Segments, listed};
use super::source::{Lowering, check_costs, leads_back};
use serde_json::{Map, Value, json};
use tidegate_model::condition::Predicate;
use tidegate_model::experiment::Experiment;
use tidegate_model::flag::{Flag, FlagDefinition, FlagStatus, Serve};
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, VariationKey};
use tidegate_model::share::Share;
use tidegate_model::snapshot::RolloutSplit;

/// A flag in flagd's language.
#[derive(Debug)]
pub(super) struct Definition {
    /// Whether flagd answers at all, or leaves callers with their default.
    enabled: bool,
    variants: Map<String, Value>,
    /// What is served where the targeting has no answer. Always there: a flag has at least one variation.
    default: Option<VariationKey>,
    pub(super) targeting: Option<Logic>,
    metadata: Map<String, Value>,
}

impl Definition {
    /// With the five fields that Python accepts, and no other.
    pub(super) fn into_json(self) -> Value {
        let mut fields = Map::from_iter([
            (
                "state".to_owned(),
                json!(if self.enabled { "ENABLED" } else { "DISABLED" }),
            ),
            ("variants".to_owned(), Value::Object(self.variants)),
            ("defaultVariant".to_owned(), json!(self.default)),
        ]);
        if let Some(targeting) = self.targeting {
            fields.insert("targeting".to_owned(), targeting.into_json());
        }
        if !self.metadata.is_empty() {
            fields.insert("metadata".to_owned(), Value::Object(self.metadata));
        }
        Value::Object(fields)
    }
}

/// Who gets what, in order. Results are names of variations; null where the unit is missing.
struct Targeting {
    arms: Vec<(Logic, Logic)>,
    /// What everybody else gets; `None` is the caller's default.
    otherwise: Option<Logic>,
}

impl Targeting {
    /// Without what never happens.
    fn simplified(self) -> Self {
        let mut arms = Vec::new();
        for (when, then) in self.arms {
            match when.constant().and_then(Value::as_bool) {
                Some(false) => {}
                Some(true) => {
                    return Self {
                        arms,
                        otherwise: Some(then),
                    };
                }
                None => arms.push((when, then)),
            }
        }
        Self { arms, ..self }
    }
}

impl Lowering<'_> {
    /// A flag that is not archived, in flagd's language.
    pub(super) fn definition(
        &mut self,
        flag: &Flag,
        rollout: Option<&RolloutSplit>,
    ) -> Result<Definition, Vec<Violation>> {
        let definition = flag.definition();
        let mut wrong = wrong_values(definition);
        let mut lowered = Definition {
            enabled: true,
            variants: variants(definition),
            default: last_resort(definition, rollout),
            targeting: None,
            metadata: Map::new(),
        };
        match definition.status {
            FlagStatus::Archived => return Ok(lowered),
            FlagStatus::Inactive => {
                lowered.enabled = definition.off.is_some();
                lowered.default = definition.off.clone().or(lowered.default);
            }
            FlagStatus::Active | FlagStatus::Experiment => {
                if let Some(split) = rollout {
                    lowered
                        .metadata
                        .insert("rollout".to_owned(), json!(split.rollout));
                }
                if let Some(experiment) = flag.running_experiment() {
                    lowered.name_arms(experiment);
                }
                match self.targeting(flag, rollout) {
                    Ok(targeting) => wrong.extend(lowered.take(targeting.simplified())),
                    Err(found) => wrong.extend(found),
                }
            }
        }
        if wrong.is_empty() { Ok(lowered) } else { Err(wrong) }
    }

    /// What a flag serves, as its dependants ask for it: the name of a variation, or null.
    pub(super) fn served(&mut self, key: &FlagKey) -> Result<Logic, Vec<Violation>> {
        match self.served.get(key) {
            Some(Some(known)) => return known.clone(),
            Some(None) => return Err(vec![leads_back("flag", key.as_str())]),
            None => {}
        }
        self.served.insert(key.clone(), None);
        let name = |key: &Option<VariationKey>| Logic::literal(json!(key));
        let found = match self.flags.get(key).copied() {
            None => Err(vec![Violation::new(
                "flag",
                key,
                "there is no such flag",
                "create it first, or remove its name",
            )]),
            Some((flag, rollout)) => match flag.definition().status {
                FlagStatus::Archived => Ok(name(&None)),
                FlagStatus::Inactive => Ok(name(&flag.definition().off)),
                FlagStatus::Active | FlagStatus::Experiment => self.targeting(flag, rollout).map(|all| {
                    let otherwise = all.otherwise.unwrap_or_else(|| name(&None));
                    Logic::choose(all.arms, Some(otherwise))
                }),
            },
        };
        self.served.insert(key.clone(), Some(found.clone()));
        found
    }

    /// In the order of evaluation: prerequisites, individuals, rules, experiment, rollout, fallback.
    fn targeting(
        &mut self,
        flag: &Flag,
        rollout: Option<&RolloutSplit>,
    ) -> Result<Targeting, Vec<Violation>> {
        let definition = flag.definition();
        let mut wrong = Vec::new();
        let mut arms = self.prerequisites(definition, &mut wrong);
        for (i, individual) in definition.individuals.iter().enumerate() {
            let field = format!("individuals[{i}].units");
            wrong.extend(check_length(&field, individual.units.len()).err());
            arms.push((
                listed(&individual.units),
                Logic::text(individual.variation.as_str()),
            ));
        }
        let buckets = Buckets::of(flag);
        for (i, rule) in definition.rules.iter().enumerate() {
            let mut found = Vec::new();
            let when = self.predicate(&rule.when, Segments::Referred, &mut found);
            let path = format!("rules[{i}].when");
            wrong.extend(found.into_iter().map(|one| one.inside(&path)));
            arms.push((when, buckets.serve(&rule.serve, &mut wrong)));
        }
        let fallback = flag.fallback().map(|serve| buckets.serve(serve, &mut wrong));
        let rest = match rollout {
            Some(split) => Some(self.rollout(split, &buckets, &mut wrong)),
            None => fallback.clone(),
        };
        let otherwise = match flag.running_experiment() {
            Some(experiment) => self.experiment(experiment, &buckets, rest, fallback, &mut wrong),
            None => rest,
        };
        let whole = arms
            .iter()
            .flat_map(|(when, then)| [when, then])
            .chain(&otherwise);
        wrong.extend(check_costs("", whole));
        wrong.dedup();
        if wrong.is_empty() {
            Ok(Targeting { arms, otherwise })
        } else {
            Err(wrong)
        }
    }

    /// By the widest wave whose segment the context is in, else by the rollout's own share.
    fn rollout(&mut self, split: &RolloutSplit, buckets: &Buckets<'_>, wrong: &mut Vec<Violation>) -> Logic {
        let rest = buckets.rollout(split, split.share, wrong);
        if split.waves.is_empty() {
            return rest;
        }
        let mut arms = Vec::new();
        for (i, wave) in split.waves.iter().enumerate() {
            let mut found = Vec::new();
            let segment = Predicate::Segment(wave.segment.clone());
            let when = self.predicate(&segment, Segments::Referred, &mut found);
            let path = format!("rollout.waves[{i}]");
            wrong.extend(found.into_iter().map(|one| one.inside(&path)));
            arms.push((when, buckets.rollout(split, wave.share, wrong)));
        }
        Logic::choose(arms, Some(rest))
    }

    /// One arm for each prerequisite that may fail. The other flag's whole targeting stands in it.
    fn prerequisites(
        &mut self,
        definition: &FlagDefinition,
        wrong: &mut Vec<Violation>,
    ) -> Vec<(Logic, Logic)> {
        let mut arms = Vec::new();
        for (i, prerequisite) in definition.prerequisites.iter().enumerate() {
            let field = format!("prerequisites[{i}].flag");
            let served = match self.served(&prerequisite.flag) {
                Ok(served) => served,
                Err(why) => {
                    let rule = match why.first() {
                        Some(one) => format!(
                            "it cannot be lowered to flagd itself: {}: {}",
                            one.field, one.rule
                        ),
                        None => "it cannot be lowered to flagd itself".to_owned(),
                    };
                    let fix = "change that flag, or serve both by OFREP";
                    wrong.push(Violation::new(field, &prerequisite.flag, rule, fix));
                    continue;
                }
            };
            let accepted = &prerequisite.variations;
            let met = match served.constant() {
                Some(known) => {
                    let met = accepted.iter().any(|key| known.as_str() == Some(key.as_str()));
                    Logic::literal(met.into())
                }
                None => served.among(self.names_of(&prerequisite.flag, accepted)),
            };
            arms.push((met.negated(), Logic::literal(json!(definition.off))));
        }
        arms
    }
}

impl Definition {
    /// A second name for each arm, so that clients can tell who is in the experiment from who got the
    /// same variation for another reason.
    fn name_arms(&mut self, experiment: &Experiment) {
        self.metadata
            .insert("experiment".to_owned(), json!(experiment.key));
        for arm in &experiment.arms {
            if let Some(value) = self.variants.get(arm.variation.as_str()).cloned() {
                self.variants.insert(arm_name(experiment, &arm.variation), value);
            }
        }
    }

    /// Takes over who gets what. A fallback that is the same for everybody becomes the default
    /// variant: clients then say DEFAULT, or STATIC where there is nothing else.
    fn take(&mut self, targeting: Targeting) -> Option<Violation> {
        let Targeting { arms, otherwise } = targeting;
        let nobodys = |result: &Logic| result.constant().is_some_and(Value::is_null);
        let fixed = otherwise
            .as_ref()
            .map(|one| one.constant().and_then(Value::as_str));
        match fixed {
            None if arms.is_empty() => {
                self.enabled = false;
                return None;
            }
            _ if otherwise.as_ref().is_none_or(nobodys) || arms.iter().any(|(_, then)| nobodys(then)) => {
                return Some(Violation::new(
                    "off",
                    "",
                    "in flagd some callers cannot get their own default while others get a variation",
                    "give the flag a variation 'off', or serve it by OFREP",
                ));
            }
            Some(Some(name)) => {
                self.default = VariationKey::new(name).ok();
                self.targeting = (!arms.is_empty()).then(|| Logic::choose(arms, None));
            }
            _ => self.targeting = Some(Logic::choose(arms, otherwise)),
        }
        None
    }
}

/// What a context without a unit gets where only buckets decide: the safe variation of a rollout,
/// else the fallback, else the `off` variation, else the last of a split.
fn last_resort(definition: &FlagDefinition, rollout: Option<&RolloutSplit>) -> Option<VariationKey> {
    let split_end = match &definition.fallback {
        Some(Serve::Split(parts)) => parts
            .iter()
            .rev()
            .find(|part| part.weight > Share::ZERO)
            .map(|part| &part.variation),
        Some(Serve::Variation(key)) => return Some(key.clone()),
        None => None,
    };
    let first = definition.variations.first().map(|one| &one.key);
    let found = rollout
        .map(|split| &split.safe)
        .or(definition.off.as_ref())
        .or(split_end)
        .or(first);
    found.cloned()
}

fn variants(definition: &FlagDefinition) -> Map<String, Value> {
    let variations = definition.variations.iter();
    variations
        .map(|one| (one.key.as_str().to_owned(), one.value.clone()))
        .collect()
}

/// Values that flagd's schema has no place for.
fn wrong_values(definition: &FlagDefinition) -> Vec<Violation> {
    let mut found = Vec::new();
    for (i, variation) in definition.variations.iter().enumerate() {
        let rule = if variation.value.is_array() {
            "in flagd a value is a boolean, text, number or object, not a list"
        } else if has_reference(&variation.value) {
            "in flagd an object of nothing but '$ref' stands for something else"
        } else {
            continue;
        };
        let field = format!("variations[{i}].value");
        let fix = "put it into an object under some name, or serve the flag by OFREP";
        found.push(Violation::new(field, &variation.value, rule, fix));
    }
    found
}

/// Clients put segments in place of references wherever they find them, even in values.
pub(super) fn has_reference(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            (fields.len() == 1 && fields.contains_key("$ref")) || fields.values().any(has_reference)
        }
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}
