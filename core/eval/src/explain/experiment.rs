//! What an experiment is to a context, step by step.

use super::{Step, Trace};
use crate::experiment::{Experiment, Range};
use crate::flag::CompiledFlag;
use crate::outcome::{Cause, Outcome};
use tidegate_model::key::{HoldoutKey, LayerKey};

impl<'a> Trace<'a> {
    /// What the experiment decides, if anything.
    pub(super) fn experiment(
        &mut self,
        flag: &'a CompiledFlag,
        experiment: &'a Experiment,
    ) -> Option<Outcome> {
        if self.is_held_out(flag, experiment) {
            return Some(self.fallback(flag, Cause::Holdout));
        }
        let takes_part = self.is_asked(experiment)
            && self.is_in_layer(flag, experiment)
            && self.is_allocated(flag, experiment)
            && self.context.has_unit(flag.unit);
        self.steps.push(Step::Experiment {
            experiment: experiment.key.as_str(),
            takes_part,
        });
        takes_part.then(|| self.serve(flag, &experiment.arms, &experiment.salt, Cause::Experiment))
    }

    fn is_held_out(&mut self, flag: &CompiledFlag, experiment: &'a Experiment) -> bool {
        let Some(range) = &experiment.holdout else {
            return false;
        };
        let (bucket, held) = self.place_in(range, flag);
        self.steps.push(Step::Holdout {
            holdout: experiment.holdout_key.as_ref().map_or("", HoldoutKey::as_str),
            share: range.to,
            bucket,
            held,
        });
        held
    }

    fn is_asked(&mut self, experiment: &'a Experiment) -> bool {
        let Some(audience) = &experiment.audience else {
            return true;
        };
        let when = self.finding(audience);
        let holds = when.holds();
        self.steps.push(Step::Audience { when });
        holds
    }

    fn is_in_layer(&mut self, flag: &CompiledFlag, experiment: &'a Experiment) -> bool {
        let Some(range) = &experiment.layer else {
            return true;
        };
        let (bucket, inside) = self.place_in(range, flag);
        self.steps.push(Step::Layer {
            layer: experiment.layer_key.as_ref().map_or("", LayerKey::as_str),
            from: range.from,
            to: range.to,
            bucket,
            inside,
        });
        inside
    }

    fn is_allocated(&mut self, flag: &CompiledFlag, experiment: &'a Experiment) -> bool {
        let Some(range) = &experiment.allocation else {
            return true;
        };
        let (bucket, inside) = self.place_in(range, flag);
        self.steps.push(Step::Allocation {
            share: range.to,
            bucket,
            inside,
        });
        inside
    }

    fn place_in(&self, range: &Range, flag: &CompiledFlag) -> (Option<u32>, bool) {
        let bucket = self.context.bucket(flag.unit, &range.salt);
        (bucket, bucket.is_some_and(|bucket| range.contains(bucket)))
    }
}
