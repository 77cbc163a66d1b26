//! What one look at the end would need to prove something.

use super::{Aim, Baseline};
use crate::result::Kind;
use tidegate_stats::distribution::normal;
use tidegate_stats::sample_size::{
    self, Design, Sides, Sizes, equivalence, means, noninferiority, proportions,
};
use tidegate_stats::{Goal, Refusal};

/// An effect that is larger than any: a hundredfold.
const LARGEST: f64 = 100.0;

/// Something that is to be proven, but for the size of the effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) aim: Aim,
    pub(super) kind: Kind,
    /// Without a correlation where history is not used.
    pub(super) baseline: Baseline,
    pub(super) decrease: bool,
    /// Of two sides together; of non-inferiority and harm of the one side.
    pub(super) alpha: f64,
    pub(super) power: f64,
    /// The shares of both arms in all units.
    pub(super) control: f64,
    pub(super) treatment: f64,
}

/// What a single look at the end needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// Units in all arms together.
    pub(super) units: f64,
    /// How many standard errors have to be reached.
    pub(super) critical: f64,
    /// How many more are to be expected, so that they are with the power.
    pub(super) beyond: f64,
    /// Whether it must be reached on both sides.
    pub(super) both: bool,
}

impl Needs {
    /// How many standard errors are to be expected with so many units.
    pub(super) fn expected(&self, units: f64) -> f64 {
        (self.critical + self.beyond) * (units / self.units).sqrt()
    }

    /// The chance to reach `critical`.
    pub(super) fn chance(&self, units: f64, critical: f64) -> f64 {
        let missed = normal::sf(self.expected(units) - critical);
        if self.both {
            (1.0 - 2.0 * missed).max(0.0)
        } else {
            1.0 - missed
        }
    }
}

impl Claim {
    /// The largest effect there is.
    pub(super) fn largest(&self) -> f64 {
        match (self.kind, self.aim, self.decrease) {
            // A margin of a share is less than all of it.
            (_, Aim::Equivalence | Aim::NonInferiority, _) => 0.999_999,
            (Kind::Share, Aim::Difference, true) | (Kind::Share, Aim::Harm, false) => 0.999_999,
            (Kind::Share, ..) => {
                let room = (1.0 - self.baseline.value) / self.baseline.value;
                (room * 0.999_999).min(LARGEST)
            }
            _ => LARGEST,
        }
    }

    /// # Errors
    ///
    /// When no number of units proves the effect, or what was measured before is none.
    pub(super) fn needs(&self, effect: f64) -> Result<Needs, Refusal> {
        let value = self.baseline.value;
        if !(value.is_finite() && value != 0.0) {
            return Err(if value == 0.0 {
                Refusal::ZeroBaseline
            } else {
                Refusal::Invalid {
                    field: "value",
                    value,
                    rule: "be finite",
                }
            });
        }
        let ratio = self.treatment / self.control;
        let one_sided = matches!(self.aim, Aim::NonInferiority | Aim::Harm);
        let tail = if one_sided { self.alpha } else { self.alpha / 2.0 };
        let sizes = if self.kind == Kind::Share {
            self.share(effect, ratio, tail)?
        } else {
            self.mean(effect * value.abs(), ratio, tail)?
        };
        let correlation = self.baseline.correlation.unwrap_or(0.0);
        // Refuses what is no correlation.
        let left = sample_size::adjusted_deviation(1.0, correlation)?;
        let both = self.aim == Aim::Equivalence;
        let missed = 1.0 - self.power;
        Ok(Needs {
            units: sizes.control / self.control * left * left,
            critical: normal::isf(tail),
            beyond: normal::isf(if both { missed / 2.0 } else { missed }),
            both,
        })
    }

    fn goal(&self) -> Goal {
        if self.decrease {
            Goal::Decrease
        } else {
            Goal::Increase
        }
    }

    /// A test of a difference; of harm it has one side.
    const fn difference(&self, ratio: f64) -> Design {
        Design {
            alpha: self.alpha,
            sides: if matches!(self.aim, Aim::Harm) {
                Sides::One
            } else {
                Sides::Two
            },
            ratio,
        }
    }

    fn share(&self, effect: f64, ratio: f64, tail: f64) -> Result<Sizes, Refusal> {
        let (share, power) = (self.baseline.value, self.power);
        let margin = effect * share;
        match self.aim {
            Aim::Difference | Aim::Harm => {
                // Harm is the other way around.
                let down = self.decrease != (self.aim == Aim::Harm);
                let treatment = if down { share - margin } else { share + margin };
                proportions::size(treatment, share, &self.difference(ratio), power)
            }
            Aim::Equivalence => {
                let design = equivalence::Design {
                    alpha: tail,
                    ratio,
                    margin,
                };
                equivalence::proportions(share, share, &design, power)
            }
            Aim::NonInferiority => {
                let design = noninferiority::Design {
                    alpha: tail,
                    ratio,
                    margin,
                    goal: self.goal(),
                };
                noninferiority::proportions_score(share, share, &design, power)
            }
        }
    }

    fn mean(&self, margin: f64, ratio: f64, tail: f64) -> Result<Sizes, Refusal> {
        let variance = self.baseline.variance.ok_or(Refusal::Undefined {
            why: "the variance of the metric is not known",
        })?;
        if !(variance > 0.0 && variance.is_finite()) {
            return Err(Refusal::NoVariance);
        }
        let (sd, power) = (variance.sqrt(), self.power);
        match self.aim {
            Aim::Difference | Aim::Harm => means::size_normal(margin, sd, &self.difference(ratio), power),
            Aim::Equivalence => {
                let design = equivalence::Design {
                    alpha: tail,
                    ratio,
                    margin,
                };
                equivalence::means(0.0, sd, &design, power)
            }
            Aim::NonInferiority => {
                let design = noninferiority::Design {
                    alpha: tail,
                    ratio,
                    margin,
                    goal: self.goal(),
                };
                noninferiority::means(0.0, sd, &design, power)
            }
        }
    }
}
