//! Student's statistic for the means of two arms with variances of their own (Welch 1947, Biometrika 34:28;
//! degrees of freedom of Satterthwaite 1946).

use crate::distribution::student;
use crate::moments::{Moments, count};
use crate::{Alternative, PValue, Refusal};
use std::f64::consts::LN_2;

/// An effect, how exactly it is known, and the degrees of freedom of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Welch {
    pub(crate) estimate: f64,
    pub(crate) standard_error: f64,
    pub(crate) df: f64,
}

/// A mean with its squared standard error.
struct Mean {
    mean: f64,
    squared_error: f64,
    df: f64,
}

impl Mean {
    fn new(arm: Moments) -> Result<Self, Refusal> {
        if !arm.mean.is_finite() {
            return Err(Refusal::Invalid {
                field: "mean",
                value: arm.mean,
                rule: "be finite",
            });
        }
        if !(arm.m2 >= 0.0 && arm.m2.is_finite()) {
            return Err(Refusal::Invalid {
                field: "sum of squared distances from the mean",
                value: arm.m2,
                rule: "be finite and at least 0",
            });
        }
        let variance = arm.variance().ok_or(Refusal::TooFew {
            what: "values in an arm",
            have: count(arm.n),
            need: 2.0,
        })?;
        Ok(Self {
            mean: arm.mean,
            squared_error: variance / count(arm.n),
            df: count(arm.n) - 1.0,
        })
    }
}

/// Both means, and the degrees of freedom of their difference.
fn means(control: Moments, treatment: Moments) -> Result<(Mean, Mean, f64), Refusal> {
    let (control, treatment) = (Mean::new(control)?, Mean::new(treatment)?);
    let sum = control.squared_error + treatment.squared_error;
    if sum <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    // By shares of the sum, which cannot underflow as squares of small variances would.
    let (c, t) = (control.squared_error / sum, treatment.squared_error / sum);
    let df = 1.0 / (c * c / control.df + t * t / treatment.df);
    Ok((control, treatment, df))
}

/// The treatment's mean less the control's.
pub(crate) fn difference(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let (control, treatment, df) = means(control, treatment)?;
    Ok(Welch {
        estimate: treatment.mean - control.mean,
        standard_error: (control.squared_error + treatment.squared_error).sqrt(),
        df,
    })
}

/// The difference as a share of the control's mean, by the delta method (Deng, Knoblich, Lu 2018, KDD, section
/// 2).
pub(crate) fn lift(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let (control, treatment, df) = means(control, treatment)?;
    if control.mean == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    let ratio = treatment.mean / control.mean;
    let squared = treatment.squared_error + ratio * ratio * control.squared_error;
    Ok(Welch {
        estimate: (treatment.mean - control.mean) / control.mean.abs(),
        standard_error: squared.sqrt() / control.mean.abs(),
        df,
    })
}

/// The logarithm of the ratio of the means, which are both more than 0, by the delta method.
pub(crate) fn ln_ratio(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let (control, treatment, df) = means(control, treatment)?;
    if control.mean == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    if control.mean < 0.0 || treatment.mean <= 0.0 {
        return Err(Refusal::Undefined {
            why: "a mean that is not above 0 has no logarithm",
        });
    }
    let relative = |arm: &Mean| arm.squared_error / (arm.mean * arm.mean);
    Ok(Welch {
        estimate: ((treatment.mean - control.mean) / control.mean).ln_1p(),
        standard_error: (relative(&control) + relative(&treatment)).sqrt(),
        df,
    })
}

/// The p-value of a statistic that is Student's under the hypothesis.
pub(crate) fn student_p(t: f64, df: f64, alternative: Alternative) -> PValue {
    PValue::from_ln(match alternative {
        Alternative::Greater => student::ln_sf(t, df),
        Alternative::Less => student::ln_cdf(t, df),
        Alternative::TwoSided => student::ln_sf(t.abs(), df) + LN_2,
    })
}
