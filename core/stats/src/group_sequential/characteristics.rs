//! What a design costs and what it saves: exits, power, sizes.

use super::root::{logit, rising};
use super::walk::Walk;
use super::{Alternative, Design, Refusal};
use crate::distribution::normal;

/// The chance to end at each look.
#[derive(Debug, Clone, PartialEq)]
pub struct Exits {
    /// At or above the bound.
    pub above: Vec<f64>,
    /// At or below the lower one: the mirrored bound of a two-sided design, or futility.
    pub below: Vec<f64>,
}

/// What a design costs and what it saves, as shares of what one look at the end would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Characteristics {
    /// The drift that is found with the power asked for: the effect over its standard error with all of the
    /// planned information.
    pub drift: f64,
    /// The planned information over that of a single look with the same alpha and power: how much longer
    /// the test can take.
    pub inflation_factor: f64,
    /// The expected information with the effect.
    pub expected_h1: f64,
    /// The expected information without an effect.
    pub expected_h0: f64,
    /// The chance to have found the effect by each look.
    pub cumulative_power: Vec<f64>,
}

/// Users that a design needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleSize {
    /// Of a single look at the end, both arms together; unrounded as all here.
    pub fixed: f64,
    /// In both arms together if no bound is met before the planned end.
    pub max_total: f64,
    /// Of these, in the control.
    pub max_control: f64,
    /// Of these, in the treatment.
    pub max_treatment: f64,
    /// Both arms together, on average, with the effect.
    pub expected_h1: f64,
    /// Both arms together, on average, without an effect.
    pub expected_h0: f64,
}

impl Design {
    /// The chance to end at each look when the drift is `drift`: the effect, towards the suspected side, over
    /// its standard error with all of the planned information.
    #[must_use]
    pub fn exits(&self, drift: f64) -> Exits {
        exits(&self.walk, self.looks.len(), drift)
    }

    /// What the design costs and saves when the effect is to be found with the chance `power`. Two-sided
    /// designs count what ends on the side of the effect.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] unless the power lies between alpha a side and 1; [`Refusal::TooFew`] without
    /// looks; [`Refusal::Undefined`] if no look can reject.
    pub fn characteristics(&self, power: f64) -> Result<Characteristics, Refusal> {
        let last = self.looks.last().ok_or(Refusal::TooFew {
            what: "looks",
            have: 0.0,
            need: 1.0,
        })?;
        let alpha = self.plan.side_alpha();
        if !(power > alpha && power < 1.0) {
            return Err(Refusal::Invalid {
                field: "power",
                value: power,
                rule: "lie between alpha a side and 1",
            });
        }
        let fixed = normal::isf(alpha) + normal::ppf(power);
        let found = |drift: f64| -> f64 { self.walk.stages().iter().map(|stage| stage.above(drift)).sum() };
        let guess = 1.05 * fixed / last.information.sqrt();
        let drift =
            rising(|drift| logit(found(drift)) - logit(power), guess, 0.25).ok_or(Refusal::Undefined {
                why: "no look can reject",
            })?;
        let inflation_factor = (drift / fixed).powi(2);
        let expected = |drift: f64| inflation_factor * self.expected_information(drift, last.information);
        let mut sum = 0.0;
        let cumulative = self.exits(drift).above.into_iter().map(|above| {
            sum += above;
            sum
        });
        Ok(Characteristics {
            drift,
            inflation_factor,
            expected_h1: expected(drift),
            expected_h0: expected(0.0),
            cumulative_power: cumulative.collect(),
        })
    }

    /// The share of the planned information at which the test ends, on average.
    fn expected_information(&self, drift: f64, last: f64) -> f64 {
        let saved = self
            .walk
            .stages()
            .iter()
            .map(|stage| (last - stage.information) * (stage.above(drift) + stage.below(drift)));
        last - saved.sum::<f64>()
    }

    /// The users that find a share of `treatment` where the control has `control` with the chance `power`,
    /// with `ratio` users in the treatment for each in the control. The fixed size has the pooled variance
    /// without an effect and the unpooled one with it (Fleiss, Levin, Paik 2003, chapter 4), and is inflated.
    ///
    /// # Errors
    ///
    /// As [`Self::characteristics`]; [`Refusal::Invalid`] for shares outside of (0, 1), the same share twice,
    /// one on the side that the design does not suspect, or a ratio that is not above 0.
    pub fn sample_size_proportions(
        &self,
        power: f64,
        control: f64,
        treatment: f64,
        ratio: f64,
    ) -> Result<SampleSize, Refusal> {
        let invalid = |field, value, rule| Err(Refusal::Invalid { field, value, rule });
        for (field, share) in [("control", control), ("treatment", treatment)] {
            if !(share > 0.0 && share < 1.0) {
                return invalid(field, share, "lie between 0 and 1");
            }
        }
        if !(ratio > 0.0 && ratio.is_finite()) {
            return invalid("ratio", ratio, "be a finite number above 0");
        }
        let wrong = match self.plan.alternative {
            Alternative::Greater => treatment <= control,
            Alternative::Less => treatment >= control,
            Alternative::TwoSided => treatment.to_bits() == control.to_bits(),
        };
        if wrong {
            return invalid("treatment", treatment, "differ from the control as suspected");
        }
        let characteristics = self.characteristics(power)?;
        let variance = |share: f64| share * (1.0 - share);
        // Per user in the control.
        let pooled = variance((control + ratio * treatment) / (1.0 + ratio)) * (1.0 + 1.0 / ratio);
        let unpooled = variance(control) + variance(treatment) / ratio;
        let z = (normal::isf(self.plan.side_alpha()), normal::ppf(power));
        let needed = (z.0 * pooled.sqrt() + z.1 * unpooled.sqrt()) / (treatment - control);
        let fixed = needed * needed * (1.0 + ratio);
        let max_total = fixed * characteristics.inflation_factor;
        Ok(SampleSize {
            fixed,
            max_total,
            max_control: max_total / (1.0 + ratio),
            max_treatment: max_total * ratio / (1.0 + ratio),
            expected_h1: fixed * characteristics.expected_h1,
            expected_h0: fixed * characteristics.expected_h0,
        })
    }
}

/// The chances to end at each of `looks` looks; 0 at those that cannot end the process.
pub(super) fn exits(walk: &Walk, looks: usize, drift: f64) -> Exits {
    let mut exits = Exits {
        above: vec![0.0; looks],
        below: vec![0.0; looks],
    };
    for stage in walk.stages() {
        if let Some(above) = exits.above.get_mut(stage.look) {
            *above = if drift == 0.0 {
                stage.before.ln_above(stage.information, stage.upper).exp()
            } else {
                stage.above(drift)
            };
        }
        if let Some(below) = exits.below.get_mut(stage.look) {
            *below = stage.below(drift);
        }
    }
    exits
}
