//! Percentiles: of a sample, with an interval, and the difference between two arms.
//!
//! [`sample`] is the percentile itself, [`order_statistics`] an interval that holds whatever the distribution
//! is, and [`difference`] compares two arms from three order statistics of each, so that no value needs to
//! be read again. Where users have several events each, [`difference_clustered`] counts the users.

mod difference;
mod order_statistics;

pub use difference::{
    Arm, ClusterSums, ClusteredArm, Degrees, Difference, Scale, contrast_clustered, difference,
    difference_clustered, fewest_units,
};
pub use order_statistics::{Bounds, Places, bounds, order_statistics};

use crate::Refusal;
use crate::moments::count;

/// Finite values in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Orders the values.
    ///
    /// # Errors
    ///
    /// When there is no value, or one is not finite.
    pub fn of(mut values: Vec<f64>) -> Result<Self, Refusal> {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(Refusal::Invalid {
                field: "value",
                value: *value,
                rule: "be finite",
            });
        }
        if values.is_empty() {
            return Err(Refusal::TooFew {
                what: "values",
                have: 0.0,
                need: 1.0,
            });
        }
        values.sort_unstable_by(f64::total_cmp);
        Ok(Self(values))
    }

    /// How many values.
    #[must_use]
    pub fn n(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// The values in order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value at this place, counted from 1; places beyond an end mean that end.
    fn at(&self, place: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 1 to the length"
        )]
        let place = place.clamp(1.0, count(self.n())) as usize;
        self.0.get(place - 1).copied().unwrap_or(f64::NAN)
    }
}

/// What the quantile of a sample is: the definitions of Hyndman and Fan (1996), The American Statistician
/// 50:361, by their numbers. Number 3 is left out: it rounds to even places and has no other use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Definition {
    /// 1: the smallest value that at least the share p does not exceed. Always a value of the sample.
    InverseDistribution,
    /// 2: the same, averaged where two values are as good.
    AveragedInverse,
    /// 4: linear between the steps of the distribution function.
    LinearDistribution,
    /// 5: linear between the middles of the steps, by Hazen.
    Hazen,
    /// 6: linear between the means of the order statistics of a uniform distribution, by Weibull.
    Weibull,
    /// 7: linear between the modes of them. What spreadsheets, R and numpy do unless told otherwise.
    #[default]
    Modes,
    /// 8: nearly the medians of the order statistics, whatever the distribution.
    Medians,
    /// 9: nearly the means of the order statistics of a normal distribution, by Blom.
    Normal,
}

/// The quantile of a sample at the share `p`, from 0 to 1.
///
/// # Errors
///
/// When `p` is no share.
pub fn sample(values: &Sorted, p: f64, definition: Definition) -> Result<f64, Refusal> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Refusal::Invalid {
            field: "p",
            value: p,
            rule: "lie from 0 to 1",
        });
    }
    let n = count(values.n());
    // The place of the quantile among the values, counted from 1, and how the two beside it are weighed.
    let (place, stepwise) = match definition {
        Definition::InverseDistribution | Definition::AveragedInverse => (n * p, true),
        Definition::LinearDistribution => (n * p, false),
        Definition::Hazen => (n * p + 0.5, false),
        Definition::Weibull => ((n + 1.0) * p, false),
        Definition::Modes => ((n - 1.0) * p + 1.0, false),
        Definition::Medians => ((n + 1.0 / 3.0) * p + 1.0 / 3.0, false),
        Definition::Normal => ((n + 0.25) * p + 0.375, false),
    };
    // Rounding must not turn 0.7 of 10 into the eighth value.
    let slack = 4.0 * f64::EPSILON * place.max(1.0);
    let below = (place + slack).floor();
    let beyond = place - below;
    let weight = match (stepwise, beyond.abs() <= slack) {
        (true, true) if definition == Definition::AveragedInverse => 0.5,
        (_, true) => 0.0,
        (true, false) => 1.0,
        (false, false) => beyond,
    };
    let (low, high) = (values.at(below), values.at(below + 1.0));
    // Rounding must not leave the two.
    Ok(((1.0 - weight) * low + weight * high).clamp(low, high))
}
