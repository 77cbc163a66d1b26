//! Densities whose logarithm is concave, on an axis without ends: a normal one, and the logit of a beta one.
//!
//! On the logit axis every beta density is smooth and log-concave, even where a shape is below 1 and the
//! density of the rate itself is infinite at an end.

use crate::distribution::normal;
use crate::quadrature;
use std::f64::consts::{PI, TAU};

/// How much the logarithm may change over one panel: sixteen nodes follow it to 1e-10 at its low end.
const PANEL_CHANGE: f64 = 6.0;
/// How many standard deviations a panel may be wide around a peak.
const PANEL_WIDTH: f64 = 2.5;
/// Panels of plain integrals may be so many times wider: they are exact for twice the degree.
pub(super) const PLAIN: f64 = 1.5;
/// Mass that many natural logarithms down is rounding.
pub(super) const NOTHING: f64 = 42.0;
/// From where on the exponential of a distance in logits would lose or overflow.
const FAR: f64 = 30.0;
/// From where on six terms of Stirling's series have all digits.
const STIRLING: f64 = 12.0;

/// Steps until a quantile is found; five are usual.
const QUANTILE_STEPS: u32 = 1000;
/// The error after a step is the square of its length, in standard deviations.
const QUANTILE_ENOUGH: f64 = 1e-7;

/// The logarithm of a density relative to its peak, with its derivatives.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Local {
    /// 0 at the peak, negative elsewhere.
    pub(super) ln: f64,
    pub(super) slope: f64,
    /// The second derivative without its sign.
    pub(super) curvature: f64,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Normal {
        sd: f64,
    },
    /// The logit of a beta; the two shapes are ordered so that cancellation stays small.
    LogitBeta {
        /// The smaller shape and the larger one.
        less: f64,
        more: f64,
        /// 1 if the smaller shape is that of the events, else -1.
        sign: f64,
    },
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Down,
    Up,
}

impl Way {
    pub(super) const fn sign(self) -> f64 {
        match self {
            Self::Down => -1.0,
            Self::Up => 1.0,
        }
    }
}

/// A density on the whole axis, log-concave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Density {
    /// Where it peaks.
    centre: f64,
    ln_peak: f64,
    shape: Shape,
}

impl Density {
    /// Of a normal number; `sd` is more than 0.
    pub(crate) fn normal(mean: f64, sd: f64) -> Self {
        Self {
            centre: mean,
            ln_peak: -0.5 * TAU.ln() - sd.ln(),
            shape: Shape::Normal { sd },
        }
    }

    /// Of ln(rate / (1 - rate)), where the rate is beta with these shapes, more than 0.
    ///
    /// With n = a + b the density is `rate^a (1 - rate)^b / B(a, b)`, which peaks at the rate a / n, and there
    /// is `sqrt(ab / (2 pi n)) exp(D(n) - D(a) - D(b))` with Stirling's error D: no difference of large numbers.
    pub(crate) fn logit_beta(a: f64, b: f64) -> Self {
        let n = a + b;
        Self {
            centre: a.ln() - b.ln(),
            ln_peak: 0.5 * (a * (b / n) / TAU).ln() + stirling_error(n)
                - stirling_error(a)
                - stirling_error(b),
            shape: Shape::LogitBeta {
                less: a.min(b),
                more: a.max(b),
                sign: if a <= b { 1.0 } else { -1.0 },
            },
        }
    }

    pub(super) const fn centre(&self) -> f64 {
        self.centre
    }

    /// The density.
    pub(super) fn value(&self, t: f64) -> f64 {
        (self.ln_peak + self.ln(t)).exp()
    }

    /// The logarithm of the density relative to its peak.
    pub(super) fn ln(&self, t: f64) -> f64 {
        let off = t - self.centre;
        match self.shape {
            Shape::Normal { sd } => -0.5 * (off / sd) * (off / sd),
            Shape::LogitBeta { less, more, sign } => {
                let (u, n) = (off * sign, less + more);
                if u <= FAR {
                    less * u - n * (less / n * u.exp_m1()).ln_1p()
                } else {
                    -more * u - n * (more / n * (-u).exp_m1()).ln_1p()
                }
            }
        }
    }

    /// The same with its derivatives.
    pub(super) fn local(&self, t: f64) -> Local {
        let off = t - self.centre;
        let (slope, curvature) = match self.shape {
            Shape::Normal { sd } => (-off / sd / sd, 1.0 / sd / sd),
            Shape::LogitBeta { less, more, sign } => {
                let (u, n) = (off * sign, less + more);
                let peak = less * (more / n);
                let near = if u <= FAR { u } else { -u };
                let share = if u <= FAR { less } else { more } / n;
                let (grown, below) = (near.exp_m1(), 1.0 + share * near.exp_m1());
                let slope = if u <= FAR { -peak } else { peak } * grown / below;
                (slope * sign, peak * (1.0 + grown) / below / below)
            }
        };
        Local {
            ln: self.ln(t),
            slope,
            curvature,
        }
    }

