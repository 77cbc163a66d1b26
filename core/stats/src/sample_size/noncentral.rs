//! The noncentral t distribution, as far as the power of a t test needs it.

use crate::distribution::normal;
use statrs::function::gamma::ln_gamma;
use std::f64::consts::{LN_2, PI};

/// Steps of the quadrature over the range of the deviation that matters.
const STEPS: i32 = 160;
/// What is left out on either side is less than e to the minus this.
const LEFT_OUT: f64 = 42.0;

/// The chance of more than `x` > 0: over all sample deviations s, the chance that a normal number exceeds
/// `x s - nc`. With s = e^u the integrand falls off fast on both sides and the trapezoidal rule has all digits
/// (Trefethen, Weideman 2014, SIAM Review 56:385).
pub(super) fn sf(x: f64, df: f64, nc: f64) -> f64 {
    let half = df / 2.0;
    let peak = ln_peak(half);
    let falls = |u: f64| half * ((2.0 * u).exp_m1() - 2.0 * u);
    let low = -reach(|u| falls(-u));
    let high = reach(falls);
    let step = (high - low) / f64::from(STEPS);
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let u = low + f64::from(i) * step;
            normal::sf(x * u.exp() - nc) * (peak - falls(u)).exp()
        })
        .sum();
    (sum * step).min(1.0)
}

/// The logarithm of the density of u at its highest point, u = 0: of `2 h^h e^-h / gamma(h)`, by Stirling's
/// series where the logarithm of gamma would cancel out.
fn ln_peak(half: f64) -> f64 {
    if half < 40.0 {
        return LN_2 + half * half.ln() - half - ln_gamma(half);
    }
    let square = half * half;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / half;
    (2.0 * half / PI).ln() / 2.0 - series
}

/// Where a rising function of positive numbers that is 0 at 0 reaches [`LEFT_OUT`].
fn reach(rising: impl Fn(f64) -> f64) -> f64 {
    let mut high = 1e-6;
    while rising(high) < LEFT_OUT {
        high *= 1.25;
    }
    high
}
