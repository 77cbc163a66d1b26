//! Two proportions in relation to each other: their ratio, their odds ratio, and the relative lift by the
//! delta method.

use super::{Arms, level, reach};
use crate::distribution::student;
use crate::margin::welch;
use crate::moments::Moments;
use crate::{Alternative, Counts, Interval, PValue, Refusal};

/// A ratio with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio, at least 0; less 1 it is the relative lift.
    pub estimate: f64,
    /// The standard error of the ratio's natural logarithm, or why there is none.
    pub ln_standard_error: Result<f64, Refusal>,
    /// Where the true ratio may lie, or why nobody can tell.
    pub interval: Result<Interval, Refusal>,
}

/// An effect with Student's interval and test against 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TEffect {
    /// The effect.
    pub estimate: f64,
    /// Its standard error, more than 0.
    pub standard_error: f64,
    /// The degrees of freedom, which need not be whole.
    pub df: f64,
    /// Where the true effect may lie.
    pub interval: Interval,
    /// The chance of such an effect or a larger one of either sign if there is none.
    pub p: PValue,
}

/// The treatment's share as a multiple of the control's, with the log interval of Katz et al. (1978),
/// Biometrics 34:469, of the coverage 1 - `alpha`.
///
/// The ratio minus 1 is the relative lift, and so are the limits. The interval keeps its coverage at small
/// counts, where that of the delta method falls short. When everything happened in both arms it is the
/// point 1.
///
/// # Errors
///
/// [`Refusal::ZeroBaseline`] when nothing happened in the control. When nothing happened in the treatment the
/// ratio is 0, and the interval alone is refused. [`Refusal::TooFew`] without trials, [`Refusal::Invalid`]
/// with more events than trials or an `alpha` not between 0 and 1.
pub fn risk_ratio(control: Counts, treatment: Counts, alpha: f64) -> Result<Ratio, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let z = reach(alpha)?;
    let (c, t) = (arms.control, arms.treatment);
    if c.x <= 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    let estimate = t.x / c.x * (c.n / t.n);
    let ln_standard_error = if t.x > 0.0 {
        // 1/x - 1/n for both, written so that large shares keep their digits.
        Ok((t.others / (t.x * t.n) + c.others / (c.x * c.n)).sqrt())
    } else {
        Err(Refusal::Undefined {
            why: "nothing happened in the treatment, and 0 has no logarithm",
        })
    };
    Ok(Ratio {
        estimate,
        ln_standard_error,
        interval: ln_standard_error.map(|error| around(estimate, z * error)),
    })
}

/// The treatment's odds as a multiple of the control's, with the logit interval (Woolf 1955) of the coverage
/// 1 - `alpha`.
///
/// # Errors
///
/// [`Refusal::ZeroBaseline`] when the control's odds are 0 or infinite. When the treatment's are 0, the interval
/// alone is refused, and [`Refusal::Undefined`] when they are infinite. [`Refusal::TooFew`] without trials,
/// [`Refusal::Invalid`] with more events than trials or an `alpha` not between 0 and 1.
pub fn odds_ratio(control: Counts, treatment: Counts, alpha: f64) -> Result<Ratio, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let z = reach(alpha)?;
    let (c, t) = (arms.control, arms.treatment);
    if c.x <= 0.0 || c.others <= 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    if t.others <= 0.0 {
        return Err(Refusal::Undefined {
            why: "everything happened in the treatment, and its odds are infinite",
        });
    }
    let estimate = t.x / t.others * (c.others / c.x);
    let ln_standard_error = if t.x > 0.0 {
        Ok((1.0 / t.x + 1.0 / t.others + 1.0 / c.x + 1.0 / c.others).sqrt())
    } else {
        Err(Refusal::Undefined {
            why: "nothing happened in the treatment, and 0 has no logarithm",
        })
    };
    Ok(Ratio {
        estimate,
        ln_standard_error,
        interval: ln_standard_error.map(|error| around(estimate, z * error)),
    })
}

/// The limits whose logarithms are so far from the estimate's.
pub(crate) fn around(estimate: f64, half: f64) -> Interval {
    Interval {
        lower: estimate * (-half).exp(),
        upper: estimate * half.exp(),
    }
}

/// The relative lift by the delta method, with Welch's degrees of freedom: as a share of the control's rate.
///
/// It is offered because other engines report it. Its interval covers too little at small counts and can
/// disagree with the test of the difference: [`risk_ratio`] is the better one. The variance of an arm is
/// p(1 - p), its degrees of freedom n - 1 (Deng, Knoblich, Lu 2018, KDD, section 2).
///
/// # Errors
///
/// [`Refusal::ZeroBaseline`] when nothing happened in the control, [`Refusal::NoVariance`] when an arm does not
/// vary, [`Refusal::TooFew`] below two trials an arm, [`Refusal::Invalid`] with more events than trials or an
/// `alpha` not between 0 and 1.
pub fn delta_lift(control: Counts, treatment: Counts, alpha: f64) -> Result<TEffect, Refusal> {
    let arms = Arms::new(control, treatment)?;
    if arms.control.x <= 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    let (control, treatment) = moments(&arms, control, treatment)?;
    let lift = welch::Welch {
        estimate: arms.difference / arms.control.rate(),
        ..welch::lift(control, treatment)?
    };
    t_effect(lift, alpha)
}

/// The difference of two proportions by Welch's test of means, with the variance p(1 - p) and n - 1 degrees of
/// freedom an arm: the counterpart of [`delta_lift`], for the same use.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when an arm does not vary, [`Refusal::TooFew`] below two trials an arm,
/// [`Refusal::Invalid`] with more events than trials or an `alpha` not between 0 and 1.
pub fn delta_difference(control: Counts, treatment: Counts, alpha: f64) -> Result<TEffect, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let (control, treatment) = moments(&arms, control, treatment)?;
    let difference = welch::Welch {
        estimate: arms.difference,
        ..welch::difference(control, treatment)?
    };
    t_effect(difference, alpha)
}

/// Both arms as moments; an arm that does not vary says nothing about its variance.
fn moments(arms: &Arms, control: Counts, treatment: Counts) -> Result<(Moments, Moments), Refusal> {
    let of = |counts: Counts, arm: super::Arm| {
        Moments::of_variance(counts.trials, arm.rate(), arm.rate() * (arm.others / arm.n))
    };
    if arms.control.variance() <= 0.0 || arms.treatment.variance() <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    Ok((of(control, arms.control), of(treatment, arms.treatment)))
}

fn t_effect(effect: welch::Welch, alpha: f64) -> Result<TEffect, Refusal> {
    let half = student::isf(level(alpha)? / 2.0, effect.df) * effect.standard_error;
    Ok(TEffect {
        estimate: effect.estimate,
        standard_error: effect.standard_error,
        df: effect.df,
        interval: Interval {
            lower: effect.estimate - half,
            upper: effect.estimate + half,
        },
        p: welch::student_p(
            effect.estimate / effect.standard_error,
            effect.df,
            Alternative::TwoSided,
        ),
    })
}
