//! Student's statistic for the means of two arms with variances of their own (Welch 1947, Biometrika 34:28;
//! degrees of freedom of Satterthwaite 1946).

use crate::distribution::student;
use crate::effect::Contrast;
use crate::moments::Moments;
use crate::{Alternative, PValue, Refusal, mean};
use std::f64::consts::LN_2;

/// An effect, how exactly it is known, and the degrees of freedom of that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Welch {
    pub(crate) estimate: f64,
    pub(crate) standard_error: f64,
    pub(crate) df: f64,
}

/// Both means, which vary.
fn varying(control: &Moments, treatment: &Moments) -> Result<Contrast, Refusal> {
    let contrast = mean::contrast(control, treatment)?;
    if contrast.variance() <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    Ok(contrast)
}

/// The treatment's mean less the control's.
pub(crate) fn difference(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let contrast = varying(&control, &treatment)?;
    Ok(Welch {
        estimate: contrast.difference,
        standard_error: contrast.variance().sqrt(),
        df: contrast.df(),
    })
}

/// The difference as a share of the control's mean, by the delta method (Deng, Knoblich, Lu 2018, KDD, section
/// 2).
pub(crate) fn lift(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let contrast = varying(&control, &treatment)?;
    let baseline = contrast.baseline;
    if baseline == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    Ok(Welch {
        estimate: contrast.difference / baseline.abs(),
        standard_error: contrast.variance_at(contrast.treatment / baseline).sqrt() / baseline.abs(),
        df: contrast.df(),
    })
}

/// The logarithm of the ratio of the means, which are both more than 0, by the delta method.
pub(crate) fn ln_ratio(control: Moments, treatment: Moments) -> Result<Welch, Refusal> {
    let contrast = varying(&control, &treatment)?;
    let (baseline, treatment) = (contrast.baseline, contrast.treatment);
    if baseline == 0.0 {
        return Err(Refusal::ZeroBaseline);
    }
    if baseline < 0.0 || treatment <= 0.0 {
        return Err(Refusal::Undefined {
            why: "a mean that is not above 0 has no logarithm",
        });
    }
    Ok(Welch {
        estimate: (contrast.difference / baseline).ln_1p(),
        standard_error: contrast.variance_at(treatment / baseline).sqrt() / treatment,
        df: contrast.df(),
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