    /// How wide a panel that begins at `t` may be.
    pub(super) fn reach(&self, t: f64, local: &Local) -> f64 {
        let change = PANEL_CHANGE / local.slope.abs();
        let width = PANEL_WIDTH / local.curvature.sqrt();
        let smooth = match self.shape {
            Shape::Normal { .. } => f64::INFINITY,
            // The logit has its nearest singularities at plus and minus i pi.
            Shape::LogitBeta { .. } => 0.6 * t.hypot(PI),
        };
        change.min(width).min(smooth)
    }

    /// How wide a panel of a plain integral may be from `t` that way, which must not be too wide for its
    /// other end either.
    fn stride(&self, t: f64, way: Way, local: &Local) -> f64 {
        let mut step = PLAIN * self.reach(t, local);
        for _ in 0..100 {
            let end = t + way.sign() * step;
            if step <= 2.0 * PLAIN * self.reach(end, &self.local(end)) {
                break;
            }
            step *= 0.6;
        }
        step
    }

    /// The chance of at most `t`, exact in relative terms.
    pub(super) fn below(&self, t: f64) -> f64 {
        if t <= self.centre {
            self.tail(t, Way::Down)
        } else {
            1.0 - self.tail(t, Way::Up)
        }
    }

    /// The chance of more than `t`, exact in relative terms.
    pub(super) fn above(&self, t: f64) -> f64 {
        if t >= self.centre {
            self.tail(t, Way::Up)
        } else {
            1.0 - self.tail(t, Way::Down)
        }
    }

    /// The value beyond which, that way, lies the chance `p` of less than 1. Newton's method on the logarithm
    /// of the chance, which is concave; each step adds the mass that it passes.
    pub(super) fn quantile(&self, p: f64, way: Way) -> f64 {
        let spread = self.local(self.centre).curvature.sqrt().recip();
        let mut t = self.centre + way.sign() * normal::isf(p) * spread;
        let beyond = |t: f64| match way {
            Way::Down => self.below(t),
            Way::Up => self.above(t),
        };
        let mut chance = beyond(t);
        for _ in 0..QUANTILE_STEPS {
            if chance < f64::MIN_POSITIVE {
                // So far out that nothing is left to measure by.
                t = f64::midpoint(t, self.centre);
                chance = beyond(t);
                continue;
            }
            let step = way.sign() * (chance / p).ln() * chance / self.value(t);
            let towards = if step > 0.0 { Way::Up } else { Way::Down };
            let far = self.stride(t, towards, &self.local(t));
            let next = t + step.clamp(-far, far);
            let passed = way.sign() * quadrature::panel(t, next, |t| self.value(t));
            // What nearly nothing is left of is summed anew, not as a difference.
            chance = if passed < 0.9 * chance {
                chance - passed
            } else {
                beyond(next)
            };
            t = next;
            if step.abs() <= QUANTILE_ENOUGH * spread {
                break;
            }
        }
        t
    }

    /// The mass from `t` outwards, away from the centre.
    fn tail(&self, t: f64, way: Way) -> f64 {
        let mut at = t;
        let mut local = self.local(at);
        let least = local.ln - NOTHING;
        let mut mass = 0.0;
        while local.ln > least {
            let next = at + way.sign() * self.stride(at, way, &local);
            mass += quadrature::panel(at.min(next), at.max(next), |t| self.value(t));
            // Steps that rounding swallows would never end, and what lies beyond the range of numbers is nothing.
            if next.to_bits() == at.to_bits() || !next.is_finite() {
                break;
            }
            at = next;
            local = self.local(at);
        }
        mass.min(1.0)
    }
}

/// What Stirling's formula leaves of ln Gamma(z): its series from 12 on, else by the recurrence of Gamma
/// (Abramowitz, Stegun 6.1.15 and 6.1.41).
fn stirling_error(z: f64) -> f64 {
    let (mut z, mut stepped) = (z, 0.0);
    while z < STIRLING {
        stepped += (z + 0.5) * (1.0 / z).ln_1p() - 1.0;
        z += 1.0;
    }
    let square = 1.0 / (z * z);
    let terms = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
    ];
    stepped + terms.iter().rev().fold(0.0, |sum, term| sum * square + term) / z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mass_is_one() {
        let shapes = [0.01, 0.5, 1.0, 3.0, 700.0, 1e9];
        for a in shapes {
            for b in shapes {
                let density = Density::logit_beta(a, b);
                let (below, above) = (density.below(density.centre), density.above(density.centre));
                assert!((below + above - 1.0).abs() < 1e-11, "{a} {b}: {below} {above}");
            }
        }
    }

    #[test]
    fn slopes_are_slopes() {
        for density in [
            Density::logit_beta(0.5, 3.0),
            Density::logit_beta(800.0, 20.0),
            Density::logit_beta(2.0, 2.0),
            Density::normal(1.0, 0.3),
        ] {
            for t in [-40.0, -3.0, 0.1, 2.0, 35.0, 50.0] {
                let (left, here, right) =
                    (density.local(t - 1e-5), density.local(t), density.local(t + 1e-5));
                let slope = (right.ln - left.ln) / 2e-5;
                let curvature = (left.slope - right.slope) / 2e-5;
                assert!((slope - here.slope).abs() < 1e-5 * (1.0 + slope.abs()), "{t}");
                assert!(
                    (curvature - here.curvature).abs() < 1e-5 * (1.0 + curvature),
                    "{t}"
                );
            }
        }
    }
}
