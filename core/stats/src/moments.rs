//! Sufficient statistics that add up: centred moments, which keep their digits where sums of squares lose them.

/// Count, mean and centred sum of squares of one value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    /// How many values.
    pub n: u64,
    /// Their mean; 0 while there is none.
    pub mean: f64,
    /// The sum of squared distances from the mean.
    pub m2: f64,
}

impl Moments {
    /// From what a report says: count, mean and sample variance with the divisor n - 1.
    #[must_use]
    pub fn of_variance(n: u64, mean: f64, variance: f64) -> Self {
        Self {
            n,
            mean,
            m2: variance * (count(n) - 1.0).max(0.0),
        }
    }

    /// The sample variance with the divisor n - 1; `None` below two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1).then(|| self.m2 / (count(self.n) - 1.0))
    }
}

/// A count as a number. Counts above 2^53 are rounded, which no statistic here can tell.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts above 2^53 are rounded to 16 digits"
)]
pub(crate) const fn count(n: u64) -> f64 {
    n as f64
}
