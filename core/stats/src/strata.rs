//! Comparisons within strata: what users are alike in is taken out of the comparison.

use crate::distribution::normal;
use crate::moments::{Moments, count};
use crate::proportion::{Arm, level, normal_p, reach};
use crate::{Alternative, Counts, Interval, PValue, Refusal};

/// Both arms of one stratum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratum<T> {
    /// Those without the treatment.
    pub control: T,
    /// Those with it.
    pub treatment: T,
}

/// What the strata say together about two proportions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MantelHaenszel {
    /// The statistic with one degree of freedom, at least 0.
    pub chi_squared: f64,
    /// Its root with the sign of the difference.
    pub z: f64,
    /// The chance of such a statistic or a larger one if the arms are alike in each stratum; two-sided.
    pub p: PValue,
    /// The odds ratio that the strata have in common, or why there is none.
    pub odds_ratio: Result<CommonOddsRatio, Refusal>,
}

/// The treatment's odds as a multiple of the control's in each stratum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommonOddsRatio {
    /// The estimate of Mantel and Haenszel, more than 0.
    pub estimate: f64,
    /// The standard error of its natural logarithm.
    pub ln_standard_error: f64,
    /// Where the true odds ratio may lie.
    pub interval: Interval,
}

/// Whether two proportions differ within strata: the test of Cochran, Mantel and Haenszel without continuity
/// correction (Mantel, Haenszel 1959, Journal of the National Cancer Institute 22:719), and the odds ratio
/// with the interval of Robins, Breslow and Greenland (1986, Biometrics 42:311) of the coverage 1 - `alpha`.
///
/// A stratum with an empty arm, or in which nothing or everything happened, says nothing and is passed over.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when no stratum says anything, [`Refusal::Invalid`] with more events than trials or
/// an `alpha` not between 0 and 1.
pub fn mantel_haenszel(strata: &[Stratum<Counts>], alpha: f64) -> Result<MantelHaenszel, Refusal> {
    let reach = reach(alpha)?;
    let (mut excess, mut variance) = (0.0, 0.0);
    let mut odds = CommonOdds::default();
    for stratum in strata {
        let (Some(t), Some(c)) = (arm(stratum.treatment)?, arm(stratum.control)?) else {
            continue;
        };
        let n = t.n + c.n;
        let (events, others) = (t.x + c.x, t.others + c.others);
        // The treatment's events less the expected ones: (a (c + d) - c (a + b)) / n = (a d - b c) / n.
        excess += (t.x * c.others - t.others * c.x) / n;
        variance += (t.n / n) * (c.n / n) * events * (others / (n - 1.0));
        odds.add(&t, &c);
    }
    if variance <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let z = excess / variance.sqrt();
    Ok(MantelHaenszel {
        chi_squared: z * z,
        z,
        p: normal_p(z, Alternative::TwoSided),
        odds_ratio: odds.ratio(reach),
    })
}

/// The arm, or nothing when it is empty.
fn arm(counts: Counts) -> Result<Option<Arm>, Refusal> {
    if counts == Counts::default() {
        return Ok(None);
    }
    Arm::new(counts).map(Some)
}

/// The sums of Robins, Breslow and Greenland.
#[derive(Default)]
struct CommonOdds {
    up: f64,
    down: f64,
    alike_up: f64,
    mixed: f64,
    unlike_down: f64,
}

impl CommonOdds {
    fn add(&mut self, t: &Arm, c: &Arm) {
        let n = t.n + c.n;
        let (alike, unlike) = ((t.x + c.others) / n, (t.others + c.x) / n);
        let (up, down) = (t.x * (c.others / n), t.others * (c.x / n));
        self.up += up;
        self.down += down;
        self.alike_up += alike * up;
        self.mixed += alike * down + unlike * up;
        self.unlike_down += unlike * down;
    }

    fn ratio(&self, reach: f64) -> Result<CommonOddsRatio, Refusal> {
        if self.up <= 0.0 || self.down <= 0.0 {
            return Err(Refusal::Undefined {
                why: "the odds of an arm are 0 or infinite in all strata",
            });
        }
        let estimate = self.up / self.down;
        let squared = self.alike_up / (2.0 * self.up * self.up)
            + self.mixed / (2.0 * self.up * self.down)
            + self.unlike_down / (2.0 * self.down * self.down);
        let ln_standard_error = squared.sqrt();
        Ok(CommonOddsRatio {
            estimate,
            ln_standard_error,
            interval: Interval {
                lower: estimate * (-reach * ln_standard_error).exp(),
                upper: estimate * (reach * ln_standard_error).exp(),
            },
        })
    }
}

