//! Margins of the difference of two proportions.

use super::{OneSided, both, share};
use crate::proportion::score::Score;
use crate::proportion::{Arms, normal_p};
use crate::{Alternative, Counts, Goal, PValue, Refusal};

/// From which rates the variance at the margin is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProportionMethod {
    /// From the most likely rates that differ by the margin: the score test of Farrington and Manning (1990),
    /// Statistics in Medicine 9:1447.
    #[default]
    Score,
    /// From each arm's own rate.
    Wald,
}

/// Whether a proportion is worse by a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProportionNonInferiority {
    /// The treatment's share less the control's, from -1 to 1.
    pub estimate: f64,
    /// The standard error of the estimate, more than 0.
    pub standard_error: f64,
    /// How many standard errors the estimate is above the difference that is too bad.
    pub z: f64,
    /// The chance of such a z or a better one if the difference is just too bad; one-sided.
    pub p: PValue,
}

/// Whether two proportions are closer than a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProportionEquivalence {
    /// The treatment's share less the control's, from -1 to 1.
    pub estimate: f64,
    /// Against a treatment that is smaller by the margin.
    pub lower: OneSided,
    /// Against a treatment that is larger by the margin.
    pub upper: OneSided,
    /// The larger one of both p-values: they are equivalent at the level alpha when it is at most alpha.
    pub p: PValue,
}

/// Whether the treatment's share is worse than the control's by `margin`, a difference of shares from 0 to less
/// than 1. With a margin of 0 it is whether it is better.
///
/// With the score method it rejects at the one-sided level alpha just when the interval of
/// [`DifferenceMethod::Score`](crate::proportion::DifferenceMethod::Score) at 2 alpha excludes the margin.
///
/// # Errors
///
/// [`Refusal::NoVariance`] where the standard error is 0, [`Refusal::TooFew`] without trials,
/// [`Refusal::Invalid`] with more events than trials or a margin out of its range.
pub fn noninferiority_of_proportions(
    control: Counts,
    treatment: Counts,
    margin: f64,
    goal: Goal,
    method: ProportionMethod,
) -> Result<ProportionNonInferiority, Refusal> {
    let margin = share(margin, true)?;
    let (delta, alternative) = match goal {
        Goal::Increase => (-margin, Alternative::Greater),
        Goal::Decrease => (margin, Alternative::Less),
    };
    let arms = Arms::new(control, treatment)?;
    let standard_error = standard_error(&arms, delta, method)?;
    let z = (arms.difference - delta) / standard_error;
    Ok(ProportionNonInferiority {
        estimate: arms.difference,
        standard_error,
        z,
        p: normal_p(z, alternative),
    })
}

/// Whether both shares are closer than `margin`, a difference of shares more than 0 and less than 1, by two
/// one-sided tests.
///
/// # Errors
///
/// As [`noninferiority_of_proportions`].
pub fn equivalence_of_proportions(
    control: Counts,
    treatment: Counts,
    margin: f64,
    method: ProportionMethod,
) -> Result<ProportionEquivalence, Refusal> {
    let margin = share(margin, false)?;
    let side = |goal| {
        noninferiority_of_proportions(control, treatment, margin, goal, method).map(|test| {
            (
                test.estimate,
                OneSided {
                    statistic: test.z,
                    p: test.p,
                },
            )
        })
    };
    let (estimate, lower) = side(Goal::Increase)?;
    let (_same, upper) = side(Goal::Decrease)?;
    Ok(ProportionEquivalence {
        estimate,
        lower,
        upper,
        p: both(lower, upper),
    })
}

fn standard_error(arms: &Arms, delta: f64, method: ProportionMethod) -> Result<f64, Refusal> {
    let standard_error = match method {
        ProportionMethod::Score => Score::new(arms).standard_error(delta),
        ProportionMethod::Wald => arms.variance().sqrt(),
    };
    if standard_error > 0.0 {
        Ok(standard_error)
    } else {
        Err(Refusal::NoVariance)
    }
}
