//! The normal distribution with mean 0 and variance 1.

use statrs::function::erf::erfc_inv;
use std::f64::consts::{SQRT_2, TAU};

/// The Chebyshev coefficients of `(1 + x) M(x)` over `(x - 5) / (x + 5)` for `x >= 0`, where `M` is [`mills`]: one
/// expansion for all of the tail, after Schonfelder (1978), Mathematics of Computation 32:1232.
const MILLS: [f64; 24] = [
    1.1579976221305188,
    -0.1633449388451398,
    -0.013683136055781576,
    0.03082200019810004,
    -0.016220073012046806,
    0.005616691016460094,
    -0.0014133933783549216,
    0.0002502625460725661,
    -2.468907239728387e-05,
    -1.0107964061837592e-06,
    7.495419179740573e-07,
    -7.600274268728337e-08,
    -1.1574771441328644e-08,
    3.333386472599843e-09,
    7.538039628171347e-11,
    -1.1104247263727494e-10,
    3.509243776551059e-12,
    3.6894953861750955e-12,
    -2.3376697776383095e-13,
    -1.3271797523541405e-13,
    9.921706995888276e-15,
    5.276004995455379e-15,
    -3.373097694187922e-16,
    -2.2804338776379946e-16,
];
/// Where the expansion has its middle.
const MIDDLE: f64 = 5.0;

/// The chance of more than `x` as a share of the density at `x`, for `x >= 0`: Mills' ratio.
fn mills(x: f64) -> f64 {
    let t = (x - MIDDLE) / (x + MIDDLE);
    // Clenshaw's recurrence; the last step has t where the others have 2t.
    let (first, second) = MILLS
        .iter()
        .rev()
        .fold((0.0, 0.0), |(next, after), c| (c + 2.0 * t * next - after, next));
    (first - t * second) / (1.0 + x)
}

/// The chance of more than `x`.
#[must_use]
pub fn sf(x: f64) -> f64 {
    if x.is_infinite() {
        return if x > 0.0 { 0.0 } else { 1.0 };
    }
    let outside = (-0.5 * x * x).exp() / TAU.sqrt() * mills(x.abs());
    if x < 0.0 { 1.0 - outside } else { outside }
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(x: f64) -> f64 {
    if x < 0.0 {
        (-sf(-x)).ln_1p()
    } else if x == f64::INFINITY {
        f64::NEG_INFINITY
    } else {
        -0.5 * x * x - 0.5 * TAU.ln() + mills(x).ln()
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
