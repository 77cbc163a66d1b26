//! The effect of a treatment on any metric: a normal prior on the effect, and its normal estimate.

use super::rate::check_alpha;
use crate::distribution::normal;
use crate::moments::{Moments, count};
use crate::{Counts, Goal, Interval, Refusal};
use std::f64::consts::TAU;

/// In what an effect is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectScale {
    /// Treatment - control, in the metric's unit.
    Absolute,
    /// (treatment - control) / |control|, a share.
    Relative,
}

/// What is believed of an effect before the data. Without one, every effect is equally likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalPrior {
    /// The expected effect.
    pub mean: f64,
    /// Its variance, more than 0.
    pub variance: f64,
    /// In what the two are measured; if the effect is measured otherwise, they are rescaled by the
    /// baseline.
    pub scale: EffectScale,
}

/// An effect as the data alone show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectEstimate {
    /// The effect.
    pub estimate: f64,
    /// Its standard error, more than 0.
    pub standard_error: f64,
    /// In what the two are measured.
    pub scale: EffectScale,
    /// The control's mean, by which a prior on the other scale is rescaled.
    pub baseline: f64,
}

impl EffectEstimate {
    /// From two means. The standard error of a relative effect is that of the delta method (Deng,
    /// Knoblich, Lu 2018, KDD, section 3.1).
    ///
    /// # Errors
    ///
    /// When an arm has fewer than two values or no variance, a number is not finite, or a relative effect
    /// has a baseline of zero.
    pub fn of_means(control: &Moments, treatment: &Moments, scale: EffectScale) -> Result<Self, Refusal> {
        Self::of(mean(control)?, mean(treatment)?, scale)
    }

    /// From two rates, each with the variance p(1 - p) per trial.
    ///
    /// # Errors
    ///
    /// When an arm has no trials, more events than trials, or no or only events; or a relative effect has
    /// a baseline of zero.
    pub fn of_rates(control: Counts, treatment: Counts, scale: EffectScale) -> Result<Self, Refusal> {
        Self::of(rate(control)?, rate(treatment)?, scale)
    }

    fn of(control: Mean, treatment: Mean, scale: EffectScale) -> Result<Self, Refusal> {
        let difference = treatment.mean - control.mean;
        let baseline = control.mean;
        let (estimate, standard_error) = match scale {
            EffectScale::Absolute => (difference, treatment.error.hypot(control.error)),
            EffectScale::Relative if baseline == 0.0 => return Err(Refusal::ZeroBaseline),
            EffectScale::Relative => {
                let from_control = control.error * (treatment.mean / baseline);
                let error = treatment.error.hypot(from_control);
                (difference / baseline.abs(), error / baseline.abs())
            }
        };
        if control.error == 0.0 || treatment.error == 0.0 {
            return Err(Refusal::NoVariance);
        }
        Ok(Self {
            estimate,
            standard_error,
            scale,
            baseline,
        })
    }
}

struct Mean {
    mean: f64,
    /// Its standard error.
    error: f64,
}

fn mean(arm: &Moments) -> Result<Mean, Refusal> {
    finite("the mean", arm.mean)?;
    finite("the sum of squared distances", arm.m2)?;
    if arm.m2 < 0.0 {
        return Err(Refusal::Invalid {
            field: "the sum of squared distances",
            value: arm.m2,
            rule: "be at least 0",
        });
    }
    let Some(variance) = arm.variance() else {
        return Err(Refusal::TooFew {
            what: "values of an arm",
            have: count(arm.n),
            need: 2.0,
        });
    };
    Ok(Mean {
        mean: arm.mean,
        error: (variance / count(arm.n)).sqrt(),
    })
}

fn rate(arm: Counts) -> Result<Mean, Refusal> {
    if arm.trials == 0 {
        return Err(Refusal::TooFew {
            what: "trials of an arm",
            have: 0.0,
            need: 1.0,
        });
    }
    let Some(without) = arm.trials.checked_sub(arm.events) else {
        return Err(Refusal::Invalid {
            field: "events",
            value: count(arm.events),
            rule: "be at most the trials",
        });
    };
    let n = count(arm.trials);
    // Both shares from whole numbers: 1 - p would lose digits of a rate near 1.
    let (share, rest) = (count(arm.events) / n, count(without) / n);
    Ok(Mean {
        mean: share,
        error: (share * rest / n).sqrt(),
    })
}

/// What is believed of an effect after the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectPosterior {
    /// The expected effect, on the scale of the estimate.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// The chance that the effect is in the good direction, exact in relative terms.
    pub chance_to_win: f64,
    /// The natural logarithm of [`Self::chance_to_win`], which has its digits where that underflows.
    pub ln_chance_to_win: f64,
    /// The credible interval at the level 1 - `alpha`.
    pub interval: Interval,
    /// What choosing either arm is expected to cost, in units of the effect.
    pub losses: ExpectedLosses,
}

/// What choosing an arm is expected to cost: how much better the other is, where it is better, and nothing
/// where it is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedLosses {
    /// Of staying with the control.
    pub choose_control: f64,
    /// Of taking the treatment.
    pub choose_treatment: f64,
}

