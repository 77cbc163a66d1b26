//! The normal distribution with mean 0 and variance 1.

use statrs::distribution::{ContinuousCDF as _, Normal};

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |d| d.sf(x))
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64) -> f64 {
    sf(x).ln()
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |d| d.cdf(x))
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64) -> f64 {
    cdf(x).ln()
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |d| d.inverse_cdf(1.0 - p))
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64) -> f64 {
    Normal::new(0.0, 1.0).map_or(f64::NAN, |d| d.inverse_cdf(p))
}
