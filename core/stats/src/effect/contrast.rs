//! A treatment against its baseline, before it is shown in any unit.

use super::{Effect, Reference, bounds};
use crate::{Alternative, Interval, Refusal};

/// A standard error of fewer than so many units in the last place of the means is what rounding left of them.
const ROUNDING: f64 = 10.0 * f64::EPSILON;

/// A difference of two independent arms, the baseline it may be taken relative to, and how both vary.
///
/// The difference is the treatment's estimate less the control's. The control's estimate is the baseline less an
/// adjustment, which is nothing unless history explains a part of the metric. So the difference and the baseline
/// vary together, and every unit of display (difference, lift by any method) comes from the same few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The treatment's estimate less the control's.
    pub difference: f64,
    /// The control's estimate as it was observed: what a lift is relative to.
    pub baseline: f64,
    /// The treatment's level at which the delta method takes the slope of the lift.
    pub treatment: f64,
    /// The variance of the treatment's estimate.
    pub treatment_variance: f64,
    /// The variance of the baseline.
    pub baseline_variance: f64,
    /// The variance of the control's adjustment.
    pub adjustment_variance: f64,
    /// The covariance of the baseline and the control's adjustment.
    pub adjustment_covariance: f64,
    /// The degrees of freedom of the treatment's variance.
    pub treatment_df: f64,
    /// The degrees of freedom of the control's variance.
    pub control_df: f64,
}

/// How far an effect is from one that is tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// The observed effect less the tested one, in the metric's own unit.
    pub estimate: f64,
    /// The standard error of that, more than 0.
    pub standard_error: f64,
    /// Its degrees of freedom (Satterthwaite 1946).
    pub df: f64,
}

