//! The interval of one proportion (Brown, Cai, DasGupta 2001, Statistical Science 16:101).

use super::{Arm, level, reach};
use crate::distribution::beta;
use crate::{Counts, Interval, Refusal};

/// How the interval of one proportion is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntervalMethod {
    /// Wilson's score interval: close to its coverage at any size (Brown, Cai, DasGupta, section 3.1.1).
    #[default]
    Wilson,
    /// The exact interval of Clopper and Pearson: never covers less than it says, mostly more (section
    /// 4.2.1).
    ClopperPearson,
    /// The equal-tailed interval of the posterior under Jeffreys' prior, without special rules at 0 and n
    /// events (section 3.1.3).
    Jeffreys,
    /// The normal interval after z^2/2 events and as many non-events are added, cut off at 0 and 1
    /// (section 3.1.2).
    AgrestiCoull,
}

/// The interval of one proportion with the coverage 1 - `alpha`, within 0 and 1.
///
/// # Errors
///
/// [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials or an `alpha` not
/// between 0 and 1.
pub fn interval(counts: Counts, method: IntervalMethod, alpha: f64) -> Result<Interval, Refusal> {
    let arm = Arm::new(counts)?;
    Ok(match method {
        IntervalMethod::Wilson => wilson(&arm, reach(alpha)?),
        IntervalMethod::AgrestiCoull => agresti_coull(&arm, reach(alpha)?),
        IntervalMethod::ClopperPearson => {
            let tail = level(alpha)? / 2.0;
            Interval {
                lower: if arm.x > 0.0 {
                    beta::ppf(tail, arm.x, arm.others + 1.0)
                } else {
                    0.0
                },
                upper: if arm.others > 0.0 {
                    beta::isf(tail, arm.x + 1.0, arm.others)
                } else {
                    1.0
                },
            }
        }
        IntervalMethod::Jeffreys => {
            let tail = level(alpha)? / 2.0;
            Interval {
                lower: beta::ppf(tail, arm.x + 0.5, arm.others + 0.5),
                upper: beta::isf(tail, arm.x + 0.5, arm.others + 0.5),
            }
        }
    })
}

/// How far Wilson's limits are below and above the rate. Written so that nothing is subtracted that is
/// nearly equal, except where a limit is the rate itself.
pub(super) fn wilson_distances(arm: &Arm, z: f64) -> (f64, f64) {
    let spread = z * (arm.x * (arm.others / arm.n) + z * z / 4.0).sqrt();
    let shift = z * z * ((arm.others - arm.x) / (2.0 * arm.n));
    let scale = arm.n + z * z;
    ((spread - shift) / scale, (spread + shift) / scale)
}

fn wilson(arm: &Arm, z: f64) -> Interval {
    let (below, above) = wilson_distances(arm, z);
    // The limits are the roots of a quadratic; the smaller one is exact as the product by the larger.
    let product = arm.x / arm.n * (arm.x / (arm.n + z * z));
    let upper = arm.rate() + above;
    let lower = if below < 0.5 * arm.rate() {
        arm.rate() - below
    } else {
        product / upper
    };
    Interval {
        lower: if arm.x > 0.0 { lower } else { 0.0 },
        upper: if arm.others > 0.0 { upper.min(1.0) } else { 1.0 },
    }
}

fn agresti_coull(arm: &Arm, z: f64) -> Interval {
    let n = arm.n + z * z;
    let rate = (arm.x + z * z / 2.0) / n;
    let others = (arm.others + z * z / 2.0) / n;
    let half = z * (rate * others / n).sqrt();
    Interval {
        lower: (rate - half).max(0.0),
        upper: (rate + half).min(1.0),
    }
}
