//! For the pooled z test of two proportions.

use super::{Design, Sizes, chance, enough_power, positive, root};
use crate::distribution::normal;
use crate::{Goal, Refusal};

/// The smallest difference that is found with the wanted power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detectable {
    /// The proportion of the treatment.
    pub treatment: f64,
    /// Its distance from the control's, as a share of the control's: 0.1 is 10 % more.
    pub lift: f64,
}

/// The deviations of the difference for one unit of the control: under the null with the pooled
/// proportion, and under the alternative with each arm's own.
fn deviations(treatment: f64, control: f64, ratio: f64) -> (f64, f64) {
    let pooled = (control + ratio * treatment) / (1.0 + ratio);
    let null = (pooled * (1.0 - pooled) * (1.0 + 1.0 / ratio)).sqrt();
    let own = control * (1.0 - control) + treatment * (1.0 - treatment) / ratio;
    (null, own.sqrt())
}

fn checked(treatment: f64, control: f64, design: &Design) -> Result<(), Refusal> {
    chance("control", control)?;
    chance("treatment", treatment)?;
    design.checked()
}

fn differ(treatment: f64, control: f64) -> Result<(), Refusal> {
    if (treatment - control).abs() > 0.0 {
        Ok(())
    } else {
        Err(Refusal::Undefined {
            why: "no size finds a difference of nothing",
        })
    }
}

/// The sizes that find the difference between two proportions with the `power`: the pooled variance under the
/// null, the arms' own under the alternative, and the wrong side left out (Fleiss, Tytun, Ury 1980,
/// Biometrics 36:343, without their correction for continuity).
///
/// # Errors
///
/// When a proportion, alpha or the power lies not between 0 and 1, the ratio is not positive, the power is no
/// larger than alpha, or the proportions are the same.
pub fn size(treatment: f64, control: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    checked(treatment, control, design)?;
    enough_power(power, design.alpha)?;
    differ(treatment, control)?;
    let (null, own) = deviations(treatment, control, design.ratio);
    let needed = (design.critical() * null + normal::isf(1.0 - power) * own) / (treatment - control).abs();
    Sizes::of_root(needed, design.ratio)
}

/// The power of the test with so many units of the control; of both sides for a test with two.
///
/// # Errors
///
/// As [`size`], and when the number of units is not positive.
pub fn power(treatment: f64, control: f64, design: &Design, control_units: f64) -> Result<f64, Refusal> {
    checked(treatment, control, design)?;
    positive("units", control_units)?;
    let (null, own) = deviations(treatment, control, design.ratio);
    let expected = (treatment - control).abs() * control_units.sqrt();
    let critical = design.critical() * null;
    let right = normal::sf((critical - expected) / own);
    Ok(match design.sides {
        super::Sides::One => right,
        super::Sides::Two => right + normal::sf((critical + expected) / own),
    })
}

/// The smallest difference in the direction of the goal that is found with the `power` and so many units of
/// the control; the one whose [`size`] that is.
///
/// # Errors
///
/// As [`size`], and when not even a proportion of 1 (or of 0, for a goal to decrease) is found.
pub fn detectable(
    control: f64,
    design: &Design,
    power: f64,
    control_units: f64,
    goal: Goal,
) -> Result<Detectable, Refusal> {
    chance("control", control)?;
    design.checked()?;
    enough_power(power, design.alpha)?;
    positive("units", control_units)?;
    let (sign, room) = match goal {
        Goal::Increase => (1.0, 1.0 - control),
        Goal::Decrease => (-1.0, control),
    };
    let (critical, beyond) = (design.critical(), normal::isf(1.0 - power));
    let found = |distance: f64| {
        let (null, own) = deviations(control + sign * distance, control, design.ratio);
        distance * control_units.sqrt() - critical * null - beyond * own
    };
    if found(room) < 0.0 {
        return Err(Refusal::TooFew {
            what: "units to find any difference in that direction",
            have: control_units,
            need: size_at_the_end(control, room, sign, design, power),
        });
    }
    let distance = root(0.0, room, found);
    Ok(Detectable {
        treatment: control + sign * distance,
        lift: sign * distance / control,
    })
}

/// How many units of the control find the largest difference there is.
fn size_at_the_end(control: f64, room: f64, sign: f64, design: &Design, power: f64) -> f64 {
    let (null, own) = deviations(control + sign * room, control, design.ratio);
    let needed = (design.critical() * null + normal::isf(1.0 - power) * own) / room;
    (needed * needed).ceil()
}

/// Cohen's h: the difference between two proportions on the scale on which each has the same variance,
/// `2 asin sqrt(treatment) - 2 asin sqrt(control)` (Cohen 1988, Statistical Power Analysis, chapter 6).
///
/// # Errors
///
/// When a proportion lies not between 0 and 1.
pub fn effect_h(treatment: f64, control: f64) -> Result<f64, Refusal> {
    chance("control", control)?;
    chance("treatment", treatment)?;
    // The difference of two arcs by the sine of it, which keeps its digits when they are close.
    let sine = (treatment * (1.0 - control)).sqrt() - (control * (1.0 - treatment)).sqrt();
    Ok(2.0 * sine.asin())
}

/// The sizes by Cohen's h, wrong side included. [`size`] is the one for the test that is made here.
///
/// # Errors
///
/// As [`size`].
pub fn size_arcsine(treatment: f64, control: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    checked(treatment, control, design)?;
    differ(treatment, control)?;
    let needed = design.deviations(power)? / effect_h(treatment, control)?.abs();
    Sizes::of_root(needed * (1.0 + 1.0 / design.ratio).sqrt(), design.ratio)
}
