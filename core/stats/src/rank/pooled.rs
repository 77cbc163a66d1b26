//! Two samples in one order.

use crate::Refusal;
use crate::moments::count;
use std::cmp::Ordering;

/// Two samples in one order, as counts for each distinct value. It is all that a rank statistic needs, so
/// it can be made of the samples or of a histogram of whole numbers, such as ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct Pooled {
    /// For each distinct value, from the smallest: how often each side has it.
    ties: Vec<Tie>,
    treatment: u64,
    control: u64,
}

/// One distinct value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tie {
    pub(super) treatment: u64,
    pub(super) control: u64,
}

impl Tie {
    pub(super) const fn both(self) -> u64 {
        self.treatment + self.control
    }
}

/// A distinct value with what lies below it.
pub(super) struct Ranked {
    pub(super) tie: Tie,
    /// How many of the treatment are smaller.
    pub(super) treatment_below: u64,
    /// How many of the control are smaller.
    pub(super) control_below: u64,
}

impl Pooled {
    /// From the samples. Infinite values are larger or smaller than all others.
    ///
    /// # Errors
    ///
    /// When a sample is empty or holds something that is no number.
    pub fn of_values(treatment: &[f64], control: &[f64]) -> Result<Self, Refusal> {
        if let Some(value) = treatment.iter().chain(control).find(|value| value.is_nan()) {
            return Err(Refusal::Invalid {
                field: "value",
                value: *value,
                rule: "be a number",
            });
        }
        let mut values: Vec<(f64, u64)> = Vec::with_capacity(treatment.len() + control.len());
        values.extend(treatment.iter().map(|value| (*value, 1)));
        values.extend(control.iter().map(|value| (*value, 0)));
        values.sort_unstable_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
        let tied = values.chunk_by(|a, b| a.0 == b.0);
        Self::of_counts(tied.map(|tie| {
            let treatment = tie.iter().map(|value| value.1).sum();
            (treatment, of_length(tie) - treatment)
        }))
    }

    /// From counts: for each distinct value, from the smallest, how often the treatment and how often the
    /// control has it.
    ///
    /// # Errors
    ///
    /// When a side has no value at all.
    pub fn of_counts(counts: impl IntoIterator<Item = (u64, u64)>) -> Result<Self, Refusal> {
        let ties: Vec<Tie> = counts
            .into_iter()
            .map(|(treatment, control)| Tie { treatment, control })
            .filter(|tie| tie.both() > 0)
            .collect();
        let treatment = ties.iter().map(|tie| tie.treatment).sum();
        let control = ties.iter().map(|tie| tie.control).sum();
        if treatment == 0 || control == 0 {
            return Err(Refusal::TooFew {
                what: "values of each side",
                have: 0.0,
                need: 1.0,
            });
        }
        Ok(Self {
            ties,
            treatment,
            control,
        })
    }

    /// How many values the treatment has.
    #[must_use]
    pub const fn treatment(&self) -> u64 {
        self.treatment
    }

    /// How many values the control has.
    #[must_use]
    pub const fn control(&self) -> u64 {
        self.control
    }

    pub(super) const fn all(&self) -> u64 {
        self.treatment + self.control
    }

    /// The number of pairs of one value of each side.
    pub(super) fn pairs(&self) -> f64 {
        count(self.treatment) * count(self.control)
    }

    pub(super) fn ties(&self) -> impl Iterator<Item = Tie> {
        self.ties.iter().copied()
    }

    /// Each distinct value with what lies below it.
    pub(super) fn ranked(&self) -> impl Iterator<Item = Ranked> {
        self.ties.iter().scan((0, 0), |(treatment, control), tie| {
            let ranked = Ranked {
                tie: *tie,
                treatment_below: *treatment,
                control_below: *control,
            };
            *treatment += tie.treatment;
            *control += tie.control;
            Some(ranked)
        })
    }

    /// Whether there is one value only, which is evidence of nothing.
    pub(super) const fn all_tied(&self) -> bool {
        self.ties.len() == 1
    }

    /// Whether all values differ.
    pub(super) fn untied(&self) -> bool {
        self.ties.iter().all(|tie| tie.both() == 1)
    }

    /// U: how many pairs have the larger value in the treatment, a tie counted half.
    pub(super) fn u(&self) -> f64 {
        self.ranked()
            .map(|at| count(at.tie.treatment) * (count(at.control_below) + count(at.tie.control) / 2.0))
            .sum()
    }
}

/// The length of a slice as a count.
pub(super) fn of_length<T>(slice: &[T]) -> u64 {
    u64::try_from(slice.len()).unwrap_or(u64::MAX)
}
