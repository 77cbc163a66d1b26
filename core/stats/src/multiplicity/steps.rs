//! The corrections, on p-values in order. Each gives the adjusted p-values and the level of the matching
//! interval for every one of them, where there is one.

use super::scale::{ONE, any_of, checked, larger_of, order, simes, smaller_of, times};
use super::{Adjusted, at_most, length};
use crate::moments::count;
use crate::{PValue, Refusal};
use std::cmp::Ordering;

/// Adjusted p-values in order, and the levels of their intervals.
type Steps = (Vec<PValue>, Vec<Option<f64>>);

/// P-values from the smallest on, with their places before.
pub(super) struct Ordered {
    p: Vec<PValue>,
    places: Vec<usize>,
    m: f64,
}

impl Ordered {
    pub(super) fn of(p_values: &[PValue]) -> Result<Self, Refusal> {
        if p_values.is_empty() {
            return Err(Refusal::TooFew {
                what: "p-values",
                have: 0.0,
                need: 1.0,
            });
        }
        let mut placed = p_values
            .iter()
            .enumerate()
            .map(|(place, p)| checked(p).map(|p| (p, place)))
            .collect::<Result<Vec<_>, _>>()?;
        placed.sort_by(|a, b| order(&a.0, &b.0));
        let (p, places) = placed.into_iter().unzip();
        Ok(Self {
            p,
            places,
            m: length(p_values),
        })
    }

    /// Back to the places before.
    pub(super) fn in_place(&self, answers: impl Iterator<Item = Adjusted>) -> Vec<Adjusted> {
        let mut placed: Vec<_> = self.places.iter().zip(answers).collect();
        placed.sort_by_key(|(place, _)| **place);
        placed.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Each with its rank from 1.
    fn ranked(&self) -> impl DoubleEndedIterator<Item = (f64, PValue)> + ExactSizeIterator {
        self.p.iter().enumerate().map(|(below, p)| (rank(below), *p))
    }

    fn one_level(&self, adjusted: Vec<PValue>, level: f64) -> Steps {
        (adjusted, vec![Some(level); self.p.len()])
    }

    pub(super) fn bonferroni(&self, alpha: f64) -> Steps {
        let adjusted = self.p.iter().map(|p| times(*p, self.m)).collect();
        self.one_level(adjusted, alpha / self.m)
    }

    pub(super) fn sidak(&self, alpha: f64) -> Steps {
        let adjusted = self.p.iter().map(|p| any_of(*p, self.m)).collect();
        self.one_level(adjusted, one_of(alpha, self.m))
    }

    pub(super) fn holm(&self, alpha: f64) -> Steps {
        self.step_down(alpha, times, |left| alpha / left)
    }

    pub(super) fn holm_sidak(&self, alpha: f64) -> Steps {
        self.step_down(alpha, any_of, |left| one_of(alpha, left))
    }

    /// From the smallest on, each by how many hypotheses are left; once one is kept, all that follow are kept
    /// at its level. The same p-values have the same level, that of the first of them.
    fn step_down(
        &self,
        alpha: f64,
        adjust: impl Fn(PValue, f64) -> PValue,
        level: impl Fn(f64) -> f64,
    ) -> Steps {
        let mut so_far = PValue::new(0.0, f64::NEG_INFINITY);
        let mut keeps = false;
        let mut last: Option<(PValue, f64)> = None;
        self.ranked()
            .map(|(rank, p)| {
                let left = self.m - rank + 1.0;
                so_far = larger_of(so_far, adjust(p, left));
                let here = match last {
                    Some((before, level)) if keeps || order(&before, &p) == Ordering::Equal => level,
                    _ => level(left),
                };
                last = Some((p, here));
                keeps = keeps || !at_most(&so_far, alpha);
                (so_far, Some(here))
            })
            .unzip()
    }

    /// From the largest on, the smallest so far of what each one is adjusted to.
    fn downwards(&self, adjust: impl Fn(PValue, f64) -> PValue) -> Vec<PValue> {
        let mut so_far = ONE;
        let mut adjusted: Vec<PValue> = self
            .ranked()
            .rev()
            .map(|(rank, p)| {
                so_far = smaller_of(so_far, adjust(p, rank));
                so_far
            })
            .collect();
        adjusted.reverse();
        adjusted
    }

    pub(super) fn hochberg(&self, alpha: f64) -> Steps {
        let adjusted = self.downwards(|p, rank| times(p, self.m - rank + 1.0));
        let rejected = rejected(&adjusted, alpha).max(1.0);
        self.one_level(adjusted, alpha / (self.m - rejected + 1.0))
    }

    /// The false discovery rate; `penalty` is what dependence costs.
    pub(super) fn step_up(&self, alpha: f64, penalty: f64) -> Steps {
        let factor = self.m * penalty;
        let adjusted = self.downwards(|p, rank| times(p, factor / rank));
        let rejected = rejected(&adjusted, alpha).max(1.0);
        self.one_level(adjusted, alpha * (rejected / factor))
    }

    /// The first stage, at alpha / (1 + alpha), tells how many nulls may be true.
    pub(super) fn two_stage(&self, alpha: f64) -> Steps {
        let stage = |nulls: f64| self.downwards(|p, rank| times(p, nulls / rank * (1.0 + alpha)));
        let first = stage(self.m);
        let found = rejected(&first, alpha);
        let nulls = if found < self.m { self.m - found } else { self.m };
        let adjusted = if nulls < self.m { stage(nulls) } else { first };
        let none = adjusted.iter().map(|_| None).collect();
        (adjusted, none)
    }

    /// Wright (1992), Biometrics 48:1005: a hypothesis is rejected when Simes' test rejects every set that holds it.
    /// Of the sets of one size that is hardest for the one with the largest others.
    pub(super) fn hommel(&self, alpha: f64) -> Steps {
        let all = self.p.len();
        let mut adjusted = self.p.clone();
        // The level of the largest set that is kept.
        let mut level = None;
        for others in (0..all).rev() {
            let size = rank(others);
            let (candidates, largest) = self.p.split_at(all - others);
            let by_others = largest
                .iter()
                .enumerate()
                .map(|(below, p)| simes(*p, size, rank(below) + 1.0))
                .fold(ONE, smaller_of);
            let (adjusted_candidates, adjusted_largest) = adjusted.split_at_mut(candidates.len());
            let mut hardest = by_others;
            for (adjusted, p) in adjusted_candidates.iter_mut().zip(candidates) {
                hardest = smaller_of(times(*p, size), by_others);
                *adjusted = larger_of(*adjusted, hardest);
            }
            // The last candidate and all others are the largest of this size.
            for adjusted in adjusted_largest {
                *adjusted = larger_of(*adjusted, hardest);
            }
            if level.is_none() && !at_most(&hardest, alpha) {
                level = Some(alpha / size);
            }
        }
        self.one_level(adjusted, level.unwrap_or(alpha))
    }
}

/// How many of the adjusted p-values are at most alpha.
fn rejected(adjusted: &[PValue], alpha: f64) -> f64 {
    let rejected = adjusted.iter().take_while(|p| at_most(p, alpha)).count();
    count(u64::try_from(rejected).unwrap_or(u64::MAX))
}

/// The level of one of `m` independent tests that together have the level alpha: `1 - (1 - alpha)^(1 / m)`.
fn one_of(alpha: f64, m: f64) -> f64 {
    -((-alpha).ln_1p() / m).exp_m1()
}

/// The rank from 1 of what has so many below it.
fn rank(below: usize) -> f64 {
    count(u64::try_from(below).unwrap_or(u64::MAX)) + 1.0
}