impl Contrast {
    /// The variance of the difference.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance_at(1.0)
    }

    /// The degrees of freedom of the variance of the difference (Welch 1947, Biometrika 34:28; Satterthwaite 1946,
    /// Biometrics Bulletin 2:110). Not a number when nothing varies.
    #[must_use]
    pub fn df(&self) -> f64 {
        self.df_at(1.0)
    }

    /// The variance of the treatment's estimate less `multiple` times the baseline plus the adjustment.
    /// The variance of the treatment's estimate less so many times the control's.
    pub(crate) fn variance_at(&self, multiple: f64) -> f64 {
        self.treatment_variance + self.control_variance_at(multiple)
    }

    fn control_variance_at(&self, multiple: f64) -> f64 {
        let baseline = multiple * multiple * self.baseline_variance;
        cleared(
            baseline,
            multiple * self.adjustment_covariance,
            self.adjustment_variance,
        )
    }

    fn df_at(&self, multiple: f64) -> f64 {
        satterthwaite([
            (self.treatment_variance, self.treatment_df),
            (self.control_variance_at(multiple), self.control_df),
        ])
    }

    /// The difference in the metric's own unit, by Student's t with Welch's degrees of freedom.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoVariance`] when both arms vary no more than by rounding, [`Refusal::Invalid`] when alpha is not
    /// between 0 and 1.
    pub fn difference(&self, alternative: Alternative, alpha: f64) -> Result<Effect, Refusal> {
        let standard_error = self.standard_error()?;
        Effect::new(
            self.difference,
            standard_error,
            Some(self.df()),
            alternative,
            alpha,
        )
    }

    /// The same with the normal distribution: the variances are taken as known.
    ///
    /// # Errors
    ///
    /// As [`Self::difference`].
    pub fn difference_normal(&self, alternative: Alternative, alpha: f64) -> Result<Effect, Refusal> {
        Effect::new(self.difference, self.standard_error()?, None, alternative, alpha)
    }

    /// The lift, (treatment - control) / |control|, by the delta method: symmetric, and with a test of its own
    /// that may disagree with that of the difference (Deng, Knoblich, Lu 2018, KDD, section 3). Offered to compare
    /// with others that do so; [`Self::lift_fieller`] has one verdict.
    ///
    /// # Errors
    ///
    /// As [`Self::difference`], and [`Refusal::ZeroBaseline`].
    pub fn lift_delta(&self, alternative: Alternative, alpha: f64) -> Result<Effect, Refusal> {
        self.standard_error()?;
        let baseline = self.relative_to()?;
        let variance = self.variance_at(self.treatment / self.baseline);
        Effect::new(
            self.difference / baseline,
            variance.sqrt() / baseline,
            Some(self.df()),
            alternative,
            alpha,
        )
    }

    /// The lift with an interval and a test on the scale of ln(treatment / control), with Welch's degrees of
    /// freedom of the scaled variances. The standard error is that of the lift. A bound alone leaves the other
    /// side infinite, though a lift on this scale is always above -1.
    ///
    /// # Errors
    ///
    /// As [`Self::difference`], [`Refusal::ZeroBaseline`], and [`Refusal::Undefined`] when the treatment is 0 or
    /// has another sign than the baseline, or when an end of the interval overflows.
    pub fn lift_log_ratio(&self, alternative: Alternative, alpha: f64) -> Result<Effect, Refusal> {
        self.standard_error()?;
        let baseline = self.relative_to()?;
        let multiple = 1.0 + self.difference / self.baseline;
        if multiple <= 0.0 {
            return Err(Refusal::Undefined {
                why: "a ratio of different signs has no logarithm",
            });
        }
        // Below 0 all is mirrored: the lift of a baseline of -4 to -3 is 25 %, and its ratio 0.75.
        let (mirror, alternative) = self.mirrored(alternative);
        let ln_ratio = (self.difference / self.baseline).ln_1p();
        let standard_error = self.variance_at(multiple).sqrt() / baseline;
        let df = Some(self.df_at(multiple));
        let on_log = Effect::new(ln_ratio, standard_error / multiple, df, alternative, alpha)?;
        let lower_lift = on_log.interval.lower.exp_m1();
        let upper_lift = on_log.interval.upper.exp_m1();
        // An end that is infinite by overflow would look like a bound alone.
        if on_log.interval.upper.is_finite() && upper_lift.is_infinite() {
            return Err(Refusal::Undefined {
                why: "the baseline is so near to zero that the lift's upper end has no number",
            });
        }
        Ok(Effect {
            estimate: self.difference / baseline,
            standard_error,
            statistic: mirror * on_log.statistic,
            interval: mirrored_bounds(mirror, bounds(alternative, lower_lift, upper_lift)),
            ..on_log
        })
    }

    /// The lift with Fieller's interval: all lifts `l` for which treatment less (1 + l) times the control is not
    /// significantly different from 0 (Fieller 1954, Journal of the Royal Statistical Society B 16:175; exact for
    /// normal estimates of known variance, however noisy the baseline). The quantile is that of the difference, so
    /// the interval excludes 0 exactly when the difference is significant: statistic, degrees of freedom and
    /// p-value are those of the difference. The standard error is that of the delta method, at the estimates.
    ///
    /// # Errors
    ///
    /// As [`Self::difference`], [`Refusal::ZeroBaseline`], and [`Refusal::Undefined`] when the baseline itself is
    /// not significantly different from 0 at alpha: then the lifts that fit have no bounds.
    pub fn lift_fieller(&self, alternative: Alternative, alpha: f64) -> Result<Effect, Refusal> {
        let error = self.standard_error()?;
        let baseline = self.relative_to()?;
        let reference = Reference::of(error, Some(self.df()), alpha)?;
        let critical = reference.critical(alternative, alpha);
        let (lower, upper) = self.fieller_ends(critical)?;
        let (mirror, on_mirror) = self.mirrored(alternative);
        // With alpha above a half the bound lies on the other side of the estimate.
        let (lower, upper) = if critical < 0.0 {
            (upper, lower)
        } else {
            (lower, upper)
        };
        let statistic = self.difference / error;
        let multiple = 1.0 + self.difference / self.baseline;
        Ok(Effect {
            estimate: self.difference / baseline,
            standard_error: self.variance_at(multiple).sqrt() / baseline,
            df: reference.df,
            statistic,
            interval: mirrored_bounds(mirror, bounds(on_mirror, lower, upper)),
            p: reference.p(statistic, alternative),
        })
    }

    /// The differences that are at most `critical` standard errors away from the estimate, whatever test gave that
    /// number: Student's t, the bound of a group sequential design, the reach of a confidence sequence.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoVariance`] as [`Self::difference`], [`Refusal::Invalid`] unless `critical` is finite and not
    /// negative.
    pub fn within(&self, critical: f64) -> Result<Interval, Refusal> {
        let reach = check_critical(critical)? * self.standard_error()?;
        Ok(Interval {
            lower: self.difference - reach,
            upper: self.difference + reach,
        })
    }

    /// The lifts `l` for which treatment less (1 + l) times the control is at most `critical` standard errors away
    /// from 0: Fieller's interval, which excludes 0 exactly when [`Self::within`] does.
    ///
    /// # Errors
    ///
    /// As [`Self::within`], [`Refusal::ZeroBaseline`], and [`Refusal::Undefined`] when the baseline itself is not so
    /// many standard errors away from 0.
    pub fn lift_within(&self, critical: f64) -> Result<Interval, Refusal> {
        self.standard_error()?;
        self.relative_to()?;
        let (lower, upper) = self.fieller_ends(check_critical(critical)?)?;
        let (mirror, _) = self.mirrored(Alternative::TwoSided);
        Ok(mirrored_bounds(mirror, Interval { lower, upper }))
    }

    /// How far the treatment is from a control that is lifted by `lift`, a share of the control's size: what is
    /// tested against a relative margin. It is 0 where the lift is the observed one.
    ///
    /// # Errors
    ///
    /// As [`Self::difference`], and [`Refusal::ZeroBaseline`].
    pub fn against(&self, lift: f64) -> Result<Distance, Refusal> {
        self.standard_error()?;
        let size = self.relative_to()?;
        let multiple = 1.0 + lift * self.baseline.signum();
        let standard_error = self.variance_at(multiple).sqrt();
        if !(standard_error > 0.0 && standard_error.is_finite()) {
            return Err(Refusal::NoVariance);
        }
        Ok(Distance {
            estimate: self.difference - lift * size,
            standard_error,
            df: self.df_at(multiple),
        })
    }

    /// Both ends of the interval for treatment / baseline - 1: the roots of `a l^2 - 2 b l + c`, which is at most
    /// 0 where `(difference - l baseline)^2 <= critical^2 variance(l)`, all divided by the squared baseline.
    fn fieller_ends(&self, critical: f64) -> Result<(f64, f64), Refusal> {
        let (q2, unit) = (critical * critical, self.baseline * self.baseline);
        let of_baseline = self.baseline_variance / unit;
        let of_both = self.adjustment_covariance / unit;
        let of_rest = (self.treatment_variance + self.adjustment_variance) / unit;
        let a = 1.0 - q2 * of_baseline;
        if a <= 0.0 {
            return Err(Refusal::Undefined {
                why: "the baseline cannot be told from zero at this level, so lifts have no bounds",
            });
        }
        let lift = self.difference / self.baseline;
        let b = lift + q2 * (of_baseline - of_both);
        let c = lift * lift - q2 * self.variance() / unit;
        // b^2 - a c, without the difference of numbers near each other.
        let spread = self.variance_at(1.0 + lift) / unit - q2 * (of_baseline * of_rest - of_both * of_both);
        let root = (q2 * spread).max(0.0).sqrt();
        // The larger root directly, the other by the product of both: its sign is that of c, exactly.
        let sum = b + root.copysign(b);
        if sum == 0.0 {
            return Ok((0.0, 0.0));
        }
        Ok(if b < 0.0 {
            (sum / a, c / sum)
        } else {
            (c / sum, sum / a)
        })
    }

    fn standard_error(&self) -> Result<f64, Refusal> {
        let error = self.variance().sqrt();
        let level = self.baseline.abs().max(self.treatment.abs());
        if error <= ROUNDING * level {
            return Err(Refusal::NoVariance);
        }
        Ok(error)
    }

    /// The size of the baseline.
    fn relative_to(&self) -> Result<f64, Refusal> {
        if self.baseline == 0.0 {
            return Err(Refusal::ZeroBaseline);
        }
        Ok(self.baseline.abs())
    }

    /// -1 with the other alternative when the baseline is negative: a lift is then less than one ratio less.
    fn mirrored(&self, alternative: Alternative) -> (f64, Alternative) {
        match (self.baseline < 0.0, alternative) {
            (false, same) => (1.0, same),
            (true, Alternative::Greater) => (-1.0, Alternative::Less),
            (true, Alternative::Less) => (-1.0, Alternative::Greater),
            (true, Alternative::TwoSided) => (-1.0, Alternative::TwoSided),
        }
    }
}

