//! A treatment against the control by ranks, beside the verdict.

use super::answer::{Answer, Bounds, Chance};
use crate::sufficient::{Ranked as _, count};
use serde::Serialize;
use tidegate_model::experiment::tally::MetricTally;
use tidegate_stats::{Alternative, Refusal};

/// Up to so many units of both arms together the normal distribution is no good stand-in for that of U.
const UNITS_MIN: u64 = 41;
/// An arm with fewer units has no variance of its ranks that could be relied on (Brunner, Munzel 2000).
const ARM_MIN: u64 = 10;

/// How often a unit of the treatment has more than one of the control: for one look, without correction, and no
/// verdict. A few huge values do not move it, and it says nothing of how much more.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranks {
    /// The chance that a unit of the treatment has more than one of the control, ties counted half; 0.5 is no difference.
    pub superiority: Answer<f64>,
    /// Where that chance may lie, at the level of the experiment (Brunner, Munzel 2000, Biometrical Journal 42:17).
    pub interval: Answer<Bounds>,
    /// The two-sided p-value of the same test: that neither arm has more, whatever else differs.
    pub p: Answer<Chance>,
    /// The two-sided p-value of Mann and Whitney, with ties: that both arms are alike altogether.
    pub mann_whitney: Answer<Chance>,
}

impl Ranks {
    pub(super) fn of(treatment: &MetricTally, alpha: f64) -> Self {
        let sums = treatment
            .ranks
            .map(|ranks| ranks.sums())
            .ok_or(Refusal::Undefined {
                why: "ranks were not counted: they are found by a walk over the units of one batch",
            });
        let enough = |have: u64, need: u64, what: &'static str| {
            if have < need {
                let (have, need) = (count(have), count(need));
                return Err(Refusal::TooFew { what, have, need });
            }
            Ok(())
        };
        let tested = sums.and_then(|sums| {
            let fewest = sums.treatment.min(sums.control);
            enough(fewest, ARM_MIN, "units in an arm")?;
            sums.superiority(alpha)
        });
        let mann_whitney = sums.and_then(|sums| {
            let all = sums.treatment.saturating_add(sums.control);
            enough(all, UNITS_MIN, "units in both arms together")?;
            sums.mann_whitney(Alternative::TwoSided)
        });
        Self {
            superiority: sums.and_then(|sums| sums.estimate()).into(),
            interval: tested.map(|tested| Bounds::from(tested.interval)).into(),
            p: tested.map(|tested| Chance::from(tested.p)).into(),
            mann_whitney: mann_whitney.map(Chance::from).into(),
        }
    }
}