/// The posterior of an effect with a normal prior, or a flat one if there is none: precisions add up, and
/// the mean is weighted by them (Gelman et al. 2013, Bayesian Data Analysis, section 2.5).
///
/// # Errors
///
/// When a number is not finite, the standard error or the prior's variance is not more than 0, `alpha` is
/// not in its range, or the prior is on the other scale and the baseline is zero.
pub fn effect_posterior(
    effect: &EffectEstimate,
    prior: Option<NormalPrior>,
    goal: Goal,
    alpha: f64,
) -> Result<EffectPosterior, Refusal> {
    check_alpha(alpha)?;
    finite("the estimate", effect.estimate)?;
    positive("the standard error", effect.standard_error)?;
    let (mean, sd) = match prior {
        None => (effect.estimate, effect.standard_error),
        Some(prior) => {
            let (expected, variance) = rescaled(prior, effect)?;
            combine(effect.estimate, effect.standard_error, expected, variance.sqrt())
        }
    };
    let half = normal::isf(alpha / 2.0) * sd;
    let z = match goal {
        Goal::Increase => mean / sd,
        Goal::Decrease => -mean / sd,
    };
    Ok(EffectPosterior {
        mean,
        sd,
        chance_to_win: normal::sf(-z),
        ln_chance_to_win: normal::ln_sf(-z),
        interval: Interval {
            lower: mean - half,
            upper: mean + half,
        },
        losses: expected_losses(mean, sd, goal)?,
    })
}

/// Two independent normal statements about one number, as one: its mean and standard deviation.
pub(crate) fn combine(mean: f64, sd: f64, other: f64, other_sd: f64) -> (f64, f64) {
    if sd > other_sd {
        return combine(other, other_sd, mean, sd);
    }
    // The squared ratio is at most 1, where the squares of tiny deviations might underflow.
    let ratio = sd / other_sd * (sd / other_sd);
    let weight = 1.0 / (1.0 + ratio);
    (mean * weight + other * (ratio * weight), sd * weight.sqrt())
}

/// The prior's mean and variance on the scale of the effect.
fn rescaled(prior: NormalPrior, effect: &EffectEstimate) -> Result<(f64, f64), Refusal> {
    finite("the prior's mean", prior.mean)?;
    positive("the prior's variance", prior.variance)?;
    let baseline = effect.baseline.abs();
    let times = match (prior.scale, effect.scale) {
        (EffectScale::Absolute, EffectScale::Absolute) | (EffectScale::Relative, EffectScale::Relative) => {
            1.0
        }
        _ if baseline == 0.0 => return Err(Refusal::ZeroBaseline),
        (EffectScale::Absolute, EffectScale::Relative) => 1.0 / baseline,
        (EffectScale::Relative, EffectScale::Absolute) => baseline,
    };
    let (mean, variance) = (prior.mean * times, prior.variance * times * times);
    finite("the prior's mean on the scale of the effect", mean)?;
    positive("the prior's variance on the scale of the effect", variance)?;
    Ok((mean, variance))
}

/// What choosing either arm is expected to cost if the effect is normal: `E[max(effect, 0)]` for staying
/// with the control and `E[max(-effect, 0)]` for taking the treatment; with [`Goal::Decrease`] the other way
/// round.
///
/// The two differ by the mean; the smaller one is computed by itself and so keeps its digits.
///
/// # Errors
///
/// When the mean is not finite or the standard deviation not more than 0.
pub fn expected_losses(mean: f64, sd: f64, goal: Goal) -> Result<ExpectedLosses, Refusal> {
    finite("the mean", mean)?;
    positive("the standard deviation", sd)?;
    let less = sd * unit_loss(mean.abs() / sd);
    let more = less + mean.abs();
    let (rising, falling) = if mean >= 0.0 { (more, less) } else { (less, more) };
    let (choose_control, choose_treatment) = match goal {
        Goal::Increase => (rising, falling),
        Goal::Decrease => (falling, rising),
    };
    Ok(ExpectedLosses {
        choose_control,
        choose_treatment,
    })
}

/// `E[max(Z - z, 0)]` of a standard normal Z for `z` of at least 0: the density minus z times the tail. From
/// 2 on the two are nearly equal, and Laplace's continued fraction of the difference is used instead:
/// with the fraction Q / density = 1 / (z + c), where c = 1 / (z + 2 / (z + 3 / ...)), it is
/// density c / (z + c) (Abramowitz, Stegun 26.2.14).
fn unit_loss(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    if z < 2.0 {
        return (density - z * normal::sf(z)).max(0.0);
    }
    let rest = (2..=80_u32).rev().fold(z, |sum, term| z + f64::from(term) / sum);
    density / (z * rest + 1.0)
}

fn finite(field: &'static str, value: f64) -> Result<(), Refusal> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Refusal::Invalid {
        field,
        value,
        rule: "be finite",
    })
}

fn positive(field: &'static str, value: f64) -> Result<(), Refusal> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(Refusal::Invalid {
        field,
        value,
        rule: "be finite and more than 0",
    })
}