fn check_critical(critical: f64) -> Result<f64, Refusal> {
    if critical >= 0.0 && critical.is_finite() {
        return Ok(critical);
    }
    Err(Refusal::Invalid {
        field: "critical",
        value: critical,
        rule: "be finite and not negative",
    })
}

fn mirrored_bounds(mirror: f64, interval: Interval) -> Interval {
    if mirror < 0.0 {
        Interval {
            lower: -interval.upper,
            upper: -interval.lower,
        }
    } else {
        interval
    }
}

/// The variance of a difference, from the variance of one part, the covariance of both and the variance of the
/// other. What is no more than rounding of its parts is 0.
pub(crate) fn cleared(first: f64, covariance: f64, second: f64) -> f64 {
    let variance = first - 2.0 * covariance + second;
    let parts = first + 2.0 * covariance.abs() + second;
    if variance <= 16.0 * f64::EPSILON * parts {
        0.0
    } else {
        variance
    }
}

/// The degrees of freedom of a sum of independent variances with degrees of freedom of their own. Parts that are 0
/// add nothing, and if all are, the result is not a number.
pub(crate) fn satterthwaite<const K: usize>(parts: [(f64, f64); K]) -> f64 {
    let total: f64 = parts.iter().map(|(variance, _)| variance).sum();
    let varying = parts.iter().filter(|(variance, _)| *variance > 0.0);
    let squares: f64 = varying
        .map(|(variance, df)| {
            let share = variance / total;
            share * share / df
        })
        .sum();
    if squares > 0.0 { squares.recip() } else { f64::NAN }
}
