//! Guardrails: whether a treatment is worse than is tolerated, watched by tests that may be looked at whenever one
//! likes.

use super::answer::{Answer, Bounds, Chance};
use super::evidence::Evidence;
use serde::Serialize;
use tidegate_model::experiment::Goal;
use tidegate_stats::sequential::{ConfidenceSequence, RateRatioTest};
use tidegate_stats::{Alternative, Counts, PValue, Refusal};

/// How a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Safety {
    /// The treatment is not worse than is tolerated: proven.
    Held,
    /// It is worse than is tolerated: proven.
    Breached,
    /// Neither is proven.
    Undecided,
}

/// What is known of one guardrail and one treatment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Guarded {
    /// How it stands.
    pub safety: Safety,
    /// How much worse is tolerated, as a share of the control's value. 0 tolerates nothing, and then only a treatment
    /// that is better is proven to be safe.
    pub margin: f64,
    /// The always-valid p-value of "not worse than is tolerated": small is a breach.
    pub harm: Chance,
    /// The always-valid p-value of "worse than is tolerated": small is safe.
    pub safe: Chance,
    /// The total error of each of both tests, which have one side.
    pub level: f64,
    /// Where the difference may lie: a bound of one side either way.
    pub difference: Answer<Bounds>,
    /// The same of the lift.
    pub lift: Answer<Bounds>,
}

/// What a guardrail asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) goal: Goal,
    pub(crate) margin: f64,
    /// Of each side.
    pub(crate) level: f64,
    pub(crate) tuned_for: u64,
}

impl Watch {
    /// The lift from which on the treatment is worse than is tolerated.
    fn limit(&self) -> f64 {
        if self.goal == Goal::Decrease {
            self.margin
        } else {
            -self.margin
        }
    }

    /// # Errors
    ///
    /// Why neither harm nor safety can be told.
    pub(crate) fn look(&self, evidence: &Evidence) -> Result<Guarded, Refusal> {
        let (harm, safe, [difference, lift]) = match (evidence.first_look, evidence.counts) {
            (Ok(()), _) => self.by_sequence(evidence)?,
            (Err(refusal), Some(counts)) => {
                let (harm, safe) = self.by_rates(counts)?;
                (harm, safe, [Answer::Refused(refusal), Answer::Refused(refusal)])
            }
            (Err(refusal), None) => return Err(refusal),
        };
        let proven = |p: &PValue| p.ln <= self.level.ln();
        let safety = if proven(&harm) {
            Safety::Breached
        } else if proven(&safe) {
            Safety::Held
        } else {
            Safety::Undecided
        };
        Ok(Guarded {
            safety,
            margin: self.margin,
            harm: harm.into(),
            safe: safe.into(),
            level: self.level,
            difference,
            lift,
        })
    }

    fn by_sequence(&self, evidence: &Evidence) -> Result<(PValue, PValue, [Answer<Bounds>; 2]), Refusal> {
        let contrast = evidence.contrast?;
        let distance = if self.margin > 0.0 {
            let distance = contrast.against(self.limit())?;
            distance.estimate / distance.standard_error
        } else {
            // Nothing is relative to a control of 0, but worse than it can still be told.
            contrast.within(0.0)?;
            contrast.difference / contrast.variance().sqrt()
        };
        let better = if self.goal == Goal::Decrease {
            -distance
        } else {
            distance
        };
        let sequence = ConfidenceSequence::tuned(Alternative::Greater, self.level, self.tuned_for)?;
        let p = |z: f64| sequence.look(evidence.users, z, 1.0).map(|look| look.p);
        let bounds = evidence.plain_bounds(sequence.reach(evidence.users)?);
        Ok((p(-better)?, p(better)?, bounds))
    }

    /// Few events: the test of two rates, which is exact at any size as long as the arms keep their weights.
    fn by_rates(&self, [control, treatment]: [Counts; 2]) -> Result<(PValue, PValue), Refusal> {
        let none = Refusal::Undefined {
            why: "the margin leaves no rate",
        };
        if control.trials == 0 || treatment.trials == 0 {
            return Err(Refusal::TooFew {
                what: "units in an arm",
                have: 0.0,
                need: 1.0,
            });
        }
        // That `one` has at most so many times the rate of the other.
        let p = |one: Counts, other: Counts, times: f64| {
            let mut test = RateRatioTest::new(times).ok_or(none)?;
            test.observe(one, other);
            Ok(PValue::from_ln(-test.ln_e().max(0.0)))
        };
        let tolerated = 1.0 + self.limit();
        let more = p(treatment, control, tolerated)?;
        let less = p(control, treatment, tolerated.recip())?;
        Ok(if self.goal == Goal::Decrease {
            (more, less)
        } else {
            (less, more)
        })
    }
}
