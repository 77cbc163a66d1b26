//! Intervals of the difference of two proportions.

use super::score::Score;
use super::single::wilson_distances;
use super::{Arm, Arms, reach};
use crate::{Counts, Interval, Refusal};

/// How the interval of a difference is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DifferenceMethod {
    /// Wilson's limits of both arms combined (Newcombe 1998, Statistics in Medicine 17:873, method 10).
    #[default]
    Newcombe,
    /// All differences that the score test does not reject, with the variance of a sample (Miettinen,
    /// Nurminen 1985, Statistics in Medicine 4:213).
    MiettinenNurminen,
    /// All differences that the test of Farrington and Manning does not reject (1990, Statistics in
    /// Medicine 9:1447).
    Score,
    /// The normal interval after an event and a non-event are added to each arm, not cut off (Agresti,
    /// Caffo 2000, The American Statistician 54:280).
    AgrestiCaffo,
    /// The normal interval at each arm's own rate, not cut off. It covers too little at small counts, and
    /// where neither arm varies it is the estimate alone, whatever the sizes: to compare with other engines
    /// only.
    Wald,
}

/// A difference of two proportions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The treatment's share less the control's, from -1 to 1.
    pub estimate: f64,
    /// Where the true difference may lie.
    pub interval: Interval,
}

/// The difference of two proportions with an interval of the coverage 1 - `alpha`.
///
/// # Errors
///
/// [`Refusal::TooFew`] without trials, [`Refusal::Invalid`] with more events than trials or an `alpha` not
/// between 0 and 1.
pub fn difference(
    control: Counts,
    treatment: Counts,
    method: DifferenceMethod,
    alpha: f64,
) -> Result<Difference, Refusal> {
    let arms = Arms::new(control, treatment)?;
    let z = reach(alpha)?;
    let interval = match method {
        DifferenceMethod::Newcombe => newcombe(&arms, z),
        DifferenceMethod::MiettinenNurminen => Score::sampled(&arms).interval(z),
        DifferenceMethod::Score => Score::new(&arms).interval(z),
        DifferenceMethod::AgrestiCaffo => agresti_caffo(&arms, z),
        DifferenceMethod::Wald => around(arms.difference, z * arms.variance().sqrt()),
    };
    Ok(Difference {
        estimate: arms.difference,
        interval,
    })
}

fn around(middle: f64, half: f64) -> Interval {
    Interval {
        lower: middle - half,
        upper: middle + half,
    }
}

fn newcombe(arms: &Arms, z: f64) -> Interval {
    let (control_below, control_above) = wilson_distances(&arms.control, z);
    let (treatment_below, treatment_above) = wilson_distances(&arms.treatment, z);
    Interval {
        lower: arms.difference - treatment_below.hypot(control_above),
        upper: arms.difference + treatment_above.hypot(control_below),
    }
}

fn agresti_caffo(arms: &Arms, z: f64) -> Interval {
    let more = |arm: Arm| Arm {
        x: arm.x + 1.0,
        others: arm.others + 1.0,
        n: arm.n + 2.0,
    };
    let (control, treatment) = (more(arms.control), more(arms.treatment));
    // The difference of the shifted rates, from the exact one: each rate moves by (1 - 2 rate) / (n + 2).
    let shift = |arm: Arm| (arm.others - arm.x) / (arm.n * (arm.n + 2.0));
    let middle = arms.difference + (shift(arms.treatment) - shift(arms.control));
    around(middle, z * (control.variance() + treatment.variance()).sqrt())
}
