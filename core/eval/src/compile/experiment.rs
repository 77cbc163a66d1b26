//! Compiling experiments.

use super::Compiler;
use super::flag::Names;
use crate::bucket::Salt;
use crate::experiment::{Experiment, Range};
use crate::vocabulary::AttributeId;
use tidegate_model::experiment;
use tidegate_model::key::VariationKey;
use tidegate_model::share::Share;
use tidegate_model::units::UnitSet;

impl Compiler<'_> {
    /// Compiles an experiment.
    pub(super) fn experiment(
        &mut self,
        experiment: &experiment::Experiment,
        names: &mut Names,
    ) -> Option<Box<Experiment>> {
        let audience = experiment.audience.as_ref().map(|audience| {
            let mut inside = Vec::new();
            let audience = self.predicate(audience, &mut inside);
            let placed = inside.into_iter().map(|one| one.inside("experiment.audience"));
            names.wrong.extend(placed);
            audience
        });
        let holdout = experiment.holdout.as_ref();
        let layer = experiment.layer.as_ref();
        let variations = names.in_order().into_iter();
        let traces = variations.map(|arm| trace(experiment, arm)).collect();
        Some(Box::new(Experiment {
            holdout: holdout.map(|holdout| self.first(&format!("holdout.{}", holdout.key), holdout.share)),
            audience,
            layer: layer.map(|layer| Range {
                salt: self.salt(&format!("layer.{}", layer.key)),
                from: layer.from,
                to: layer.to,
            }),
            allocation: (experiment.allocation != Share::ALL)
                .then(|| self.first(&experiment.allocation_salt(), experiment.allocation)),
            salt: self.salt(experiment.salt()),
            arms: names.split("experiment.arms", &experiment.arms)?,
            key: experiment.key.clone(),
            holdout_key: holdout.map(|holdout| holdout.key.clone()),
            layer_key: layer.map(|layer| layer.key.clone()),
            batch: experiment.batch,
            dimensions: self.dimensions(experiment),
            traces,
        }))
    }

    fn dimensions(&mut self, experiment: &experiment::Experiment) -> Box<[(Box<str>, AttributeId)]> {
        let names = experiment.dimensions.iter();
        let placed = names.map(|name| (name.as_str().into(), self.vocabulary.add_attribute(name)));
        placed.collect()
    }

    fn salt(&self, text: &str) -> Salt {
        Salt::new(text, self.bucketing)
    }

    /// The first buckets, as large a share as this.
    fn first(&self, salt: &str, share: Share) -> Range {
        Range {
            salt: self.salt(salt),
            from: Share::ZERO,
            to: share,
        }
    }
}

/// Stands for one arm of one dealing of an experiment. Keys have no spaces, so no two are written alike.
fn trace(experiment: &experiment::Experiment, arm: &VariationKey) -> u64 {
    UnitSet::hash(&format!("{} {} {arm}", experiment.key, experiment.batch))
}
