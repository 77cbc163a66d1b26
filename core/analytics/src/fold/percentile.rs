//! Percentiles of events, with what is needed to count them by units.

use super::crowd::Crowd;
use super::lens::Lens;
use super::participant::{Seen, Standing, wide};
use tidegate_model::experiment::tally::{Fixed, QuantileTally};
use tidegate_stats::quantile::{Arm, Definition, Sorted, sample};

/// The percentile of one metric in each of so many cells; `cells_of` says in which ones a unit is.
pub(super) fn percentiles(
    crowd: &Crowd,
    lens: &Lens,
    metric: u16,
    quantile: f64,
    cells: usize,
    cells_of: impl Fn(&Seen) -> Vec<usize>,
) -> Vec<Option<QuantileTally>> {
    let of_units = || {
        crowd.iter().filter_map(|one| {
            let Standing::In(seen) = one.standing(lens.stop) else {
                return None;
            };
            let values = one.values(lens, metric, seen.at);
            (!values.is_empty()).then(|| (cells_of(&seen), values))
        })
    };
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); cells];
    for (cells, values) in of_units() {
        for cell in cells {
            if let Some(all) = all.get_mut(cell) {
                all.extend(values.iter().map(|value| value.number()));
            }
        }
    }
    let mut tallies: Vec<Option<QuantileTally>> = all
        .into_iter()
        .map(|values| of_events(values, quantile))
        .collect();
    for (cells, values) in of_units() {
        for cell in cells {
            if let Some(Some(tally)) = tallies.get_mut(cell) {
                add_unit(tally, &values);
            }
        }
    }
    tallies
}

/// What the values of all events say, before units are counted.
fn of_events(values: Vec<f64>, quantile: f64) -> Option<QuantileTally> {
    let values = Sorted::of(values).ok()?;
    let (value, lower, upper) = match Arm::of(&values, quantile) {
        Ok(arm) => (arm.value, arm.lower, arm.upper),
        // Too few events for an interval, which the result says by their number.
        Err(_) => {
            let value = sample(&values, quantile, Definition::Modes).ok()?;
            (value, value, value)
        }
    };
    Some(QuantileTally {
        events: values.n(),
        value,
        lower,
        upper,
        clusters: 0,
        below: 0,
        below_squared: 0,
        events_squared: 0,
        below_events: 0,
    })
}

fn add_unit(tally: &mut QuantileTally, values: &[Fixed]) {
    let events = wide(values.len());
    let below = wide(values.iter().filter(|one| one.number() <= tally.value).count());
    let (wide_events, wide_below) = (u128::from(events), u128::from(below));
    tally.clusters += 1;
    tally.below += below;
    tally.below_squared += wide_below * wide_below;
    tally.events_squared += wide_events * wide_events;
    tally.below_events += wide_below * wide_events;
}
