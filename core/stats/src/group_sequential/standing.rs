//! Where a test stands at one of its looks.

use super::density::Density;
use super::root::{logit, rising};
use super::walk::{Stage, Walk};
use super::{Alternative, Design, Refusal};
use crate::distribution::normal;
use crate::{Interval, PValue};
use std::borrow::Cow;
use std::f64::consts::LN_2;

/// An estimate so many standard errors on the wrong side cannot be told from one without looks before it.
const HISTORY_MAX: f64 = -38.0;
/// From here down paths have to be followed deeper than the design did for its bounds.
const DEEP_BELOW: f64 = -3.0;

/// Where a test stands at one of its looks.
///
/// The p-value, the estimate and the interval order what can happen by the look at which it happens
/// (stage-wise ordering; Fairbanks, Madsen 1982, Biometrika 69:69; Tsiatis, Rosner, Mehta 1984, Biometrics
/// 40:797; Jennison, Turnbull 2000, chapter 8): a bound that was met earlier is more extreme, then a larger z
/// at this look. So they do not depend on looks that would have come later, and agree with the bound: `p` is
/// at most what is spent exactly when the bound is met. They are meant for the look at which the test ends;
/// until then [`Self::repeated`] is the interval that may be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// The estimate over its standard error.
    pub z: f64,
    /// The bound at this look.
    pub bound: f64,
    /// Whether it is met, on the suspected side or on either: the test ends, and there is an effect.
    pub rejects: bool,
    /// The p-value, of as many sides as the design has.
    pub p: PValue,
    /// The median-unbiased estimate: too high as often as too low, if the test ends here. The plain estimate
    /// of a test that ended early is too far from 0.
    pub estimate: f64,
    /// The interval for the effect if the test ends here, at the level 1 - alpha. One end is infinite when
    /// the design is one-sided.
    pub interval: Interval,
    /// The repeated confidence interval (Jennison, Turnbull 1989, JRSS B 51:305): valid at all looks together,
    /// whether the test ends or not; wider. Without end where nothing could be spent.
    pub repeated: Interval,
}

impl Design {
    /// Where the test stands at its look number `look`, from 0, if none of the looks before has ended it.
    /// `estimate` and `standard_error` are the plain ones at that look, in the unit of the effect.
    ///
    /// An estimate that lies more than 38 standard errors on the side nobody suspects is taken as that of a
    /// test without looks before.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for a look that there is not, or numbers that are not finite;
    /// [`Refusal::NoVariance`] for a standard error of 0.
    pub fn standing(&self, look: usize, estimate: f64, standard_error: f64) -> Result<Standing, Refusal> {
        check(estimate, standard_error)?;
        let at = self.looks.get(look).ok_or(Refusal::Invalid {
            field: "look",
            value: f64::from(u32::try_from(look).unwrap_or(u32::MAX)),
            rule: "be the number of a look of the design",
        })?;
        let z = estimate / standard_error;
        let two_sided = self.plan.alternative == Alternative::TwoSided;
        // In the mirror what is suspected, or what is seen, is larger than the control.
        let mirrored = if two_sided {
            z < 0.0
        } else {
            self.plan.alternative == Alternative::Less
        };
        let sign = if mirrored { -1.0 } else { 1.0 };
        let towards = sign * z;
        let way = Way::to(&self.walk, look, at.information, towards);
        let p = self.p_value(look, &way);
        let drifts = if two_sided || towards >= DEEP_BELOW {
            way.drifts(self.plan)
        } else {
            let deep = self.followed_deeper(look, towards, at.information);
            Way::to(&deep, look, at.information, towards).drifts(self.plan)
        };
        let (estimated, low, high) = drifts.ok_or(Refusal::Undefined {
            why: "the chances of the score process are no numbers there",
        })?;
        // A drift is an effect in standard errors of all the planned information.
        let unit = standard_error * at.information.sqrt();
        let half_width = at.bound * standard_error;
        let oriented = |low: f64, high: f64| Interval {
            lower: if mirrored { -high } else { low },
            upper: if mirrored { -low } else { high },
        };
        let farthest = if two_sided {
            sign * estimate + half_width
        } else {
            f64::INFINITY
        };
        Ok(Standing {
            z,
            bound: at.bound,
            rejects: towards >= at.bound,
            p,
            estimate: sign * estimated * unit,
            interval: oriented(low * unit, high * unit),
            repeated: oriented(sign * estimate - half_width, farthest),
        })
    }

