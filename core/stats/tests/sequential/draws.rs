//! Draws that are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From 0 to 1, never 1.
    fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number by its chances, which are added up.
    pub(crate) fn from(&mut self, chances: &[f64]) -> u64 {
        let share = self.share();
        chances.partition_point(|chance| *chance <= share) as u64
    }
}

/// The chances of at most 0, 1, 2, ... events among `n` trials at `rate`.
pub(crate) fn binomial(n: u64, rate: f64) -> Vec<f64> {
    let mut chance = (1.0 - rate).powi(i32::try_from(n).unwrap());
    let mut sum = 0.0;
    let chances = (0..=n).map(|k| {
        sum += chance;
        chance *= (n - k) as f64 / (k + 1) as f64 * rate / (1.0 - rate);
        sum
    });
    chances.collect()
}
