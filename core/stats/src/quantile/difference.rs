//! The difference between the quantiles of two arms.

use super::{Definition, Sorted, sample};
use crate::distribution::{normal, student};
use crate::effect::Contrast;
use crate::moments::count;
use crate::{Interval, PValue, Refusal};
use std::f64::consts::LN_2;

/// The confidence of the bounds that an arm's quantile comes with, whatever the level of the comparison.
const BOUNDS_TAIL: f64 = 0.025;

/// The quantile of one arm with the two beside it that show how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    /// How many values the arm has.
    pub n: u64,
    /// How many values the bounds were chosen for; differs from `n` where bounds of a fixed set of sizes
    /// are kept.
    pub bounds_n: u64,
    /// The share at which the quantile is, between 0 and 1.
    pub share: f64,
    /// The quantile.
    pub value: f64,
    /// The quantile at the share `share - z sqrt(share (1 - share) / bounds_n)`, with z of 95 % confidence.
    pub lower: f64,
    /// The quantile as far above.
    pub upper: f64,
}

impl Arm {
    /// From the values themselves.
    ///
    /// # Errors
    ///
    /// When `share` lies not between 0 and 1, or there are fewer values than [`fewest_units`].
    pub fn of(values: &Sorted, share: f64) -> Result<Self, Refusal> {
        let n = values.n();
        enough(n, share)?;
        let reach = normal::isf(BOUNDS_TAIL) * (share * (1.0 - share) / count(n)).sqrt();
        let at = |share| sample(values, share, Definition::Modes);
        Ok(Self {
            n,
            bounds_n: n,
            share,
            value: at(share)?,
            lower: at(share - reach)?,
            upper: at(share + reach)?,
        })
    }

    /// The variance of the quantile as if all values were independent: Deng, Knoblich, Lu (2018), KDD,
    /// section 4, with the bounds in the place of the density.
    fn variance(&self) -> Result<f64, Refusal> {
        for (field, value) in [
            ("quantile", self.value),
            ("lower", self.lower),
            ("upper", self.upper),
        ] {
            if !value.is_finite() {
                return Err(Refusal::Invalid {
                    field,
                    value,
                    rule: "be finite",
                });
            }
        }
        enough(self.n, self.share)?;
        enough(self.bounds_n, self.share)?;
        let spread = self.upper - self.lower;
        if spread < 0.0 {
            return Err(Refusal::Invalid {
                field: "upper",
                value: self.upper,
                rule: "be at least the lower bound",
            });
        }
        if spread <= 0.0 {
            return Err(Refusal::NoVariance);
        }
        let n = count(self.n);
        let deviation = spread / (2.0 * normal::isf(BOUNDS_TAIL));
        Ok(count(self.bounds_n) / n * deviation.powi(2) * (n - 1.0) / n)
    }
}

/// With so many units or fewer an end of the bounds would lie beyond all values: the larger of
/// z^2 p / (1 - p) and z^2 (1 - p) / p, with z of 95 % confidence.
#[must_use]
pub fn fewest_units(share: f64) -> f64 {
    let odds = share / (1.0 - share);
    normal::isf(BOUNDS_TAIL).powi(2) * odds.max(1.0 / odds)
}

fn enough(n: u64, share: f64) -> Result<(), Refusal> {
    if !(share > 0.0 && share < 1.0) {
        return Err(Refusal::Invalid {
            field: "share",
            value: share,
            rule: "lie between 0 and 1",
        });
    }
    let fewest = fewest_units(share);
    if count(n) <= fewest || n < 2 {
        return Err(Refusal::TooFew {
            what: "values for this quantile",
            have: count(n),
            need: (fewest.floor() + 1.0).max(2.0),
        });
    }
    Ok(())
}

