//! Several groups at once: is any of them different?
//!
//! [`welch`] is the default: unlike [`classic`] it lets each group have a variance of its own.

mod kruskal_wallis;

use crate::distribution::fisher;
use crate::moments::{Moments, Sample, count};
use crate::{PValue, Refusal};

pub use kruskal_wallis::{KruskalWallis, kruskal_wallis};

/// A standard deviation of fewer than so many units in the last place of the means is what rounding left of them.
const ROUNDING: f64 = 10.0 * f64::EPSILON;

/// A test whose statistic has Fisher's F distribution when all groups have the same mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FTest {
    /// How much the groups vary between each other, as a multiple of what chance alone makes.
    pub f: f64,
    /// Degrees of freedom between groups.
    pub df1: f64,
    /// Degrees of freedom within groups.
    pub df2: f64,
    /// The chance of an F as large or larger if all means are the same.
    pub p: PValue,
}

impl FTest {
    fn new(f: f64, df1: f64, df2: f64) -> Self {
        Self {
            f,
            df1,
            df2,
            p: PValue::new(fisher::sf(f, df1, df2), fisher::ln_sf(f, df1, df2).min(0.0)),
        }
    }
}

/// One-way analysis of variance, which takes all groups to have the same variance (Fisher 1925, Statistical Methods for
/// Research Workers, chapter 7).
///
/// # Errors
///
/// [`Refusal::TooFew`] below two groups or two values in a group, [`Refusal::NoVariance`] when nothing varies within
/// the groups, [`Refusal::Invalid`] when a mean or a sum of squares is not finite or the latter negative.
pub fn classic(groups: &[Moments]) -> Result<FTest, Refusal> {
    let all = All::of(groups)?;
    let within: f64 = groups.iter().map(|group| group.m2).sum();
    let (df1, df2) = (all.groups - 1.0, all.n - all.groups);
    all.telling(within / df2)?;
    Ok(FTest::new((all.between / df1) / (within / df2), df1, df2))
}

/// Welch's analysis of variance, for groups with variances of their own (Welch 1951, Biometrika 38:330, equations 17
/// to 19).
///
/// # Errors
///
/// As [`classic`], but [`Refusal::NoVariance`] when any group does not vary: its weight would be infinite.
pub fn welch(groups: &[Moments]) -> Result<FTest, Refusal> {
    let all = All::of(groups)?;
    let weighted = || {
        samples(groups).map(|group| {
            let weight = group.n / group.variance;
            (group, weight)
        })
    };
    for group in samples(groups) {
        all.telling(group.variance)?;
    }
    let total: f64 = weighted().map(|(_, weight)| weight).sum();
    let mean = all.origin
        + weighted()
            .map(|(group, weight)| weight / total * (group.mean - all.origin))
            .sum::<f64>();
    let between: f64 = weighted()
        .map(|(group, weight)| weight * (group.mean - mean).powi(2))
        .sum();
    let lambda: f64 = weighted()
        .map(|(group, weight)| (1.0 - weight / total).powi(2) / (group.n - 1.0))
        .sum();
    let k = all.groups;
    let inflation = 1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * lambda;
    let df1 = k - 1.0;
    Ok(FTest::new(
        between / df1 / inflation,
        df1,
        (k * k - 1.0) / (3.0 * lambda),
    ))
}

/// Brown and Forsythe's test of means, for groups with variances of their own (Brown, Forsythe 1974, Technometrics
/// 16:129), with the degrees of freedom between groups of Mehrotra (1997, Communications in Statistics, Simulation and
/// Computation 26:1139). It is more robust than [`welch`] when extreme means come with large variances.
///
/// # Errors
///
/// As [`classic`].
pub fn brown_forsythe(groups: &[Moments]) -> Result<FTest, Refusal> {
    let all = All::of(groups)?;
    let parts = || {
        samples(groups).map(|group| {
            let share = group.n / all.n;
            (group, share)
        })
    };
    let within: f64 = parts().map(|(group, share)| (1.0 - share) * group.variance).sum();
    all.telling(within)?;
    // As shares of all that varies within the groups, so that nothing overflows.
    let relative = || parts().map(|(group, share)| (group, share, group.variance / within));
    let squares: f64 = relative()
        .map(|(_, share, part)| (1.0 - 2.0 * share) * part * part)
        .sum();
    let mean: f64 = relative().map(|(_, share, part)| share * part).sum();
    let df1 = (squares + mean * mean).recip();
    let df2 = relative()
        .map(|(group, share, part)| ((1.0 - share) * part).powi(2) / (group.n - 1.0))
        .sum::<f64>()
        .recip();
    Ok(FTest::new(all.between / within, df1, df2))
}

/// What the groups are together.
struct All {
    groups: f64,
    n: f64,
    /// The mean of the first group: distances from there keep their digits.
    origin: f64,
    /// The squared distances of the groups' means from the mean of all, each as often as the group has values.
    between: f64,
    /// The largest mean.
    level: f64,
}

impl All {
    fn of(groups: &[Moments]) -> Result<Self, Refusal> {
        for group in groups {
            group.sample()?;
        }
        let k: f64 = groups.iter().map(|_| 1.0).sum();
        let origin = match groups {
            [first, _, ..] => first.mean,
            _ => {
                return Err(Refusal::TooFew {
                    what: "groups",
                    have: k,
                    need: 2.0,
                });
            }
        };
        let n: f64 = groups.iter().map(|group| count(group.n)).sum();
        let off = samples(groups)
            .map(|group| group.n / n * (group.mean - origin))
            .sum::<f64>();
        let between = samples(groups)
            .map(|group| group.n * (group.mean - origin - off).powi(2))
            .sum();
        let level = groups.iter().map(|group| group.mean.abs()).fold(0.0, f64::max);
        Ok(Self {
            groups: k,
            n,
            origin,
            between,
            level,
        })
    }

    /// # Errors
    ///
    /// [`Refusal::NoVariance`] when the variance is no more than what rounding made.
    fn telling(&self, variance: f64) -> Result<(), Refusal> {
        if variance.sqrt() <= ROUNDING * self.level {
            return Err(Refusal::NoVariance);
        }
        Ok(())
    }
}

fn samples(groups: &[Moments]) -> impl Iterator<Item = Sample> {
    groups.iter().filter_map(|group| group.sample().ok())
}
