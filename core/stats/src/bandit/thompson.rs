//! Thompson sampling: each arm gets traffic in proportion to the chance that it is the best one.

use crate::bayes::contest;
use crate::bayes::density::Density;
use crate::bayes::{BetaPrior, chances_best_rate, combine};
use crate::moments::{Moments, count};
use crate::{Counts, Goal, Refusal};

/// Sums of chances and of weights may be off by rounding and quadrature.
const SLACK: f64 = 1e-6;

/// What is believed of every arm's mean before the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmPrior {
    /// The expected mean.
    pub mean: f64,
    /// Its variance, more than 0.
    pub variance: f64,
}

/// What is believed of one arm's mean: that it is normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalArm {
    /// The expected mean.
    pub mean: f64,
    /// Its variance, more than 0: of the mean, not of single values.
    pub variance: f64,
}

/// The posterior of one arm's mean: normal around the observed mean with the variance over n, drawn
/// towards the prior if there is one.
///
/// # Errors
///
/// When there are fewer than two values, they do not vary, or a number is not finite or the prior's
/// variance not more than 0.
pub fn arm_posterior(observed: &Moments, prior: Option<ArmPrior>) -> Result<NormalArm, Refusal> {
    let Some(variance) = observed.variance() else {
        return Err(Refusal::TooFew {
            what: "values of an arm",
            have: count(observed.n),
            need: 2.0,
        });
    };
    if variance == 0.0 {
        return Err(Refusal::NoVariance);
    }
    let arm = NormalArm {
        mean: observed.mean,
        variance: variance / count(observed.n),
    };
    arm.check()?;
    let Some(prior) = prior else { return Ok(arm) };
    let prior = NormalArm {
        mean: prior.mean,
        variance: prior.variance,
    };
    prior.check()?;
    let (mean, sd) = combine(arm.mean, arm.variance.sqrt(), prior.mean, prior.variance.sqrt());
    Ok(NormalArm {
        mean,
        variance: sd * sd,
    })
}

/// For each arm the chance that its mean is the best of all (Thompson 1933; Russo et al. 2018, A Tutorial
/// on Thompson Sampling): the weights of Thompson sampling without a floor. Each has its digits however
/// small it is, and is 0 only where it underflows.
///
/// # Errors
///
/// When there are fewer than two arms, or a mean or variance is not finite or a variance not more than 0.
pub fn thompson_normal(arms: &[NormalArm], goal: Goal) -> Result<Vec<f64>, Refusal> {
    Ok(contest::best(&numbers(arms, goal)?))
}

/// The same for rates of events, with this prior on each: beta posteriors, which suit few events better
/// than normal ones.
///
/// # Errors
///
/// When there are fewer than two arms, an arm has more events than trials, or the prior is not in its range.
pub fn thompson_rates(arms: &[Counts], prior: BetaPrior, goal: Goal) -> Result<Vec<f64>, Refusal> {
    chances_best_rate(arms, prior, goal)
}

/// The weights of top-two Thompson sampling: half the chance to be the best plus half the chance to be the
/// second best, so that the runner-up keeps being explored (Russo 2020, Operations Research 68:1625).
///
/// # Errors
///
/// As [`thompson_normal`].
pub fn top_two_normal(arms: &[NormalArm], goal: Goal) -> Result<Vec<f64>, Refusal> {
    let numbers = numbers(arms, goal)?;
    let (best, second) = contest::places(&numbers);
    let places = best.into_iter().zip(second);
    Ok(places.map(|(best, second)| f64::midpoint(best, second)).collect())
}

/// Weights of which none is below `floor`: every arm gets the floor, and what is left of the traffic is
/// shared by the weights. Unlike clipping, this keeps their proportions.
///
/// # Errors
///
/// When the weights are not shares that sum to 1, or so many floors do not fit into 1.
pub fn with_floor(weights: &[f64], floor: f64) -> Result<Vec<f64>, Refusal> {
    check_shares(weights)?;
    let left = 1.0 - weights.iter().map(|_| floor).sum::<f64>();
    if !(floor >= 0.0 && left >= 0.0) {
        return Err(Refusal::Invalid {
            field: "the floor",
            value: floor,
            rule: "be at least 0 and fit into 1 as often as there are arms",
        });
    }
    Ok(weights.iter().map(|weight| floor + left * weight).collect())
}

