//! The parts of the densities of counts and shares that a difference of large logarithms would lose.
//!
//! With the error of Stirling's formula and the deviance kept apart, every density is a product of numbers
//! that are all exact (Loader 2000, Fast and Accurate Computation of Binomial Probabilities).

use std::f64::consts::TAU;

/// Below this the series is used: above, the difference keeps its digits.
const SERIES_MAX: f64 = 0.4;
/// The coefficients 1/3, 1/5, ... of the inverse hyperbolic tangent, less the first.
const ARTANH: [f64; 14] = [
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
    1.0 / 21.0,
    1.0 / 23.0,
    1.0 / 25.0,
    1.0 / 27.0,
    1.0 / 29.0,
];
/// The coefficients 1/2!, 1/3!, ... of the exponential function, less the first two.
const EXP: [f64; 14] = [
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
    1.0 / 87_178_291_200.0,
    1.0 / 1_307_674_368_000.0,
];
/// The coefficients of Stirling's series (NIST Digital Library of Mathematical Functions, 5.11.1).
const STIRLING: [f64; 8] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1_260.0,
    -1.0 / 1_680.0,
    1.0 / 1_188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3_617.0 / 122_400.0,
];
/// From here on eight terms of Stirling's series are exact.
const STIRLING_MIN: f64 = 8.0;

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// `ln(1 + d) - d`, with all its digits where `d` is small.
pub(crate) fn ln_1p_minus(d: f64) -> f64 {
    if d.abs() >= SERIES_MAX {
        return d.ln_1p() - d;
    }
    // ln(1 + d) = 2 artanh(r) with d = 2r / (1 - r).
    let r = d / (2.0 + d);
    let square = r * r;
    2.0 * r * square * polynomial(&ARTANH, square) - r * d
}

/// `e^s - 1 - s`, with all its digits where `s` is small.
pub(crate) fn exp_m1_minus(s: f64) -> f64 {
    if s.abs() >= SERIES_MAX {
        return s.exp_m1() - s;
    }
    s * s * polynomial(&EXP, s)
}

/// `ln Gamma(z) - ((z - 1/2) ln z - z + ln(2 pi) / 2)` for `z > 0`: what Stirling's formula misses.
pub(crate) fn stirling_error(z: f64) -> f64 {
    let (mut z, mut sum) = (z, 0.0);
    while z < STIRLING_MIN {
        sum += (z + 0.5) * z.recip().ln_1p() - 1.0;
        z += 1.0;
    }
    let inverse = z.recip();
    sum + inverse * polynomial(&STIRLING, inverse * inverse)
}

/// `x ln(x / mean) + mean - x`, half the deviance of a count; `difference` is `mean - x`, which the caller may
/// know better than this subtraction.
pub(crate) fn half_deviance(x: f64, mean: f64, difference: f64) -> f64 {
    let share = difference / x;
    if share.abs() < SERIES_MAX {
        -x * ln_1p_minus(share)
    } else {
        x * (x / mean).ln() + difference
    }
}

/// `ln Gamma(a + b) - ln Gamma(a) - ln Gamma(b) + a ln p + b ln q` at the mean `p = a / (a + b)`, `q = 1 - p`.
pub(crate) fn ln_beta_at_mean(a: f64, b: f64) -> f64 {
    let n = a + b;
    // One factor at a time: their product may leave the range of numbers.
    0.5 * (a / n * b / TAU).ln() + stirling_error(n) - stirling_error(a) - stirling_error(b)
}

/// `-ln Gamma(a) + a ln a - a`: the density of a gamma variable's logarithm at its mean.
pub(crate) fn ln_gamma_at_mean(a: f64) -> f64 {
    0.5 * (a / TAU).ln() - stirling_error(a)
}
