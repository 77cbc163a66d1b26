//! Group sequential designs: a test that is looked at a few times, and pays for it with little power.
//!
//! The estimate of an effect, looked at while information (1 over the squared standard error, mostly in
//! proportion to users) comes in, is a Brownian motion with drift, the score process: `S = z sqrt(t)` at the
//! share `t` of the planned information. A [`Design`] has a bound for `z` at each look, such that the chance
//! to ever cross one without an effect is alpha. The bounds come from recursive numerical integration of the
//! density of S (Armitage, McPherson, Rowe 1969; Jennison, Turnbull 2000, Group Sequential Methods with
//! Applications to Clinical Trials, chapter 19).
//!
//! With a spending function (Lan, DeMets 1983, Biometrika 70:659) what may be spent depends on the
//! information alone. So looks can come when they come, [`Design::look`], as long as nobody chooses them by
//! what was seen. The classical constants hold for the looks they were made for.
//!
//! What cannot be resolved is not spent: a look that may spend less than 1e-300, or that comes with less than
//! a ten-thousandth more information than the last one that could reject, gets an infinite bound, and
//! what it could have spent is left to the next. So never more is spent than planned.

mod characteristics;
mod constants;
mod density;
mod futility;
mod root;
mod spending;
mod standing;
mod walk;

pub use characteristics::{Characteristics, Exits, SampleSize};
pub use futility::Futility;
pub use spending::Spending;
pub use standing::Standing;

use crate::distribution::normal;
use crate::{Alternative, PValue, Refusal};
use std::f64::consts::LN_2;
use walk::Walk;

/// Less than this is not spent but left to the next look.
const SPENT_MIN: f64 = 1e-300;

/// What the bounds are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Boundary {
    /// Alpha is spent by information; any looks.
    Spending(Spending),
    /// O'Brien and Fleming's constant (1979, Biometrics 35:549): `z = c / sqrt(t)`, at planned looks only.
    OBrienFleming,
    /// Pocock's constant (1977, Biometrika 64:191): the same `z` at all looks, at planned looks only.
    Pocock,
}

/// What is fixed before the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// What is suspected. Two-sided designs spend half of alpha on each side.
    pub alternative: Alternative,
    /// The total error, of all looks and both sides together.
    pub alpha: f64,
    /// What the bounds are made of.
    pub boundary: Boundary,
}

impl Plan {
    /// How many sides can reject.
    fn sides(&self) -> f64 {
        if self.alternative == Alternative::TwoSided {
            2.0
        } else {
            1.0
        }
    }

    /// The error of one side.
    fn side_alpha(&self) -> f64 {
        self.alpha / self.sides()
    }

    fn check(&self) -> Result<(), Refusal> {
        let side = self.side_alpha();
        if !(side > 0.0 && side < 0.5) {
            return Err(Refusal::Invalid {
                field: "alpha",
                value: self.alpha,
                rule: "lie between 0 and 0.5 a side",
            });
        }
        match self.boundary {
            Boundary::Spending(spending) => spending.check(),
            _ => Ok(()),
        }
    }
}

/// A look that is planned or was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The share of the planned information that is there: above 0, 1 at the planned end.
    pub information: f64,
    /// Reject when z is at least this, on the suspected side or on either. `inf` where nothing can be spent.
    pub bound: f64,
    /// The ordinary p-value, of as many sides as the design has, that meets the bound; 0 when it is infinite.
    pub nominal: PValue,
    /// What of alpha is spent up to here, on both sides together.
    pub spent: f64,
}

/// A group sequential design: a plan and the bounds of its looks.
#[derive(Debug, Clone)]
pub struct Design {
    plan: Plan,
    looks: Vec<Look>,
    /// The looks that can reject, with the density of the score process on the way to them.
    walk: Walk,
}

