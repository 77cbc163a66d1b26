//! The test of Mann and Whitney (1947), Annals of Mathematical Statistics 18:50, also called the rank sum
//! test of Wilcoxon.

use super::{Method, Pooled};
use crate::distribution::normal;
use crate::moments::count;
use crate::{Alternative, PValue, Refusal};
use std::cell::Cell;
use std::f64::consts::LN_2;

/// Up to so many values together the distribution of U is counted out by [`Method::Automatic`]; above, it
/// is normal to within three thousandths.
const AUTOMATIC_MAX: u64 = 40;
/// Up to so many values together it can be counted out when some are tied.
const TIED_MAX: u64 = 100;
/// Up to so many pairs it can be counted out when none are tied.
const UNTIED_PAIRS_MAX: f64 = 1e6;
/// Up to so many ways to divide the values, whole numbers have all their digits: 2^53.
const WAYS_MAX: f64 = 9_007_199_254_740_992.0;

/// What ranks say about two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// How many pairs have the larger value in the treatment; a tie is half a pair.
    pub u: f64,
    /// The number of pairs.
    pub pairs: f64,
    /// The chance of a U as far out or farther if both came from one distribution; refused when all
    /// values are the same, which is evidence of nothing.
    pub p: Result<PValue, Refusal>,
    /// Whether the chance was counted out.
    pub exact: bool,
}

impl MannWhitney {
    /// The chance that a value of the treatment is larger than one of the control, ties counted half:
    /// the probability of superiority, A12 (Vargha, Delaney 2000). From 0 to 1; 0.5 is no difference.
    #[must_use]
    pub fn superiority(&self) -> f64 {
        self.u / self.pairs
    }

    /// Cliff's delta (Cliff 1993, Psychological Bulletin 114:494), from -1 (every value of the treatment
    /// is smaller) to 1 (every one is larger); with its sign the rank-biserial correlation. Usual words:
    /// from 0.147 small, from 0.33 medium, from 0.474 large (Romano et al. 2006).
    #[must_use]
    pub fn cliffs_delta(&self) -> f64 {
        2.0 * self.superiority() - 1.0
    }
}

/// The test of Mann and Whitney, with midranks for ties.
///
/// The normal approximation has the variance corrected for ties (Hollander, Wolfe, Chicken 2014,
/// equation 4.13). Two sides are twice the smaller tail.
///
/// # Errors
///
/// When the distribution shall be counted out and there are too many values: more than 100 in all with ties,
/// or more than 2^53 ways to divide them without.
pub fn mann_whitney(
    pooled: &Pooled,
    alternative: Alternative,
    method: Method,
) -> Result<MannWhitney, Refusal> {
    let exact = match method {
        Method::Automatic => pooled.all() <= AUTOMATIC_MAX,
        Method::Exact => true,
        Method::Asymptotic { .. } => false,
    };
    let continuity = method != Method::Asymptotic { continuity: false };
    let p = if pooled.all_tied() {
        Err(Refusal::NoVariance)
    } else if exact {
        Ok(counted(pooled, alternative)?)
    } else {
        let ranking = Ranking {
            u: pooled.u(),
            pairs: pooled.pairs(),
            all: count(pooled.all()),
            tied: pooled.ties().map(|tie| count(tie.both())).map(cubed).sum(),
        };
        Ok(normally(&ranking, alternative, continuity))
    };
    Ok(MannWhitney {
        u: pooled.u(),
        pairs: pooled.pairs(),
        p,
        exact,
    })
}

/// What the normal approximation looks at.
pub(super) struct Ranking {
    pub(super) u: f64,
    pub(super) pairs: f64,
    /// The number of values.
    pub(super) all: f64,
    /// Over distinct values the cube of how often it is there, less how often.
    pub(super) tied: f64,
}

pub(super) fn normally(ranking: &Ranking, alternative: Alternative, continuity: bool) -> PValue {
    let Ranking { u, pairs, all, tied } = *ranking;
    let variance = pairs / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
    let off = u - pairs / 2.0;
    let off = match alternative {
        Alternative::Greater => off,
        Alternative::Less => -off,
        Alternative::TwoSided => off.abs(),
    };
    let correction = if continuity { 0.5 } else { 0.0 };
    let z = (off - correction) / variance.sqrt();
    match alternative {
        Alternative::Greater | Alternative::Less => PValue::new(normal::sf(z), normal::ln_sf(z)),
        Alternative::TwoSided => doubled(normal::sf(z), normal::ln_sf(z)),
    }
}

