//! For the proof that the treatment is not worse than the control by a margin.

use super::{Sizes, chance, enough_power, finite, positive, root};
use crate::distribution::normal;
use crate::{Goal, Refusal};

/// A test of noninferiority that is planned; it has one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// The chance to call a treatment no worse that is worse by the margin; between 0 and 1. Usual is 0.025.
    pub alpha: f64,
    /// Units of the treatment for each one of the control; above 0.
    pub ratio: f64,
    /// How much worse would be too much, in the unit of the values; above 0.
    pub margin: f64,
    /// Which direction is the good one.
    pub goal: Goal,
}

impl Design {
    /// How far the expected difference is from the one that would be too much; what is better is positive.
    fn room(&self, difference: f64, power: f64) -> Result<f64, Refusal> {
        chance("alpha", self.alpha)?;
        positive("ratio", self.ratio)?;
        positive("margin", self.margin)?;
        enough_power(power, self.alpha)?;
        let room = self.margin
            + match self.goal {
                Goal::Increase => difference,
                Goal::Decrease => -difference,
            };
        if room > 0.0 {
            Ok(room)
        } else {
            Err(Refusal::Undefined {
                why: "no size proves what is not expected: the difference is as bad as the margin",
            })
        }
    }

    /// The difference treatment - control that would be too much.
    const fn limit(&self) -> f64 {
        match self.goal {
            Goal::Increase => -self.margin,
            Goal::Decrease => self.margin,
        }
    }
}

fn own_variance(treatment: f64, control: f64, ratio: f64) -> f64 {
    control * (1.0 - control) + treatment * (1.0 - treatment) / ratio
}

/// The sizes for two proportions with the `power`, by each arm's own variance (Julious, Owen 2011,
/// Pharmaceutical Statistics 10:551).
///
/// # Errors
///
/// When a proportion, alpha or the power lies not between 0 and 1, the ratio or the margin is not positive, or
/// the treatment is expected to be worse by the margin.
pub fn proportions(treatment: f64, control: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    chance("control", control)?;
    chance("treatment", treatment)?;
    let room = design.room(treatment - control, power)?;
    let deviation = own_variance(treatment, control, design.ratio).sqrt();
    let needed = (normal::isf(design.alpha) + normal::isf(1.0 - power)) * deviation / room;
    Sizes::of_root(needed, design.ratio)
}

/// The sizes for two proportions with the `power` by the score test: under the null with the variance of the
/// likeliest proportions that are apart by the margin (Farrington, Manning 1990, Statistics in Medicine 9:1447).
///
/// # Errors
///
/// As [`proportions`], and when the margin is 1 or more.
pub fn proportions_score(
    treatment: f64,
    control: f64,
    design: &Design,
    power: f64,
) -> Result<Sizes, Refusal> {
    chance("control", control)?;
    chance("treatment", treatment)?;
    chance("margin", design.margin)?;
    let room = design.room(treatment - control, power)?;
    let limit = design.limit();
    let null_control = likeliest(treatment, control, design.ratio, limit);
    let null = own_variance(null_control + limit, null_control, design.ratio).sqrt();
    let own = own_variance(treatment, control, design.ratio).sqrt();
    let needed = (normal::isf(design.alpha) * null + normal::isf(1.0 - power) * own) / room;
    Sizes::of_root(needed, design.ratio)
}

/// The likeliest proportion of the control when that of the treatment is larger by `apart`: where the slope of
/// the logarithm of the likelihood, which always falls, is 0.
fn likeliest(treatment: f64, control: f64, ratio: f64, apart: f64) -> f64 {
    let (low, high) = ((-apart).max(0.0), (1.0 - apart).min(1.0));
    root(low, high, |p| {
        let q = p + apart;
        // Times p (1 - p) q (1 - q), so that it is finite at the ends.
        let of_control = (p - control) * q * (1.0 - q);
        let of_treatment = (q - treatment) * p * (1.0 - p);
        of_control + ratio * of_treatment
    })
}

/// The sizes for two means with one standard deviation and the `power`, by the normal distribution.
/// `difference` is what is expected, treatment - control.
///
/// # Errors
///
/// When the difference is not finite, the deviation, the ratio or the margin not positive, alpha or the power
/// not between 0 and 1, or the treatment is expected to be worse by the margin.
pub fn means(difference: f64, sd: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    finite("difference", difference)?;
    positive("sd", sd)?;
    let room = design.room(difference, power)?;
    let needed = (normal::isf(design.alpha) + normal::isf(1.0 - power)) * sd / room;
    Sizes::of_root(needed * (1.0 + 1.0 / design.ratio).sqrt(), design.ratio)
}
