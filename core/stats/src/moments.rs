//! Sufficient statistics that add up: centred moments, which keep their digits where sums of squares lose them.
//!
//! A value that is not finite makes moments that are not finite. They stay so in every merge, and every
//! method refuses them.

mod accurate;
mod comoments;
mod integers;
mod joint;

use crate::Refusal;
use accurate::Sum;

pub use comoments::{Comoments, PairSums};
pub use joint::JointMoments;

/// A removal may leave this share of the sum of squares. Below it the digits that rounding left over would
/// be a visible part of the result.
const LEFT_MIN: f64 = 1e-6;

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

    /// Of all values at once, in two passes that lose no digits to the size of the values or to their
    /// number (corrected two-pass algorithm: Chan, Golub, LeVeque 1983, The American Statistician 37:242,
    /// equation 1.7).
    #[must_use]
    pub fn of_values(values: &[f64]) -> Self {
        Self::of_all(values.iter().copied())
    }

    /// Of all values, those below `lower` taken for `lower` and those above `upper` for `upper`: winsorised
    /// moments. The limits must come from the pooled data of all arms, or the arms are no longer comparable.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when a limit is no number or the lower one is above the upper one. Either may
    /// be infinite.
    pub fn of_winsorised(values: &[f64], lower: f64, upper: f64) -> Result<Self, Refusal> {
        if lower.is_nan() || upper.is_nan() || lower > upper {
            return Err(Refusal::Invalid {
                field: "lower",
                value: lower,
                rule: "be at most the upper limit",
            });
        }
        Ok(Self::of_all(values.iter().map(|value| value.clamp(lower, upper))))
    }

    fn of_all(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let n = size(values.len());
        if n == 0 {
            return Self::default();
        }
        let total = values.clone().fold(Sum::default(), Sum::plus);
        let mean = total.mean(count(n));
        let (mut squares, mut off) = (Sum::default(), Sum::default());
        for value in values {
            let away = value - mean;
            squares = squares.plus(away * away);
            off = off.plus(away);
        }
        // What the rounding of the mean added to the squares.
        let added = off.total() * off.total() / count(n);
        Self {
            n,
            mean,
            m2: at_least_zero(squares.total() - added),
        }
    }

    /// From a count and exact sums of whole numbers: values and their squares.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when no values have such sums: something summed up from nothing, or squares
    /// that are less than the square of the sum by n.
    pub fn of_sums(n: u64, sum: i128, sum_squares: i128) -> Result<Self, Refusal> {
        if n == 0 && sum == 0 && sum_squares == 0 {
            return Ok(Self::default());
        }
        let m2 = integers::centred(n, sum, sum, sum_squares)
            .filter(|m2| *m2 >= 0.0)
            .ok_or_else(|| Refusal::Invalid {
                field: "sum_squares",
                value: integers::float(sum_squares),
                rule: "be at least the square of the sum, divided by the count",
            })?;
        Ok(Self {
            n,
            mean: integers::mean(n, sum),
            m2,
        })
    }

    /// The sample variance with the divisor n - 1; `None` below two values, and when it is not finite.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.n > 1)
            .then(|| self.m2 / (count(self.n) - 1.0))
            .filter(|variance| variance.is_finite())
    }

    /// Takes in one more value (Welford 1962, Technometrics 4:419).
    pub fn push(&mut self, value: f64) {
        self.n = self.n.saturating_add(1);
        let away = value - self.mean;
        self.mean += away / count(self.n);
        self.m2 += away * (value - self.mean);
    }

    /// Takes in all that the other has seen: the result is that of all values together (Chan, Golub, LeVeque
    /// 1983, equation 2.1).
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = *other;
            return;
        }
        let apart = Apart::of(self.n, other.n);
        let away = other.mean - self.mean;
        self.n = apart.n;
        self.mean += away * apart.share;
        self.m2 += other.m2 + away * away * apart.weight;
    }

    /// Both together, see [`Self::merge`].
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    /// Takes out a value that was taken in before.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] when there is no value. [`Refusal::Undefined`] when the value carried nearly all
    /// that the moments knew, so that what is left of them has lost its digits: then they must be built
    /// again from the values. The moments stay as they were.
    pub fn remove(&mut self, value: f64) -> Result<(), Refusal> {
        let left = self.n.checked_sub(1).ok_or(Refusal::TooFew {
            what: "values",
            have: 0.0,
            need: 1.0,
        })?;
        if left == 0 {
            *self = Self::default();
            return Ok(());
        }
        let away = value - self.mean;
        let mean = self.mean - away / count(left);
        let m2 = self.m2 - away * (value - mean);
        let kept = if left > 1 {
            m2 >= LEFT_MIN * self.m2
        } else {
            // The mean is the one value left, and the sum of squares is nothing.
            mean.abs() >= LEFT_MIN * value.abs()
        };
        self.keep(kept, Self { n: left, mean, m2 })
    }

    /// Puts `new` in the place of a value `old` that was taken in before: a user's total that has grown.
    ///
    /// # Errors
    ///
    /// As [`Self::remove`].
    pub fn replace(&mut self, old: f64, new: f64) -> Result<(), Refusal> {
        if self.n == 0 {
            return Err(Refusal::TooFew {
                what: "values",
                have: 0.0,
                need: 1.0,
            });
        }
        let step = new - old;
        let mean = self.mean + step / count(self.n);
        let change = step * ((new - mean) + (old - self.mean));
        let m2 = self.m2 + change;
        let kept = self.n == 1 || m2 >= LEFT_MIN * self.m2;
        let mean = if self.n == 1 { new } else { mean };
        self.keep(kept, Self { n: self.n, mean, m2 })
    }

    fn keep(&mut self, kept: bool, next: Self) -> Result<(), Refusal> {
        if !kept {
            return Err(Refusal::Undefined {
                why: "the value carried nearly all of the variance, and what is left of it has no digits",
            });
        }
        let m2 = if next.n == 1 { 0.0 } else { next.m2 };
        *self = Self { m2, ..next };
        Ok(())
    }

    /// The moments as methods need them.
    ///
    /// # Errors
    ///
    /// Below two values, and for what is no mean or no sum of squares.
    pub(crate) fn sample(&self) -> Result<Sample, Refusal> {
        let finite = |field, value: f64, rule| match value.is_finite() {
            true => Ok(()),
            false => Err(Refusal::Invalid { field, value, rule }),
        };
        finite("mean", self.mean, "be finite")?;
        finite("m2", self.m2, "be finite and not negative")?;
        if self.m2 < 0.0 {
            return Err(Refusal::Invalid {
                field: "m2",
                value: self.m2,
                rule: "be finite and not negative",
            });
        }
        let n = count(self.n);
        if self.n < 2 {
            return Err(Refusal::TooFew {
                what: "values",
                have: n,
                need: 2.0,
            });
        }
        Ok(Sample {
            n,
            mean: self.mean,
            variance: self.m2 / (n - 1.0),
        })
    }
}

/// Moments of at least two values that have been found to be in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) n: f64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// What the sizes of two parts do to their merge.
struct Apart {
    n: u64,
    /// How far the mean of the whole lies from that of the first part, as a share of the way to the second.
    share: f64,
    /// What a squared distance of the means adds to the centred sum of squares.
    weight: f64,
}

impl Apart {
    fn of(first: u64, second: u64) -> Self {
        let (n1, n2) = (count(first), count(second));
        let share = n2 / (n1 + n2);
        Self {
            n: first.saturating_add(second),
            share,
            weight: n1 * share,
        }
    }
}

/// Rounding may leave a sum of squares a little below zero. What is no number stays none.
fn at_least_zero(squares: f64) -> f64 {
    if squares < 0.0 { 0.0 } else { squares }
}

/// The length of a slice.
fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A count as a number. Counts above 2^53 are rounded, which no statistic here can tell.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts above 2^53 are rounded to 16 digits"
)]
pub(crate) const fn count(n: u64) -> f64 {
    n as f64
}
