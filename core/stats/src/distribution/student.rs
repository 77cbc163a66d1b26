//! Student's t distribution with `df` degrees of freedom, which need not be whole; infinitely many are those of the
//! normal distribution.

use super::tails::Tails;
use super::{incomplete_beta, normal};
use std::f64::consts::LN_2;

/// Beyond so many roots of the degrees of freedom the tail is a power, and the square may overflow.
const FAR: f64 = 1e100;

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64, df: f64) -> f64 {
    if df == f64::INFINITY {
        return normal::sf(x);
    }
    let inner = within(x, df);
    if x < 0.0 {
        1.0 - 0.5 * inner.upper
    } else {
        0.5 * inner.upper
    }
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64, df: f64) -> f64 {
    if df == f64::INFINITY {
        return normal::ln_sf(x);
    }
    let inner = within(x, df);
    if x < 0.0 {
        (-0.5 * inner.upper).ln_1p()
    } else {
        inner.ln_upper - LN_2
    }
}

/// The chance of at most `x`.
#[must_use]
pub fn cdf(x: f64, df: f64) -> f64 {
    sf(-x, df)
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(x: f64, df: f64) -> f64 {
    ln_sf(-x, df)
}

/// The value that is exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn isf(p: f64, df: f64) -> f64 {
    if df == f64::INFINITY {
        return normal::isf(p);
    }
    if p > 0.5 {
        return -isf(1.0 - p, df);
    }
    let ln_odds = incomplete_beta::ln_odds(1.0 - 2.0 * p, 2.0 * p, 0.5, df / 2.0);
    df.sqrt() * (ln_odds / 2.0).exp()
}

/// The value that is not exceeded with the chance `p`, which lies in (0, 1).
#[must_use]
pub fn ppf(p: f64, df: f64) -> f64 {
    -isf(p, df)
}

/// How much lies between `-x` and `x`, and how much outside: `x^2 / df` are the odds of a beta variable.
fn within(x: f64, df: f64) -> Tails {
    let root = x.abs() / df.sqrt();
    if root > FAR && df > 0.0 {
        return incomplete_beta::tails_near_zero(-2.0 * root.ln(), df / 2.0, 0.5).swapped();
    }
    let odds = root * root;
    let (share, rest) = ((1.0 + odds.recip()).recip(), (1.0 + odds).recip());
    incomplete_beta::tails(share, rest, 0.5, df / 2.0)
}
