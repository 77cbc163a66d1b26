//! For the proof that treatment and control differ by less than a margin in either direction: two one-sided
//! tests (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15:657).

use super::{Sizes, chance, enough_power, finite, positive, root};
use crate::Refusal;
use crate::distribution::normal;

/// A test of equivalence that is planned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// The level of each of the two tests, which is that of both together; between 0 and 1.
    pub alpha: f64,
    /// Units of the treatment for each one of the control; above 0.
    pub ratio: f64,
    /// The smallest difference that would matter, in the unit of the values; above 0.
    pub margin: f64,
}

/// The sizes for two proportions with the `power`, by each arm's own variance.
///
/// # Errors
///
/// When a proportion, alpha or the power lies not between 0 and 1, the ratio or the margin is not positive, the
/// power is no larger than alpha, or the expected difference is not smaller than the margin.
pub fn proportions(treatment: f64, control: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    chance("control", control)?;
    chance("treatment", treatment)?;
    positive("ratio", design.ratio)?;
    let variance = control * (1.0 - control) + treatment * (1.0 - treatment) / design.ratio;
    size(treatment - control, variance, design, power)
}

/// The sizes for two means with one standard deviation and the `power`, by the normal distribution.
/// `difference` is what is expected, treatment - control.
///
/// # Errors
///
/// As [`proportions`], and when the deviation is not positive.
pub fn means(difference: f64, sd: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    finite("difference", difference)?;
    positive("sd", sd)?;
    positive("ratio", design.ratio)?;
    size(difference, sd * sd * (1.0 + 1.0 / design.ratio), design, power)
}

/// `variance` is that of the difference for one unit of the control.
fn size(difference: f64, variance: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    chance("alpha", design.alpha)?;
    positive("margin", design.margin)?;
    enough_power(power, design.alpha)?;
    let room = design.margin - difference.abs();
    if room <= 0.0 {
        return Err(Refusal::Undefined {
            why: "no size proves what is not expected: the difference is as large as the margin",
        });
    }
    let critical = normal::isf(design.alpha);
    let deviation = variance.sqrt();
    // The roots of the sizes: with the first the nearer test alone has the power, with the second both
    // together miss no more often than each one may.
    let low = (critical + normal::isf(1.0 - power)) * deviation / room;
    let high = (critical + normal::isf((1.0 - power) / 2.0)) * deviation / room;
    let near = room / deviation;
    let far = (design.margin + difference.abs()) / deviation;
    let needed = root(low, high, |units| {
        let missed = normal::sf(near * units - critical) + normal::sf(far * units - critical);
        1.0 - power - missed
    });
    Sizes::of_root(needed, design.ratio)
}
