//! What there is to tell of a unit that was dealt an arm of an experiment.

use crate::evaluation::Evaluation;
use crate::experiment::Experiment;
use crate::flag::CompiledFlag;
use crate::outcome::Cause;
use crate::prepared::PreparedContext;
use crate::snapshot::CompiledSnapshot;
use std::collections::BTreeMap;
use tidegate_model::key::{ExperimentKey, VariationKey};

/// Longest value of a dimension that is told, in bytes. Results are broken down by a few values; a longer
/// text is cut.
pub const DIMENSION_BYTES_MAX: usize = 255;

/// An arm that a unit was dealt, by [`Evaluation::dealt`]. Borrowed from the snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Dealt<'a> {
    flag: &'a CompiledFlag,
    experiment: &'a Experiment,
    arm: u16,
}

impl<'a> Evaluation<'a> {
    /// The arm that was dealt, if an experiment decided.
    #[inline]
    pub fn dealt(&self) -> Option<Dealt<'a>> {
        if self.outcome.cause() != Cause::Experiment {
            return None;
        }
        Some(Dealt {
            flag: self.flag,
            experiment: self.flag.experiment.as_deref()?,
            arm: self.outcome.variation()?,
        })
    }
}

impl<'a> Dealt<'a> {
    /// Which experiment.
    pub fn experiment(&self) -> &'a ExperimentKey {
        &self.experiment.key
    }

    /// Under which dealing of it.
    pub fn batch(&self) -> u32 {
        self.experiment.batch
    }

    /// Which arm.
    pub fn arm(&self) -> Option<&'a VariationKey> {
        let variation = self.flag.variations.get(usize::from(self.arm));
        variation.map(|variation| &variation.key)
    }

    /// Stands for this unit and this arm of this dealing: another one has another number, but for chance
    /// (one in 2^64). Allocates nothing. `None` when the context has no unit, which is dealt nothing.
    #[inline]
    pub fn trace(&self, context: &PreparedContext<'_>) -> Option<u64> {
        let arm = self.experiment.traces.get(usize::from(self.arm))?;
        context.unit_hash(self.flag.unit).map(|unit| arm ^ unit)
    }

    /// Who was dealt it: the text of the flag's unit.
    pub fn unit(&self, context: &PreparedContext<'_>) -> Option<String> {
        context.unit(self.flag.unit)
    }

    /// What the context says about the dimensions of the experiment. Lists, objects and what is missing are
    /// left out; texts are cut at [`DIMENSION_BYTES_MAX`].
    pub fn dimensions(&self, context: &PreparedContext<'_>) -> BTreeMap<String, String> {
        let dimensions = self.experiment.dimensions.iter();
        let told = dimensions.filter_map(|(name, attribute)| {
            let mut value = context.text(*attribute)?;
            value.truncate(value.floor_char_boundary(DIMENSION_BYTES_MAX));
            Some((name.to_string(), value))
        });
        told.collect()
    }
}

impl CompiledSnapshot {
    /// The units of a context: its targeting key, and what it says about every other attribute that a flag deals
    /// by. Each once.
    pub fn units(&self, context: &PreparedContext<'_>) -> Vec<String> {
        let mut units: Vec<String> = Vec::new();
        for attribute in &self.units {
            if let Some(unit) = context.unit(*attribute)
                && !units.contains(&unit)
            {
                units.push(unit);
            }
        }
        units
    }
}
