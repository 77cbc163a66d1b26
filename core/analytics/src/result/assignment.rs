//! Whether the arms have got as many units as they should.

use super::answer::{Answer, Chance};
use crate::sufficient::count;
use serde::Serialize;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::experiment::{Dealing, Design};
use tidegate_model::key::VariationKey;
use tidegate_stats::{Refusal, sample_ratio};

/// An alarm is raised below this.
pub const ALARM: f64 = 0.001;
/// How large a mismatch the sequential test is tuned to: one of about a hundredth.
const CONCENTRATION: f64 = 10_000.0;
/// Below so many expected units in an arm nothing is said.
const EXPECTED_MIN: f64 = 5.0;

/// The check for a sample ratio mismatch: if something loses units of one arm more than those of another, no other
/// number of the experiment can be trusted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleRatio {
    /// Each arm.
    pub arms: Vec<Assigned>,
    /// The statistic of the chi-squared test.
    pub chi_squared: f64,
    /// Its p-value, for one look.
    pub p: Chance,
    /// The p-value of the sequential test, for looks at any time.
    pub sequential: Chance,
    /// Whether either is below 0.001.
    pub alarm: bool,
}

/// Units of one arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// Which.
    pub arm: VariationKey,
    /// Those it has.
    pub units: u64,
    /// Those its weight lets expect.
    pub expected: f64,
}

pub(crate) fn sample_ratio(design: &Design, tallies: &Tallies) -> Answer<SampleRatio> {
    let units: Vec<u64> = design
        .arms
        .iter()
        .map(|arm| tallies.arms.get(&arm.variation).map_or(0, |tally| tally.units))
        .collect();
    let weights: Vec<f64> = design
        .arms
        .iter()
        .map(|arm| f64::from(arm.weight.parts()))
        .collect();
    checked(design, &units, &weights).into()
}

/// The same where the weights were others from dealing to dealing: what is expected adds up over them.
pub(crate) fn sample_ratio_of_dealings(
    design: &Design,
    dealings: &[Dealing],
    tallies: &[Tallies],
) -> Answer<SampleRatio> {
    let together = |arm: &VariationKey| {
        let units = tallies.iter().filter_map(|tallies| tallies.arms.get(arm));
        units.fold(0, |sum: u64, tally| sum.saturating_add(tally.units))
    };
    let expected = |arm: &VariationKey| {
        let each = dealings.iter().zip(tallies).map(|(dealing, tallies)| {
            let own = dealing.arms.iter().find(|one| one.variation == *arm);
            own.map_or(0.0, |own| f64::from(own.weight.parts())) * count(tallies.units())
        });
        each.sum()
    };
    let arms = || design.arms.iter().map(|arm| &arm.variation);
    let units: Vec<u64> = arms().map(together).collect();
    let weights: Vec<f64> = arms().map(expected).collect();
    checked(design, &units, &weights).into()
}

fn checked(design: &Design, units: &[u64], weights: &[f64]) -> Result<SampleRatio, Refusal> {
    let all: f64 = units.iter().map(|units| count(*units)).sum();
    let weight: f64 = weights.iter().sum();
    let each = design.arms.iter().zip(units).zip(weights);
    let arms: Vec<Assigned> = each
        .map(|((arm, units), of)| Assigned {
            arm: arm.variation.clone(),
            units: *units,
            expected: all * of / weight,
        })
        .collect();
    let fewest = arms.iter().map(|arm| arm.expected).fold(f64::INFINITY, f64::min);
    if fewest < EXPECTED_MIN {
        return Err(Refusal::TooFew {
            what: "units to be expected in the smallest arm",
            have: fewest,
            need: EXPECTED_MIN,
        });
    }
    let fit = sample_ratio::chi_squared(units, weights)?;
    let sequential = sample_ratio::sequential(units, weights, CONCENTRATION)?;
    Ok(SampleRatio {
        arms,
        chi_squared: fit.chi2,
        p: fit.p.into(),
        sequential: sequential.p.into(),
        alarm: fit.p.p < ALARM || sequential.p.p < ALARM,
    })
}