/// An effect with its normal interval and test against 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StratifiedEffect {
    /// The effect.
    pub estimate: f64,
    /// Its standard error, more than 0.
    pub standard_error: f64,
    /// Where the true effect may lie.
    pub interval: Interval,
    /// The chance of such an effect or a larger one of either sign if there is none.
    pub p: PValue,
}

/// What the strata say together about two means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PostStratified {
    /// The treatment's mean less the control's.
    pub difference: StratifiedEffect,
    /// The difference as a share of the control's mean, by the delta method, or why there is none.
    pub lift: Result<StratifiedEffect, Refusal>,
}

/// The difference of two means after both arms are given the strata's shares of all users, with intervals of
/// the coverage 1 - `alpha` (Miratrix, Sekhon, Yu 2013, Journal of the Royal Statistical Society B 75:369).
/// The standard error includes that the shares are a sample themselves.
///
/// The test is of the difference alone, so difference and lift never disagree: the p-value of the lift is that
/// of the difference.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when nothing varies, [`Refusal::TooFew`] without strata or with less than two values
/// in an arm of a stratum: such strata are to be merged with others first. [`Refusal::Invalid`] with moments
/// that are none or an `alpha` not between 0 and 1. The lift alone is refused when the control's mean is 0.
pub fn post_stratified(strata: &[Stratum<Moments>], alpha: f64) -> Result<PostStratified, Refusal> {
    let reach = normal::isf(level(alpha)? / 2.0);
    if strata.is_empty() {
        return Err(Refusal::TooFew {
            what: "strata",
            have: 0.0,
            need: 1.0,
        });
    }
    for stratum in strata {
        check(stratum.control)?;
        check(stratum.treatment)?;
    }
    let users = |stratum: &Stratum<Moments>| count(stratum.control.n) + count(stratum.treatment.n);
    let all: f64 = strata.iter().map(users).sum();
    let weighed = |value: &dyn Fn(&Stratum<Moments>) -> f64| -> f64 {
        strata
            .iter()
            .map(|stratum| users(stratum) / all * value(stratum))
            .sum()
    };
    let control = weighed(&|stratum| stratum.control.mean);
    // From the differences of the strata, which keep their digits.
    let difference = weighed(&|stratum| stratum.treatment.mean - stratum.control.mean);
    // The standard error of the treatment's mean less so many times the control's.
    let standard_error = |times: f64| {
        let gap = |stratum: &Stratum<Moments>| stratum.treatment.mean - times * stratum.control.mean;
        let middle = weighed(&gap);
        let between = weighed(&|stratum| (gap(stratum) - middle).powi(2)) / all;
        let within = weighed(&|stratum| {
            let own = squared_error(stratum.treatment) + times * times * squared_error(stratum.control);
            users(stratum) / all * own
        });
        (within + between).sqrt()
    };
    let plain = standard_error(1.0);
    if plain <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    let p = normal_p(difference / plain, Alternative::TwoSided);
    let effect = |estimate: f64, standard_error: f64| StratifiedEffect {
        estimate,
        standard_error,
        interval: Interval {
            lower: estimate - reach * standard_error,
            upper: estimate + reach * standard_error,
        },
        p,
    };
    let lift = if control == 0.0 {
        Err(Refusal::ZeroBaseline)
    } else {
        let ratio = 1.0 + difference / control;
        Ok(effect(
            difference / control.abs(),
            standard_error(ratio) / control.abs(),
        ))
    };
    Ok(PostStratified {
        difference: effect(difference, plain),
        lift,
    })
}

fn check(arm: Moments) -> Result<(), Refusal> {
    if arm.n < 2 {
        return Err(Refusal::TooFew {
            what: "values in an arm of a stratum",
            have: count(arm.n),
            need: 2.0,
        });
    }
    for (field, value, fine) in [
        ("mean", arm.mean, true),
        ("sum of squared distances from the mean", arm.m2, arm.m2 >= 0.0),
    ] {
        if !(fine && value.is_finite()) {
            return Err(Refusal::Invalid {
                field,
                value,
                rule: "be finite, and no sum of squares below 0",
            });
        }
    }
    Ok(())
}

/// The squared standard error of a mean.
fn squared_error(arm: Moments) -> f64 {
    arm.variance().unwrap_or(0.0) / count(arm.n)
}
