//! How many units an experiment needs, what it finds with those it has, and how small a difference that is.
//!
//! [`proportions`] and [`means`] plan for a difference, [`noninferiority`] and [`equivalence`] for the proof
//! that there is none that matters. Sizes are not rounded; [`Sizes::rounded_up`] rounds them.

pub mod equivalence;
pub mod means;
pub mod noninferiority;
pub mod proportions;

use crate::Refusal;
use crate::distribution::normal;

/// In how many directions a difference is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// In the direction in which the difference is expected.
    One,
    /// In both.
    Two,
}

/// The test that is planned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Design {
    /// The chance of a false alarm, of both sides together; between 0 and 1.
    pub alpha: f64,
    /// Its sides.
    pub sides: Sides,
    /// Units of the treatment for each one of the control; above 0.
    pub ratio: f64,
}

impl Design {
    /// The test as most plan it: two sides, arms of the same size.
    #[must_use]
    pub const fn even(alpha: f64) -> Self {
        Self {
            alpha,
            sides: Sides::Two,
            ratio: 1.0,
        }
    }

    fn checked(&self) -> Result<(), Refusal> {
        chance("alpha", self.alpha)?;
        positive("ratio", self.ratio)
    }

    /// The chance of a false alarm on one side.
    fn tail(&self) -> f64 {
        match self.sides {
            Sides::One => self.alpha,
            Sides::Two => self.alpha / 2.0,
        }
    }

    /// How many deviations a difference must reach.
    fn critical(&self) -> f64 {
        normal::isf(self.tail())
    }

    /// The chance to reach them when `expected` ones are expected, wrong side included.
    fn power_at(&self, expected: f64) -> f64 {
        let critical = self.critical();
        let right = normal::sf(critical - expected);
        match self.sides {
            Sides::One => right,
            Sides::Two => right + normal::sf(critical + expected),
        }
    }

    /// The deviations that must be expected to have the power, wrong side included.
    fn deviations(&self, power: f64) -> Result<f64, Refusal> {
        enough_power(power, self.alpha)?;
        let high = self.critical() + normal::isf(1.0 - power);
        match self.sides {
            Sides::One => Ok(high),
            // The wrong side only adds, so this is enough.
            Sides::Two => Ok(root(0.0, high.max(1e-3), |expected| {
                self.power_at(expected) - power
            })),
        }
    }
}

/// How many units each arm needs, not rounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizes {
    /// Of the control.
    pub control: f64,
    /// Of the treatment.
    pub treatment: f64,
}

impl Sizes {
    /// From the root of the units of the control.
    fn of_root(root: f64, ratio: f64) -> Result<Self, Refusal> {
        let control = root * root;
        if root > 0.0 && control.is_finite() {
            Ok(Self {
                control,
                treatment: control * ratio,
            })
        } else if root > 0.0 {
            Err(Refusal::Undefined {
                why: "no number is large enough for the size",
            })
        } else {
            Err(Refusal::Undefined {
                why: "so little power is had with hardly any unit",
            })
        }
    }

    /// Whole units, enough of them.
    #[must_use]
    pub fn rounded_up(self) -> Self {
        Self {
            control: self.control.ceil(),
            treatment: self.treatment.ceil(),
        }
    }
}

/// The standard deviation that is left when a covariate with this correlation is adjusted for, as CUPED
/// does: `sd sqrt(1 - correlation^2)` (Deng, Xu, Kohavi, Walker 2013, WSDM, section 3.2). Sizes shrink by
/// the square of that.
///
/// # Errors
///
/// When the deviation is not positive or the correlation lies not within -1 and 1; at either end nothing
/// would be left to vary.
pub fn adjusted_deviation(sd: f64, correlation: f64) -> Result<f64, Refusal> {
    positive("sd", sd)?;
    if correlation.is_nan() || correlation.abs() >= 1.0 {
        return Err(Refusal::Invalid {
            field: "correlation",
            value: correlation,
            rule: "lie between -1 and 1",
        });
    }
    Ok(sd * ((1.0 - correlation) * (1.0 + correlation)).sqrt())
}

fn chance(field: &'static str, value: f64) -> Result<(), Refusal> {
    if value > 0.0 && value < 1.0 {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field,
            value,
            rule: "lie between 0 and 1",
        })
    }
}

fn positive(field: &'static str, value: f64) -> Result<(), Refusal> {
    if value > 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field,
            value,
            rule: "be positive and finite",
        })
    }
}

fn finite(field: &'static str, value: f64) -> Result<(), Refusal> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field,
            value,
            rule: "be finite",
        })
    }
}

/// A power up to alpha is had without any unit.
fn enough_power(power: f64, alpha: f64) -> Result<(), Refusal> {
    chance("power", power)?;
    if power > alpha {
        Ok(())
    } else {
        Err(Refusal::Invalid {
            field: "power",
            value: power,
            rule: "be larger than alpha",
        })
    }
}

/// Where a function crosses 0 upwards, between a place where it is below and one where it is above: regula
/// falsi after Illinois (Dowell, Jarratt 1971), which never leaves the two.
fn root(low: f64, high: f64, function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (low, high);
    let (mut below, mut above) = (function(low), function(high));
    if below >= 0.0 {
        return low;
    }
    if above <= 0.0 {
        return high;
    }
    let mut last_was_low = None;
    for _ in 0..200 {
        let between = (low * above - high * below) / (above - below);
        let at = if between > low && between < high {
            between
        } else {
            f64::midpoint(low, high)
        };
        let value = function(at);
        if value == 0.0 {
            return at;
        }
        let is_low = value < 0.0;
        let again = last_was_low == Some(is_low);
        if is_low {
            (low, below) = (at, value);
            above = if again { above / 2.0 } else { above };
        } else {
            (high, above) = (at, value);
            below = if again { below / 2.0 } else { below };
        }
        last_was_low = Some(is_low);
        if high - low <= 4.0 * f64::EPSILON * high.abs().max(f64::MIN_POSITIVE) {
            break;
        }
    }
    f64::midpoint(low, high)
}
