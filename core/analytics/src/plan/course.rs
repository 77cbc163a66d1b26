//! What a rule about when one may look costs: units and power, from those of a single look at the end.

use super::claim::Needs;
use tidegate_model::experiment;
use tidegate_stats::group_sequential::{self, Boundary, Design, Spending};
use tidegate_stats::sequential::ConfidenceSequence;
use tidegate_stats::{Alternative, Refusal};

/// Halvings until a size is found.
const HALVINGS: u32 = 100;
/// At most so many times the units of a single look.
const FACTOR_MAX: f64 = 1e4;

/// A rule, with what it needs.
#[derive(Debug, Clone)]
pub(super) enum Course {
    /// One look at the end.
    Fixed,
    /// Planned looks with bounds.
    Group {
        design: Design,
        /// What is found with the power, in standard errors at the end; of two tests that must both find it, by each.
        drift: f64,
        /// The units over those of a single look.
        inflation: f64,
    },
    /// Looks at any time; the power is that of the last one alone, so a little more is had.
    Anytime {
        sequence: ConfidenceSequence,
        /// The share of both arms in all units.
        pair: f64,
    },
}

impl Course {
    pub(super) fn group(
        alpha: f64,
        looks: u32,
        spending: experiment::Spending,
        power: f64,
    ) -> Result<Self, Refusal> {
        let plan = group_sequential::Plan {
            alternative: Alternative::TwoSided,
            alpha,
            boundary: Boundary::Spending(match spending {
                experiment::Spending::ObrienFleming => Spending::OBrienFleming,
                experiment::Spending::Pocock => Spending::Pocock,
            }),
        };
        let information: Vec<f64> = (1..=looks)
            .map(|look| f64::from(look) / f64::from(looks))
            .collect();
        let design = Design::new(plan, &information)?;
        let found = design.characteristics(power)?;
        Ok(Self::Group {
            design,
            drift: found.drift,
            inflation: found.inflation_factor,
        })
    }

    /// Tuned at the level of the experiment, used at that of a claim.
    pub(super) fn anytime(alpha: f64, level: f64, tuned_for: f64, pair: f64) -> Result<Self, Refusal> {
        let tuned = ConfidenceSequence::tuned(Alternative::TwoSided, alpha, whole(tuned_for))?;
        Ok(Self::Anytime {
            sequence: tuned.at_level(level)?,
            pair,
        })
    }

    pub(super) fn anytime_one_sided(level: f64, tuned_for: f64, pair: f64) -> Result<Self, Refusal> {
        Ok(Self::Anytime {
            sequence: ConfidenceSequence::tuned(Alternative::Greater, level, whole(tuned_for))?,
            pair,
        })
    }

    /// Units in all arms together that have the power.
    pub(super) fn units(&self, needs: &Needs, power: f64) -> Result<f64, Refusal> {
        match self {
            Self::Fixed => Ok(needs.units),
            Self::Group { inflation, .. } => Ok(needs.units * inflation),
            Self::Anytime { .. } => {
                let enough =
                    |factor: f64| Ok::<bool, Refusal>(self.chance(needs, needs.units * factor)? >= power);
                let (mut low, mut high) = (1.0, 2.0);
                while !enough(high)? {
                    (low, high) = (high, 2.0 * high);
                    if high > FACTOR_MAX {
                        return Err(Refusal::Undefined {
                            why: "far from the size for which it is tuned the test has no power",
                        });
                    }
                }
                for _ in 0..HALVINGS {
                    let middle = f64::midpoint(low, high);
                    if enough(middle)? {
                        high = middle;
                    } else {
                        low = middle;
                    }
                }
                Ok(needs.units * high)
            }
        }
    }

    /// The chance to prove it with so many units in all arms together.
    pub(super) fn chance(&self, needs: &Needs, units: f64) -> Result<f64, Refusal> {
        if units.is_nan() || units <= 0.0 {
            return Err(Refusal::TooFew {
                what: "units",
                have: units,
                need: 1.0,
            });
        }
        Ok(match self {
            Self::Fixed => needs.chance(units, needs.critical),
            Self::Group {
                design,
                drift,
                inflation,
            } => {
                let drift = drift * (units / (needs.units * inflation)).sqrt();
                let exits = design.exits(drift);
                let found = exits.above.iter().sum::<f64>().min(1.0);
                if needs.both {
                    (2.0 * found - 1.0).max(0.0)
                } else {
                    found
                }
            }
            Self::Anytime { sequence, pair } => {
                needs.chance(units, sequence.reach(whole(units * pair).max(1))?)
            }
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "units, at least 0; what is too large becomes the largest"
)]
fn whole(units: f64) -> u64 {
    units.round() as u64
}
