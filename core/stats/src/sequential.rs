//! Tests that may be looked at whenever one likes: the chance of ever being wrong stays what was declared.
//!
//! Behind each stands an e-process: what a fair bet against the hypothesis has made of a stake of 1. While
//! the hypothesis holds, no bet can be expected to gain, so the chance that the stake ever becomes 1/alpha is
//! at most alpha, however often one looks and whenever one stops (Ville 1939; Ramdas, Grünwald, Vovk, Shafer
//! 2023, Statistical Science 38:576).
//!
//! | what is compared | test | valid |
//! | --- | --- | --- |
//! | any estimate with a standard error | [`ConfidenceSequence`] | asymptotically: from [`FirstLook`] on |
//! | the same, with a prior in the unit of the effect | [`MixtureTest`] | asymptotically |
//! | two shares of users, rare events too | [`two_proportion_e_value`] | at any size |
//! | two rates of requests | [`RateRatioTest`] | at any size |
//!
//! What one look says is an [`Anytime`]; what all looks so far say together is an [`AlwaysValid`].

mod anytime;
mod asymptotic;
mod mixture;
mod rate_ratio;
mod two_proportions;

pub use anytime::{AlwaysValid, Anytime, FirstLook};
pub use asymptotic::{ConfidenceSequence, Scale};
pub use mixture::MixtureTest;
pub use rate_ratio::RateRatioTest;
pub(crate) use rate_ratio::{bets, weights};
pub use two_proportions::{BetaPrior, EValue, two_proportion_e_value};

use crate::Refusal;

/// The total error of a test, strictly between 0 and `limit`.
fn check_alpha(alpha: f64, limit: f64, rule: &'static str) -> Result<f64, Refusal> {
    if alpha > 0.0 && alpha < limit {
        Ok(alpha)
    } else {
        Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule,
        })
    }
}

/// An estimate that is a number, with a standard error that can carry a test.
fn check_estimate(estimate: f64, standard_error: f64) -> Result<(), Refusal> {
    if !estimate.is_finite() {
        return Err(Refusal::Invalid {
            field: "estimate",
            value: estimate,
            rule: "be a finite number",
        });
    }
    if standard_error == 0.0 {
        return Err(Refusal::NoVariance);
    }
    if !(standard_error > 0.0 && standard_error.is_finite()) {
        return Err(Refusal::Invalid {
            field: "standard_error",
            value: standard_error,
            rule: "be a finite number above 0",
        });
    }
    Ok(())
}
