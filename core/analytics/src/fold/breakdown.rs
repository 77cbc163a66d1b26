//! Each arm again, for each value of a dimension.

use super::BREAKDOWN_VALUES_MAX;
use super::counts::ArmCounts;
use super::crowd::Crowd;
use super::lens::Lens;
use super::meter::Numbers;
use super::participant::{Seen, Standing};
use super::words::Vocabulary;
use std::collections::BTreeMap;
use tidegate_model::experiment::tally::ArmTally;
use tidegate_model::key::VariationKey;

/// What stands for the values that are not told apart.
const OTHER: &str = "(other)";

/// One dimension.
pub(super) struct Chart<'a> {
    pub(super) name: &'a str,
    /// The values that are told apart, and last, if there are more, all others.
    values: Vec<&'a str>,
    /// For each set of values the place of its value.
    places: Vec<usize>,
    /// For each value all arms.
    pub(super) arms: Vec<ArmCounts>,
}

/// A chart of each dimension, without percentiles. `units` says of how many units each set of values holds.
pub(super) fn charts<'a>(
    crowd: &Crowd,
    lens: &'a Lens,
    vocabulary: &'a Vocabulary,
    units: &[u64],
) -> Vec<Chart<'a>> {
    let dimensions = lens.dimensions.iter().enumerate();
    let mut charts: Vec<Chart<'_>> = dimensions
        .map(|(place, name)| Chart::of(name, place, lens, vocabulary, units))
        .collect();
    if charts.is_empty() {
        return charts;
    }
    let mut numbers: Vec<(u16, Numbers)> = Vec::new();
    for one in crowd.iter() {
        let Standing::In(seen) = one.standing(lens.stop) else {
            continue;
        };
        let known = one.is_known(seen.at, lens.history);
        numbers.clear();
        numbers.extend(lens.all.iter().filter_map(|metric| {
            let numbers = one.numbers(lens, *metric, seen.at, known)?;
            Some((*metric, numbers))
        }));
        for chart in &mut charts {
            chart.count(&seen, &numbers, lens);
        }
    }
    charts
}

impl<'a> Chart<'a> {
    fn of(name: &'a str, place: usize, lens: &Lens, vocabulary: &'a Vocabulary, units: &[u64]) -> Self {
        let mut of_values: BTreeMap<&str, u64> = BTreeMap::new();
        for (set, units) in (0_u32..).zip(units) {
            *of_values.entry(vocabulary.value(set, place)).or_default() += units;
        }
        of_values.retain(|_, units| *units > 0);
        let mut values: Vec<(&str, u64)> = of_values.into_iter().collect();
        // By units, and what has as many by name, so that the order of arrival decides nothing.
        values.sort_by_key(|(_, units)| std::cmp::Reverse(*units));
        let mut values: Vec<&str> = values.into_iter().map(|(value, _)| value).collect();
        if values.len() > BREAKDOWN_VALUES_MAX {
            values.truncate(BREAKDOWN_VALUES_MAX);
            // It may be a value by itself.
            values.retain(|value| *value != OTHER);
            values.push(OTHER);
        }
        let last = values.len().saturating_sub(1);
        let found: BTreeMap<&str, usize> = values.iter().copied().zip(0..).collect();
        let sets = (0_u32..).zip(units);
        let places = sets.map(|(set, _)| found.get(vocabulary.value(set, place)).copied().unwrap_or(last));
        Self {
            name,
            places: places.collect(),
            arms: vec![ArmCounts::empty(lens); values.len() * lens.arms.len()],
            values,
        }
    }

    /// Where a unit counts.
    pub(super) fn cell(&self, seen: &Seen, lens: &Lens) -> Option<usize> {
        let value = self.places.get(usize::try_from(seen.words).ok()?)?;
        Some(value * lens.arms.len() + usize::from(seen.arm))
    }

    fn count(&mut self, seen: &Seen, numbers: &[(u16, Numbers)], lens: &Lens) {
        let cell = self.cell(seen, lens);
        let Some(arm) = cell.and_then(|cell| self.arms.get_mut(cell)) else {
            return;
        };
        arm.units += 1;
        for (metric, numbers) in numbers {
            arm.count(*metric, *numbers, true);
        }
    }

    pub(super) fn tallies(self, lens: &Lens) -> BTreeMap<String, BTreeMap<VariationKey, ArmTally>> {
        let of_values = self.arms.chunks(lens.arms.len().max(1));
        let each = self.values.iter().zip(of_values);
        each.map(|(value, arms)| {
            let arms = lens
                .arms
                .iter()
                .cloned()
                .zip(arms.iter().map(|arm| arm.tally(lens)));
            ((*value).to_owned(), arms.collect())
        })
        .collect()
    }
}
