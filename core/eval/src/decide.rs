//! The order in which a flag's targeting is asked. `docs/evaluation.md` is this file in prose.

use crate::bucket::Salt;
use crate::experiment::{Experiment, Participation};
use crate::flag::{CompiledFlag, Prerequisite, Serve};
use crate::outcome::{Cause, Outcome};
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;
use tidegate_model::flag::FlagStatus;

impl CompiledSnapshot {
    /// Decides one flag. Prerequisites lead into other flags, at most
    /// [`PREREQUISITE_DEPTH_MAX`](crate::PREREQUISITE_DEPTH_MAX) deep.
    #[inline]
    pub(crate) fn decide(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> Outcome {
        match flag.fixed {
            Some(fixed) => fixed,
            None => self.decide_for(flag, context),
        }
    }

    /// Decides a flag that does not give everybody the same.
    fn decide_for(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> Outcome {
        if flag.has_exceptions()
            && let Some(outcome) = self.decide_exception(flag, context)
        {
            return outcome;
        }
        for (place, rule) in (0..).zip(&flag.rules) {
            if rule.when.holds(&self.segments, context) {
                return serve(flag, &rule.serve, &flag.salt, context, Cause::TargetingMatch).at(place);
            }
        }
        if let Some(experiment) = &flag.experiment
            && let Some(outcome) = self.experiment(experiment, flag, context)
        {
            return outcome;
        }
        self.behind_experiment(flag, context)
    }

    /// Decides a flag whose exceptions, rules and experiment say nothing about the context.
    #[inline]
    pub(crate) fn behind_experiment(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> Outcome {
        if let Some(rollout) = &flag.rollout {
            if !flag.waves.is_empty()
                && let Some(outcome) = self.wave(flag, context)
            {
                return outcome;
            }
            return serve(flag, rollout, &flag.salt, context, Cause::Rollout);
        }
        match &flag.fallback {
            // Never `Static`: such a flag is fixed.
            Some(fallback) => serve(flag, fallback, &flag.salt, context, Cause::Fallback),
            None => Outcome::new(None, Cause::Default),
        }
    }

    /// What stands in front of the rules: prerequisites, and the units that are named. Few flags have
    /// either, so that it is kept out of the way of those that have none.
    #[inline(never)]
    fn decide_exception(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> Option<Outcome> {
        for (place, prerequisite) in (0..).zip(&flag.prerequisites) {
            if !self.is_met(prerequisite, context) {
                return Some(Outcome::new(flag.off, Cause::PrerequisiteFailed).at(place));
            }
        }
        let unit = context.targeting_key();
        let individual = flag.individuals.iter().find(|one| one.units.contains(unit))?;
        Some(Outcome::new(
            Some(individual.variation),
            Cause::IndividualOverride,
        ))
    }

    /// What the experiment decides, if it has anything to say to the context. Out of line: few flags
    /// have one.
    #[inline(never)]
    fn experiment(
        &self,
        experiment: &Experiment,
        flag: &CompiledFlag,
        context: &PreparedContext<'_>,
    ) -> Option<Outcome> {
        match experiment.participation(flag, &self.segments, context) {
            Participation::In => {
                let (arms, salt) = (&experiment.arms, &experiment.salt);
                Some(serve(flag, arms, salt, context, Cause::Experiment))
            }
            Participation::HeldOut => Some(match &flag.fallback {
                Some(fallback) => serve(flag, fallback, &flag.salt, context, Cause::Holdout),
                None => Outcome::new(None, Cause::Holdout),
            }),
            Participation::Out => None,
        }
    }

    /// What the first wave serves whose segment the context is in. Out of line: few rollouts have waves.
    #[inline(never)]
    fn wave(&self, flag: &CompiledFlag, context: &PreparedContext<'_>) -> Option<Outcome> {
        let mut waves = flag.waves.iter();
        let wave = waves.find(|wave| wave.when.holds(&self.segments, context))?;
        Some(serve(flag, &wave.serve, &flag.salt, context, Cause::Rollout))
    }

    /// Whether the other flag serves one of the variations that will do.
    fn is_met(&self, prerequisite: &Prerequisite, context: &PreparedContext<'_>) -> bool {
        let served = context.serves(prerequisite.memo, || {
            let other = self.flags.get(prerequisite.flag as usize)?;
            self.decide(other, context).variation()
        });
        served.is_some_and(|place| prerequisite.accepted.contains(&place))
    }
}

impl CompiledFlag {
    /// What everybody gets, if the context does not matter.
    pub(crate) fn find_fixed(&self) -> Option<Outcome> {
        match self.status {
            FlagStatus::Archived => return Some(Outcome::new(None, Cause::Disabled)),
            FlagStatus::Inactive => return Some(Outcome::new(self.off, Cause::Disabled)),
            FlagStatus::Active | FlagStatus::Experiment => {}
        }
        if !self.is_untargeted() {
            return None;
        }
        match &self.fallback {
            Some(fallback) => {
                let only = fallback.variation(|| None)?;
                Some(Outcome::new(Some(only), Cause::Static))
            }
            None => Some(Outcome::new(None, Cause::Default)),
        }
    }
}

/// The variation served, or that there is no unit to choose one for.
#[inline]
fn serve(
    flag: &CompiledFlag,
    serve: &Serve,
    salt: &Salt,
    context: &PreparedContext<'_>,
    cause: Cause,
) -> Outcome {
    match serve.variation(|| context.bucket(flag.unit, salt)) {
        Some(variation) => Outcome::new(Some(variation), cause).split(serve.is_split()),
        None => Outcome::new(None, Cause::TargetingKeyMissing),
    }
}
