//! The beta distribution with the shapes `a` and `b`: the regularised incomplete beta function.

use super::incomplete_beta::{ln_odds, tails};

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64, a: f64, b: f64) -> f64 {
    tails(x, 1.0 - x, a, b).upper
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64, a: f64, b: f64) -> f64 {
    tails(x, 1.0 - x, a, b).ln_upper
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64, a: f64, b: f64) -> f64 {
    tails(x, 1.0 - x, a, b).lower
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64, a: f64, b: f64) -> f64 {
    tails(x, 1.0 - x, a, b).ln_lower
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64, a: f64, b: f64) -> f64 {
    share(ln_odds(1.0 - p, p, a, b))
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64, a: f64, b: f64) -> f64 {
    share(ln_odds(p, 1.0 - p, a, b))
}

fn share(ln_odds: f64) -> f64 {
    if ln_odds < 0.0 {
        let odds = ln_odds.exp();
        odds / (1.0 + odds)
    } else {
        (1.0 + (-ln_odds).exp()).recip()
    }
}
