//! Arms with events among trials, and a beta prior on each rate.

use super::contest;
use super::density::{Density, Way};
use crate::moments::count;
use crate::{Counts, Goal, Interval, Refusal};
use std::cmp::Ordering;

/// Shapes below this have nearly all mass at rates of 0 and 1, beyond the range of numbers.
const LEAST_SHAPE: f64 = 0.1;
/// Shapes above this say that the rate is known.
const MOST_SHAPE: f64 = 1e15;

/// What is believed of a rate before any trial: as if `a` events and `b` trials without event had been seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPrior {
    /// From 0.1 to 1e15.
    pub a: f64,
    /// From 0.1 to 1e15.
    pub b: f64,
}

impl BetaPrior {
    /// Every rate is equally likely.
    pub const UNIFORM: Self = Self { a: 1.0, b: 1.0 };
    /// Jeffreys' prior, which does not depend on how the rate is written.
    pub const JEFFREYS: Self = Self { a: 0.5, b: 0.5 };
}

/// What is believed of a rate after its trials: a beta distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatePosterior {
    a: f64,
    b: f64,
}

impl RatePosterior {
    /// The posterior of a rate with this prior and these trials; there may be none.
    ///
    /// # Errors
    ///
    /// When there are more events than trials, or the prior is not in its range.
    pub fn new(counts: Counts, prior: BetaPrior) -> Result<Self, Refusal> {
        let shapes = LEAST_SHAPE..=MOST_SHAPE;
        for (field, value) in [("the prior's a", prior.a), ("the prior's b", prior.b)] {
            if !shapes.contains(&value) {
                return Err(Refusal::Invalid {
                    field,
                    value,
                    rule: "be from 0.1 to 1e15",
                });
            }
        }
        let Some(without) = counts.trials.checked_sub(counts.events) else {
            return Err(Refusal::Invalid {
                field: "events",
                value: count(counts.events),
                rule: "be at most the trials",
            });
        };
        Ok(Self {
            a: prior.a + count(counts.events),
            b: prior.b + count(without),
        })
    }

    /// The expected rate.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// The rate that lies between these ends with the chance 1 - `alpha`, and below and above them with
    /// the chance `alpha` / 2 each.
    ///
    /// # Errors
    ///
    /// When `alpha` is not between 1e-15 and 1.
    pub fn interval(&self, alpha: f64) -> Result<Interval, Refusal> {
        check_alpha(alpha)?;
        let logit = self.logit();
        // Each end from its own tail: 1 - alpha / 2 would lose the digits of a small alpha.
        Ok(Interval {
            lower: logistic(logit.quantile(alpha / 2.0, Way::Down)),
            upper: logistic(logit.quantile(alpha / 2.0, Way::Up)),
        })
    }

    /// The density of the logit of the rate.
    pub(super) fn logit(&self) -> Density {
        Density::logit_beta(self.a, self.b)
    }

    /// Of the share of trials without event.
    pub(super) const fn flipped(&self) -> Self {
        Self { a: self.b, b: self.a }
    }

    pub(super) const fn shapes(&self) -> (f64, f64) {
        (self.a, self.b)
    }
}

/// What is known of one arm beside the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateArm {
    /// The chance that its rate is the best of all, with digits however small it is; 0 only where it
    /// underflows.
    pub chance_best: f64,
    /// How much better the best rate is expected to be than this one, `E[max] - E[rate]` (for
    /// [`Goal::Decrease`] `E[rate] - E[min]`): what choosing this arm is expected to cost.
    pub expected_loss: f64,
    /// The expected rate.
    pub rate_mean: f64,
    /// Its credible interval, with `alpha` / 2 on each side.
    pub rate_interval: Interval,
}

