//! What one look says, and what all looks so far say together.

use crate::moments::count;
use crate::{Interval, PValue, Refusal};

/// What an always-valid test says at one look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anytime {
    /// The estimate that was looked at.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// How far the bounds lie from the estimate.
    pub half_width: f64,
    /// The values of the effect that are not rejected; one end is infinite when the test is one-sided. With
    /// the declared chance it holds the effect at all looks together.
    pub interval: Interval,
    /// The natural logarithm of the e-value against an effect of 0 (against one on the wrong side of 0 when
    /// one-sided); `-inf` when a one-sided test sees an estimate on that very side.
    pub ln_e: f64,
    /// 1 over the e-value and at most 1: the alpha at which this look alone would reject, with the tuning as
    /// it is. The p-value of a test that was looked at before is the smallest so far: [`AlwaysValid::p`].
    pub p: PValue,
}

/// The looks of one always-valid test taken together: the p-value never rises and the interval never widens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlwaysValid {
    /// The smallest p-value of all looks; 1 before the first. The hypothesis is rejected as soon as it is at
    /// most alpha, and stays so.
    pub p: PValue,
    /// What all intervals have in common. `None` once they have nothing in common: no effect that stayed
    /// the same over all looks is compatible with the data. That happens with a chance of at most alpha
    /// unless the effect itself has moved.
    pub interval: Option<Interval>,
}

impl Default for AlwaysValid {
    fn default() -> Self {
        Self {
            p: PValue::new(1.0, 0.0),
            interval: Some(Interval {
                lower: f64::NEG_INFINITY,
                upper: f64::INFINITY,
            }),
        }
    }
}

impl AlwaysValid {
    /// Takes in one more look. All looks must come from one test: the same alpha, side and tuning.
    pub fn observe(&mut self, look: &Anytime) {
        if look.p.ln < self.p.ln {
            self.p = look.p;
        }
        self.interval = self.interval.and_then(|so_far| {
            let common = Interval {
                lower: so_far.lower.max(look.interval.lower),
                upper: so_far.upper.min(look.interval.upper),
            };
            (common.lower <= common.upper).then_some(common)
        });
    }
}

/// What must be there before an asymptotic sequence is looked at for the first time.
///
/// The guarantee of [`crate::sequential::ConfidenceSequence`] rests on normal estimates at *every* look.
/// Among a few users of a skewed metric the estimate is not normal: from the very first look on, revenue of
/// which 5 % of users have any was wrong in 15.7 % of A/A tests instead of 5 %. The tests themselves do not
/// refuse such looks, because only the caller knows the metric; it asks here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstLook {
    /// The users that each arm must have.
    pub units: u64,
    /// The events, or distinct values other than zero, that each arm must have.
    pub events: u64,
}

impl FirstLook {
    /// For shares: 100 users and 20 events an arm.
    pub const PROPORTION: Self = Self {
        units: 100,
        events: 20,
    };
    /// For means of skewed values such as revenue: 100 users and 30 distinct values other than zero an arm.
    pub const MEAN: Self = Self {
        units: 100,
        events: 30,
    };

    /// Whether an arm has what it must have.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooFew`] of users or of events.
    pub fn reached(&self, units: u64, events: u64) -> Result<(), Refusal> {
        let enough = |what, have: u64, need: u64| {
            if have >= need {
                return Ok(());
            }
            Err(Refusal::TooFew {
                what,
                have: count(have),
                need: count(need),
            })
        };
        enough("users in an arm", units, self.units)?;
        enough("events in an arm", events, self.events)
    }
}
