//! Random numbers that are the same for the same seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use std::f64::consts::TAU;
use tidegate_stats::distribution::binomial;

/// So many standard deviations from the mean, a binomial count has a chance that no simulation meets.
const REACH: f64 = 10.0;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Draws {
    source: ChaCha8Rng,
    /// Normal numbers come in pairs.
    spare: Option<f64>,
}

impl Draws {
    /// The stream with this number of this seed; streams are independent of each other.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut source = ChaCha8Rng::seed_from_u64(seed);
        source.set_stream(stream);
        Self { source, spare: None }
    }

    /// Evenly between 0 and 1, neither of which it is.
    pub fn share(&mut self) -> f64 {
        (count(self.source.next_u64() >> 11) + 0.5) / count(1 << 53)
    }

    /// Whether something happens that has this chance.
    pub fn happens(&mut self, chance: f64) -> bool {
        self.share() < chance
    }

    /// Normal, with mean 0 and variance 1 (Box, Muller 1958, Annals of Mathematical Statistics 29:610).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (radius, turn) = ((-2.0 * self.share().ln()).sqrt(), TAU * self.share());
        let (sin, cos) = turn.sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// A number whose logarithm is normal with mean `mu` and deviation `sigma`.
    pub fn lognormal(&mut self, mu: f64, sigma: f64) -> f64 {
        self.normal().mul_add(sigma, mu).exp()
    }

    /// A count with this distribution, by inversion.
    pub fn count_of(&mut self, counts: &Binomial) -> u64 {
        let share = self.share();
        let place = counts.below.partition_point(|below| *below <= share);
        counts.least + u64::try_from(place).unwrap_or(0)
    }
}

/// Events among trials, made ready to be drawn.
#[derive(Debug, Clone)]
pub struct Binomial {
    trials: u64,
    least: u64,
    /// For each count from the least on, the chance of at most as many.
    below: Vec<f64>,
}

impl Binomial {
    /// So many trials, each with this chance of an event. Counts further than ten standard deviations and
    /// ten more from the mean are left out.
    #[must_use]
    pub fn new(trials: u64, chance: f64) -> Self {
        let n = count(trials);
        let (mean, reach) = (n * chance, REACH * (n * chance * (1.0 - chance)).sqrt() + REACH);
        let (least, most) = (whole(mean - reach), whole(mean + reach).min(trials));
        let mut sum = 0.0;
        let mut below: Vec<f64> = (least..=most)
            .map(|events| {
                sum += binomial::ln_pmf(events, trials, chance).exp();
                sum
            })
            .collect();
        // The last one is for all that is left.
        if let Some(last) = below.last_mut() {
            *last = f64::INFINITY;
        }
        Self { trials, least, below }
    }

    /// How many trials.
    #[must_use]
    pub const fn trials(&self) -> u64 {
        self.trials
    }
}

/// A number that is not negative, as a whole one.
fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "negative numbers are taken for 0, and none is large"
    )]
    let whole = value.max(0.0) as u64;
    whole
}

/// A count as a number.
#[expect(clippy::cast_precision_loss, reason = "counts here are below 2^53")]
pub(super) const fn count(n: u64) -> f64 {
    n as f64
}
