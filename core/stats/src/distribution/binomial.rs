//! The binomial distribution: events in `n` trials that each have it with the chance `p`.

use statrs::distribution::{Binomial, Discrete as _, DiscreteCDF as _};

/// The chance of more than `k` events.
#[must_use]
pub fn sf(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |d| d.sf(k))
}

/// The chance of at most `k` events.
#[must_use]
pub fn cdf(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |d| d.cdf(k))
}

/// The natural logarithm of the chance of exactly `k` events.
#[must_use]
pub fn ln_pmf(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(p, n).map_or(f64::NAN, |d| d.ln_pmf(k))
}
