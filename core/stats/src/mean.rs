//! Two means: the difference, and the lift.
//!
//! All take count, mean and centred squares of the arms and give the treatment less the control. They need at least
//! two values an arm.

use crate::effect::{Contrast, Effect};
use crate::moments::{Moments, Sample};
use crate::{Alternative, Refusal};

/// The two means before they are shown in any unit.
///
/// # Errors
///
/// [`Refusal::TooFew`] below two values in an arm, [`Refusal::Invalid`] when a mean or a sum of squares is not
/// finite or the latter negative.
pub fn contrast(control: &Moments, treatment: &Moments) -> Result<Contrast, Refusal> {
    let (control, treatment) = (control.sample()?, treatment.sample()?);
    Ok(between(&control, &treatment))
}

fn between(control: &Sample, treatment: &Sample) -> Contrast {
    Contrast {
        difference: treatment.mean - control.mean,
        baseline: control.mean,
        treatment: treatment.mean,
        treatment_variance: treatment.variance / treatment.n,
        baseline_variance: control.variance / control.n,
        adjustment_variance: 0.0,
        adjustment_covariance: 0.0,
        treatment_df: treatment.n - 1.0,
        control_df: control.n - 1.0,
    }
}

/// Welch's t test, which lets each arm have a variance of its own: the default (Welch 1947, Biometrika 34:28).
///
/// # Errors
///
/// As [`contrast`], [`Refusal::NoVariance`] when neither arm varies, [`Refusal::Invalid`] when alpha is not between 0
/// and 1.
pub fn welch_t(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    contrast(control, treatment)?.difference(alternative, alpha)
}

/// Student's t test, which takes both arms to have the same variance (Student 1908, Biometrika 6:1).
///
/// # Errors
///
/// As [`welch_t`].
pub fn student_t(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    let (control, treatment) = (control.sample()?, treatment.sample()?);
    let (of_control, of_treatment) = (control.n - 1.0, treatment.n - 1.0);
    let df = of_control + of_treatment;
    let pooled = (control.variance * of_control + treatment.variance * of_treatment) / df;
    let both = Contrast {
        treatment_variance: pooled / treatment.n,
        baseline_variance: pooled / control.n,
        ..between(&control, &treatment)
    };
    let normal = both.difference_normal(alternative, alpha)?;
    Effect::new(
        normal.estimate,
        normal.standard_error,
        Some(df),
        alternative,
        alpha,
    )
}

/// The z test with the arms' own variances, taken as known: for large samples.
///
/// # Errors
///
/// As [`welch_t`].
pub fn z_unpooled(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    contrast(control, treatment)?.difference_normal(alternative, alpha)
}

/// The lift by the delta method, see [`Contrast::lift_delta`].
///
/// # Errors
///
/// As [`welch_t`], and [`Refusal::ZeroBaseline`].
pub fn lift_delta(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    contrast(control, treatment)?.lift_delta(alternative, alpha)
}

/// The lift on the scale of the logarithm of the ratio, see [`Contrast::lift_log_ratio`].
///
/// # Errors
///
/// As [`welch_t`], [`Refusal::ZeroBaseline`], and [`Refusal::Undefined`] when the means differ in sign or the
/// treatment's is 0.
pub fn lift_log_ratio(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    contrast(control, treatment)?.lift_log_ratio(alternative, alpha)
}

/// The lift with Fieller's interval, which excludes 0 exactly when [`welch_t`] is significant, see
/// [`Contrast::lift_fieller`].
///
/// # Errors
///
/// As [`welch_t`], [`Refusal::ZeroBaseline`], and [`Refusal::Undefined`] when the baseline cannot be told from 0 at
/// this alpha.
pub fn lift_fieller(
    control: &Moments,
    treatment: &Moments,
    alternative: Alternative,
    alpha: f64,
) -> Result<Effect, Refusal> {
    contrast(control, treatment)?.lift_fieller(alternative, alpha)
}
