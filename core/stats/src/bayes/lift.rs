//! How far two rates are apart in relative terms.

use super::contest::span;
use super::cumulative::Cumulative;
use super::density::Density;
use super::rate::{BetaPrior, RatePosterior, check_alpha};
use crate::distribution::normal;
use crate::quadrature;
use crate::{Counts, Interval, Refusal};

/// Steps until a quantile is found; Newton's method needs five, halving all digits.
const STEPS: u32 = 200;
/// A step of this size in the logarithm of a ratio is less than anybody asks.
const ENOUGH: f64 = 1e-12;

/// What is believed of treatment rate / control rate - 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiftPosterior {
    /// As likely too small as too large.
    pub median: f64,
    /// The credible interval with `alpha` / 2 on each side.
    pub interval: Interval,
}

/// The posterior of the relative lift of a rate, with the same prior on both rates, at the level
/// 1 - `alpha`.
///
/// The chance that the ratio is at most r is the integral of the control's density times the treatment's
/// distribution function at r times the rate; its quantiles are found by Newton's method.
///
/// # Errors
///
/// When an arm has more events than trials, the prior or `alpha` is not in its range, or an end of the
/// interval overflows.
pub fn lift_posterior(
    control: Counts,
    treatment: Counts,
    prior: BetaPrior,
    alpha: f64,
) -> Result<LiftPosterior, Refusal> {
    check_alpha(alpha)?;
    let control = RatePosterior::new(control, prior)?;
    let treatment = RatePosterior::new(treatment, prior)?;
    let ratio = Ratio::new(&control, &treatment);
    // Each end from its own tail: 1 - alpha / 2 would lose the digits of a small alpha.
    let inverse = Ratio::new(&treatment, &control);
    let lift = |ln: f64| {
        let lift = ln.exp_m1();
        lift.is_finite().then_some(lift).ok_or(Refusal::Undefined {
            why: "the ratio of the rates is beyond the range of numbers",
        })
    };
    Ok(LiftPosterior {
        median: lift(ratio.ln_quantile(0.5))?,
        interval: Interval {
            lower: lift(ratio.ln_quantile(alpha / 2.0))?,
            upper: lift(-inverse.ln_quantile(alpha / 2.0))?,
        },
    })
}

/// The ratio of two rates, treatment / control.
struct Ratio {
    control: Density,
    /// Panels of the control's logit.
    control_ends: Vec<f64>,
    treatment: Density,
    chances: Cumulative,
    /// Panels of the treatment's logit.
    treatment_ends: Vec<f64>,
    /// Roughly where the logarithm of the ratio is, and how wide it is spread.
    middle: f64,
    spread: f64,
    /// Where it is certain to be.
    from: f64,
    to: f64,
}

impl Ratio {
    fn new(control: &RatePosterior, treatment: &RatePosterior) -> Self {
        let table = |density: &Density| {
            let (from, to) = span(density);
            (Cumulative::new(density, from, to), ln_logistic(from), ln_logistic(to))
        };
        let (of_control, control_from, control_to) = table(&control.logit());
        let (chances, treatment_from, treatment_to) = table(&treatment.logit());
        let variance = |posterior: &RatePosterior| {
            let (a, b) = posterior.shapes();
            b / (a + b) / a
        };
        Self {
            control: control.logit(),
            control_ends: of_control.ends().collect(),
            treatment: treatment.logit(),
            treatment_ends: chances.ends().collect(),
            chances,
            middle: treatment.mean().ln() - control.mean().ln(),
            spread: (variance(control) + variance(treatment)).sqrt(),
            from: treatment_from - control_to,
            to: treatment_to - control_from,
        }
    }

    /// The chance that the logarithm of the ratio is at most `w`, and its density.
    fn chance(&self, w: f64) -> (f64, f64) {
        // Where the treatment's panels end, in logits of the control.
        let mapped = self.treatment_ends.iter().map(|t| ln_logistic(*t) - w);
        let mapped = mapped.filter(|ln| *ln < 0.0).map(logit_of_ln);
        let inside = |t: &f64| self.control_ends.first() < Some(t) && Some(t) < self.control_ends.last();
        let mut ends: Vec<f64> = self.control_ends.iter().copied().chain(mapped.filter(inside)).collect();
        ends.sort_by(f64::total_cmp);
        let (mut chance, mut density) = (0.0, 0.0);
        for (left, right) in ends.iter().zip(ends.iter().skip(1)) {
            for (t, weight) in quadrature::nodes(*left, *right) {
                let mass = weight * self.control.value(t);
                let ln_rate = w + ln_logistic(t);
                if ln_rate < 0.0 {
                    let at = logit_of_ln(ln_rate);
                    chance += mass * self.chances.below(at);
                    density += mass * self.treatment.value(at) / -ln_rate.exp_m1();
                } else {
                    chance += mass;
                }
            }
        }
        (chance, density)
    }

    /// The logarithm of the ratio that is not exceeded with the chance `p`.
    fn ln_quantile(&self, p: f64) -> f64 {
        let (mut left, mut right) = (self.from, self.to);
        let mut w = self.middle - self.spread * normal::isf(p);
        for _ in 0..STEPS {
            if !(w > left && w < right) {
                w = f64::midpoint(left, right);
            }
            let (chance, density) = self.chance(w);
            if chance < p {
                left = w;
            } else {
                right = w;
            }
            let step = (p - chance) / density;
            w += step;
            if step.abs() < ENOUGH || right - left < ENOUGH {
                break;
            }
        }
        w.clamp(left, right)
    }
}

/// The logarithm of the rate that has this logit.
fn ln_logistic(t: f64) -> f64 {
    t.min(0.0) - (-t.abs()).exp().ln_1p()
}

/// The logit of the rate that has this logarithm, less than 0.
fn logit_of_ln(ln: f64) -> f64 {
    ln - (-ln.exp_m1()).ln()
}
