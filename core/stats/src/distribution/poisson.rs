//! The Poisson distribution: events where `mean` are expected.

use super::deviance::{half_deviance, stirling_error};
use super::incomplete_gamma;
use super::tails::Tails;
use crate::moments::count;
use std::f64::consts::TAU;

/// The chance of more than `k` events.
#[must_use]
pub fn sf(k: u64, mean: f64) -> f64 {
    tails(k, mean).upper
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(k: u64, mean: f64) -> f64 {
    tails(k, mean).ln_upper
}

/// The chance of at most `k` events.
#[must_use]
pub fn cdf(k: u64, mean: f64) -> f64 {
    tails(k, mean).lower
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(k: u64, mean: f64) -> f64 {
    tails(k, mean).ln_lower
}

/// The natural logarithm of the chance of exactly `k` events.
#[must_use]
pub fn ln_pmf(k: u64, mean: f64) -> f64 {
    if !(0.0..f64::INFINITY).contains(&mean) {
        f64::NAN
    } else if k == 0 {
        -mean
    } else if mean == 0.0 {
        f64::NEG_INFINITY
    } else {
        let k = count(k);
        -0.5 * (TAU * k).ln() - stirling_error(k) - half_deviance(k, mean, mean - k)
    }
}

/// At most `k` events, and more.
fn tails(k: u64, mean: f64) -> Tails {
    if (0.0..f64::INFINITY).contains(&mean) {
        // More than k events happen when the (k + 1)-th comes before the time `mean`.
        incomplete_gamma::tails(mean, count(k) + 1.0).swapped()
    } else {
        Tails::NONE
    }
}