impl Design {
    /// The design with looks at these shares of the planned information. There may be none yet when alpha is
    /// spent by a function.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for an alpha outside of (0, 0.5) a side, a parameter that its spending function
    /// does not take, or information that does not grow from above 0; [`Refusal::TooFew`] for classical
    /// constants without looks.
    pub fn new(plan: Plan, information: &[f64]) -> Result<Self, Refusal> {
        plan.check()?;
        let mut design = Self {
            plan,
            looks: Vec::with_capacity(information.len()),
            walk: Walk::default(),
        };
        match plan.boundary {
            Boundary::Spending(_) => {
                for information in information {
                    design.look(*information)?;
                }
            }
            Boundary::OBrienFleming | Boundary::Pocock => {
                let mut before = 0.0;
                for information in information {
                    check_growth(*information, before)?;
                    before = *information;
                }
                constants::fill(&mut design, information)?;
            }
        }
        Ok(design)
    }

    /// What was fixed before the start.
    #[must_use]
    pub const fn plan(&self) -> Plan {
        self.plan
    }

    /// The looks, in order.
    #[must_use]
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// Adds a look that need not be planned; what came before keeps its bounds. With more than the planned
    /// information all of alpha is spent.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for information that is not more than at the look before, and
    /// [`Refusal::Undefined`] for classical constants.
    pub fn look(&mut self, information: f64) -> Result<Look, Refusal> {
        let Boundary::Spending(spending) = self.plan.boundary else {
            return Err(Refusal::Undefined {
                why: "classical constants hold for the planned looks alone",
            });
        };
        check_growth(information, self.last_information())?;
        self.spend_up_to(information, spending.spent(information, self.plan.side_alpha()))
    }

    /// Adds the last look there will be, with less information than planned: all that is left of alpha is
    /// spent. That it is the last one must not depend on what was seen.
    ///
    /// # Errors
    ///
    /// As [`Self::look`].
    pub fn last_look(&mut self, information: f64) -> Result<Look, Refusal> {
        if !matches!(self.plan.boundary, Boundary::Spending(_)) {
            return self.look(information);
        }
        check_growth(information, self.last_information())?;
        self.spend_up_to(information, self.plan.side_alpha())
    }

    fn last_information(&self) -> f64 {
        self.looks.last().map_or(0.0, |look| look.information)
    }

    /// What one side has spent so far.
    fn side_spent(&self) -> f64 {
        self.looks.last().map_or(0.0, |look| look.spent) / self.plan.sides()
    }

    fn spend_up_to(&mut self, information: f64, side_target: f64) -> Result<Look, Refusal> {
        let side_spent = self.side_spent();
        let to_spend = side_target - side_spent;
        if to_spend < SPENT_MIN || !self.walk.resolves(information) {
            return Ok(self.note(information, f64::INFINITY, side_spent));
        }
        let before = self.walk.on_the_way_to(information);
        let bound = before
            .bound(information, to_spend.ln())
            .ok_or(Refusal::Undefined {
                why: "the chances of the score process are no numbers there",
            })?;
        self.walk
            .push(before, information, self.lower(bound), bound, self.looks.len());
        Ok(self.note(information, bound / information.sqrt(), side_target))
    }

    /// Where the other side rejects: at the bound mirrored, or nowhere.
    fn lower(&self, bound: f64) -> f64 {
        if self.plan.alternative == Alternative::TwoSided {
            -bound
        } else {
            f64::NEG_INFINITY
        }
    }

    fn note(&mut self, information: f64, bound: f64, side_spent: f64) -> Look {
        let sides = self.plan.sides();
        let nominal = if bound == f64::INFINITY {
            PValue::new(0.0, f64::NEG_INFINITY)
        } else {
            let ln_sides = if sides > 1.0 { LN_2 } else { 0.0 };
            PValue::new(sides * normal::sf(bound), ln_sides + normal::ln_sf(bound))
        };
        let look = Look {
            information,
            bound,
            nominal,
            spent: sides * side_spent,
        };
        self.looks.push(look);
        look
    }
}

/// Information above 0 that is more than before.
fn check_growth(information: f64, before: f64) -> Result<(), Refusal> {
    if information > before && information.is_finite() {
        return Ok(());
    }
    Err(Refusal::Invalid {
        field: "information",
        value: information,
        rule: "be finite, above 0 and more than at the look before",
    })
}