/// For each arm how much better the best mean is expected to be than its own: what choosing it for good is
/// expected to cost. An arm can be chosen once this is below what one would care about.
///
/// # Errors
///
/// As [`thompson_normal`].
pub fn expected_losses(arms: &[NormalArm], goal: Goal) -> Result<Vec<f64>, Refusal> {
    let numbers = numbers(arms, goal)?;
    let best = arms.iter().enumerate().reduce(|best, arm| {
        if lead(arm.1, best.1, goal) > 0.0 {
            arm
        } else {
            best
        }
    });
    let Some((index, leader)) = best else {
        return Ok(Vec::new());
    };
    let (_, least) = contest::best_and_shortfall(&numbers, index, |_| 1.0);
    Ok(arms.iter().map(|arm| least + lead(leader, arm, goal)).collect())
}

/// How much is expected to be lost per user while traffic is shared by these weights: the losses of the
/// arms, weighted.
///
/// # Errors
///
/// When the weights are not shares that sum to 1, a loss is negative or not finite, or there are not as
/// many of them as weights.
pub fn expected_regret(weights: &[f64], losses: &[f64]) -> Result<f64, Refusal> {
    check_shares(weights)?;
    if weights.len() != losses.len() {
        return Err(Refusal::Undefined {
            why: "there is not one loss for each weight",
        });
    }
    let wrong = losses.iter().find(|loss| !(loss.is_finite() && **loss >= 0.0));
    if let Some(loss) = wrong {
        return Err(Refusal::Invalid {
            field: "a loss",
            value: *loss,
            rule: "be finite and at least 0",
        });
    }
    Ok(weights
        .iter()
        .zip(losses)
        .map(|(weight, loss)| weight * loss)
        .sum())
}

impl NormalArm {
    fn check(&self) -> Result<(), Refusal> {
        if !self.mean.is_finite() {
            return Err(Refusal::Invalid {
                field: "the mean of an arm",
                value: self.mean,
                rule: "be finite",
            });
        }
        if !(self.variance.is_finite() && self.variance > 0.0) {
            return Err(Refusal::Invalid {
                field: "the variance of an arm",
                value: self.variance,
                rule: "be finite and more than 0",
            });
        }
        Ok(())
    }
}

/// How much better the expected mean of one arm is than that of another.
fn lead(arm: &NormalArm, other: &NormalArm, goal: Goal) -> f64 {
    match goal {
        Goal::Increase => arm.mean - other.mean,
        Goal::Decrease => other.mean - arm.mean,
    }
}

/// The arms' means as numbers of which the largest is the best, counted from one of them: far from 0 the
/// nodes would be rounded.
fn numbers(arms: &[NormalArm], goal: Goal) -> Result<Vec<Density>, Refusal> {
    contest::enough(arms.len())?;
    arms.iter().try_for_each(NormalArm::check)?;
    let leader = arms
        .iter()
        .reduce(|best, arm| if lead(arm, best, goal) > 0.0 { arm } else { best });
    let each = arms.iter().map(|arm| {
        let mean = leader.map_or(0.0, |leader| lead(arm, leader, goal));
        if !mean.is_finite() {
            return Err(Refusal::Undefined {
                why: "the means are farther apart than numbers reach",
            });
        }
        Ok(Density::normal(mean, arm.variance.sqrt()))
    });
    each.collect()
}

fn check_shares(weights: &[f64]) -> Result<(), Refusal> {
    contest::enough(weights.len())?;
    let wrong = weights
        .iter()
        .find(|weight| !(0.0..=1.0 + SLACK).contains(*weight));
    if let Some(weight) = wrong {
        return Err(Refusal::Invalid {
            field: "a weight",
            value: *weight,
            rule: "be a share",
        });
    }
    let sum: f64 = weights.iter().sum();
    if (sum - 1.0).abs() > SLACK {
        return Err(Refusal::Invalid {
            field: "the sum of the weights",
            value: sum,
            rule: "be 1",
        });
    }
    Ok(())
}
