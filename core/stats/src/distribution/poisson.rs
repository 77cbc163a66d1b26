//! The Poisson distribution: events where `mean` are expected.

use statrs::distribution::{Discrete as _, DiscreteCDF as _, Poisson};

/// The chance of more than `k` events.
#[must_use]
pub fn sf(k: u64, mean: f64) -> f64 {
    Poisson::new(mean).map_or(f64::NAN, |d| d.sf(k))
}

/// The chance of at most `k` events.
#[must_use]
pub fn cdf(k: u64, mean: f64) -> f64 {
    Poisson::new(mean).map_or(f64::NAN, |d| d.cdf(k))
}

/// The natural logarithm of the chance of exactly `k` events.
#[must_use]
pub fn ln_pmf(k: u64, mean: f64) -> f64 {
    Poisson::new(mean).map_or(f64::NAN, |d| d.ln_pmf(k))
}
