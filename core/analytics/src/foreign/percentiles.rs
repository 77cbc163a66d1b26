//! The percentile of all rows' values, counted by units.

use tidegate_model::experiment::tally::QuantileTally;
use tidegate_stats::Refusal;
use tidegate_stats::quantile::{Arm, Definition, Sorted, sample};

/// What a percentile needs of values, each with the number of its unit; nothing when there are none.
///
/// With too few values for an interval both its ends are the percentile itself: the comparison then refuses.
pub(super) fn tally(values: &[(u32, f64)], share: f64) -> Result<Option<QuantileTally>, Refusal> {
    if values.is_empty() {
        return Ok(None);
    }
    let sorted = Sorted::of(values.iter().map(|(_, value)| *value).collect())?;
    let (value, lower, upper) = match Arm::of(&sorted, share) {
        Ok(arm) => (arm.value, arm.lower, arm.upper),
        Err(_) => {
            let value = sample(&sorted, share, Definition::Modes)?;
            (value, value, value)
        }
    };
    let mut by_unit: Vec<(u32, bool)> = values.iter().map(|(unit, one)| (*unit, *one <= value)).collect();
    by_unit.sort_unstable_by_key(|(unit, _)| *unit);
    let mut tally = QuantileTally {
        events: sorted.n(),
        value,
        lower,
        upper,
        clusters: 0,
        below: 0,
        below_squared: 0,
        events_squared: 0,
        below_events: 0,
    };
    for unit in by_unit.chunk_by(|one, next| one.0 == next.0) {
        let below = unit.iter().filter(|(_, below)| *below).count() as u128;
        let events = unit.len() as u128;
        tally.clusters += 1;
        tally.below = tally
            .below
            .saturating_add(u64::try_from(below).unwrap_or(u64::MAX));
        tally.below_squared += below * below;
        tally.events_squared += events * events;
        tally.below_events += below * events;
    }
    Ok(Some(tally))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_unit_go_together() {
        // Unit 1 has 1 and 4, unit 2 has 2, unit 3 has 3: the median lies at 2.5.
        let values = [(1, 1.0), (2, 2.0), (1, 4.0), (3, 3.0)];
        let tally = tally(&values, 0.5).unwrap().unwrap();
        assert_eq!(
            (tally.events, tally.clusters, tally.value.to_bits()),
            (4, 3, 2.5_f64.to_bits())
        );
        assert_eq!(
            (
                tally.below,
                tally.below_squared,
                tally.events_squared,
                tally.below_events
            ),
            (2, 2, 6, 3)
        );
    }

    #[test]
    fn no_values_have_no_percentile() {
        assert_eq!(tally(&[], 0.5), Ok(None));
    }
}
