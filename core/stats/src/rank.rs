//! Two samples compared by ranks: for values whose distribution nobody knows, with outliers that a mean
//! would follow.
//!
//! The test is that of Mann and Whitney (1947), Annals of Mathematical Statistics 18:50, with midranks
//! for ties (Hollander, Wolfe, Chicken 2014, Nonparametric Statistical Methods, chapter 4). How large a
//! difference is, say Cliff's delta (Cliff 1993, Psychological Bulletin 114:494) and the probability of
//! superiority, also called A12 (Vargha, Delaney 2000).

use crate::Alternative;
use statrs::distribution::{ContinuousCDF as _, Normal};
use std::cmp::Ordering;

/// Up to so many values together the distribution of U is counted out; above, it is normal to within
/// three thousandths.
const EXACT_VALUES_MAX: usize = 40;

/// How the distribution of U is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By counting all ways to divide the pooled values, ties as they are.
    Exact,
    /// By a normal distribution with the variance corrected for ties.
    Normal {
        /// Whether half a unit is taken off, because U is a whole number.
        continuity: bool,
    },
}

/// What ranks say about two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// How many pairs have the larger value in the treatment; a tie is half a pair.
    pub u: f64,
    /// The number of pairs.
    pub pairs: f64,
    /// The chance of a U as far out or farther if both came from one distribution; `None` when all
    /// values are the same, which is evidence of nothing.
    pub p: Option<f64>,
    /// Whether the chance was counted out.
    pub exact: bool,
}

impl MannWhitney {
    /// The chance that a value of the treatment is larger than one of the control, ties counted half:
    /// the probability of superiority, A12. From 0 to 1; 0.5 is no difference.
    #[must_use]
    pub fn superiority(&self) -> f64 {
        self.u / self.pairs
    }

    /// Cliff's delta, from -1 (every value of the treatment is smaller) to 1 (every one is larger).
    /// Usual words: from 0.147 small, from 0.33 medium, from 0.474 large (Romano et al. 2006).
    #[must_use]
    pub fn cliffs_delta(&self) -> f64 {
        2.0 * self.superiority() - 1.0
    }
}

/// The test by the method that suits the sizes: counted out for few values, normal with continuity
/// correction for many. `None` when a sample is empty or holds something that is no number.
#[must_use]
pub fn mann_whitney(treatment: &[f64], control: &[f64], alternative: Alternative) -> Option<MannWhitney> {
    let method = if treatment.len() + control.len() <= EXACT_VALUES_MAX {
        Method::Exact
    } else {
        Method::Normal { continuity: true }
    };
    mann_whitney_by(treatment, control, alternative, method)
}

/// The test by one method. `None` when a sample is empty or holds something that is no number.
#[must_use]
pub fn mann_whitney_by(
    treatment: &[f64],
    control: &[f64],
    alternative: Alternative,
    method: Method,
) -> Option<MannWhitney> {
    let ranks = Ranks::of(treatment, control)?;
    let p = match method {
        Method::Exact => ranks.exact(alternative),
        Method::Normal { continuity } => ranks.normal(alternative, continuity),
    };
    Some(MannWhitney {
        u: ranks.u(),
        pairs: ranks.pairs(),
        p,
        exact: method == Method::Exact,
    })
}

/// Two samples in one order.
struct Ranks {
    /// For each distinct value, from the smallest: how many of the treatment and of both have it.
    ties: Vec<(usize, usize)>,
    treatment: usize,
    control: usize,
}

impl Ranks {
    fn of(treatment: &[f64], control: &[f64]) -> Option<Self> {
        let both = || treatment.iter().chain(control);
        if treatment.is_empty() || control.is_empty() || both().any(|value| value.is_nan()) {
            return None;
        }
        let mut values: Vec<(f64, usize)> = treatment.iter().map(|value| (*value, 1)).collect();
        values.extend(control.iter().map(|value| (*value, 0)));
        values.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        let tied = values.chunk_by(|a, b| a.0 == b.0);
        Some(Self {
            ties: tied
                .map(|tie| (tie.iter().map(|value| value.1).sum(), tie.len()))
                .collect(),
            treatment: treatment.len(),
            control: control.len(),
        })
    }

