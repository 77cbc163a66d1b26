//! Chi-squared tests of tables with rows of arms and columns of outcomes.

use crate::distribution::chi_squared as distribution;
use crate::moments::count;
use crate::proportion::wide;
use crate::{Counts, PValue, Refusal};

/// Up to here the products of two totals are whole numbers that can be subtracted.
const TOTAL_MAX: u128 = 1 << 62;
/// Up to this relative distance from the expected count the series is used.
const NEAR: f64 = 0.1;
/// Terms of the series, which leave less than the last digit at [`NEAR`].
const TERMS: u32 = 18;

/// What a chi-squared test of a table says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TableTest {
    /// The statistic, at least 0.
    pub statistic: f64,
    /// Its degrees of freedom: (rows - 1) (columns - 1).
    pub df: f64,
    /// The chance of such a table or a more uneven one if rows and columns are independent.
    pub p: PValue,
}

/// Pearson's chi-squared test of independence, without correction. Each row is an arm, each column an outcome.
///
/// # Errors
///
/// [`Refusal::TooFew`] below two rows or columns or with a row without counts, [`Refusal::NoVariance`] with a
/// column without counts, [`Refusal::Invalid`] when rows have different lengths or all counts together are
/// above 2^62.
pub fn chi_squared<R: AsRef<[u64]>>(rows: &[R]) -> Result<TableTest, Refusal> {
    test(rows, |cell| cell.distance() * cell.distance() * cell.expected)
}

/// The likelihood ratio test of independence, the G test: as [`chi_squared`], with twice the logarithm of the
/// likelihood ratio as its statistic.
///
/// # Errors
///
/// As [`chi_squared`].
pub fn g_test<R: AsRef<[u64]>>(rows: &[R]) -> Result<TableTest, Refusal> {
    test(rows, |cell| 2.0 * cell.expected * deviance(cell.distance()))
}

/// The chi-squared test of two proportions with the continuity correction of Yates (1934): half a count, or
/// less where the observed count is closer to the expected one. It rejects too rarely; Fisher's exact test or
/// the plain one is to be preferred.
///
/// # Errors
///
/// [`Refusal::NoVariance`] when nothing or everything happened in both arms. [`Refusal::TooFew`] without
/// trials, [`Refusal::Invalid`] with more events than trials or more than 2^62 of them.
pub fn yates(control: Counts, treatment: Counts) -> Result<TableTest, Refusal> {
    let row = |counts: Counts| {
        counts.trials.checked_sub(counts.events).map_or(
            Err(Refusal::Invalid {
                field: "events",
                value: count(counts.events),
                rule: "be at most the number of trials",
            }),
            |others| Ok([counts.events, others]),
        )
    };
    test(&[row(control)?, row(treatment)?], |cell| {
        let off = cell.off.abs();
        (off - off.min(0.5)).powi(2) / cell.expected
    })
}

/// One cell of a table.
struct Cell {
    expected: f64,
    /// What was observed less what was expected.
    off: f64,
}

impl Cell {
    /// How far off it is as a share of what was expected.
    fn distance(&self) -> f64 {
        self.off / self.expected
    }
}

fn test<R: AsRef<[u64]>>(rows: &[R], part: impl Fn(&Cell) -> f64) -> Result<TableTest, Refusal> {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    for (what, have) in [("rows", rows.len()), ("columns", columns)] {
        if have < 2 {
            return Err(Refusal::TooFew {
                what,
                have: size(have),
                need: 2.0,
            });
        }
    }
    if let Some(row) = rows.iter().find(|row| row.as_ref().len() != columns) {
        return Err(Refusal::Invalid {
            field: "the length of a row",
            value: size(row.as_ref().len()),
            rule: "be that of the first row",
        });
    }
    let sum_of = |row: &R| row.as_ref().iter().map(|n| u128::from(*n)).sum::<u128>();
    let total: u128 = rows.iter().map(sum_of).sum();
    if total > TOTAL_MAX {
        return Err(Refusal::Invalid {
            field: "the sum of all counts",
            value: wide(total),
            rule: "be at most 2^62",
        });
    }
    if rows.iter().any(|row| sum_of(row) == 0) {
        return Err(Refusal::TooFew {
            what: "counts in a row",
            have: 0.0,
            need: 1.0,
        });
    }
    let mut statistic = 0.0;
    for column in 0..columns {
        let cells = || {
            rows.iter()
                .filter_map(|row| row.as_ref().get(column).map(|n| (row, u128::from(*n))))
        };
        let of_column: u128 = cells().map(|(_row, n)| n).sum();
        if of_column == 0 {
            return Err(Refusal::NoVariance);
        }
        for (row, observed) in cells() {
            // Crosswise products of whole numbers: nearly equal counts keep their difference.
            let (above, below) = (observed * total, sum_of(row) * of_column);
            let off = wide(above.abs_diff(below)) / wide(total);
            statistic += part(&Cell {
                expected: wide(below) / wide(total),
                off: if above < below { -off } else { off },
            });
        }
    }
    let df = (size(rows.len()) - 1.0) * (size(columns) - 1.0);
    Ok(TableTest {
        statistic,
        df,
        p: PValue::from_ln(distribution::ln_sf(statistic, df)),
    })
}

/// The part of a cell in half the likelihood ratio per expected count: (1 + t) ln(1 + t) - t, which is at
/// least 0. The counts less the expected ones sum to 0, so taking them off changes nothing but the rounding.
fn deviance(t: f64) -> f64 {
    if t <= -1.0 {
        return 1.0;
    }
    if t.abs() > NEAR {
        return (1.0 + t) * t.ln_1p() - t;
    }
    // Its series, t^2 / 2 - t^3 / 6 + t^4 / 12 - ..., by Horner.
    let sum = (2..TERMS + 2).rev().fold(0.0, |sum, k| {
        let k = f64::from(k);
        1.0 / (k * (k - 1.0)) - t * sum
    });
    t * t * sum
}

fn size(n: usize) -> f64 {
    u64::try_from(n).map_or(f64::INFINITY, count)
}
