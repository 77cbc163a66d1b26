//! Tests against a margin: that a treatment is not worse by so much (non-inferiority), or neither worse nor
//! better by so much (equivalence).
//!
//! Not to find a difference is no proof that there is none; these tests put the burden of proof the other way
//! around. Their levels are one-sided, 0.025 by custom (ICH E9, 3.3.2; E10, 1.5.1.1).

mod mean;
mod proportion;
pub(crate) mod welch;

pub use mean::{
    LiftMethod, MeanEquivalence, MeanNonInferiority, equivalence_of_means, noninferiority_of_lift,
    noninferiority_of_means,
};
pub use proportion::{
    ProportionEquivalence, ProportionMethod, ProportionNonInferiority, equivalence_of_proportions,
    noninferiority_of_proportions,
};

use crate::{PValue, Refusal};

/// One of the two tests of equivalence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneSided {
    /// How many standard errors the estimate is away from the margin.
    pub statistic: f64,
    /// The chance of such a statistic or a more extreme one if the truth is at the margin.
    pub p: PValue,
}

/// The p-value of two tests that must both reject: the larger one (Schuirmann 1987, Journal of
/// Pharmacokinetics and Biopharmaceutics 15:657).
fn both(lower: OneSided, upper: OneSided) -> PValue {
    if lower.p.ln >= upper.p.ln {
        lower.p
    } else {
        upper.p
    }
}

/// The margin, if it is one: finite, and at least 0 or more than 0.
fn checked(margin: f64, zero: bool) -> Result<f64, Refusal> {
    if margin.is_finite() && (margin > 0.0 || zero && margin >= 0.0) {
        Ok(margin)
    } else {
        Err(Refusal::Invalid {
            field: "margin",
            value: margin,
            rule: if zero {
                "be finite and at least 0"
            } else {
                "be finite and more than 0"
            },
        })
    }
}

/// The margin of a share: less than 1.
fn share(margin: f64, zero: bool) -> Result<f64, Refusal> {
    let margin = checked(margin, zero)?;
    if margin < 1.0 {
        Ok(margin)
    } else {
        Err(Refusal::Invalid {
            field: "margin",
            value: margin,
            rule: "be less than 1",
        })
    }
}
