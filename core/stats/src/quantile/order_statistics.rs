//! Which order statistics enclose a quantile, whatever the distribution is.

use super::Sorted;
use crate::Refusal;
use crate::distribution::binomial;
use crate::moments::count;

/// The places of the order statistics that enclose a quantile, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Places {
    /// The place of the lower end; `None` when there are too few values for one.
    pub lower: Option<u64>,
    /// The place of the upper end; `None` when there are too few values for one.
    pub upper: Option<u64>,
    /// The chance that the ends enclose the quantile, at least 1 - alpha; an end that is missing is taken
    /// for infinite.
    pub coverage: f64,
}

/// The values that enclose a quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The lower end; `None` when there are too few values for one.
    pub lower: Option<f64>,
    /// The upper end; `None` when there are too few values for one.
    pub upper: Option<f64>,
    /// The chance that the ends enclose the quantile, at least 1 - alpha.
    pub coverage: f64,
}

/// Which of `n` values in order enclose the quantile at the share `p`: on either side at most alpha / 2 lies
/// beyond, by the binomial distribution of how many values are below the quantile (Thompson 1936; Conover
/// 1999, Practical Nonparametric Statistics, chapter 3.2). Needs no value, so it serves sketches too.
///
/// # Errors
///
/// When there is no value, `p` lies not between 0 and 1, or `alpha` is no chance.
pub fn order_statistics(n: u64, p: f64, alpha: f64) -> Result<Places, Refusal> {
    if n == 0 {
        return Err(Refusal::TooFew {
            what: "values",
            have: 0.0,
            need: 1.0,
        });
    }
    for (field, value) in [("p", p), ("alpha", alpha)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(Refusal::Invalid {
                field,
                value,
                rule: "lie between 0 and 1",
            });
        }
    }
    let tail = alpha / 2.0;
    // The fewest below the quantile that are not too unlikely, and the most.
    let fewest = first(n, |k| binomial::cdf(k, n, p) >= tail);
    let most = first(n, |k| binomial::sf(k, n, p) <= tail);
    let beyond_lower = if fewest > 0 {
        binomial::cdf(fewest - 1, n, p)
    } else {
        0.0
    };
    let beyond_upper = if most < n { binomial::sf(most, n, p) } else { 0.0 };
    Ok(Places {
        lower: (fewest > 0).then_some(fewest),
        upper: (most < n).then(|| most + 1),
        coverage: 1.0 - beyond_lower - beyond_upper,
    })
}

/// The interval of the confidence 1 - `alpha` for the quantile at the share `p`, by [`order_statistics`].
///
/// # Errors
///
/// When `p` lies not between 0 and 1, or `alpha` is no chance.
pub fn bounds(values: &Sorted, p: f64, alpha: f64) -> Result<Bounds, Refusal> {
    let places = order_statistics(values.n(), p, alpha)?;
    let value = |place: u64| values.at(count(place));
    Ok(Bounds {
        lower: places.lower.map(value),
        upper: places.upper.map(value),
        coverage: places.coverage,
    })
}

/// The smallest number up to `n` for which it is true; it stays true above, and is true of `n`.
fn first(n: u64, is_true: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = u64::midpoint(low, high);
        if is_true(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
