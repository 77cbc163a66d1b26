//! CUPED: what users did before the experiment explains a part of what they do in it, and is taken off (Deng, Xu,
//! Kohavi, Walker 2013, WSDM, section 3).
//!
//! In the moments of an arm, x is the covariate from before exposure and y the metric.

use crate::effect::{Contrast, cleared, satterthwaite};
use crate::moments::{Comoments, Moments, PairSums, count};
use crate::{Refusal, mean};

/// A comparison after the adjustment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjusted {
    /// What one unit of the covariate takes off the metric: the slope over the users of both arms together. 0 when
    /// the covariate does not vary, which leaves the metric as it is.
    pub theta: f64,
    /// The adjusted comparison. A lift is relative to the control's mean before adjustment.
    pub contrast: Contrast,
    /// The variance of the adjusted difference as a share of the one without adjustment.
    pub variance_ratio: f64,
}

/// Users with an event in the experiment (y), before it (x), and both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PairCounts {
    /// All users.
    pub trials: u64,
    /// Those with the event before the experiment.
    pub before: u64,
    /// Those with the event in the experiment.
    pub events: u64,
    /// Those with both; at most either.
    pub both: u64,
}

/// An arm in which some users have no history.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Arm {
    /// Users with history: the covariate x and the metric y.
    pub returning: Comoments,
    /// The metric of users without history.
    pub new: Moments,
}

/// CUPED for means. The relative variance takes its slope at the means before adjustment, as `GrowthBook`'s
/// engine does.
///
/// # Errors
///
/// [`Refusal::TooFew`] below two users in an arm, [`Refusal::Invalid`] for what is no moments of pairs,
/// [`Refusal::NoVariance`] when the metric does not vary.
pub fn means(control: &Comoments, treatment: &Comoments) -> Result<Adjusted, Refusal> {
    control.check()?;
    treatment.check()?;
    let divisor = |arm: &Comoments| count(arm.n) - 1.0;
    adjust(control, treatment, divisor)
}

/// CUPED for shares of users. Variances and covariances have the divisor n: those of the share p are p (1 - p).
///
/// # Errors
///
/// As [`means`], and [`Refusal::Invalid`] when no users can be counted so.
pub fn proportions(control: &PairCounts, treatment: &PairCounts) -> Result<Adjusted, Refusal> {
    let divisor = |arm: &Comoments| count(arm.n);
    adjust(&control.moments()?, &treatment.moments()?, divisor)
}

/// CUPED for means where some users have no history: they are a stratum of their own, without adjustment, and the
/// strata are put together with the shares that they have in both arms (post-stratification: Miratrix, Sekhon, Yu
/// 2013, Journal of the Royal Statistical Society B 75:369, section 2).
///
/// A stratum with fewer than two users in an arm has no variance of its own. Then few new users get the mean of the
/// covariate for theirs, which adjusts nothing for them, and with few returning users nothing is adjusted at all.
///
/// # Errors
///
/// As [`means`].
pub fn with_new_users(control: &Arm, treatment: &Arm) -> Result<Adjusted, Refusal> {
    let few = |users: [u64; 2]| users.iter().any(|users| *users < 2);
    let (plain_control, plain_treatment) = (control.all(), treatment.all());
    if few([control.returning.n, treatment.returning.n]) {
        return unadjusted(&plain_control, &plain_treatment);
    }
    if few([control.new.n, treatment.new.n]) {
        let mean = control.returning.merged(&treatment.returning).mean_x;
        return means(&control.with_covariate(mean), &treatment.with_covariate(mean));
    }
    let returning = means(&control.returning, &treatment.returning)?;
    let new = mean::contrast(&control.new, &treatment.new)?;
    let [returning_users, new_users] = [
        [control.returning.n, treatment.returning.n],
        [control.new.n, treatment.new.n],
    ]
    .map(|users| users.iter().map(|users| count(*users)).sum::<f64>());
    let share = returning_users / (returning_users + new_users);
    let contrast = stratified(&returning.contrast, &new, share);
    let plain = mean::contrast(&plain_control, &plain_treatment)?.variance();
    compared(returning.theta, contrast, plain)
}