fn doubled(p: f64, ln: f64) -> PValue {
    PValue::new((2.0 * p).min(1.0), (ln + LN_2).min(0.0))
}

fn cubed(tie: f64) -> f64 {
    tie * tie * tie - tie
}

fn counted(pooled: &Pooled, alternative: Alternative) -> Result<PValue, Refusal> {
    // The ways for each value of U, or of 2 U when half a pair can occur; and where the observed one is.
    let untied = || untied_ways(pooled.treatment(), pooled.control());
    let (ways, here) = match pooled.untied().then(untied).flatten() {
        Some(ways) => (ways, pooled.u()),
        None => (tied_ways(pooled)?, 2.0 * pooled.u()),
    };
    let all: f64 = ways.iter().sum();
    let here = rank(here);
    let below = ways.iter().take(here + 1).sum::<f64>() / all;
    let above = ways.iter().skip(here).sum::<f64>() / all;
    Ok(match alternative {
        Alternative::Greater => PValue::new(above.min(1.0), above.ln().min(0.0)),
        Alternative::Less => PValue::new(below.min(1.0), below.ln().min(0.0)),
        Alternative::TwoSided => doubled(above.min(below), above.min(below).ln()),
    })
}

/// For every value of U the ways to divide as many different values, or `None` where numbers cannot hold
/// them: the coefficients of the Gaussian binomial, the product of (1 - q^(m + i)) / (1 - q^i).
pub(super) fn untied_ways(one: u64, other: u64) -> Option<Vec<f64>> {
    let (few, many) = (one.min(other), one.max(other));
    if count(few) * count(many) > UNTIED_PAIRS_MAX {
        return None;
    }
    let all = (1..=few).fold(1.0, |ways, i| ways * count(many + i) / count(i));
    if all >= WAYS_MAX {
        return None;
    }
    let (few, many) = (usize::try_from(few).ok()?, usize::try_from(many).ok()?);
    let mut ways = vec![0.0; few * many + 1];
    if let Some(first) = ways.first_mut() {
        *first = 1.0;
    }
    let cells = Cell::from_mut(ways.as_mut_slice()).as_slice_of_cells();
    for i in 1..=few {
        for (high, low) in cells.iter().rev().zip(cells.iter().rev().skip(many + i)) {
            high.set(high.get() - low.get());
        }
        for (low, high) in cells.iter().zip(cells.iter().skip(i)) {
            high.set(high.get() + low.get());
        }
    }
    Some(ways)
}

/// For every value of 2 U the ways to draw the treatment from the pooled values, ties as they are: adds
/// one value after another to what can have been drawn (Streitberg, Röhmel 1986).
fn tied_ways(pooled: &Pooled) -> Result<Vec<f64>, Refusal> {
    if pooled.all() > TIED_MAX {
        return Err(Refusal::Invalid {
            field: "number of values",
            value: count(pooled.all()),
            rule: "be smaller to count all ways to divide them",
        });
    }
    let drawn = rank(count(pooled.treatment()));
    let ranks = || {
        pooled.ranked().map(|at| {
            let below = 2 * (at.treatment_below + at.control_below);
            (at.tie.both(), rank(count(below + at.tie.both() - 1)))
        })
    };
    // The most that so many of the highest ranks can add up to.
    let mut highest: Vec<usize> = ranks()
        .flat_map(|(both, rank)| (0..both).map(move |_| rank))
        .collect();
    highest.reverse();
    let largest: usize = highest.iter().take(drawn).sum();
    let mut ways = vec![vec![0.0_f64; largest + 1]; drawn + 1];
    if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
        *none = 1.0;
    }
    for (seen, rank) in highest.iter().rev().enumerate() {
        for k in (1..=drawn.min(seen + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(k);
            if let (Some(fewer), Some(more)) = (fewer.last(), more.first_mut()) {
                for (sum, way) in fewer.iter().zip(more.iter_mut().skip(*rank)) {
                    *way += sum;
                }
            }
        }
    }
    // Doubled rank sums, counted from 0, are 2 U and the least that so many ranks add up to.
    let least = drawn * (drawn - 1);
    Ok(ways.pop().unwrap_or_default().split_off(least))
}

/// A small whole number that is a position in a list.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number from 0 to some ten thousands"
)]
const fn rank(whole: f64) -> usize {
    whole as usize
}
