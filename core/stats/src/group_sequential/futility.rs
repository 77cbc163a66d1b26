//! Bounds at which a test may be given up.

use super::characteristics::{Exits, exits};
use super::root::{logit, rising};
use super::walk::Walk;
use super::{Alternative, Design, Refusal, Spending};
use crate::distribution::normal;

/// Less than this share of the missed effects is not spent at a look but left to the next.
const SHARE_MIN: f64 = 1e-9;

/// Bounds at which a test may be given up, because an effect of the planned size would show by then.
///
/// They spend the chance to miss the effect, 1 - power, by information (Pampallona, Tsiatis, Kim 2001, Drug
/// Information Journal 35:1113). They do not bind: the bounds of the design do not count on them, so going on
/// below one never raises the error.
#[derive(Debug, Clone, PartialEq)]
pub struct Futility {
    /// Give up when z, towards the suspected side, is at most this; at the last look it is the bound of the
    /// design. `-inf` where nothing can be spent.
    pub bounds: Vec<f64>,
    /// The drift that is found with the power asked for although the test is given up at these bounds.
    pub drift: f64,
    /// The planned information over that of a single look with the same alpha and power.
    pub inflation_factor: f64,
    /// The expected information with the effect, over that of a single look.
    pub expected_h1: f64,
    /// The expected information without an effect, over that of a single look.
    pub expected_h0: f64,
}

/// What one drift makes of the bounds.
struct Attempt {
    walk: Walk,
    bounds: Vec<f64>,
    /// The logarithm of what is left to be missed at the last look over what is missed there: 0 when the
    /// power is as wanted.
    left: f64,
}

impl Design {
    /// Non-binding bounds of futility that spend the chance to miss the effect by `spending`, for the power
    /// asked for. One-sided designs only.
    ///
    /// # Errors
    ///
    /// [`Refusal::Undefined`] for two-sided designs and those whose last look cannot reject;
    /// [`Refusal::Invalid`] as [`Self::characteristics`] and for parameters of the spending function.
    pub fn futility(&self, spending: Spending, power: f64) -> Result<Futility, Refusal> {
        let undefined = |why| Refusal::Undefined { why };
        spending.check()?;
        if self.plan.alternative == Alternative::TwoSided {
            return Err(undefined("a two-sided design has no side to be futile on"));
        }
        let without = self.characteristics(power)?;
        let last = self.looks.last().map_or(1.0, |look| look.information);
        if self.looks.last().is_none_or(|look| look.bound == f64::INFINITY) {
            return Err(undefined("the last look cannot reject"));
        }
        let attempt = |drift: f64| self.attempt(spending, 1.0 - power, drift);
        let rises = |drift: f64| attempt(drift).map_or(f64::NAN, |attempt| attempt.left);
        let no_drift = undefined("no drift is missed as often as wanted");
        let drift = rising(rises, without.drift, 0.1).ok_or(no_drift)?;
        let attempt = attempt(drift).ok_or(no_drift)?;
        let fixed = normal::isf(self.plan.side_alpha()) + normal::ppf(power);
        let inflation_factor = (drift / fixed).powi(2);
        let expected = |drift: f64| {
            let Exits { above, below } = exits(&attempt.walk, self.looks.len(), drift);
            let saved = self
                .looks
                .iter()
                .zip(above.iter().zip(below))
                .map(|(look, (above, below))| (last - look.information) * (above + below));
            inflation_factor * (last - saved.sum::<f64>())
        };
        Ok(Futility {
            drift,
            inflation_factor,
            expected_h1: expected(drift),
            expected_h0: expected(0.0),
            bounds: attempt.bounds,
        })
    }

    /// The bounds of futility if `drift` is the effect that may be missed with the chance `beta`. `None` if
    /// something is no number.
    fn attempt(&self, spending: Spending, beta: f64, drift: f64) -> Option<Attempt> {
        let mut attempt = Attempt {
            walk: Walk::default(),
            bounds: Vec::with_capacity(self.looks.len()),
            left: f64::INFINITY,
        };
        let mut missed = 0.0;
        let (last, earlier) = self.looks.split_last()?;
        for (number, look) in earlier.iter().enumerate() {
            let root = look.information.sqrt();
            let upper = look.bound * root;
            let may_miss = spending.spent(look.information / last.information, beta) - missed;
            let spends = may_miss > SHARE_MIN * beta && attempt.walk.resolves(look.information);
            if !spends && upper == f64::INFINITY {
                attempt.bounds.push(f64::NEG_INFINITY);
                continue;
            }
            let before = attempt.walk.on_the_way_to(look.information);
            let lower = if spends {
                let wanted = logit(may_miss);
                let guess = drift * look.information - normal::isf(may_miss) * root;
                let chance = |x: f64| before.below(look.information, x, drift);
                missed += may_miss;
                rising(|x| logit(chance(x)) - wanted, guess, 0.25 * root)?
            } else {
                f64::NEG_INFINITY
            };
            attempt.bounds.push(lower / root);
            if lower >= upper {
                // Everything is decided before the end: the drift is far larger than it need be.
                return Some(attempt);
            }
            attempt.walk.push(before, look.information, lower, upper, number);
        }
        let upper = last.bound * last.information.sqrt();
        let before = attempt.walk.on_the_way_to(last.information);
        attempt.left = (beta - missed).ln() - before.below(last.information, upper, drift).ln();
        attempt
            .walk
            .push(before, last.information, upper, upper, earlier.len());
        attempt.bounds.push(last.bound);
        Some(attempt)
    }
}
