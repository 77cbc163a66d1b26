//! How far two rates are apart in relative terms.

use super::bracket::{Range, span};
use super::cumulative::{Cumulative, end_of_panel};
use super::density::{Density, NOTHING, PLAIN, Way};
use super::rate::{BetaPrior, RatePosterior, check_alpha};
use crate::distribution::normal;
use crate::quadrature;
use crate::{Counts, Interval, Refusal};

/// Steps until a quantile is found, halving all digits; Newton's method alone mostly needs five.
const STEPS: u32 = 200;
const USUAL_STEPS: u32 = 12;
/// How much of the way to a singularity a panel may take, so that it stays smooth there.
const TOWARDS_WALL: f64 = 0.75;
/// A part of the axis so short holds no mass.
const SLIVER: f64 = 1e-12;
/// The error after a step is about the square of its length, in standard deviations.
const ENOUGH: f64 = 1e-8;

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
    let lift = |ln: f64| {
        let lift = ln.exp_m1();
        lift.is_finite().then_some(lift).ok_or(Refusal::Undefined {
            why: "the ratio of the rates is beyond the range of numbers",
        })
    };
    Ok(LiftPosterior {
        median: lift(ratio.ln_quantile(0.5, Way::Down))?,
        // Each end from its own tail: 1 - alpha / 2 would lose the digits of a small alpha.
        interval: Interval {
            lower: lift(ratio.ln_quantile(alpha / 2.0, Way::Down))?,
            upper: lift(ratio.ln_quantile(alpha / 2.0, Way::Up))?,
        },
    })
}

/// The ratio of two rates, treatment / control.
struct Ratio {
    control: Density,
    control_span: Range,
    treatment: Density,
    chances: Cumulative,
    /// Roughly where the logarithm of the ratio is, and how wide it is spread.
    middle: f64,
    spread: f64,
    /// Where it is certain to be.
    from: f64,
    to: f64,
}

impl Ratio {
    fn new(control: &RatePosterior, treatment: &RatePosterior) -> Self {
        let variance = |posterior: &RatePosterior| {
            let (a, b) = posterior.shapes();
            b / (a + b) / a
        };
        let (of_control, of_treatment) = (control.logit(), treatment.logit());
        let (control_span, span) = (span(&of_control, NOTHING), span(&of_treatment, NOTHING));
        Self {
            control: of_control,
            control_span,
            treatment: of_treatment,
            chances: Cumulative::new(&of_treatment),
            middle: treatment.mean().ln() - control.mean().ln(),
            spread: (variance(control) + variance(treatment)).sqrt(),
            from: ln_logistic(span.from) - ln_logistic(control_span.to),
            to: ln_logistic(span.to) - ln_logistic(control_span.from),
        }
    }

    /// The chance that the logarithm of the ratio is at most `w`, or that it is more, and its density.
    fn chance(&self, w: f64, way: Way) -> (f64, f64) {
        let Range { from, to } = self.control_span;
        let (mut chance, mut density) = (0.0, 0.0);
        // Where the treatment's rate becomes 1, and its logit infinite: panels shrink towards it, up to
        // where no mass is left.
        let wall = if w > 0.0 { logit_of_ln(-w) } else { f64::INFINITY };
        let at_wall = if w > 0.0 {
            wall - SLIVER * (1.0 + wall.abs())
        } else {
            wall
        };
        let mut left = from;
        while left < to {
            let (end, room): (f64, &dyn Fn(f64) -> f64) = if left < at_wall {
                let end = left + TOWARDS_WALL * (wall - left);
                (end.min(to), &|t| PLAIN * self.room(t, w))
            } else {
                (to, &|t| PLAIN * self.control.reach(t, &self.control.local(t)))
            };
            let right = end_of_panel(left, end, room);
            for (t, weight) in quadrature::nodes(left, right) {
                let mass = weight * self.control.value(t);
                // The treatment's rate that is w away from this one of the control.
                let ln_rate = w + ln_logistic(t);
                let at = logit_of_ln(ln_rate);
                chance += mass
                    * match way {
                        Way::Down => self.chances.below(at),
                        Way::Up => self.chances.above(at),
                    };
                if ln_rate < 0.0 {
                    density += mass * self.treatment.value(at) / -ln_rate.exp_m1();
                }
            }
            left = right;
        }
        (chance, density)
    }

    /// How wide a panel at `t` may be.
    fn room(&self, t: f64, w: f64) -> f64 {
        let room = self.control.reach(t, &self.control.local(t));
        let ln_rate = w + ln_logistic(t);
        let at = logit_of_ln(ln_rate);
        let local = self.treatment.local(at.min(f64::MAX));
        let (settled, right_of_it) = (local.ln < -NOTHING, at > self.treatment.centre());
        if settled && right_of_it {
            return room;
        }
        if settled {
            // Nothing of the treatment is here; what comes must not be stepped over.
            let centre = logit_of_ln(ln_logistic(self.treatment.centre()) - w);
            return room.min((centre - t) / 2.0);
        }
        // How fast the treatment's logit moves: (1 - rate) / (1 - its rate).
        let speed = ln_logistic(-t).exp() / -ln_rate.exp_m1();
        room.min(self.treatment.reach(at, &local) / speed)
    }

    /// The logarithm of the ratio beyond which, that way, lies the chance `p`.
    fn ln_quantile(&self, p: f64, way: Way) -> f64 {
        let (mut left, mut right) = (self.from, self.to);
        let mut w = self.middle + way.sign() * self.spread * normal::isf(p);
        for step in 0..STEPS {
            // Where the chance is a staircase, steps along its slope lead nowhere.
            let slow = step >= USUAL_STEPS && step % 2 == 0;
            if slow || !(w > left && w < right) {
                w = f64::midpoint(left, right);
            }
            let (chance, density) = self.chance(w, way);
            let outwards = chance > p;
            if outwards == (way == Way::Up) {
                left = w;
            } else {
                right = w;
            }
            // Newton's method on the logarithm of the chance, which bends less in a tail.
            let step = way.sign() * (chance / p).ln() * chance / density;
            w += step;
            if step.abs() < ENOUGH * self.spread.min(1.0) || right - left < ENOUGH * self.spread.min(1.0) {
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

/// The logit of the rate that has this logarithm; infinite from a rate of 1 on.
fn logit_of_ln(ln: f64) -> f64 {
    if ln < 0.0 {
        ln - (-ln.exp_m1()).ln()
    } else {
        f64::INFINITY
    }
}
