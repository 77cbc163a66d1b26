//! Experiments, lowered.

use super::buckets::Buckets;
use super::logic::Logic;
use super::segment::Segments;
use super::source::Lowering;
use serde_json::{Value, json};
use tidegate_model::experiment::Experiment;
use tidegate_model::invalid::Violation;
use tidegate_model::key::{FlagKey, VariationKey};
use tidegate_model::share::Share;

/// What clients see of a unit that is in an experiment: the variation and, behind a sign that no
/// variation has in its key, the experiment.
pub(super) fn arm_name(experiment: &Experiment, variation: &VariationKey) -> String {
    format!("{variation}#{}", experiment.key)
}

impl Lowering<'_> {
    /// The arms for those who take part, `fallback` for those held out, `rest` for the others and for
    /// all without a unit.
    pub(super) fn experiment(
        &mut self,
        experiment: &Experiment,
        buckets: &Buckets<'_>,
        rest: Option<Logic>,
        fallback: Option<Logic>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Logic> {
        let (Some(rest), Some(fallback)) = (rest, fallback) else {
            wrong.push(Violation::new(
                "fallback",
                "",
                "in flagd those outside of an experiment cannot get their own default",
                "give the flag a fallback, or serve it by OFREP",
            ));
            return None;
        };
        let mut found = Vec::new();
        let audience = experiment
            .audience
            .as_ref()
            .map_or_else(Logic::always, |audience| {
                self.predicate(audience, Segments::Referred, &mut found)
            });
        wrong.extend(found.into_iter().map(|one| one.inside("experiment.audience")));
        let held_out = experiment.holdout.as_ref().map_or_else(Logic::never, |holdout| {
            let salt = format!("holdout.{}", holdout.key);
            buckets.is_within(&salt, Share::ZERO, holdout.share, wrong)
        });
        let in_layer = experiment.layer.as_ref().map_or_else(Logic::always, |layer| {
            buckets.is_within(&format!("layer.{}", layer.key), layer.from, layer.to, wrong)
        });
        let salt = experiment.allocation_salt();
        let allocated = buckets.is_within(&salt, Share::ZERO, experiment.allocation, wrong);
        let arms = experiment
            .arms
            .iter()
            .map(|arm| (arm_name(experiment, &arm.variation), arm.weight.parts()));
        let arms = buckets.dealt(experiment.salt(), arms, wrong);
        let has_unit = buckets.has_unit();
        Some(Logic::choose(
            vec![
                (Logic::all([has_unit.clone(), held_out]), fallback),
                (Logic::all([has_unit, audience, in_layer, allocated]), arms),
            ],
            Some(rest),
        ))
    }

    /// Every name under which clients see one of these variations of a flag.
    pub(super) fn names_of(&self, flag: &FlagKey, variations: &[VariationKey]) -> Vec<Value> {
        let experiment = self
            .flags
            .get(flag)
            .and_then(|(flag, _)| flag.running_experiment());
        let named = variations.iter().map(|key| json!(key));
        let in_experiment = experiment.into_iter().flat_map(|experiment| {
            let arms = experiment
                .arms
                .iter()
                .filter(|arm| variations.contains(&arm.variation));
            arms.map(|arm| json!(arm_name(experiment, &arm.variation)))
        });
        named.chain(in_experiment).collect()
    }
}