    fn p_value(&self, look: usize, way: &Way<'_>) -> PValue {
        let sides = self.plan.sides();
        let earlier = look.checked_sub(1).and_then(|before| self.looks.get(before));
        let spent = earlier.map_or(0.0, |before| before.spent / sides);
        let here = way.before.ln_above(way.information, way.score);
        let (more, less) = (here.max(spent.ln()), here.min(spent.ln()));
        let ln_sides = if sides > 1.0 { LN_2 } else { 0.0 };
        PValue::from_ln(ln_sides + more + (less - more).exp().ln_1p())
    }

    /// The walk up to this look with paths followed so deep that an estimate far on the wrong side is
    /// somewhere in the middle of them.
    fn followed_deeper(&self, look: usize, towards: f64, information: f64) -> Walk {
        let mut deep = Walk::deep(-towards / information.sqrt());
        if towards >= HISTORY_MAX {
            for stage in self.walk.stages().iter().take_while(|stage| stage.look < look) {
                let before = deep.on_the_way_to(stage.information);
                deep.push(before, stage.information, stage.lower, stage.upper, stage.look);
            }
        }
        deep
    }
}

/// The way to one look: all that could have ended the test before, and what is seen there.
struct Way<'a> {
    stages: &'a [Stage],
    before: Cow<'a, Density>,
    information: f64,
    score: f64,
}

impl<'a> Way<'a> {
    fn to(walk: &'a Walk, look: usize, information: f64, z: f64) -> Self {
        let earlier = walk.stages().iter().take_while(|stage| stage.look < look).count();
        let (stages, here) = walk.stages().split_at_checked(earlier).unwrap_or_default();
        let here = here.first().filter(|stage| stage.look == look);
        // A look that cannot reject may come too close upon the one before to be told from it.
        let information = here.map_or_else(
            || {
                stages
                    .last()
                    .map_or(0.0, Stage::next_information)
                    .max(information)
            },
            |here| here.information,
        );
        Self {
            before: here.map_or_else(
                || Cow::Owned(walk.after(earlier, information)),
                |here| Cow::Borrowed(&here.before),
            ),
            stages,
            information,
            score: z * information.sqrt(),
        }
    }

    /// The chance to end before, or to see at least as much here, under a drift: it rises with the drift.
    fn at_least(&self, drift: f64) -> f64 {
        let before: f64 = self.stages.iter().map(|stage| stage.above(drift)).sum();
        before + self.before.above(self.information, self.score, drift)
    }

    /// The drift with which this is as likely as not, and those between which it is not unlikely.
    fn drifts(&self, plan: super::Plan) -> Option<(f64, f64, f64)> {
        let error = self.information.sqrt().recip();
        let seen = self.score / self.information;
        let alpha = plan.side_alpha();
        let half_width = normal::isf(alpha) * error;
        let drift = |chance: f64, guess: f64| {
            let wanted = logit(chance);
            rising(|drift| logit(self.at_least(drift)) - wanted, guess, 0.25 * error)
        };
        let high = if plan.alternative == Alternative::TwoSided {
            drift(1.0 - alpha, seen + half_width)?
        } else {
            f64::INFINITY
        };
        Some((drift(0.5, seen)?, drift(alpha, seen - half_width)?, high))
    }
}

fn check(estimate: f64, standard_error: f64) -> Result<(), Refusal> {
    if standard_error == 0.0 {
        return Err(Refusal::NoVariance);
    }
    let invalid = |field, value, rule| Err(Refusal::Invalid { field, value, rule });
    if !(standard_error > 0.0 && standard_error.is_finite()) {
        return invalid("standard_error", standard_error, "be a finite number above 0");
    }
    if !estimate.is_finite() || !(estimate / standard_error).is_finite() {
        return invalid("estimate", estimate, "be a finite number of standard errors");
    }
    Ok(())
}
