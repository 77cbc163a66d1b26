//! The asymptotic confidence sequence: normal theory that holds at all looks at once.

use super::{Anytime, check_alpha, check_estimate};
use crate::moments::count;
use crate::{Alternative, Counts, Interval, PValue, Refusal};
use std::f64::consts::LN_2;

/// A confidence sequence for any effect that is estimated with a standard error: intervals that hold the
/// effect at all looks together with the chance 1 - alpha, asymptotically.
///
/// It is the normal mixture of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics
/// 52:2613, arXiv 2103.06476v7: equation 9 two-sided, 134 one-sided, 155 for the p-value, 161 for the tuning.
/// The tuning `rho` makes it tightest at one size; elsewhere it is valid all the same, and wider.
/// [`crate::sequential::FirstLook`] says when it may be looked at first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfidenceSequence {
    alternative: Alternative,
    alpha: f64,
    rho: f64,
}

/// In what unit an effect on shares is tested and given. The tests of the three are not the same test: one
/// of them must be chosen before the start, and the others are for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Treatment minus control.
    Difference,
    /// Treatment minus control as a share of the control, by the delta method.
    Lift,
    /// The natural logarithm of treatment over control (Katz et al. 1978, Biometrics 34:469); `exp_m1` of
    /// its bounds are bounds of the lift. Its errors stay below alpha where those of [`Self::Lift`] do not.
    LogRatio,
}

impl ConfidenceSequence {
    /// The sequence that is tightest when both arms together have `tuned_for` users. `alpha` is the total
    /// error, below 1 two-sided and below 0.5 one-sided.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for another alpha, or no users to be tuned for.
    pub fn tuned(alternative: Alternative, alpha: f64, tuned_for: u64) -> Result<Self, Refusal> {
        let level = match alternative {
            Alternative::TwoSided => check_alpha(alpha, 1.0, "lie between 0 and 1")?,
            _ => 2.0 * check_alpha(alpha, 0.5, "lie between 0 and 0.5 for one side")?,
        };
        if tuned_for == 0 {
            return Err(Refusal::Invalid {
                field: "tuned_for",
                value: 0.0,
                rule: "be at least one user",
            });
        }
        let stake = -2.0 * level.ln();
        Ok(Self {
            alternative,
            alpha,
            rho: ((stake + stake.ln_1p()) / count(tuned_for)).sqrt(),
        })
    }

    /// The tuning of the mixture, in standard deviations of one user.
    #[must_use]
    pub const fn rho(&self) -> f64 {
        self.rho
    }

    /// The same test with another total error and the tuning as it is: so that the interval of an adjusted p-value
    /// belongs to the e-value that was adjusted.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] as [`Self::tuned`].
    pub fn at_level(&self, alpha: f64) -> Result<Self, Refusal> {
        let alpha = match self.alternative {
            Alternative::TwoSided => check_alpha(alpha, 1.0, "lie between 0 and 1")?,
            _ => check_alpha(alpha, 0.5, "lie between 0 and 0.5 for one side")?,
        };
        Ok(Self { alpha, ..*self })
    }

    /// How many standard errors the bounds lie from the estimate after `users` in both arms together: an effect is
    /// rejected exactly when the estimate is farther from it, on a suspected side.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] without users.
    pub fn reach(&self, users: u64) -> Result<f64, Refusal> {
        if users == 0 {
            return Err(Refusal::TooFew {
                what: "users",
                have: 0.0,
                need: 1.0,
            });
        }
        let r = count(users) * self.rho * self.rho;
        Ok((2.0 * (1.0 + r) / r * self.ln_needed(r)).sqrt())
    }

    /// What `u = z^2/2 r/(1 + r)` must be to reject.
    fn ln_needed(&self, r: f64) -> f64 {
        let ln_root = 0.5 * r.ln_1p();
        match self.alternative {
            Alternative::TwoSided => ln_root - self.alpha.ln(),
            _ => (ln_root - (2.0 * self.alpha).ln()).exp().ln_1p(),
        }
    }

