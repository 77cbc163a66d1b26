//! Rates of events per exposure, which are counts and no shares: crashes per hour, orders per visitor.
//!
//! The counts are Poisson. Given how many events there were on both sides, those of the treatment are binomial,
//! whatever the rate: both tests are tests of that binomial (Gu, Ng, Tang, Schucany 2008, Biometrical Journal
//! 50:283; Przyborowski, Wilenski 1940, Biometrika 31:313).

use crate::contingency::binomial_test;
use crate::distribution::{binomial, fisher, normal};
use crate::moments::count;
use crate::{Alternative, Counts, Interval, PValue, Refusal};
use std::f64::consts::LN_2;

/// What was counted in one arm, and over how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventCount {
    /// The events.
    pub events: u64,
    /// What they were counted over, more than 0: hours, visitors, requests. The same unit for both arms.
    pub exposure: f64,
}

/// A score test of the ratio of two rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreTest {
    /// The statistic, normal under the hypothesis; more than 0 when the treatment's rate is higher than that.
    pub z: f64,
    /// How likely a statistic as far out or farther is under the hypothesis.
    pub p: PValue,
}

/// The rate of the treatment divided by that of the control.
///
/// # Errors
///
/// When an exposure is not positive and finite, or the control has no events.
pub fn ratio(treatment: EventCount, control: EventCount) -> Result<f64, Refusal> {
    checked_exposure(treatment)?;
    checked_exposure(control)?;
    if control.events == 0 {
        return Err(Refusal::ZeroBaseline);
    }
    let rate = |arm: EventCount| count(arm.events) / arm.exposure;
    Ok(rate(treatment) / rate(control))
}

/// The exact conditional test of the hypothesis that the treatment's rate is `null_ratio` times the control's; 1 is
/// no difference. Two-sided it adds up all outcomes that are not likelier than the observed one.
///
/// # Errors
///
/// When an exposure or the ratio is not positive and finite, or there are no events at all; two-sided, when the events
/// are as good as certain to be those of one arm.
pub fn exact_test(
    treatment: EventCount,
    control: EventCount,
    null_ratio: f64,
    alternative: Alternative,
) -> Result<PValue, Refusal> {
    let Conditional { events, total, odds } = Conditional::new(treatment, control, null_ratio)?;
    let share = odds / (1.0 + odds);
    Ok(match alternative {
        Alternative::Greater => at_least(events, total, share),
        Alternative::Less => at_most(events, total, share),
        Alternative::TwoSided => {
            let events = Counts {
                events,
                trials: total,
            };
            binomial_test(events, share, alternative)?
        }
    })
}

/// The score test of the hypothesis that the treatment's rate is `null_ratio` times the control's; 1 is no
/// difference (Gu et al. 2008, statistic W2).
///
/// # Errors
///
/// When an exposure or the ratio is not positive and finite, or there are no events at all.
pub fn score_test(
    treatment: EventCount,
    control: EventCount,
    null_ratio: f64,
    alternative: Alternative,
) -> Result<ScoreTest, Refusal> {
    let Conditional { total, odds, .. } = Conditional::new(treatment, control, null_ratio)?;
    let z = (count(treatment.events) - odds * count(control.events)) / (count(total) * odds).sqrt();
    let p = match alternative {
        Alternative::Greater => PValue::new(normal::sf(z), normal::ln_sf(z)),
        Alternative::Less => PValue::new(normal::cdf(z), normal::ln_cdf(z)),
        Alternative::TwoSided => PValue::new(2.0 * normal::sf(z.abs()), normal::ln_sf(z.abs()) + LN_2),
    };
    Ok(ScoreTest { z, p })
}

