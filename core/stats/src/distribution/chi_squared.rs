//! The chi-squared distribution with `df` degrees of freedom.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |d| d.sf(x))
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64, df: f64) -> f64 {
    sf(x, df).ln()
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |d| d.cdf(x))
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64, df: f64) -> f64 {
    cdf(x, df).ln()
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |d| d.inverse_cdf(1.0 - p))
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64, df: f64) -> f64 {
    ChiSquared::new(df).map_or(f64::NAN, |d| d.inverse_cdf(p))
}
