//! What was decided, as numbers.

use crate::evaluation::{ErrorCode, Reason};
use crate::flag::CompiledFlag;
use tidegate_model::key::HoldoutKey;

/// What was decided for one flag and context, in eight bytes: names are looked up in the flag when
/// somebody asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Which of several rules or prerequisites it was.
    place: u32,
    /// The variation's place in the flag, or [`Outcome::NONE`].
    variation: u16,
    cause: Cause,
    split: bool,
}

/// Why; [`Reason`] without the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    IndividualOverride,
    TargetingMatch,
    Experiment,
    Holdout,
    Rollout,
    Fallback,
    Static,
    Default,
    Disabled,
    PrerequisiteFailed,
    FlagNotFound,
    TargetingKeyMissing,
}

impl Outcome {
    /// A flag has at most 256 variations.
    const NONE: u16 = u16::MAX;

    /// A variation, by its place in the flag, or the caller's default.
    #[inline]
    pub(crate) fn new(variation: Option<u16>, cause: Cause) -> Self {
        Self {
            place: 0,
            variation: variation.unwrap_or(Self::NONE),
            cause,
            split: false,
        }
    }

    /// Decided by one of several rules or prerequisites.
    #[inline]
    pub(crate) fn at(self, place: u32) -> Self {
        Self { place, ..self }
    }

    /// Decided by bucket, or not.
    #[inline]
    pub(crate) fn split(self, split: bool) -> Self {
        Self { split, ..self }
    }

    /// The place of the variation in the flag; `None` is the caller's default.
    #[inline]
    pub(crate) fn variation(self) -> Option<u16> {
        (self.variation != Self::NONE).then_some(self.variation)
    }

    /// Why.
    #[inline]
    pub(crate) fn cause(self) -> Cause {
        self.cause
    }

    /// The reason, with the names that the flag has for it.
    pub(crate) fn reason(self, flag: &CompiledFlag) -> Reason<'_> {
        let place = self.place as usize;
        let split = self.split;
        match self.cause {
            Cause::IndividualOverride => Reason::IndividualOverride,
            Cause::TargetingMatch => {
                let rule = flag.cold.rule_names.get(place).map_or("", |name| name);
                Reason::TargetingMatch { rule, split }
            }
            Cause::Experiment => {
                let experiment = flag.experiment.as_ref().map_or("", |one| one.key.as_str());
                Reason::Experiment { experiment, split }
            }
            Cause::Holdout => {
                let holdout = flag.experiment.as_ref().and_then(|one| one.holdout_key.as_ref());
                let holdout = holdout.map_or("", HoldoutKey::as_str);
                Reason::Holdout { holdout }
            }
            Cause::Rollout => {
                let rollout = flag.cold.rollout.as_ref().map_or("", |one| one.id.as_str());
                Reason::Rollout { rollout }
            }
            Cause::Fallback => Reason::Fallback { split },
            Cause::Static => Reason::Static,
            Cause::Default => Reason::Default,
            Cause::Disabled => Reason::Disabled,
            Cause::PrerequisiteFailed => {
                let flag = flag.prerequisites.get(place).map_or("", |one| one.key.as_str());
                Reason::PrerequisiteFailed { flag }
            }
            Cause::FlagNotFound => Reason::Error(ErrorCode::FlagNotFound),
            Cause::TargetingKeyMissing => Reason::Error(ErrorCode::TargetingKeyMissing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_fits_a_register() {
        assert_eq!(size_of::<Outcome>(), 8);
    }
}
