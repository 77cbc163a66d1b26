//! The chi-squared distribution with `df` degrees of freedom, which need not be whole.

use super::incomplete_gamma::{tails, value};

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64, df: f64) -> f64 {
    tails(x / 2.0, df / 2.0).upper
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64, df: f64) -> f64 {
    tails(x / 2.0, df / 2.0).ln_upper
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64, df: f64) -> f64 {
    tails(x / 2.0, df / 2.0).lower
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64, df: f64) -> f64 {
    tails(x / 2.0, df / 2.0).ln_lower
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64, df: f64) -> f64 {
    2.0 * value(1.0 - p, p, df / 2.0)
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64, df: f64) -> f64 {
    2.0 * value(p, 1.0 - p, df / 2.0)
}
