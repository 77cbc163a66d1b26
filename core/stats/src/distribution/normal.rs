//! The normal distribution with mean 0 and variance 1.

use statrs::function::erf::{erfc, erfc_inv};
use std::f64::consts::{LN_2, PI, SQRT_2};

/// From here on six terms of the asymptotic series are exact, and the chance itself comes near its underflow.
const FAR: f64 = 30.0;

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64) -> f64 {
    0.5 * erfc(x / SQRT_2)
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64) -> f64 {
    if x < -1.0 {
        (-sf(-x)).ln_1p()
    } else if x < FAR {
        sf(x).ln()
    } else {
        // NIST Digital Library of Mathematical Functions, 7.12.1.
        let w = (x * x).recip();
        let series = [-1.0, 3.0, -15.0, 105.0, -945.0, 10_395.0];
        let rest = series.iter().rev().fold(0.0, |sum, c| (sum + c) * w);
        -0.5 * x * x - x.ln() - 0.5 * (LN_2 + PI.ln()) + rest.ln_1p()
    }
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    sf(-x)
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64) -> f64 {
    ln_sf(-x)
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64) -> f64 {
    if (0.0..=1.0).contains(&p) {
        SQRT_2 * erfc_inv(2.0 * p)
    } else {
        f64::NAN
    }
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64) -> f64 {
    -isf(p)
}
