//! Means of arms whose traffic followed the results: each user counts by the inverse of the chance with which
//! he came to his arm.
//!
//! The plain mean of what an adaptive experiment collected is biased, mostly downwards: an arm that begins
//! badly gets little traffic and no chance to recover (Nie, Tian, Taylor, Zou 2018, AISTATS). While the rate
//! of everybody drifts, it also mixes days in another proportion for each arm, which can turn the order
//! of two arms round. Weighting by the known chances undoes both (Horvitz, Thompson 1952, JASA 47:663; Hajek
//! 1971): the means are those of all users of all batches, had they all come to the arm.
//!
//! The variance adds up over batches, because given the past each batch is an ordinary randomised sample
//! (Hadad, Hirshberg, Zhan, Wager, Athey 2021, PNAS 118 e2014602118, section 2). It can be trusted while no
//! weight comes close to 0: keep a floor.

use crate::distribution::normal;
use crate::moments::{Moments, count};
use crate::{Interval, Refusal};

/// What one batch of users brought for one arm, while the weights stayed as they were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Batch {
    /// The users of the batch, of all arms; none or at least two.
    pub users: u64,
    /// The chance of each of them to come to this arm, more than 0 and at most 1.
    pub weight: f64,
    /// The values of those who did.
    pub observed: Moments,
}

/// How users are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// The sum of value / weight over the number of all users: without any bias, but its variance grows
    /// with the distance of the mean from 0.
    HorvitzThompson,
    /// The same over the sum of 1 / weight: its bias vanishes as users come in, and the variance is that
    /// around the mean. The better one nearly always.
    Hajek,
}

/// A mean or a difference of means from adaptive traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedMean {
    /// The mean.
    pub estimate: f64,
    /// Its variance, more than 0.
    pub variance: f64,
}

impl WeightedMean {
    /// The root of the variance.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.variance.sqrt()
    }

    /// The interval at the level 1 - `alpha`, of a normal number.
    ///
    /// # Errors
    ///
    /// When `alpha` is not between 0 and 1.
    pub fn interval(&self, alpha: f64) -> Result<Interval, Refusal> {
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(Refusal::Invalid {
                field: "alpha",
                value: alpha,
                rule: "be between 0 and 1",
            });
        }
        let half = normal::isf(alpha / 2.0) * self.standard_error();
        Ok(Interval {
            lower: self.estimate - half,
            upper: self.estimate + half,
        })
    }
}

/// What one batch brought for two arms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The users of the batch, of all arms; none or at least two.
    pub users: u64,
    /// The chance of the control, and the values of those who came to it.
    pub control: (f64, Moments),
    /// The chance of the treatment, and the values of those who came to it.
    pub treatment: (f64, Moments),
}

impl Contrast {
    fn arm(&self, (weight, observed): (f64, Moments)) -> Batch {
        Batch {
            users: self.users,
            weight,
            observed,
        }
    }
}

/// The mean of an arm over the users of all batches, with its variance.
///
/// # Errors
///
/// When there is no batch with users or no value of the arm, a batch has one user only, more values than
/// users or a weight that is not a chance, a number is not finite, or nothing varies.
pub fn weighted_mean(batches: &[Batch], weighting: Weighting) -> Result<WeightedMean, Refusal> {
    let arm = Weighted::new(batches, weighting)?;
    let sum: f64 = arm.filled().map(|batch| batch.spread(arm.centre)).sum();
    certain(arm.estimate, sum / arm.total / arm.total)
}

/// The mean of the treatment minus that of the control. The two are not independent: a user of one is none
/// of the other, and that is counted in.
///
/// # Errors
///
/// As [`weighted_mean`], for either arm; and when the batches hold more values than users.
pub fn weighted_difference(batches: &[Contrast], weighting: Weighting) -> Result<WeightedMean, Refusal> {
    let arms = |arm: fn(&Contrast) -> Batch| batches.iter().map(arm).collect::<Vec<_>>();
    let controls = arms(|batch| batch.arm(batch.control));
    let treatments = arms(|batch| batch.arm(batch.treatment));
    let control = Weighted::new(&controls, weighting)?;
    let treatment = Weighted::new(&treatments, weighting)?;
    let mut variance = 0.0;
    for (one, other) in control.filled().zip(treatment.filled()) {
        let values = count(one.observed.n) + count(other.observed.n);
        if values > count(one.users) || one.weight + other.weight > 1.0 + 1e-9 {
            return Err(Refusal::Undefined {
                why: "the arms of a batch have more values or more weight than there is",
            });
        }
        let users = count(one.users);
        let (control_sum, treatment_sum) = (one.sum(control.centre), other.sum(treatment.centre));
        let shared = -control_sum * treatment_sum / (users - 1.0);
        variance += one.spread(control.centre) / control.total / control.total
            + other.spread(treatment.centre) / treatment.total / treatment.total
            - 2.0 * shared / control.total / treatment.total;
    }
    certain(treatment.estimate - control.estimate, variance)
}

