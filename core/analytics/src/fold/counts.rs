//! The tallies while they are counted: arms and metrics by number.

use super::lens::{Lens, Moment};
use super::meter::{Numbers, step};
use super::participant::{Participant, Standing};
use tidegate_model::experiment::tally::{ArmTally, LeftOut, MetricTally};

/// One arm, or the part of it that has something in common.
#[derive(Debug, Clone)]
pub(super) struct ArmCounts {
    pub(super) units: u64,
    pub(super) metrics: Vec<MetricTally>,
}

impl ArmCounts {
    pub(super) fn empty(lens: &Lens) -> Self {
        Self {
            units: 0,
            metrics: lens.metrics.iter().map(super::lens::Gauge::empty).collect(),
        }
    }

    /// Adds one number of a unit, or takes it away.
    pub(super) fn count(&mut self, metric: u16, numbers: Numbers, add: bool) {
        if let Some(tally) = self.metrics.get_mut(usize::from(metric)) {
            numbers.count(tally, add);
        }
    }

    pub(super) fn tally(&self, lens: &Lens) -> ArmTally {
        let names = lens.metrics.iter().map(|gauge| gauge.name.clone());
        ArmTally {
            units: self.units,
            metrics: names.zip(self.metrics.iter().cloned()).collect(),
        }
    }
}

/// All arms, and what is in none.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) arms: Vec<ArmCounts>,
    pub(super) left_out: LeftOut,
}

/// How much of a unit is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent<'a> {
    /// Everything that it is.
    Whole,
    /// These metrics alone.
    Metrics(&'a [u16]),
}

impl Counts {
    pub(super) fn empty(lens: &Lens) -> Self {
        Self {
            arms: vec![ArmCounts::empty(lens); lens.arms.len()],
            left_out: LeftOut::default(),
        }
    }

    /// Adds what a unit is when nothing counts from `stop` on, or takes it away.
    pub(super) fn count(
        &mut self,
        lens: &Lens,
        one: &Participant,
        stop: Moment,
        extent: Extent<'_>,
        add: bool,
    ) {
        let standing = one.standing(stop);
        if let Extent::Whole = extent {
            step(&mut self.left_out.after_stop, one.after(stop), add);
        }
        match (standing, extent) {
            (Standing::Nobody, _) | (Standing::Twice(_) | Standing::Excluded(_), Extent::Metrics(_)) => {}
            (Standing::Twice(_), Extent::Whole) => step(&mut self.left_out.double_exposed, 1, add),
            (Standing::Excluded(arms), Extent::Whole) => step(&mut self.left_out.excluded, arms, add),
            (Standing::In(seen), _) => {
                let Some(arm) = self.arms.get_mut(usize::from(seen.arm)) else {
                    return;
                };
                let metrics = match extent {
                    Extent::Whole => {
                        step(&mut arm.units, 1, add);
                        &lens.all
                    }
                    Extent::Metrics(metrics) => metrics,
                };
                let known = one.is_known(seen.at, lens.history);
                for metric in metrics {
                    if let Some(numbers) = one.numbers(lens, *metric, seen.at, known) {
                        arm.count(*metric, numbers, add);
                    }
                }
            }
        }
    }
}
