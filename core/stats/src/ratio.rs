//! Ratio metrics: a sum over a sum, such as clicks per view, where the user is what was randomised.
//!
//! The ratio of two means varies as the weighted sum of their distances from the truth (delta method: Deng, Knoblich,
//! Lu 2018, KDD, section 3.1), which needs only means, variances and the covariance over users.

use crate::Refusal;
use crate::cuped::{Adjusted, compared};
use crate::effect::{Contrast, cleared};
use crate::moments::{Comoments, JointMoments, count};

/// Two ratios and how they compare.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratios {
    /// The control's ratio.
    pub control: f64,
    /// The treatment's ratio.
    pub treatment: f64,
    /// Both compared.
    pub contrast: Contrast,
}

/// A user's values for a ratio with history, in this order: numerator, denominator, numerator before the
/// experiment, denominator before the experiment.
pub type RatioMoments = JointMoments<4>;

/// Two ratios: y is the numerator of a user, x the denominator.
///
/// # Errors
///
/// [`Refusal::TooFew`] below two users in an arm, [`Refusal::Invalid`] for what is no moments of pairs,
/// [`Refusal::Undefined`] when the denominators add up to 0, [`Refusal::NoVariance`] when the ratio of an arm does not
/// vary between users.
pub fn delta(control: &Comoments, treatment: &Comoments) -> Result<Ratios, Refusal> {
    let (control, treatment) = (Ratio::of(control)?, Ratio::of(treatment)?);
    let contrast = Contrast {
        difference: treatment.ratio - control.ratio,
        baseline: control.ratio,
        treatment: treatment.ratio,
        treatment_variance: treatment.variance,
        baseline_variance: control.variance,
        adjustment_variance: 0.0,
        adjustment_covariance: 0.0,
        treatment_df: treatment.df,
        control_df: control.df,
    };
    Ok(Ratios {
        control: control.ratio,
        treatment: treatment.ratio,
        contrast,
    })
}

struct Ratio {
    ratio: f64,
    variance: f64,
    df: f64,
}

impl Ratio {
    fn of(arm: &Comoments) -> Result<Self, Refusal> {
        arm.check()?;
        if arm.mean_x == 0.0 {
            return Err(NO_DENOMINATOR);
        }
        let (n, df) = (count(arm.n), count(arm.n) - 1.0);
        let ratio = arm.mean_y / arm.mean_x;
        let residue = cleared(arm.m2_y, ratio * arm.c_xy, ratio * ratio * arm.m2_x);
        if residue <= 0.0 {
            return Err(Refusal::NoVariance);
        }
        Ok(Self {
            ratio,
            variance: residue / df / n / (arm.mean_x * arm.mean_x),
            df,
        })
    }
}

const NO_DENOMINATOR: Refusal = Refusal::Undefined {
    why: "the denominators add up to zero",
};

/// Two ratios, less what the same ratio from before the experiment explains. The slope is that of the ratios'
/// linear parts: the arms' covariances together, by the arms' variances together.
///
/// # Errors
///
/// As [`delta`], where the variance is the one after the adjustment. A history without denominators or without any
/// variance leaves the ratios as they are.
pub fn cuped(control: &RatioMoments, treatment: &RatioMoments) -> Result<Adjusted, Refusal> {
    let (c, t) = (History::of(control)?, History::of(treatment)?);
    let explained = c.before_variance + t.before_variance;
    let theta = if c.has_history && t.has_history && explained > 0.0 {
        (c.covariance + t.covariance) / explained
    } else {
        0.0
    };
    let difference = (t.ratio - c.ratio) - theta * (t.before - c.before);
    let contrast = Contrast {
        difference,
        baseline: c.ratio,
        treatment: c.ratio + difference,
        treatment_variance: t.adjusted(treatment, theta)?,
        baseline_variance: c.variance / c.n,
        adjustment_variance: theta * theta * c.before_variance / c.n,
        adjustment_covariance: theta * c.covariance / c.n,
        treatment_df: t.n - 1.0,
        control_df: c.n - 1.0,
    };
    c.adjusted(control, theta)?;
    compared(theta, contrast, c.variance / c.n + t.variance / t.n)
}

/// A ratio and the same from before, with the weights that make them sums of a user's values.
struct History {
    n: f64,
    ratio: f64,
    before: f64,
    has_history: bool,
    weights: [f64; 4],
    before_weights: [f64; 4],
    variance: f64,
    before_variance: f64,
    covariance: f64,
}

impl History {
    fn of(arm: &RatioMoments) -> Result<Self, Refusal> {
        arm.check()?;
        let [up, down, up_before, down_before] = arm.means;
        if down == 0.0 {
            return Err(NO_DENOMINATOR);
        }
        let ratio = up / down;
        let weights = [down.recip(), -ratio / down, 0.0, 0.0];
        let has_history = down_before != 0.0;
        let (before, before_weights) = if has_history {
            let before = up_before / down_before;
            (before, [0.0, 0.0, down_before.recip(), -before / down_before])
        } else {
            (0.0, [0.0; 4])
        };
        Ok(Self {
            n: count(arm.n),
            ratio,
            before,
            has_history,
            weights,
            before_weights,
            variance: arm.variance_along(&weights),
            before_variance: arm.variance_along(&before_weights),
            covariance: arm.covariance_along(&weights, &before_weights),
        })
    }

    /// The variance of the ratio less `theta` times the one from before.
    fn adjusted(&self, arm: &RatioMoments, theta: f64) -> Result<f64, Refusal> {
        let [up, down, ..] = self.weights;
        let [.., up_before, down_before] = self.before_weights;
        let variance = arm.variance_along(&[up, down, -theta * up_before, -theta * down_before]);
        if variance <= 0.0 {
            return Err(Refusal::NoVariance);
        }
        Ok(variance / self.n)
    }
}