/// The batches of an arm, and what their weights make of them.
struct Weighted<'a> {
    batches: &'a [Batch],
    estimate: f64,
    /// By what the weighted sum is divided.
    total: f64,
    /// From where deviations count.
    centre: f64,
}

impl<'a> Weighted<'a> {
    fn new(batches: &'a [Batch], weighting: Weighting) -> Result<Self, Refusal> {
        batches.iter().try_for_each(Batch::check)?;
        let mut arm = Self {
            batches,
            estimate: 0.0,
            total: 0.0,
            centre: 0.0,
        };
        let values: f64 = arm.filled().map(|batch| count(batch.observed.n)).sum();
        if values == 0.0 {
            return Err(Refusal::TooFew {
                what: "values of an arm",
                have: 0.0,
                need: 1.0,
            });
        }
        let sum: f64 = arm.filled().map(|batch| batch.sum(0.0)).sum();
        arm.total = match weighting {
            Weighting::HorvitzThompson => arm.filled().map(|batch| count(batch.users)).sum(),
            Weighting::Hajek => arm
                .filled()
                .map(|batch| count(batch.observed.n) / batch.weight)
                .sum(),
        };
        arm.estimate = sum / arm.total;
        arm.centre = match weighting {
            Weighting::HorvitzThompson => 0.0,
            Weighting::Hajek => arm.estimate,
        };
        Ok(arm)
    }

    fn filled(&self) -> impl Iterator<Item = &'a Batch> + use<'a> {
        self.batches.iter().filter(|batch| batch.users > 0)
    }
}

impl Batch {
    fn check(&self) -> Result<(), Refusal> {
        let observed = &self.observed;
        if self.users == 1 {
            return Err(Refusal::TooFew {
                what: "users of a batch",
                have: 1.0,
                need: 2.0,
            });
        }
        if observed.n > self.users {
            return Err(Refusal::Invalid {
                field: "the values of a batch",
                value: count(observed.n),
                rule: "be at most its users",
            });
        }
        if self.users > 0 && !(self.weight > 0.0 && self.weight <= 1.0) {
            return Err(Refusal::Invalid {
                field: "the weight of an arm in a batch",
                value: self.weight,
                rule: "be more than 0 and at most 1: who could not come to an arm says nothing of it",
            });
        }
        let numbers = [
            ("the mean of a batch", observed.mean),
            ("the squares of a batch", observed.m2),
        ];
        for (field, value) in numbers {
            if !value.is_finite() || (field == "the squares of a batch" && value < 0.0) {
                return Err(Refusal::Invalid {
                    field,
                    value,
                    rule: "be finite, and squares at least 0",
                });
            }
        }
        Ok(())
    }

    /// The sum over its users of (value - `centre`) / weight, where it is 0 for users of other arms.
    fn sum(&self, centre: f64) -> f64 {
        if self.observed.n == 0 {
            return 0.0;
        }
        count(self.observed.n) * (self.observed.mean - centre) / self.weight
    }

    /// The variance of that sum, estimated from its users with the divisor n - 1: the squares of those of
    /// this arm minus the square of the sum per user, written without that difference.
    fn spread(&self, centre: f64) -> f64 {
        if self.observed.n == 0 {
            return 0.0;
        }
        let (n, users) = (count(self.observed.n), count(self.users));
        let off = self.observed.mean - centre;
        let squares = self.observed.m2 + n * off * off * ((users - n) / users);
        squares / self.weight / self.weight * (users / (users - 1.0))
    }
}

fn certain(estimate: f64, variance: f64) -> Result<WeightedMean, Refusal> {
    if !(estimate.is_finite() && variance.is_finite()) {
        return Err(Refusal::Undefined {
            why: "the sums overflow",
        });
    }
    if variance <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    Ok(WeightedMean { estimate, variance })
}
