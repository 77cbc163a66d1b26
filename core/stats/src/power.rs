//! The chance to see a rate that rose: what so many trials can show.
//!
//! Counts are binomial: added up one by one while they are few, and normal from a few hundred expected
//! ones on, with half a unit taken off because they are whole numbers (Fleiss, Levin, Paik 2003, Statistical
//! Methods for Rates and Proportions, 3rd edition, chapter 2). Two sides are normal with the variance of
//! each side's own rate (the same, chapter 3).

use crate::sequential::{bets, weights};
use statrs::distribution::{ContinuousCDF as _, Normal};

/// Up to so many expected events the chances are added up one by one.
const COUNTED_MAX: f64 = 500.0;
/// Halvings until a rate is found: more digits than a number has.
const HALVINGS: u32 = 60;

/// The chance that more than the share `bound` of `trials` go wrong, each with the chance `rate`. Of no
/// trials nothing goes wrong.
#[must_use]
pub fn above(trials: f64, rate: f64, bound: f64) -> f64 {
    let trials = trials.floor();
    // The most that is not too much. Rounding must not turn a bound of 0.3 of 10 into 2.
    let most = (bound * trials + 1e-9).floor();
    if trials < 1.0 || rate <= 0.0 || most >= trials {
        return 0.0;
    }
    if most < 0.0 || rate >= 1.0 {
        return 1.0;
    }
    let expected = trials * rate;
    if expected <= COUNTED_MAX {
        return (1.0 - up_to(most, trials, rate)).clamp(0.0, 1.0);
    }
    let deviation = (expected * (1.0 - rate)).sqrt();
    Normal::standard().sf((most + 0.5 - expected) / deviation)
}

/// The chance of at most `most` events.
fn up_to(most: f64, trials: f64, rate: f64) -> f64 {
    let mut chance = (trials * (-rate).ln_1p()).exp();
    let (mut sum, mut events) = (chance, 0.0);
    while events < most {
        chance *= (trials - events) / (events + 1.0) * rate / (1.0 - rate);
        events += 1.0;
        sum += chance;
        // Beyond its hump the rest adds nothing.
        if events > trials * rate && chance < 1e-18 {
            break;
        }
    }
    sum
}

/// Trials and the chance with which each goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// How many.
    pub trials: f64,
    /// From 0 to 1.
    pub rate: f64,
}

impl Side {
    fn variance(self) -> f64 {
        self.rate * (1.0 - self.rate) / self.trials
    }

    fn expected(self) -> f64 {
        self.trials * self.rate
    }
}

/// The chance that the treatment's share of events is more than `times` the control's and `more` on top of
/// it. 0 while either side has no trials: there is nothing to compare.
#[must_use]
pub fn apart(treatment: Side, control: Side, times: f64, more: f64) -> f64 {
    if treatment.trials < 1.0 || control.trials < 1.0 {
        return 0.0;
    }
    let distance = treatment.rate - times * control.rate - more;
    let variance = treatment.variance() + times * times * control.variance();
    if variance <= 0.0 {
        return if distance > 0.0 { 1.0 } else { 0.0 };
    }
    Normal::standard().cdf(distance / variance.sqrt())
}

/// At least the chance that the sequential test of a rate up to `ratio` times the control's has rejected
/// that at the level `significance`, after these trials. It is the chance of the best of its bets alone to
/// have won the stake that the whole mixture needs, with the number of events on each side normal.
#[must_use]
pub fn sequential(treatment: Side, control: Side, ratio: f64, significance: f64) -> f64 {
    let (n1, n0) = (treatment.trials, control.trials);
    if n1 < 1.0 || n0 < 1.0 {
        return 0.0;
    }
    let stake = weights();
    let chances = bets().map(|bet| {
        let share = ((n1 * ratio + n0) / (n1 * ratio * bet.times + n0)).ln();
        // What an event of either side makes of the bet.
        let (of_treatment, of_control) = (bet.times.ln() + share, share);
        let mean = treatment.expected() * of_treatment + control.expected() * of_control;
        let variance = treatment.expected() * of_treatment.powi(2) + control.expected() * of_control.powi(2);
        let needs = (stake / (bet.weight * significance)).ln();
        if variance > 0.0 {
            Normal::standard().cdf((mean - needs) / variance.sqrt())
        } else {
            0.0
        }
    });
    chances.fold(0.0, f64::max)
}

/// The smallest rate from `usual` up to 1 whose `chance` is at least `power`; `None` if not even 1 has it.
/// `chance` never falls while the rate rises.
#[must_use]
pub fn smallest(usual: f64, power: f64, chance: impl Fn(f64) -> f64) -> Option<f64> {
    if chance(1.0) < power {
        return None;
    }
    let (mut unseen, mut seen) = (usual, 1.0);
    if chance(unseen) >= power {
        return Some(unseen);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(unseen, seen);
        if chance(middle) >= power {
            seen = middle;
        } else {
            unseen = middle;
        }
    }
    Some(seen)
}
