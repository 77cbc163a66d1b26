//! By how much one sample is shifted against the other.

use super::mann_whitney::untied_ways;
use super::pooled::of_length;
use crate::distribution::normal;
use crate::moments::count;
use crate::{Interval, Refusal};

/// A shift between two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HodgesLehmann {
    /// The median of all differences treatment - control, in the unit of the values.
    pub estimate: f64,
    /// The shifts that the test of Mann and Whitney does not reject; refused when there are so few values
    /// that it cannot reject any.
    pub interval: Result<Interval, Refusal>,
    /// Whether the interval's ends were found by counting; else U was taken for normal.
    pub exact: bool,
}

/// The estimate of Hodges and Lehmann (1963), Annals of Mathematical Statistics 34:598, with the interval
/// of Moses at the confidence 1 - `alpha` (Hollander, Wolfe, Chicken 2014, chapter 4.3). Ties make the
/// interval wider than it need be, never narrower.
///
/// No list of all differences is made: an end is found by bisection over all numbers, counting the
/// differences up to it in the two ordered samples.
///
/// # Errors
///
/// When a sample is empty or holds something that is not finite, or `alpha` is no chance.
pub fn hodges_lehmann(treatment: &[f64], control: &[f64], alpha: f64) -> Result<HodgesLehmann, Refusal> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(Refusal::Invalid {
            field: "alpha",
            value: alpha,
            rule: "lie between 0 and 1",
        });
    }
    let differences = Differences::of(treatment, control)?;
    let pairs = differences.pairs;
    let estimate = if pairs % 2 == 1 {
        differences.smallest(pairs / 2 + 1)
    } else {
        f64::midpoint(
            differences.smallest(pairs / 2),
            differences.smallest(pairs / 2 + 1),
        )
    };
    let (first, exact) = first_kept(of_length(treatment), of_length(control), alpha);
    let interval = if first == 0 {
        Err(Refusal::Undefined {
            why: "with so few values every shift is possible at this level",
        })
    } else {
        Ok(Interval {
            lower: differences.smallest(first),
            upper: differences.smallest(pairs + 1 - first),
        })
    };
    Ok(HodgesLehmann {
        estimate,
        interval,
        exact,
    })
}

/// The place, counted from 1, of the smallest difference that the interval keeps; 0 when none can be left
/// out. And whether it was counted out.
fn first_kept(treatment: u64, control: u64, alpha: f64) -> (u64, bool) {
    if let Some(ways) = untied_ways(treatment, control) {
        let all: f64 = ways.iter().sum();
        let left_out = ways
            .iter()
            .scan(0.0, |sum, ways| {
                *sum += ways;
                Some(*sum)
            })
            .take_while(|sum| *sum / all < alpha / 2.0)
            .count();
        return (u64::try_from(left_out).unwrap_or(u64::MAX), true);
    }
    let pairs = count(treatment) * count(control);
    let deviation = (pairs * (count(treatment) + count(control) + 1.0) / 12.0).sqrt();
    (whole(pairs / 2.0 - normal::isf(alpha / 2.0) * deviation), false)
}

/// All differences of one value of each side, in order.
struct Differences {
    treatment: Vec<f64>,
    control: Vec<f64>,
    pairs: u64,
}

impl Differences {
    fn of(treatment: &[f64], control: &[f64]) -> Result<Self, Refusal> {
        if treatment.is_empty() || control.is_empty() {
            return Err(Refusal::TooFew {
                what: "values of each side",
                have: 0.0,
                need: 1.0,
            });
        }
        // Half of the range of numbers, so that no difference is infinite.
        let wrong = |value: &&f64| value.is_nan() || value.abs() > f64::MAX / 2.0;
        if let Some(value) = treatment.iter().chain(control).find(wrong) {
            return Err(Refusal::Invalid {
                field: "value",
                value: *value,
                rule: "be finite",
            });
        }
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        Ok(Self {
            treatment: sorted(treatment),
            control: sorted(control),
            pairs: of_length(treatment).saturating_mul(of_length(control)),
        })
    }

    /// How many are at most `bound`. A difference never falls while the treatment's value rises, rounded as
    /// it is, so the control is walked through once.
    fn up_to(&self, bound: f64) -> u64 {
        let mut rest = self.control.as_slice();
        let kept = |value: &f64| {
            while let Some((first, more)) = rest.split_first()
                && value - first > bound
            {
                rest = more;
            }
            of_length(rest)
        };
        self.treatment.iter().map(kept).sum()
    }

    /// The one at this place, counted from 1.
    fn smallest(&self, place: u64) -> f64 {
        let ends = |values: &[f64]| {
            let first = values.first().copied().unwrap_or_default();
            (first, values.last().copied().unwrap_or_default())
        };
        let (treatment, control) = (ends(&self.treatment), ends(&self.control));
        let (mut low, mut high) = (key(treatment.0 - control.1), key(treatment.1 - control.0));
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.up_to(of_key(middle)) >= place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // Turns -0 into 0.
        of_key(low) + 0.0
    }
}

const SIGN: u64 = 1 << 63;

/// Whole numbers in the order of the numbers.
const fn key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

const fn of_key(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is below 0 becomes 0, and there are fewer than 2^64 pairs"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}
