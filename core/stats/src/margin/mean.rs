//! Margins of the difference of two means, and of the relative lift.

use super::welch::{self, Welch, student_p};
use super::{OneSided, both, checked, share};
use crate::distribution::student;
use crate::moments::Moments;
use crate::proportion::level;
use crate::{Alternative, Goal, PValue, Refusal};

/// On which scale a lift is taken for normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiftMethod {
    /// As the logarithm of the ratio of both means, which must be above 0. It keeps its level on skewed
    /// values, where the other does not.
    #[default]
    LogRatio,
    /// As a share of the control's mean, by the delta method.
    Delta,
}

/// Whether a mean is worse by a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanNonInferiority {
    /// The difference of the means, or the lift as a share of the control's.
    pub estimate: f64,
    /// The standard error on the scale of the test: the logarithm of the ratio for
    /// [`LiftMethod::LogRatio`], and otherwise that of the estimate.
    pub standard_error: f64,
    /// How many standard errors the estimate is above the effect that is too bad.
    pub t: f64,
    /// The degrees of freedom, which need not be whole.
    pub df: f64,
    /// The chance of such a t or a better one if the effect is just too bad; one-sided.
    pub p: PValue,
    /// The one-sided limit of the effect with the coverage 1 - alpha: the lower one if larger is better, and
    /// otherwise the upper one.
    pub bound: f64,
}

/// Whether two means are closer than a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanEquivalence {
    /// The treatment's mean less the control's.
    pub estimate: f64,
    /// The standard error of the estimate, more than 0.
    pub standard_error: f64,
    /// The degrees of freedom, which need not be whole.
    pub df: f64,
    /// Against a treatment that is smaller by the margin.
    pub lower: OneSided,
    /// Against a treatment that is larger by the margin.
    pub upper: OneSided,
    /// The larger one of both p-values: they are equivalent at the level alpha when it is at most alpha.
    pub p: PValue,
}

/// Whether the treatment's mean is worse than the control's by `margin`, in the unit of the mean and at least 0,
/// by Welch's test.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when neither arm varies, [`Refusal::TooFew`] below two values an arm,
/// [`Refusal::Invalid`] with moments that are none, a negative margin, or an `alpha` not between 0 and 1.
pub fn noninferiority_of_means(
    control: Moments,
    treatment: Moments,
    margin: f64,
    goal: Goal,
    alpha: f64,
) -> Result<MeanNonInferiority, Refusal> {
    let margin = checked(margin, true)?;
    let effect = welch::difference(control, treatment)?;
    one_sided(effect, toward_worse(goal, margin), goal, alpha)
}

/// Whether the treatment's mean is worse than the control's by `margin`, a share of the control's from 0 to less
/// than 1.
///
/// # Errors
///
/// [`Refusal::ZeroBaseline`] when the control's mean is 0, [`Refusal::NoVariance`] when neither arm varies,
/// [`Refusal::TooFew`] below two values an arm, [`Refusal::Undefined`] when a mean has no logarithm and the
/// method needs one, [`Refusal::Invalid`] with moments that are none, a margin out of its range, or an `alpha`
/// not between 0 and 1.
pub fn noninferiority_of_lift(
    control: Moments,
    treatment: Moments,
    margin: f64,
    goal: Goal,
    alpha: f64,
    method: LiftMethod,
) -> Result<MeanNonInferiority, Refusal> {
    let worse = toward_worse(goal, share(margin, true)?);
    match method {
        LiftMethod::Delta => one_sided(welch::lift(control, treatment)?, worse, goal, alpha),
        LiftMethod::LogRatio => {
            let ln_ratio = welch::ln_ratio(control, treatment)?;
            let test = one_sided(ln_ratio, worse.ln_1p(), goal, alpha)?;
            Ok(MeanNonInferiority {
                estimate: test.estimate.exp_m1(),
                bound: test.bound.exp_m1(),
                ..test
            })
        }
    }
}

/// Whether both means are closer than `margin`, in the unit of the mean and more than 0, by two one-sided
/// Welch tests (Schuirmann 1987).
///
/// # Errors
///
/// [`Refusal::NoVariance`] when neither arm varies, [`Refusal::TooFew`] below two values an arm,
/// [`Refusal::Invalid`] with moments that are none or a margin out of its range.
pub fn equivalence_of_means(
    control: Moments,
    treatment: Moments,
    margin: f64,
) -> Result<MeanEquivalence, Refusal> {
    let margin = checked(margin, false)?;
    let effect = welch::difference(control, treatment)?;
    let side = |delta: f64, alternative| {
        let statistic = (effect.estimate - delta) / effect.standard_error;
        OneSided {
            statistic,
            p: student_p(statistic, effect.df, alternative),
        }
    };
    let lower = side(-margin, Alternative::Greater);
    let upper = side(margin, Alternative::Less);
    Ok(MeanEquivalence {
        estimate: effect.estimate,
        standard_error: effect.standard_error,
        df: effect.df,
        lower,
        upper,
        p: both(lower, upper),
    })
}

/// The effect of this size in the bad direction.
const fn toward_worse(goal: Goal, margin: f64) -> f64 {
    match goal {
        Goal::Increase => -margin,
        Goal::Decrease => margin,
    }
}

fn one_sided(effect: Welch, worse: f64, goal: Goal, alpha: f64) -> Result<MeanNonInferiority, Refusal> {
    let half = student::isf(level(alpha)?, effect.df) * effect.standard_error;
    let t = (effect.estimate - worse) / effect.standard_error;
    let (alternative, bound) = match goal {
        Goal::Increase => (Alternative::Greater, effect.estimate - half),
        Goal::Decrease => (Alternative::Less, effect.estimate + half),
    };
    Ok(MeanNonInferiority {
        estimate: effect.estimate,
        standard_error: effect.standard_error,
        t,
        df: effect.df,
        p: student_p(t, effect.df, alternative),
        bound,
    })
}
