//! Fisher's F distribution with `d1` and `d2` degrees of freedom.

use super::incomplete_beta;
use super::tails::Tails;

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64, d1: f64, d2: f64) -> f64 {
    tails(x, d1, d2).upper
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64, d1: f64, d2: f64) -> f64 {
    tails(x, d1, d2).ln_upper
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64, d1: f64, d2: f64) -> f64 {
    tails(x, d1, d2).lower
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64, d1: f64, d2: f64) -> f64 {
    tails(x, d1, d2).ln_lower
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64, d1: f64, d2: f64) -> f64 {
    value(1.0 - p, p, d1, d2)
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64, d1: f64, d2: f64) -> f64 {
    value(p, 1.0 - p, d1, d2)
}

/// `d1 F / d2` are the odds of a beta variable with half the degrees of freedom as shapes.
fn tails(x: f64, d1: f64, d2: f64) -> Tails {
    if x <= 0.0 {
        return incomplete_beta::tails(0.0, 1.0, d1 / 2.0, d2 / 2.0);
    }
    let odds = d1 / d2 * x;
    let (share, rest) = ((1.0 + odds.recip()).recip(), (1.0 + odds).recip());
    incomplete_beta::tails(share, rest, d1 / 2.0, d2 / 2.0)
}

fn value(lower: f64, upper: f64, d1: f64, d2: f64) -> f64 {
    d2 / d1 * incomplete_beta::ln_odds(lower, upper, d1 / 2.0, d2 / 2.0).exp()
}