/// Compares arms by their rates: chance to be best, expected loss, expected rate and its credible interval
/// at the level 1 - `alpha`, for each arm in the order given.
///
/// The chance to be best is the integral of an arm's density times the others' distribution functions;
/// the expected loss is that of Stucchio (2015), Bayesian A/B Testing at VWO, section 4, for any number of
/// arms. Arms without trials have their prior.
///
/// # Errors
///
/// When there are fewer than two arms, an arm has more events than trials, or the prior or `alpha` is not
/// in its range.
pub fn compare_rates(
    arms: &[Counts],
    prior: BetaPrior,
    goal: Goal,
    alpha: f64,
) -> Result<Vec<RateArm>, Refusal> {
    check_alpha(alpha)?;
    let posteriors = posteriors(arms, prior)?;
    let aimed = aim(&posteriors, goal);
    let numbers: Vec<Density> = aimed.iter().map(RatePosterior::logit).collect();
    let (chances, losses) = chances_and_losses(&aimed, &numbers);
    let each = posteriors.iter().zip(chances).zip(losses);
    each.map(|((posterior, chance_best), expected_loss)| {
        Ok(RateArm {
            chance_best,
            expected_loss,
            rate_mean: posterior.mean(),
            rate_interval: posterior.interval(alpha)?,
        })
    })
    .collect()
}

/// For each arm the chance that its rate is the best.
pub(crate) fn chances_best(arms: &[Counts], prior: BetaPrior, goal: Goal) -> Result<Vec<f64>, Refusal> {
    let aimed = aim(&posteriors(arms, prior)?, goal);
    let numbers: Vec<Density> = aimed.iter().map(RatePosterior::logit).collect();
    Ok(contest::best(&numbers))
}

fn posteriors(arms: &[Counts], prior: BetaPrior) -> Result<Vec<RatePosterior>, Refusal> {
    contest::enough(arms.len())?;
    arms.iter()
        .map(|counts| RatePosterior::new(*counts, prior))
        .collect()
}

/// With what is to be small turned around: the smallest rate has the largest share without event.
fn aim(posteriors: &[RatePosterior], goal: Goal) -> Vec<RatePosterior> {
    let turned = |posterior: &RatePosterior| match goal {
        Goal::Increase => *posterior,
        Goal::Decrease => posterior.flipped(),
    };
    posteriors.iter().map(turned).collect()
}

fn chances_and_losses(posteriors: &[RatePosterior], numbers: &[Density]) -> (Vec<f64>, Vec<f64>) {
    let best = posteriors.iter().enumerate();
    let best = best.reduce(|best, arm| if arm.1.lead(best.1) > 0.0 { arm } else { best });
    let Some((best, leader)) = best else {
        return (Vec::new(), Vec::new());
    };
    // A logit's width in rates.
    let width = |t: f64| logistic(t) * logistic(-t);
    let (chances, least) = contest::best_and_shortfall(numbers, best, width);
    let losses = posteriors
        .iter()
        .map(|arm| least + leader.lead(arm).max(0.0))
        .collect();
    (chances, losses)
}

impl RatePosterior {
    /// How much larger its mean is than the other's, without the difference of two means near 1.
    fn lead(&self, other: &Self) -> f64 {
        let (n, m) = (self.a + self.b, other.a + other.b);
        let by_events = self.a / n - other.a / m;
        let by_rest = other.b / m - self.b / n;
        match self.a.partial_cmp(&self.b) {
            Some(Ordering::Greater) => by_rest,
            _ => by_events,
        }
    }
}

/// The rate that has this logit.
pub(super) fn logistic(t: f64) -> f64 {
    if t < 0.0 {
        t.exp() / (1.0 + t.exp())
    } else {
        1.0 / (1.0 + (-t).exp())
    }
}

/// The total error of an interval.
pub(super) fn check_alpha(alpha: f64) -> Result<(), Refusal> {
    if (1e-15..1.0).contains(&alpha) {
        return Ok(());
    }
    Err(Refusal::Invalid {
        field: "alpha",
        value: alpha,
        rule: "be between 1e-15 and 1",
    })
}
