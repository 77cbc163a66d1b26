//! The noncentral t distribution: of `(Z + nc) / sqrt(V / df)` with a normal `Z` and a chi-squared `V`. It gives the
//! power of a t test.

use super::deviance::{exp_m1_minus, ln_gamma_at_mean};
use super::normal;

/// Steps of the rule in one deviation of the integrand: the error falls with the square of it in the exponent, and is
/// far below the last digit.
const STEPS_PER_DEVIATION: f64 = 1.75;
/// The longest step: the integrand has no poles, but grows beyond an imaginary part of pi / 2.
const STEP_MAX: f64 = 0.25;
/// Terms smaller than this share of the sum add nothing.
const NEGLIGIBLE: f64 = 1e-18;
/// More terms than are ever needed on one side.
const TERMS_MAX: u32 = 20_000;
/// Newton steps to the largest point, which needs not be met exactly.
const STEPS_MAX: u32 = 50;

/// The chance of more than `x`, with `df` degrees of freedom, which need not be whole, and the noncentrality `nc`.
#[must_use]
pub fn sf(x: f64, df: f64, nc: f64) -> f64 {
    if x.is_nan() || !nc.is_finite() || df.is_nan() || df <= 0.0 {
        f64::NAN
    } else if df == f64::INFINITY {
        normal::sf(x - nc)
    } else if x == 0.0 {
        normal::sf(-nc)
    } else if x == f64::INFINITY {
        0.0
    } else if x == f64::NEG_INFINITY {
        1.0
    } else if x > 0.0 {
        Integrand {
            x,
            half: df / 2.0,
            nc,
        }
        .integral()
    } else {
        // -T has the noncentrality -nc.
        1.0 - sf(-x, df, -nc)
    }
}

/// Over `v = ln(V / df)`: the density of `v` times the chance that `Z` exceeds `x exp(v / 2) - nc`, for `x > 0`. It is
/// logarithmically concave and analytic, so the trapezoidal rule converges as fast as for a normal density.
struct Integrand {
    x: f64,
    half: f64,
    nc: f64,
}

impl Integrand {
    fn bound(&self, v: f64) -> f64 {
        self.x * (v / 2.0).exp() - self.nc
    }

    fn ln(&self, v: f64) -> f64 {
        -self.half * exp_m1_minus(v) + normal::ln_sf(self.bound(v))
    }

    /// The first derivative of the logarithm and the second with its sign turned.
    fn derivatives(&self, v: f64) -> (f64, f64) {
        let (bound, scaled) = (self.bound(v), self.x * (v / 2.0).exp() / 2.0);
        let hazard = hazard(bound);
        let first = -self.half * v.exp_m1() - hazard * scaled;
        let second = self.half * v.exp() + hazard * scaled * (0.5 + scaled * (hazard - bound));
        (first, second)
    }

    /// Where it is largest, and how wide it is there.
    fn peak(&self) -> (f64, f64) {
        let mut v: f64 = 0.0;
        for _ in 0..STEPS_MAX {
            let (first, second) = self.derivatives(v);
            // It falls faster and faster to the right, where a long step would lead far astray.
            let step = (first / second).clamp(-1.0, 1.0);
            v += step;
            if step.abs() * second.sqrt() < 0.1 {
                break;
            }
        }
        (v, self.derivatives(v).1.sqrt().recip())
    }

    fn integral(&self) -> f64 {
        let (peak, deviation) = self.peak();
        // The chance of Z changes over a distance of its own, where its bound is 0 if that is above the peak.
        let steepest = (self.x * (peak / 2.0).exp()).max(self.nc);
        let narrowest = deviation.min(2.0 / steepest);
        let step = (narrowest / STEPS_PER_DEVIATION).min(STEP_MAX);
        let top = self.ln(peak);
        let mut sum = 1.0;
        for direction in [-step, step] {
            for term in 1..TERMS_MAX {
                let part = (self.ln(peak + direction * f64::from(term)) - top).exp();
                sum += part;
                if part < NEGLIGIBLE * sum {
                    break;
                }
            }
        }
        (top + ln_gamma_at_mean(self.half)).exp() * sum * step
    }
}

/// The normal density at `x` as a share of the chance of more.
fn hazard(x: f64) -> f64 {
    (-0.5 * (x * x + std::f64::consts::TAU.ln()) - normal::ln_sf(x)).exp()
}