    fn pairs(&self) -> f64 {
        float(self.treatment) * float(self.control)
    }

    /// Twice the sum of the treatment's midranks, counted from 0: a whole number even with ties.
    fn doubled_rank_sum(&self) -> usize {
        self.doubled_midranks()
            .map(|(treatment, _, midrank)| treatment * midrank)
            .sum()
    }

    /// For each distinct value: its count in the treatment, in both, and twice its midrank from 0.
    fn doubled_midranks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.ties.iter().scan(0, |below, (treatment, both)| {
            let midrank = 2 * *below + both - 1;
            *below += both;
            Some((*treatment, *both, midrank))
        })
    }

    fn u(&self) -> f64 {
        let least = self.treatment * (self.treatment - 1);
        float(self.doubled_rank_sum() - least) / 2.0
    }

    fn all_tied(&self) -> bool {
        self.ties.len() == 1
    }

    /// Counts, for every rank sum, the ways to draw the treatment from the pooled values.
    fn exact(&self, alternative: Alternative) -> Option<f64> {
        if self.all_tied() {
            return None;
        }
        let drawn = self.treatment;
        let largest: usize = self.doubled_midranks().map(|(_, both, rank)| both * rank).sum();
        // ways[k][s]: chances to have drawn k values with a doubled rank sum of s, so far. Kept as
        // shares of all ways from the start, so that nothing overflows.
        let mut ways = vec![vec![0.0_f64; largest + 1]; drawn + 1];
        if let Some(none) = ways.first_mut().and_then(|sums| sums.first_mut()) {
            *none = 1.0;
        }
        let mut seen = 0;
        for (_, both, rank) in self.doubled_midranks() {
            for _ in 0..both {
                seen += 1;
                for k in (1..=drawn.min(seen)).rev() {
                    let (fewer, more) = ways.split_at_mut(k);
                    if let (Some(fewer), Some(more)) = (fewer.last(), more.first_mut()) {
                        for (sum, way) in fewer.iter().zip(more.iter_mut().skip(rank)) {
                            *way += sum;
                        }
                    }
                }
            }
        }
        let sums = ways.last()?;
        let all: f64 = sums.iter().sum();
        let here = self.doubled_rank_sum();
        let below: f64 = sums.iter().take(here + 1).sum::<f64>() / all;
        let above: f64 = sums.iter().skip(here).sum::<f64>() / all;
        Some(match alternative {
            Alternative::Greater => above,
            Alternative::Less => below,
            Alternative::TwoSided => (2.0 * above.min(below)).min(1.0),
        })
    }

    fn normal(&self, alternative: Alternative, continuity: bool) -> Option<f64> {
        let all = float(self.treatment + self.control);
        let tied: f64 = self.ties.iter().map(|(_, both)| float(*both)).map(cubed).sum();
        let variance = self.pairs() / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
        if self.all_tied() || variance <= 0.0 {
            return None;
        }
        let off = self.u() - self.pairs() / 2.0;
        let off = match alternative {
            Alternative::Greater => off,
            Alternative::Less => -off,
            Alternative::TwoSided => off.abs(),
        };
        let correction = if continuity { 0.5 } else { 0.0 };
        let tail = Normal::standard().sf((off - correction) / variance.sqrt());
        Some(match alternative {
            Alternative::Greater | Alternative::Less => tail,
            Alternative::TwoSided => (2.0 * tail).min(1.0),
        })
    }
}

fn cubed(tie: f64) -> f64 {
    tie * tie * tie - tie
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples have far fewer than 2^53 values"
)]
fn float(count: usize) -> f64 {
    count as f64
}