/// The ratios that [`exact_test`]s of one side do not reject, each at `alpha / 2`: the interval of Clopper and Pearson
/// (1934) for the share of the treatment's events, as a ratio. One-sided it is a bound at `alpha`, with the other
/// end at 0 or infinity.
///
/// # Errors
///
/// When an exposure is not positive and finite, alpha is not in (0, 1) or (0, 0.5) for a bound, or there are no events at all.
pub fn exact_interval(
    treatment: EventCount,
    control: EventCount,
    alpha: f64,
    alternative: Alternative,
) -> Result<Interval, Refusal> {
    let Conditional { odds, .. } = Conditional::new(treatment, control, 1.0)?;
    let tail = checked_tail(alpha, alternative)?;
    let (x, y) = (count(treatment.events), count(control.events));
    // Odds of a beta variable are a ratio of chi-squared ones.
    let lower = if treatment.events == 0 || alternative == Alternative::Less {
        0.0
    } else {
        x / (y + 1.0) * fisher::ppf(tail, 2.0 * x, 2.0 * (y + 1.0)) / odds
    };
    let upper = if control.events == 0 || alternative == Alternative::Greater {
        f64::INFINITY
    } else {
        (x + 1.0) / y * fisher::isf(tail, 2.0 * (x + 1.0), 2.0 * y) / odds
    };
    Ok(Interval { lower, upper })
}

/// The ratios that the [`score_test`] does not reject at `alpha`, in closed form. One-sided it is a bound, with the
/// other end at 0 or infinity.
///
/// # Errors
///
/// When an exposure is not positive and finite, alpha is not in (0, 1) or (0, 0.5) for a bound, or there are no events at all.
pub fn score_interval(
    treatment: EventCount,
    control: EventCount,
    alpha: f64,
    alternative: Alternative,
) -> Result<Interval, Refusal> {
    let Conditional { odds, total, .. } = Conditional::new(treatment, control, 1.0)?;
    let z = normal::isf(checked_tail(alpha, alternative)?);
    let (x, y) = (count(treatment.events), count(control.events));
    // (x - odds y)^2 = z^2 n odds has the roots x^2 / larger and larger / y^2: no digits cancel.
    let spread = z * z * count(total);
    let root = (spread * (4.0 * x * y + spread)).sqrt();
    let larger = (2.0 * x * y + spread + root) / 2.0;
    let lower = if x == 0.0 { 0.0 } else { x * x / larger };
    let upper = if y == 0.0 { f64::INFINITY } else { larger / (y * y) };
    Ok(Interval {
        lower: if alternative == Alternative::Less {
            0.0
        } else {
            lower / odds
        },
        upper: if alternative == Alternative::Greater {
            f64::INFINITY
        } else {
            upper / odds
        },
    })
}

/// The treatment's events given all: binomial, with these odds under the hypothesis.
struct Conditional {
    events: u64,
    total: u64,
    odds: f64,
}

impl Conditional {
    fn new(treatment: EventCount, control: EventCount, null_ratio: f64) -> Result<Self, Refusal> {
        checked_exposure(treatment)?;
        checked_exposure(control)?;
        let odds = null_ratio * (treatment.exposure / control.exposure);
        let usable = |value: f64| value > 0.0 && value.is_finite();
        if !(usable(null_ratio) && usable(odds)) {
            return Err(Refusal::Invalid {
                field: "null_ratio",
                value: null_ratio,
                rule: "be more than 0 and finite, with the exposures too",
            });
        }
        let total = treatment.events.saturating_add(control.events);
        if total == 0 {
            return Err(Refusal::TooFew {
                what: "events",
                have: 0.0,
                need: 1.0,
            });
        }
        Ok(Self {
            events: treatment.events,
            total,
            odds,
        })
    }
}

fn checked_exposure(arm: EventCount) -> Result<(), Refusal> {
    if arm.exposure > 0.0 && arm.exposure.is_finite() {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field: "exposure",
            value: arm.exposure,
            rule: "be more than 0 and finite",
        })
    }
}

/// The error on each side that has a bound. Beyond a half a bound would be on the wrong side of the estimate.
fn checked_tail(alpha: f64, alternative: Alternative) -> Result<f64, Refusal> {
    let tail = match alternative {
        Alternative::TwoSided => alpha / 2.0,
        Alternative::Greater | Alternative::Less => alpha,
    };
    if tail > 0.0 && tail < 0.5 {
        Ok(tail)
    } else {
        Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1, and below 0.5 for a bound on one side",
        })
    }
}

fn at_most(k: u64, n: u64, share: f64) -> PValue {
    PValue::new(binomial::cdf(k, n, share), binomial::ln_cdf(k, n, share))
}

fn at_least(k: u64, n: u64, share: f64) -> PValue {
    match k.checked_sub(1) {
        Some(below) => PValue::new(binomial::sf(below, n, share), binomial::ln_sf(below, n, share)),
        None => PValue::from_ln(0.0),
    }
}
