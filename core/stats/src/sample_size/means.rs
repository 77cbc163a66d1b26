//! For tests of two means with one standard deviation. Adjust that first for a covariate, by
//! [`super::adjusted_deviation`].

use super::{Design, Sides, Sizes, enough_power, finite, positive, root};
use crate::Refusal;
use crate::distribution::{noncentral_t, normal, student};

fn checked(difference: f64, sd: f64, design: &Design) -> Result<(), Refusal> {
    finite("difference", difference)?;
    positive("sd", sd)?;
    design.checked()
}

/// The difference in standard deviations, which must not be 0.
fn standardized(difference: f64, sd: f64) -> Result<f64, Refusal> {
    let effect = difference.abs() / sd;
    if effect > 0.0 {
        Ok(effect)
    } else {
        Err(Refusal::Undefined {
            why: "no size finds a difference of nothing",
        })
    }
}

/// The sizes that find the difference with the `power`, by the normal distribution and without the wrong side:
/// the closed form. Within one or two units of [`size`].
///
/// # Errors
///
/// When the difference is 0 or not finite, the deviation or the ratio not positive, alpha or the power not
/// between 0 and 1, or the power no larger than alpha.
pub fn size_normal(difference: f64, sd: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    checked(difference, sd, design)?;
    enough_power(power, design.alpha)?;
    let needed = (design.critical() + normal::isf(1.0 - power)) / standardized(difference, sd)?;
    Sizes::of_root(needed * (1.0 + 1.0 / design.ratio).sqrt(), design.ratio)
}

/// The sizes that find the difference with the `power` by Student's t test, wrong side included. Never fewer than
/// three units in all, without which there is no test; with them the power may be larger than wanted.
///
/// # Errors
///
/// As [`size_normal`].
pub fn size(difference: f64, sd: f64, design: &Design, power: f64) -> Result<Sizes, Refusal> {
    let guess = size_normal(difference, sd, design, power)?.control;
    let effect = standardized(difference, sd)?;
    let short = |units: f64| power_of_t(effect, design, units) - power;
    // One degree of freedom.
    let least = 3.0 / (1.0 + design.ratio);
    let mut high = guess.max(least) + 4.0;
    while short(high) < 0.0 {
        high *= 2.0;
    }
    Sizes::of_root(root(least, high, short).sqrt(), design.ratio)
}

/// The power of Student's t test with so many units of the control; of both sides for a test with two.
///
/// # Errors
///
/// As [`size_normal`], but a difference of 0 has the power alpha; and when there are no more than two units
/// in all.
pub fn power(difference: f64, sd: f64, design: &Design, control_units: f64) -> Result<f64, Refusal> {
    checked(difference, sd, design)?;
    positive("units", control_units)?;
    let units = control_units * (1.0 + design.ratio);
    if units <= 2.0 {
        return Err(Refusal::TooFew {
            what: "units in both arms together",
            have: units,
            need: 3.0,
        });
    }
    Ok(power_of_t(difference.abs() / sd, design, control_units))
}

fn power_of_t(effect: f64, design: &Design, control_units: f64) -> f64 {
    let df = control_units * (1.0 + design.ratio) - 2.0;
    let critical = student::isf(design.tail(), df);
    let expected = effect * (control_units / (1.0 + 1.0 / design.ratio)).sqrt();
    let right = noncentral_t::sf(critical, df, expected);
    match design.sides {
        Sides::One => right,
        Sides::Two => right + noncentral_t::sf(critical, df, -expected),
    }
}

/// The smallest difference that is found with the `power` and so many units of the control, by the normal
/// distribution, wrong side included.
///
/// # Errors
///
/// When the number of units, the deviation or the ratio is not positive, alpha or the power not between 0
/// and 1, or the power no larger than alpha.
pub fn detectable_normal(sd: f64, design: &Design, power: f64, control_units: f64) -> Result<f64, Refusal> {
    checked(0.0, sd, design)?;
    positive("units", control_units)?;
    let units = control_units / (1.0 + 1.0 / design.ratio);
    Ok(design.deviations(power)? * sd / units.sqrt())
}

/// The smallest difference that is found with the `power` and so many units of the control, by Student's t
/// test: the one whose [`size`] that is.
///
/// # Errors
///
/// As [`detectable_normal`], and when there are no more than two units in all.
pub fn detectable(sd: f64, design: &Design, power: f64, control_units: f64) -> Result<f64, Refusal> {
    let guess = detectable_normal(sd, design, power, control_units)?;
    self::power(guess, sd, design, control_units)?;
    let short = |difference: f64| power_of_t(difference / sd, design, control_units) - power;
    let mut high = guess;
    while short(high) < 0.0 {
        high *= 2.0;
    }
    Ok(root(0.0, high, short))
}
