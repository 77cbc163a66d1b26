//! Proportions: of how many units something happened, in one arm and in two.
//!
//! The test is the pooled z test, and Fisher's exact one where an expected count is below 5; the interval of
//! a difference is Newcombe's, or the score interval where a margin is tested; the interval of a ratio is
//! Katz's (Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, 3rd edition, chapter 3;
//! Newcombe 1998, Statistics in Medicine 17:873). The others are offered to compare with other engines.

mod difference;
mod ratio_score;
mod relative;
pub(crate) mod score;
mod single;

pub use difference::{Difference, DifferenceMethod, difference};
pub use ratio_score::ratio_score;
pub use relative::{Ratio, TEffect, delta_difference, delta_lift, odds_ratio, risk_ratio};
pub use single::{IntervalMethod, interval};

use crate::contingency;
use crate::distribution::normal;
use crate::moments::count;
use crate::{Alternative, Counts, PValue, Refusal};
use std::f64::consts::LN_2;

/// Below this expected count in any of the four cells the normal approximation is not to be trusted
/// (Cochran 1954, Biometrics 10:417).
const EXPECTED_MIN: f64 = 5.0;

/// From which rate the variance of a z test is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variance {
    /// From the rate of both arms together: what holds if the arms are alike.
    Pooled,
    /// From each arm's own rate.
    Unpooled,
}

/// What a z test of two proportions says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ZTest {
    /// The treatment's share less the control's, from -1 to 1.
    pub estimate: f64,
    /// The standard error of the estimate, more than 0.
    pub standard_error: f64,
    /// How many standard errors the estimate is away from 0.
    pub z: f64,
    /// The chance of such a z or a more extreme one if the arms are alike.
    pub p: PValue,
}

/// Which test answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestMethod {
    /// The z test with the pooled variance.
    PooledZ,
    /// Fisher's exact test.
    FisherExact,
}

/// What the test that suits the counts says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The treatment's share less the control's, from -1 to 1.
    pub estimate: f64,
    /// The chance of such counts or more extreme ones if the arms are alike.
    pub p: PValue,
    /// Which test it was.
    pub method: TestMethod,
}

/// Whether two proportions differ, by the z test.
///
/// # Errors
///
/// [`Refusal::NoVariance`] where the standard error is 0: with the pooled variance when nothing or everything
/// happened in both arms, with the unpooled one also when nothing happened in one and everything in the
/// other. [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials.
pub fn z_test(
    control: Counts,
    treatment: Counts,
    variance: Variance,
    alternative: Alternative,
) -> Result<ZTest, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let squared = match variance {
        Variance::Pooled => arms.pooled_variance(),
        Variance::Unpooled => arms.variance(),
    };
    if squared <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let standard_error = squared.sqrt();
    let z = arms.difference / standard_error;
    Ok(ZTest {
        estimate: arms.difference,
        standard_error,
        z,
        p: normal_p(z, alternative),
    })
}

/// Whether two proportions differ, by the test that suits the counts: the pooled z test, or Fisher's exact
/// test when fewer than 5 events or non-events are to be expected in an arm.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when nothing or everything happened in both arms. [`Refusal::TooFew`] without
/// trials, [`Refusal::Invalid`] with more events than trials.
pub fn test(control: Counts, treatment: Counts, alternative: Alternative) -> Result<Test, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let (events, others) = arms.pooled();
    let share = arms.control.n.min(arms.treatment.n) / (events + others);
    if events.min(others) * share >= EXPECTED_MIN {
        let test = z_test(control, treatment, Variance::Pooled, alternative)?;
        return Ok(Test {
            estimate: test.estimate,
            p: test.p,
            method: TestMethod::PooledZ,
        });
    }
    if events <= 0.0 || others <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    Ok(Test {
        estimate: arms.difference,
        p: contingency::fisher_exact(control, treatment, alternative)?,
        method: TestMethod::FisherExact,
    })
}

/// One arm: events and non-events as numbers, each as exact as it was counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arm {
    pub(crate) x: f64,
    pub(crate) others: f64,
    pub(crate) n: f64,
}

impl Arm {
    pub(crate) fn new(counts: Counts) -> Result<Self, Refusal> {
        if counts.trials == 0 {
            return Err(Refusal::TooFew {
                what: "trials",
                have: 0.0,
                need: 1.0,
            });
        }
        let Some(others) = counts.trials.checked_sub(counts.events) else {
            return Err(Refusal::Invalid {
                field: "events",
                value: count(counts.events),
                rule: "be at most the number of trials",
            });
        };
        Ok(Self {
            x: count(counts.events),
            others: count(others),
            n: count(counts.trials),
        })
    }

    pub(crate) fn rate(&self) -> f64 {
        self.x / self.n
    }

    /// The variance of the rate.
    pub(crate) fn variance(&self) -> f64 {
        self.x / self.n * (self.others / self.n) / self.n
    }
}

/// Both arms and the difference of their rates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arms {
    pub(crate) control: Arm,
    pub(crate) treatment: Arm,
    /// The treatment's rate less the control's.
    pub(crate) difference: f64,
}

impl Arms {
    pub(crate) fn new(control: Counts, treatment: Counts) -> Result<Self, Refusal> {
        let arms = (Arm::new(control)?, Arm::new(treatment)?);
        Ok(Self {
            control: arms.0,
            treatment: arms.1,
            difference: exact_difference(control, treatment),
        })
    }

    /// Events and non-events of both arms.
    pub(crate) fn pooled(&self) -> (f64, f64) {
        (
            self.control.x + self.treatment.x,
            self.control.others + self.treatment.others,
        )
    }

    /// The variance of the difference at the rate of both arms together.
    fn pooled_variance(&self) -> f64 {
        let (events, others) = self.pooled();
        let n = self.control.n + self.treatment.n;
        events / n * (others / n) * (1.0 / self.control.n + 1.0 / self.treatment.n)
    }

    /// The variance of the difference at each arm's own rate.
    pub(crate) fn variance(&self) -> f64 {
        self.control.variance() + self.treatment.variance()
    }
}

/// The difference of two rates with all digits: crosswise products of whole numbers lose none, where two
/// nearly equal rates would.
fn exact_difference(control: Counts, treatment: Counts) -> f64 {
    let cross = |a: u64, b: u64| u128::from(a) * u128::from(b);
    let up = cross(treatment.events, control.trials);
    let down = cross(control.events, treatment.trials);
    let size = wide(up.abs_diff(down)) / (count(control.trials) * count(treatment.trials));
    if up >= down { size } else { -size }
}

/// A large whole number as a number.
#[expect(clippy::cast_precision_loss, reason = "it is rounded to 16 digits")]
pub(crate) const fn wide(n: u128) -> f64 {
    n as f64
}

/// The total error of an interval or a bound, if it is one.
pub(crate) fn level(alpha: f64) -> Result<f64, Refusal> {
    if alpha > 0.0 && alpha < 1.0 {
        Ok(alpha)
    } else {
        Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        })
    }
}

/// How many standard errors a two-sided normal interval reaches to either side.
pub(crate) fn reach(alpha: f64) -> Result<f64, Refusal> {
    level(alpha).map(|alpha| normal::isf(alpha / 2.0))
}

/// The p-value of a statistic that is standard normal under the hypothesis.
pub(crate) fn normal_p(z: f64, alternative: Alternative) -> PValue {
    PValue::from_ln(match alternative {
        Alternative::Greater => normal::ln_sf(z),
        Alternative::Less => normal::ln_cdf(z),
        Alternative::TwoSided => normal::ln_sf(z.abs()) + LN_2,
    })
}
