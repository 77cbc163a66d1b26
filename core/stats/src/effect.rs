//! An estimated effect: what it is, how sure it is, and what it speaks against.

mod contrast;

use crate::distribution::{normal, student};
use crate::{Alternative, Interval, PValue, Refusal};
use std::f64::consts::LN_2;

pub use contrast::{Contrast, Distance};
pub(crate) use contrast::{cleared, satterthwaite};

/// An effect with its uncertainty and the test of no effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The effect: treatment less control, or that as a share of the control's size.
    pub estimate: f64,
    /// Its standard error, more than 0.
    pub standard_error: f64,
    /// The degrees of freedom of Student's t distribution; `None` where the normal distribution is used.
    pub df: Option<f64>,
    /// What the test compares with its distribution, t or z. It has the sign of the effect.
    pub statistic: f64,
    /// The effects that the data do not speak against: with the chance 1 - alpha it holds the true one. It is
    /// a bound alone for a one-sided alternative.
    pub interval: Interval,
    /// The chance of a statistic as far out or farther if there is no effect.
    pub p: PValue,
}

impl Effect {
    /// The effect that was estimated with this standard error, which has these degrees of freedom (`None` when it
    /// is as good as known). Its interval has the total error `alpha`.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoVariance`] when the standard error is 0, [`Refusal::Invalid`] when an argument is no number,
    /// the standard error is negative or the degrees of freedom are not positive, or alpha is not between 0 and 1.
    pub fn new(
        estimate: f64,
        standard_error: f64,
        df: Option<f64>,
        alternative: Alternative,
        alpha: f64,
    ) -> Result<Self, Refusal> {
        if !estimate.is_finite() {
            return Err(Refusal::Invalid {
                field: "estimate",
                value: estimate,
                rule: "be finite",
            });
        }
        let reference = Reference::of(standard_error, df, alpha)?;
        let statistic = estimate / standard_error;
        let reach = reference.critical(alternative, alpha) * standard_error;
        Ok(Self {
            estimate,
            standard_error,
            df: reference.df,
            statistic,
            interval: bounds(alternative, estimate - reach, estimate + reach),
            p: reference.p(statistic, alternative),
        })
    }

    /// The p-value of the hypothesis that the effect is `null` instead of 0: a margin.
    #[must_use]
    pub fn p_against(&self, null: f64, alternative: Alternative) -> PValue {
        let reference = Reference { df: self.df };
        reference.p((self.estimate - null) / self.standard_error, alternative)
    }
}

/// The distribution of a statistic when there is no effect.
#[derive(Clone, Copy)]
struct Reference {
    df: Option<f64>,
}

impl Reference {
    fn of(standard_error: f64, df: Option<f64>, alpha: f64) -> Result<Self, Refusal> {
        check_alpha(alpha)?;
        if !standard_error.is_finite() || standard_error < 0.0 {
            return Err(Refusal::Invalid {
                field: "standard_error",
                value: standard_error,
                rule: "be finite and not negative",
            });
        }
        if standard_error == 0.0 {
            return Err(Refusal::NoVariance);
        }
        match df {
            Some(df) if df.is_nan() || df <= 0.0 => Err(Refusal::Invalid {
                field: "df",
                value: df,
                rule: "be more than 0",
            }),
            // With infinitely many degrees of freedom t is normal.
            df => Ok(Self {
                df: df.filter(|df| df.is_finite()),
            }),
        }
    }

    fn p(self, statistic: f64, alternative: Alternative) -> PValue {
        let tail = |x| match self.df {
            None => (normal::sf(x), normal::ln_sf(x)),
            Some(df) => (student::sf(x, df), student::ln_sf(x, df)),
        };
        let (p, ln) = match alternative {
            Alternative::Greater => tail(statistic),
            Alternative::Less => tail(-statistic),
            Alternative::TwoSided => {
                let (p, ln) = tail(statistic.abs());
                (2.0 * p, ln + LN_2)
            }
        };
        PValue::new(p.min(1.0), ln.min(0.0))
    }

    /// How many standard errors an interval reaches.
    fn critical(self, alternative: Alternative, alpha: f64) -> f64 {
        let tail = match alternative {
            Alternative::TwoSided => alpha / 2.0,
            Alternative::Greater | Alternative::Less => alpha,
        };
        match self.df {
            None => normal::isf(tail),
            Some(df) => student::isf(tail, df),
        }
    }
}

/// The interval between both ends that fits the alternative.
fn bounds(alternative: Alternative, lower: f64, upper: f64) -> Interval {
    match alternative {
        Alternative::TwoSided => Interval { lower, upper },
        Alternative::Greater => Interval {
            lower,
            upper: f64::INFINITY,
        },
        Alternative::Less => Interval {
            lower: f64::NEG_INFINITY,
            upper,
        },
    }
}

/// # Errors
///
/// [`Refusal::Invalid`] unless alpha lies between 0 and 1.
pub(crate) fn check_alpha(alpha: f64) -> Result<(), Refusal> {
    if alpha > 0.0 && alpha < 1.0 {
        return Ok(());
    }
    Err(Refusal::Invalid {
        field: "alpha",
        value: alpha,
        rule: "lie between 0 and 1",
    })
}
