//! What part a context has in a flag's experiment, and what it would get without.

use crate::evaluation::Evaluation;
use crate::outcome::Cause;
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;

/// Whether a context takes part in the experiment of a flag; where it does not, the first thing that kept it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// It was dealt an arm.
    Dealt,
    /// There is no such flag, or no experiment runs on it.
    NotRunning,
    /// The flag is inactive or archived.
    FlagInactive,
    /// A prerequisite of the flag does not serve what it must.
    Prerequisite,
    /// The flag names the unit and gives it a variation.
    Individual,
    /// A targeting rule of the flag comes first.
    Rule,
    /// The context has nothing that could be dealt an arm.
    NoUnit,
    /// The unit is held out.
    HeldOut,
    /// It is not one of those who may take part, or one of those who are left out by name.
    Audience,
    /// It belongs to another part of the layer.
    Layer,
    /// It is not among the share of units that take part.
    Allocation,
}

impl CompiledSnapshot {
    /// What part a context has in the experiment of a flag. Costs little more than the evaluation.
    pub fn part(&self, flag: &str, context: &PreparedContext<'_>) -> Part {
        let Some(flag) = self.find(flag) else {
            return Part::NotRunning;
        };
        match self.decide(flag, context).cause() {
            Cause::Experiment => return Part::Dealt,
            Cause::Holdout => return Part::HeldOut,
            Cause::Disabled => return Part::FlagInactive,
            Cause::PrerequisiteFailed => return Part::Prerequisite,
            Cause::IndividualOverride => return Part::Individual,
            Cause::TargetingMatch => return Part::Rule,
            Cause::Rollout
            | Cause::Fallback
            | Cause::Static
            | Cause::Default
            | Cause::FlagNotFound
            | Cause::TargetingKeyMissing => {}
        }
        let Some(experiment) = &flag.experiment else {
            return Part::NotRunning;
        };
        if !context.has_unit(flag.unit) {
            return Part::NoUnit;
        }
        let audience = experiment.audience.as_ref();
        if !audience.is_none_or(|when| when.holds(&self.segments, context)) {
            return Part::Audience;
        }
        match &experiment.layer {
            Some(layer) if !layer.has_unit_of(flag, context) => Part::Layer,
            _ => Part::Allocation,
        }
    }

    /// The answer for one flag as if its experiment did not run: what a unit gets that would be dealt an arm and
    /// cannot be recorded.
    pub fn evaluate_without_experiment<'a>(
        &'a self,
        flag: &str,
        context: &PreparedContext<'_>,
    ) -> Evaluation<'a> {
        let evaluation = self.evaluate(flag, context);
        match evaluation.outcome.cause() {
            Cause::Experiment | Cause::Holdout => Evaluation {
                outcome: self.behind_experiment(evaluation.flag, context),
                ..evaluation
            },
            _ => evaluation,
        }
    }
}