/// The sum of two independent comparisons, the first with the weight `share`, the second with the rest.
fn stratified(first: &Contrast, second: &Contrast, share: f64) -> Contrast {
    let rest = 1.0 - share;
    let level = |of: fn(&Contrast) -> f64| share * of(first) + rest * of(second);
    let variance = |of: fn(&Contrast) -> f64| share * share * of(first) + rest * rest * of(second);
    let of_control = |one: &Contrast| one.variance() - one.treatment_variance;
    let df = |variance_of: &dyn Fn(&Contrast) -> f64, df_of: fn(&Contrast) -> f64| {
        satterthwaite([
            (share * share * variance_of(first), df_of(first)),
            (rest * rest * variance_of(second), df_of(second)),
        ])
    };
    Contrast {
        difference: level(|one| one.difference),
        baseline: level(|one| one.baseline),
        treatment: level(|one| one.treatment),
        treatment_variance: variance(|one| one.treatment_variance),
        baseline_variance: variance(|one| one.baseline_variance),
        adjustment_variance: variance(|one| one.adjustment_variance),
        adjustment_covariance: variance(|one| one.adjustment_covariance),
        treatment_df: df(&|one| one.treatment_variance, |one| one.treatment_df),
        control_df: df(&of_control, |one| one.control_df),
    }
}

impl Arm {
    /// The metric of all users.
    fn all(&self) -> Moments {
        self.returning.y().merged(&self.new)
    }

    /// All users, the new ones with this covariate.
    fn with_covariate(&self, x: f64) -> Comoments {
        let new = Comoments {
            n: self.new.n,
            mean_x: x,
            mean_y: self.new.mean,
            m2_y: self.new.m2,
            ..Comoments::default()
        };
        self.returning.merged(&new)
    }
}

impl PairCounts {
    fn moments(&self) -> Result<Comoments, Refusal> {
        let invalid = |field, value, rule| {
            Err(Refusal::Invalid {
                field,
                value: count(value),
                rule,
            })
        };
        if self.both > self.before.min(self.events) {
            return invalid("both", self.both, "be at most either of both");
        }
        // Those with neither must not be fewer than none.
        if self.before.max(self.events) > self.trials || self.before > self.trials - (self.events - self.both)
        {
            return invalid("trials", self.trials, "be at least all who had an event");
        }
        let (x, y) = (i128::from(self.before), i128::from(self.events));
        let pairs = Comoments::of_sums(&PairSums {
            n: self.trials,
            x,
            y,
            xx: x,
            yy: y,
            xy: i128::from(self.both),
        })?;
        pairs.check()?;
        Ok(pairs)
    }
}

/// Means and what they vary by.
struct Means {
    x: f64,
    y: f64,
    var_x: f64,
    var_y: f64,
    cov: f64,
    df: f64,
}

impl Means {
    fn of(arm: &Comoments, divisor: f64) -> Self {
        let n = count(arm.n);
        Self {
            x: arm.mean_x,
            y: arm.mean_y,
            var_x: arm.m2_x / divisor / n,
            var_y: arm.m2_y / divisor / n,
            cov: arm.c_xy / divisor / n,
            df: n - 1.0,
        }
    }
}

fn adjust(
    control: &Comoments,
    treatment: &Comoments,
    divisor: impl Fn(&Comoments) -> f64,
) -> Result<Adjusted, Refusal> {
    let all = control.merged(treatment);
    let theta = if all.m2_x > 0.0 { all.c_xy / all.m2_x } else { 0.0 };
    let (c, t) = (
        Means::of(control, divisor(control)),
        Means::of(treatment, divisor(treatment)),
    );
    let contrast = Contrast {
        difference: (t.y - c.y) - theta * (t.x - c.x),
        baseline: c.y,
        treatment: t.y,
        treatment_variance: cleared(t.var_y, theta * t.cov, theta * theta * t.var_x),
        baseline_variance: c.var_y,
        adjustment_variance: theta * theta * c.var_x,
        adjustment_covariance: theta * c.cov,
        treatment_df: t.df,
        control_df: c.df,
    };
    compared(theta, contrast, c.var_y + t.var_y)
}

fn unadjusted(control: &Moments, treatment: &Moments) -> Result<Adjusted, Refusal> {
    let contrast = mean::contrast(control, treatment)?;
    compared(0.0, contrast, contrast.variance())
}

pub(crate) fn compared(theta: f64, contrast: Contrast, plain: f64) -> Result<Adjusted, Refusal> {
    if plain <= 0.0 {
        return Err(Refusal::NoVariance);
    }
    Ok(Adjusted {
        theta,
        contrast,
        variance_ratio: contrast.variance() / plain,
    })
}