/// For each cluster, usually a user: its events, and how many of them are at or below the quantile of
/// all; summed up over the clusters of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClusterSums {
    /// How many clusters.
    pub clusters: u64,
    /// The sum of the events at or below.
    pub below: f64,
    /// The sum of their squares.
    pub below_squared: f64,
    /// The sum of the events.
    pub events: f64,
    /// The sum of their squares.
    pub events_squared: f64,
    /// The sum of the products of both.
    pub below_events: f64,
}

impl ClusterSums {
    /// Adds one cluster.
    pub fn add(&mut self, below: u64, events: u64) {
        let (below, events) = (count(below), count(events));
        self.clusters += 1;
        self.below += below;
        self.below_squared += below * below;
        self.events += events;
        self.events_squared += events * events;
        self.below_events += below * events;
    }

    /// The variance of the share of events at or below, from one cluster to the next: the delta method for a
    /// ratio of two sums (Deng, Knoblich, Lu 2018, section 3.1).
    fn variance_of_share(&self) -> Result<f64, Refusal> {
        let all = [
            self.below,
            self.below_squared,
            self.events,
            self.events_squared,
            self.below_events,
        ];
        if let Some(value) = all.iter().find(|sum| !(sum.is_finite() && **sum >= 0.0)) {
            return Err(Refusal::Invalid {
                field: "sum over clusters",
                value: *value,
                rule: "be finite and not negative",
            });
        }
        if self.clusters < 2 {
            return Err(Refusal::TooFew {
                what: "clusters",
                have: count(self.clusters),
                need: 2.0,
            });
        }
        if self.events <= 0.0 {
            return Err(Refusal::TooFew {
                what: "events",
                have: 0.0,
                need: 1.0,
            });
        }
        let clusters = count(self.clusters);
        let share = self.below / self.events;
        // The sum of the squared residuals below - share * events, whose mean is 0. The sums are whole, so
        // that nothing is lost below 2^53.
        let squares = self.below_squared - share * (2.0 * self.below_events - share * self.events_squared);
        // What is left of the largest of the three by rounding is no variance.
        if squares <= 1e-14 * self.below_squared {
            return Err(Refusal::NoVariance);
        }
        Ok(squares / (clusters - 1.0) * clusters / self.events.powi(2))
    }
}

/// The quantile of one arm whose values come in clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredArm {
    /// The quantile of all events.
    pub quantile: Arm,
    /// What the clusters share.
    pub sums: ClusterSums,
}

impl ClusteredArm {
    /// The variance of the quantile, with what the values of a cluster have in common.
    ///
    /// # Errors
    ///
    /// As [`difference_clustered`] for one arm.
    pub fn variance(&self) -> Result<f64, Refusal> {
        let Arm { n, share, .. } = self.quantile;
        let independent = share * (1.0 - share) / count(n);
        Ok(self.quantile.variance()? * (self.sums.variance_of_share()? / independent))
    }
}

/// What the degrees of freedom of clustered values count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Degrees {
    /// The clusters, which is how many independent things were seen.
    #[default]
    Clusters,
    /// The events, as gbstats does: too many, which matters with few clusters.
    Events,
}

/// In which unit a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// In the unit of the values: treatment - control.
    Absolute,
    /// As a share of the control: (treatment - control) / |control|, by the delta method.
    Relative,
}

/// The difference between two quantiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference, in the unit that was asked for.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The degrees of freedom, after Welch and Satterthwaite.
    pub df: f64,
    /// The difference in standard errors.
    pub t: f64,
    /// The two-sided chance of such a difference or a larger one, if there were none.
    pub p: PValue,
    /// The differences that the data do not speak against; holds 0 exactly when `p` is at least alpha.
    pub interval: Interval,
}

/// The difference between the quantiles of two arms of independent values, with an interval of the confidence
/// 1 - `alpha`: Deng, Knoblich, Lu (2018), KDD, section 4; Yao, Li, Lu (2024), arXiv 2401.14549, algorithm 1.
///
/// # Errors
///
/// When an arm has no more than [`fewest_units`], its bounds coincide, the shares of the arms differ, or a
/// number is not finite. A control at 0 is refused in either unit, so that the unit in which a difference is
/// shown never decides whether there is one.
pub fn difference(treatment: &Arm, control: &Arm, scale: Scale, alpha: f64) -> Result<Difference, Refusal> {
    let side = |arm: &Arm| {
        Ok(Side {
            value: arm.value,
            variance: arm.variance()?,
            df: count(arm.n) - 1.0,
        })
    };
    same_share(treatment, control)?;
    compare(side(treatment)?, side(control)?, scale, alpha)
}

