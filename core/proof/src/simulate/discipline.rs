//! The three disciplines, and what each says in every unit in which an effect is displayed.

use super::ALPHA;
use super::trial::Look;
use tidegate_stats::distribution::{normal, student};
use tidegate_stats::effect::{Contrast, Effect};
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::proportion::{self, Variance};
use tidegate_stats::sequential::{ConfidenceSequence, FirstLook, Scale};
use tidegate_stats::{Alternative, Interval, Refusal};

/// Who declares no number of users gets sequences tuned for so many.
pub(super) const TUNED_FOR: u64 = 5000;

/// How a test is allowed to be looked at.
#[derive(Debug, Clone)]
pub(super) enum Discipline {
    /// Once, at the end.
    Fixed,
    /// At any time from the first look on.
    AlwaysValid {
        sequence: ConfidenceSequence,
        first: FirstLook,
    },
    /// At planned looks, which have these bounds.
    GroupSequential { bounds: Vec<f64>, every: u32 },
}

impl Discipline {
    pub(super) fn always_valid(tuned_for: u64, first: FirstLook) -> Result<Self, Refusal> {
        let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, ALPHA, tuned_for)?;
        Ok(Self::AlwaysValid { sequence, first })
    }

    /// A design with so many evenly spaced looks, which are every so many-th of the trial.
    pub(super) fn group_sequential(spending: Spending, looks: u32, every: u32) -> Result<Self, Refusal> {
        Ok(Self::GroupSequential {
            bounds: design(spending, looks)?
                .looks()
                .iter()
                .map(|look| look.bound)
                .collect(),
            every,
        })
    }

    /// Whether an effect is found that has this statistic, and this p-value at a single look.
    fn finds(&self, look: &Look<'_>, statistic: f64, p: f64) -> Result<bool, Refusal> {
        match self {
            Self::Fixed => Ok(p <= ALPHA),
            Self::AlwaysValid { sequence, first } => {
                reached(*first, look)?;
                let seen = sequence.look(look.users(), statistic, 1.0)?;
                Ok(excludes(seen.interval, 0.0))
            }
            Self::GroupSequential { bounds, every } => Ok(statistic.abs() >= bound(bounds, *every, look)?),
        }
    }

    /// How many standard errors an estimate must be away from 0, when Student's t has so many degrees of
    /// freedom, written as the total error of a single look that asks for as many.
    fn nominal(&self, look: &Look<'_>, df: Option<f64>) -> Result<f64, Refusal> {
        let critical = match self {
            Self::Fixed => return Ok(ALPHA),
            Self::AlwaysValid { sequence, first } => {
                reached(*first, look)?;
                sequence.look(look.users(), 0.0, 1.0)?.half_width
            }
            Self::GroupSequential { bounds, every } => bound(bounds, *every, look)?,
        };
        Ok(2.0 * df.map_or_else(|| normal::sf(critical), |df| student::sf(critical, df)))
    }

    /// Welch's test of the difference of means.
    pub(super) fn difference(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        self.finds_effect(look, Contrast::difference)
    }

    /// The lift on the scale of the log ratio, by a test of its own.
    pub(super) fn log_ratio(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        self.finds_effect(look, Contrast::lift_log_ratio)
    }

    /// The lift by the delta method, by a test of its own.
    pub(super) fn delta(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        self.finds_effect(look, Contrast::lift_delta)
    }

    fn finds_effect(
        &self,
        look: &Look<'_>,
        effect: fn(&Contrast, Alternative, f64) -> Result<Effect, Refusal>,
    ) -> Result<bool, Refusal> {
        let effect = effect(&look.contrast()?, Alternative::TwoSided, ALPHA)?;
        self.finds(look, effect.statistic, effect.p.p)
    }

    /// Whether the lift's interval by Fieller leaves out 0.
    pub(super) fn fieller(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        let contrast = look.contrast()?;
        let alpha = self.nominal(look, Some(contrast.df()))?;
        let lift = contrast.lift_fieller(Alternative::TwoSided, alpha)?;
        Ok(excludes(lift.interval, 0.0))
    }

    /// Whether [`Self::fieller`] says another thing than [`Self::difference`]. Where Fieller's interval is
    /// refused there is none to disagree.
    pub(super) fn fieller_disagrees(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        Ok(self.fieller(look)? != self.difference(look)?)
    }

    /// The test of two proportions.
    pub(super) fn proportions(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        let (control, treatment) = (look.control.counts(), look.treatment.counts());
        match self {
            Self::Fixed => {
                let test = proportion::test(control, treatment, Alternative::TwoSided)?;
                Ok(test.p.p <= ALPHA)
            }
            Self::AlwaysValid { sequence, first } => {
                reached(*first, look)?;
                let seen = sequence.proportions(control, treatment, Scale::Difference)?;
                Ok(excludes(seen.interval, 0.0))
            }
            Self::GroupSequential { .. } => {
                let test = proportion::z_test(control, treatment, Variance::Pooled, Alternative::TwoSided)?;
                self.finds(look, test.z, test.p.p)
            }
        }
    }

    /// Whether the interval of the ratio of two proportions, Katz's, leaves out 1.
    pub(super) fn katz(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        let (control, treatment) = (look.control.counts(), look.treatment.counts());
        if let Self::AlwaysValid { sequence, first } = self {
            reached(*first, look)?;
            let seen = sequence.proportions(control, treatment, Scale::LogRatio)?;
            return Ok(excludes(seen.interval, 0.0));
        }
        let ratio = proportion::risk_ratio(control, treatment, self.nominal(look, None)?)?;
        Ok(excludes(ratio.interval?, 1.0))
    }

    /// Whether [`Self::katz`] says another thing than [`Self::proportions`].
    pub(super) fn katz_disagrees(&self, look: &Look<'_>) -> Result<bool, Refusal> {
        Ok(self.katz(look)? != self.proportions(look)?)
    }
}

/// A two-sided design that spends alpha over so many evenly spaced looks.
pub(super) fn design(spending: Spending, looks: u32) -> Result<Design, Refusal> {
    let plan = Plan {
        alternative: Alternative::TwoSided,
        alpha: ALPHA,
        boundary: Boundary::Spending(spending),
    };
    let shares: Vec<f64> = (1..=looks)
        .map(|look| f64::from(look) / f64::from(looks))
        .collect();
    Design::new(plan, &shares)
}

/// Whether both arms have what an asymptotic sequence needs.
fn reached(first: FirstLook, look: &Look<'_>) -> Result<(), Refusal> {
    first.reached(look.control.users, look.control.events)?;
    first.reached(look.treatment.users, look.treatment.events)
}

fn bound(bounds: &[f64], every: u32, look: &Look<'_>) -> Result<f64, Refusal> {
    let place = usize::try_from((look.number / every).saturating_sub(1)).unwrap_or(usize::MAX);
    bounds.get(place).copied().ok_or(Refusal::Undefined {
        why: "the design has no such look",
    })
}

/// Whether the value lies outside of the interval.
pub(super) fn excludes(interval: Interval, value: f64) -> bool {
    value < interval.lower || value > interval.upper
}
