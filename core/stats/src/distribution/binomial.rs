//! The binomial distribution: events in `n` trials that each have it with the chance `p`.

use super::deviance::{half_deviance, stirling_error};
use super::incomplete_beta;
use super::tails::Tails;
use crate::moments::count;
use std::f64::consts::TAU;

/// The chance of more than `k` events.
#[must_use]
pub fn sf(k: u64, n: u64, p: f64) -> f64 {
    tails(k, n, p).upper
}

/// The natural logarithm of [`sf`].
#[must_use]
pub fn ln_sf(k: u64, n: u64, p: f64) -> f64 {
    tails(k, n, p).ln_upper
}

/// The chance of at most `k` events.
#[must_use]
pub fn cdf(k: u64, n: u64, p: f64) -> f64 {
    tails(k, n, p).lower
}

/// The natural logarithm of [`cdf`].
#[must_use]
pub fn ln_cdf(k: u64, n: u64, p: f64) -> f64 {
    tails(k, n, p).ln_lower
}

/// The natural logarithm of the chance of exactly `k` events.
#[must_use]
pub fn ln_pmf(k: u64, n: u64, p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let Some(others) = n.checked_sub(k) else {
        return f64::NEG_INFINITY;
    };
    let (events, rest, all) = (count(k), count(others), count(n));
    // Two powers, of which one may have the exponent 0: then it is 1 whatever its base.
    if k == 0 || others == 0 {
        let none = if others == 0 { 0.0 } else { rest * (-p).ln_1p() };
        return if k == 0 { none } else { events * p.ln() };
    }
    if p == 0.0 || p == 1.0 {
        return f64::NEG_INFINITY;
    }
    let difference = all * p - events;
    0.5 * (all / events / rest / TAU).ln() + stirling_error(all)
        - stirling_error(events)
        - stirling_error(rest)
        - half_deviance(events, all * p, difference)
        - half_deviance(rest, all * (1.0 - p), -difference)
}

/// At most `k` events, and more.
fn tails(k: u64, n: u64, p: f64) -> Tails {
    if !(0.0..=1.0).contains(&p) {
        Tails::NONE
    } else if k >= n {
        Tails::START.swapped()
    } else {
        // More than k events happen when the (k + 1)-th smallest of n uniform numbers is below p.
        incomplete_beta::tails(p, 1.0 - p, count(k) + 1.0, count(n - k)).swapped()
    }
}