/// The same where the values of an arm come in clusters, such as the page loads of a user: the variance is
/// that of independent values times how much more the share below the quantile varies from cluster to
/// cluster than it would by itself.
///
/// # Errors
///
/// As [`difference`], and when an arm has fewer than two clusters or all have the same share below.
pub fn difference_clustered(
    treatment: &ClusteredArm,
    control: &ClusteredArm,
    scale: Scale,
    alpha: f64,
    degrees: Degrees,
) -> Result<Difference, Refusal> {
    let side = |arm: &ClusteredArm| {
        let units = match degrees {
            Degrees::Clusters => arm.sums.clusters,
            Degrees::Events => arm.quantile.n,
        };
        Ok(Side {
            value: arm.quantile.value,
            variance: arm.variance()?,
            df: count(units) - 1.0,
        })
    };
    same_share(&treatment.quantile, &control.quantile)?;
    compare(side(treatment)?, side(control)?, scale, alpha)
}

/// Two clustered quantiles before they are shown in any unit: one test for the difference and for the lift. The
/// degrees of freedom count clusters.
///
/// # Errors
///
/// As [`difference_clustered`], but a control at 0 refuses the lift alone.
pub fn contrast_clustered(control: &ClusteredArm, treatment: &ClusteredArm) -> Result<Contrast, Refusal> {
    same_share(&treatment.quantile, &control.quantile)?;
    let df = |arm: &ClusteredArm| count(arm.sums.clusters) - 1.0;
    Ok(Contrast {
        difference: treatment.quantile.value - control.quantile.value,
        baseline: control.quantile.value,
        treatment: treatment.quantile.value,
        treatment_variance: treatment.variance()?,
        baseline_variance: control.variance()?,
        adjustment_variance: 0.0,
        adjustment_covariance: 0.0,
        treatment_df: df(treatment),
        control_df: df(control),
    })
}

fn same_share(treatment: &Arm, control: &Arm) -> Result<(), Refusal> {
    if treatment.share.to_bits() == control.share.to_bits() {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field: "share",
            value: treatment.share,
            rule: "be the same in both arms",
        })
    }
}

struct Side {
    value: f64,
    variance: f64,
    df: f64,
}

fn compare(treatment: Side, control: Side, scale: Scale, alpha: f64) -> Result<Difference, Refusal> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        });
    }
    if control.value == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    let variance = treatment.variance + control.variance;
    let df = variance.powi(2)
        / (treatment.variance.powi(2) / treatment.df + control.variance.powi(2) / control.df);
    let off = treatment.value - control.value;
    let (estimate, variance) = match scale {
        Scale::Absolute => (off, variance),
        Scale::Relative => {
            let ratio = treatment.value / control.value;
            let squared = control.value.powi(2);
            (
                off / control.value.abs(),
                (treatment.variance + control.variance * ratio.powi(2)) / squared,
            )
        }
    };
    let standard_error = variance.sqrt();
    if !(standard_error > 0.0 && standard_error.is_finite()) {
        return Err(Refusal::NoVariance);
    }
    let t = estimate / standard_error;
    let reach = student::isf(alpha / 2.0, df) * standard_error;
    Ok(Difference {
        estimate,
        standard_error,
        df,
        t,
        p: PValue::new(
            (2.0 * student::sf(t.abs(), df)).min(1.0),
            (student::ln_sf(t.abs(), df) + LN_2).min(0.0),
        ),
        interval: Interval {
            lower: estimate - reach,
            upper: estimate + reach,
        },
    })
}
