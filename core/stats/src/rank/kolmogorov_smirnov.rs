//! The largest distance between two distribution functions.

use super::{Method, Pooled};
use crate::moments::count;
use crate::{PValue, Refusal};
use std::f64::consts::{LN_2, PI};

/// Up to so many pairs the distribution is counted out by [`Method::Automatic`].
const AUTOMATIC_PAIRS_MAX: f64 = 1e4;
/// Up to so many pairs it can be counted out.
const PAIRS_MAX: f64 = 1e6;

/// What the distribution functions of two samples say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The largest distance between the two distribution functions, from 0 to 1.
    pub d: f64,
    /// The two-sided chance of such a distance or a larger one if both came from one distribution; refused
    /// when all values are the same, which is evidence of nothing.
    pub p: Result<PValue, Refusal>,
    /// Whether the chance was counted out.
    pub exact: bool,
}

/// The test of Kolmogorov and Smirnov, which sees differences of any shape: of place, of spread, of tails.
///
/// The exact chance counts the paths through the lattice of both samples, ties as they are (Schröer,
/// Trenkler 1995, Computational Statistics and Data Analysis 20:185), and is added up from positive numbers
/// alone, so that it keeps its digits however small it is. The limit is that of Kolmogorov (1933); with ties
/// it errs on the side of no difference.
///
/// # Errors
///
/// When the distribution shall be counted out and there are more than a million pairs.
pub fn kolmogorov_smirnov(pooled: &Pooled, method: Method) -> Result<KolmogorovSmirnov, Refusal> {
    let exact = match method {
        Method::Automatic => pooled.pairs() <= AUTOMATIC_PAIRS_MAX,
        Method::Exact => true,
        Method::Asymptotic { .. } => false,
    };
    let (treatment, control) = (pooled.treatment(), pooled.control());
    let mut reached = (0, 0);
    let largest = pooled
        .ties()
        .map(|tie| {
            reached = (reached.0 + tie.treatment, reached.1 + tie.control);
            apart(reached.0, reached.1, treatment, control)
        })
        .max()
        .unwrap_or(0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a distance beyond 2^53 is rounded to 16 digits"
    )]
    let d = largest as f64 / pooled.pairs();
    let p = if pooled.all_tied() {
        Err(Refusal::NoVariance)
    } else if exact {
        Ok(counted(pooled, largest)?)
    } else {
        Ok(limit(d * (pooled.pairs() / count(pooled.all())).sqrt()))
    };
    Ok(KolmogorovSmirnov { d, p, exact })
}

/// The distance between the distribution functions after so many of each side, times the number of pairs.
fn apart(treatment_below: u64, control_below: u64, treatment: u64, control: u64) -> u128 {
    let of_treatment = u128::from(treatment_below) * u128::from(control);
    of_treatment.abs_diff(u128::from(control_below) * u128::from(treatment))
}

/// The share of all orders of the values in which the distance is reached somewhere between ties. For
/// each point of the lattice it is the share among the orders that lead there, which comes from the last
/// value being of the one side or of the other.
fn counted(pooled: &Pooled, largest: u128) -> Result<PValue, Refusal> {
    if pooled.pairs() > PAIRS_MAX {
        return Err(Refusal::Invalid {
            field: "number of pairs",
            value: pooled.pairs(),
            rule: "be at most a million to count all orders of the values",
        });
    }
    // Whether the distribution functions can be compared after so many values, or a tie goes on.
    let mut complete = vec![true];
    for tie in pooled.ties() {
        complete.extend((1..tie.both()).map(|_| false));
        complete.push(true);
    }
    let (treatment, control) = (pooled.treatment(), pooled.control());
    let mut row = vec![0.0; complete.len() - usize::try_from(treatment).unwrap_or_default()];
    for i in 0..=treatment {
        let ends = complete.iter().skip(usize::try_from(i).unwrap_or_default());
        let mut left = 0.0;
        for ((j, share), complete) in (0..=control).zip(row.iter_mut()).zip(ends) {
            let reached = i + j > 0 && *complete && apart(i, j, treatment, control) >= largest;
            *share = if reached {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                (count(i) * *share + count(j) * left) / count(i + j)
            };
            left = *share;
        }
    }
    let p = row.last().copied().unwrap_or(1.0).min(1.0);
    Ok(PValue::new(p, p.ln()))
}

/// The chance of a larger value of Kolmogorov's distribution.
fn limit(x: f64) -> PValue {
    if x < 1.0 {
        // The terms of this series fall the faster, the smaller x is.
        let terms = (1..=5_i32).map(|k| {
            let odd = f64::from(2 * k - 1) * PI / x;
            (-odd * odd / 8.0).exp()
        });
        let below = if x > 0.0 {
            (2.0 * PI).sqrt() / x * terms.sum::<f64>()
        } else {
            0.0
        };
        return PValue::new(1.0 - below, (-below).ln_1p());
    }
    // All terms over the first: 1 - e^(-6 x^2) + e^(-16 x^2) - ...
    let rest: f64 = (2..=6_i32)
        .map(|k| {
            let sign = if k % 2 == 0 { -1.0 } else { 1.0 };
            sign * (-2.0 * f64::from(k * k - 1) * x * x).exp()
        })
        .sum();
    PValue::from_ln(LN_2 - 2.0 * x * x + rest.ln_1p())
}
