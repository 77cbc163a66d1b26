//! How often the treatment is larger, with its uncertainty.

use super::Pooled;
use super::pooled::Ranked;
use crate::distribution::student;
use crate::moments::count;
use crate::{Interval, PValue, Refusal};
use std::f64::consts::LN_2;

/// The probability of superiority with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Superiority {
    /// The chance that a value of the treatment is larger than one of the control, ties counted half.
    pub estimate: f64,
    /// Its standard error, whatever the two distributions are.
    pub standard_error: f64,
    /// The degrees of freedom of `t`, after Satterthwaite.
    pub df: f64,
    /// The distance from 0.5 in standard errors.
    pub t: f64,
    /// The two-sided chance of such a distance if neither side were larger.
    pub p: PValue,
    /// What the data do not speak against, within 0 and 1; it holds 0.5 exactly when `p` is at least alpha.
    pub interval: Interval,
}

/// How often the treatment is larger, with an interval of the confidence 1 - `alpha`. Unlike the test of
/// Mann and Whitney it does not take the two distributions for the same, so the interval and the test hold
/// when one side varies more: Brunner, Munzel (2000), Biometrical Journal 42:17.
///
/// # Errors
///
/// When `alpha` is no chance, a side has fewer than two values, or no value of one side lies within the
/// range of the other, where the variance cannot be told.
pub fn superiority(pooled: &Pooled, alpha: f64) -> Result<Superiority, Refusal> {
    let (treatment, control) = (count(pooled.treatment()), count(pooled.control()));
    if treatment < 2.0 || control < 2.0 {
        return Err(Refusal::TooFew {
            what: "values of each side",
            have: treatment.min(control),
            need: 2.0,
        });
    }
    let estimate = pooled.u() / pooled.pairs();
    // The share of the other side that is smaller, for each value.
    let above = |at: &Ranked| (count(at.control_below) + count(at.tie.control) / 2.0) / control;
    let below = |at: &Ranked| (count(at.treatment_below) + count(at.tie.treatment) / 2.0) / treatment;
    let (mut of_treatment, mut of_control) = (0.0, 0.0);
    for at in pooled.ranked() {
        of_treatment += count(at.tie.treatment) * (above(&at) - estimate).powi(2);
        of_control += count(at.tie.control) * (below(&at) - (1.0 - estimate)).powi(2);
    }
    let of_treatment = of_treatment / (treatment - 1.0) / treatment;
    let of_control = of_control / (control - 1.0) / control;
    judged(
        estimate,
        (pooled.treatment(), of_treatment),
        (pooled.control(), of_control),
        alpha,
    )
}

/// What an estimate says with the squared standard error that comes from each side, beside the number of its values:
/// at least two.
pub(super) fn judged(
    estimate: f64,
    (treatment, of_treatment): (u64, f64),
    (control, of_control): (u64, f64),
    alpha: f64,
) -> Result<Superiority, Refusal> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        });
    }
    let variance = of_treatment + of_control;
    // Zero but for rounding: all shares are 0 or 1.
    if variance <= 1e-28 {
        return Err(Refusal::NoVariance);
    }
    let df = variance.powi(2)
        / (of_treatment.powi(2) / (count(treatment) - 1.0) + of_control.powi(2) / (count(control) - 1.0));
    let standard_error = variance.sqrt();
    let t = (estimate - 0.5) / standard_error;
    let reach = student::isf(alpha / 2.0, df) * standard_error;
    Ok(Superiority {
        estimate,
        standard_error,
        df,
        t,
        p: PValue::new(
            (2.0 * student::sf(t.abs(), df)).min(1.0),
            (student::ln_sf(t.abs(), df) + LN_2).min(0.0),
        ),
        interval: Interval {
            lower: (estimate - reach).max(0.0),
            upper: (estimate + reach).min(1.0),
        },
    })
}