    /// What the look says after `users` in both arms together. Another effect than 0 is tested by
    /// subtracting it from the estimate; a tuning as [`Self::tuned`] stays fixed over all looks of a test.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] without users, [`Refusal::NoVariance`] for a standard error of 0, and
    /// [`Refusal::Invalid`] for estimates and errors that are no finite numbers.
    pub fn look(&self, users: u64, estimate: f64, standard_error: f64) -> Result<Anytime, Refusal> {
        check_estimate(estimate, standard_error)?;
        if users == 0 {
            return Err(Refusal::TooFew {
                what: "users",
                have: 0.0,
                need: 1.0,
            });
        }
        // How much of the variance of the mixture is the prior's: r = n rho^2, and what follows from it.
        let r = count(users) * self.rho * self.rho;
        let ln_root = 0.5 * r.ln_1p();
        let z = estimate / standard_error;
        let u = 0.5 * z * z * (r / (1.0 + r));
        let ln_e = match self.alternative {
            Alternative::TwoSided => u - ln_root,
            side => {
                let right = if side == Alternative::Greater {
                    z > 0.0
                } else {
                    z < 0.0
                };
                if right {
                    LN_2 + ln_exp_m1(u) - ln_root
                } else {
                    f64::NEG_INFINITY
                }
            }
        };
        let half_width = standard_error * self.reach(users)?;
        Ok(Anytime {
            estimate,
            standard_error,
            half_width,
            interval: around(self.alternative, estimate, half_width),
            ln_e,
            p: PValue::from_ln(-ln_e.max(0.0)),
        })
    }

    /// What the look at two shares says. The variance is unpooled with the divisor n; the users are those of
    /// both arms.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for more events than trials, [`Refusal::TooFew`] for an empty arm,
    /// [`Refusal::NoVariance`] when nobody or everybody had the event, and [`Refusal::ZeroBaseline`] for a
    /// relative scale on a control without events. The log ratio is undefined for a treatment without events.
    pub fn proportions(&self, control: Counts, treatment: Counts, scale: Scale) -> Result<Anytime, Refusal> {
        let (p0, n0) = share(control)?;
        let (p1, n1) = share(treatment)?;
        let (v0, v1) = (p0 * (1.0 - p0) / n0, p1 * (1.0 - p1) / n1);
        if v0 + v1 == 0.0 {
            return Err(Refusal::NoVariance);
        }
        if p0 == 0.0 && scale != Scale::Difference {
            return Err(Refusal::ZeroBaseline);
        }
        let (estimate, variance) = match scale {
            Scale::Difference => (p1 - p0, v0 + v1),
            Scale::Lift => {
                let ratio = p1 / p0;
                ((p1 - p0) / p0, (v1 + ratio * ratio * v0) / (p0 * p0))
            }
            Scale::LogRatio if p1 == 0.0 => {
                return Err(Refusal::Undefined {
                    why: "the treatment has no events, so its ratio has no logarithm",
                });
            }
            Scale::LogRatio => ((p1 / p0).ln(), v1 / (p1 * p1) + v0 / (p0 * p0)),
        };
        let users = control.trials.saturating_add(treatment.trials);
        self.look(users, estimate, variance.sqrt())
    }
}

/// The share of events, and how many trials it comes from.
fn share(arm: Counts) -> Result<(f64, f64), Refusal> {
    let (events, trials) = (count(arm.events), count(arm.trials));
    if arm.trials == 0 {
        return Err(Refusal::TooFew {
            what: "trials in an arm",
            have: 0.0,
            need: 1.0,
        });
    }
    if arm.events > arm.trials {
        return Err(Refusal::Invalid {
            field: "events",
            value: events,
            rule: "be at most the trials",
        });
    }
    Ok((events / trials, trials))
}

/// What lies within the half width, on the side or sides that are suspected.
pub(super) fn around(alternative: Alternative, estimate: f64, half_width: f64) -> Interval {
    Interval {
        lower: match alternative {
            Alternative::Less => f64::NEG_INFINITY,
            _ => estimate - half_width,
        },
        upper: match alternative {
            Alternative::Greater => f64::INFINITY,
            _ => estimate + half_width,
        },
    }
}

/// `ln(exp(u) - 1)` for u from 0 on, without overflow.
fn ln_exp_m1(u: f64) -> f64 {
    if u > 1.0 {
        u + (-(-u).exp()).ln_1p()
    } else {
        u.exp_m1().ln()
    }
}
