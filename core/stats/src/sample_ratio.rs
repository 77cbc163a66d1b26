//! Sample ratio mismatch: whether the arms have got as many users as they should. If not, something loses users of
//! one arm more than those of another, and no other number of the experiment can be trusted.

use crate::distribution::chi_squared;
use crate::distribution::deviance::{half_deviance, stirling_error};
use crate::moments::count;
use crate::{PValue, Refusal};

/// What the chi-squared test says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoodnessOfFit {
    /// The sum of the squared distances between what is observed and what is expected, each as a share of the latter.
    pub chi2: f64,
    /// Degrees of freedom: one less than the arms with weight.
    pub df: f64,
    /// How likely a sum as large or larger is when users are divided by the weights.
    pub p: PValue,
}

/// What a sequential test says at one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SequentialEvidence {
    /// The natural logarithm of the e-value: how often a stake has multiplied that was bet against the weights.
    pub ln_e: f64,
    /// `1 / e`, at most 1. The smallest of all looks so far is the always-valid p-value: the chance that it ever
    /// falls to alpha is at most alpha while users are divided by the weights.
    pub p: PValue,
}

/// Pearson's chi-squared test of the numbers of users against the weights of the arms, which need not add up to 1
/// (Fabijan et al. 2019, KDD). It is for one look; an alarm is usually p < 0.001. Arms without weight do not count in
/// the degrees of freedom.
///
/// # Errors
///
/// When there is not one weight an arm, a weight is negative or not finite, an arm without weight has users, or there
/// are fewer than two arms with weight, or no users.
pub fn chi_squared(observed: &[u64], weights: &[f64]) -> Result<GoodnessOfFit, Refusal> {
    let Totals { users, weight, arms } = Totals::of(observed, weights)?;
    let distances = weighed(observed, weights).map(|(users_of_arm, weight_of_arm)| {
        let expected = users * (weight_of_arm / weight);
        let distance = users_of_arm - expected;
        distance * distance / expected
    });
    let chi2 = distances.sum();
    let df = arms - 1.0;
    Ok(GoodnessOfFit {
        chi2,
        df,
        p: PValue::new(chi_squared::sf(chi2, df), chi_squared::ln_sf(chi2, df)),
    })
}

/// The test that may be looked at after every user: a mixture of multinomial alternatives by a Dirichlet distribution
/// around the weights (Lindon, Malek 2022, arXiv 2011.03567, section 2). The larger its `concentration`, which is
/// more than 0, the smaller the mismatch that it is tuned to; it may differ from one experiment to the next, but must
/// not change from look to look.
///
/// # Errors
///
/// As [`chi_squared`], and when the concentration is not positive and finite.
pub fn sequential(
    observed: &[u64],
    weights: &[f64],
    concentration: f64,
) -> Result<SequentialEvidence, Refusal> {
    if !(concentration > 0.0 && concentration.is_finite()) {
        return Err(Refusal::Invalid {
            field: "concentration",
            value: concentration,
            rule: "be more than 0 and finite",
        });
    }
    let Totals { users, weight, .. } = Totals::of(observed, weights)?;
    // The logarithm of a ratio of multivariate beta functions. What Stirling's formula makes of it is a sum of
    // deviances, which loses no digits to the size of the factorials.
    let correction = |before: f64, after: f64| {
        stirling_error(after) - stirling_error(before) - 0.5 * (after / before).ln()
    };
    let of_arms = weighed(observed, weights).map(|(users_of_arm, weight_of_arm)| {
        let share = weight_of_arm / weight;
        let prior = concentration * share;
        let posterior = prior + users_of_arm;
        half_deviance(
            posterior,
            (concentration + users) * share,
            users * share - users_of_arm,
        ) + correction(prior, posterior)
    });
    let ln_e = of_arms.sum::<f64>() - correction(concentration, concentration + users);
    Ok(SequentialEvidence {
        ln_e,
        p: PValue::from_ln(-ln_e),
    })
}

struct Totals {
    users: f64,
    weight: f64,
    arms: f64,
}

impl Totals {
    fn of(observed: &[u64], weights: &[f64]) -> Result<Self, Refusal> {
        if observed.len() != weights.len() {
            return Err(Refusal::Undefined {
                why: "there is not one weight for each arm",
            });
        }
        let mut totals = Self {
            users: 0.0,
            weight: 0.0,
            arms: 0.0,
        };
        for (users, weight) in observed.iter().zip(weights) {
            if !(*weight >= 0.0 && weight.is_finite()) {
                return Err(Refusal::Invalid {
                    field: "weight",
                    value: *weight,
                    rule: "be finite and not negative",
                });
            }
            if *weight == 0.0 && *users > 0 {
                return Err(Refusal::Invalid {
                    field: "observed",
                    value: count(*users),
                    rule: "be 0 in an arm that has no weight",
                });
            }
            totals.users += count(*users);
            totals.weight += weight;
            totals.arms += if *weight > 0.0 { 1.0 } else { 0.0 };
        }
        totals.checked()
    }

    fn checked(self) -> Result<Self, Refusal> {
        if self.arms < 2.0 {
            return Err(Refusal::TooFew {
                what: "arms with weight",
                have: self.arms,
                need: 2.0,
            });
        }
        if self.users < 1.0 {
            return Err(Refusal::TooFew {
                what: "users",
                have: self.users,
                need: 1.0,
            });
        }
        if self.weight.is_infinite() {
            return Err(Refusal::Invalid {
                field: "weight",
                value: self.weight,
                rule: "add up to a finite number",
            });
        }
        Ok(self)
    }
}

/// Users and weight of the arms that have weight.
fn weighed<'a>(observed: &'a [u64], weights: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    let arms = observed.iter().zip(weights);
    arms.filter(|(_, weight)| **weight > 0.0)
        .map(|(users, weight)| (count(*users), *weight))
}
