//! Sums of one metric in one arm, as rows come in.

use super::columns::Column;
use super::question::ColumnKind;
use tidegate_model::experiment::tally::Sums;

/// One unit's numbers of one metric, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The value, the numerator, or the number of units with the event.
    pub(super) value: i64,
    /// The covariate or the denominator.
    pub(super) beside: Option<i64>,
}

/// One metric of one arm.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Gathered {
    /// Units with something beside the value.
    pub(super) known: Sums,
    /// Units without.
    pub(super) new: Sums,
    /// Units whose value is not 0.
    pub(super) active: u64,
    /// Values of a percentile, each with the number of its unit.
    pub(super) values: Vec<(u32, f64)>,
}

/// The squares of so many such values have no room.
pub(super) struct TooLarge;

const ONE: i64 = 1_000_000;

impl Gathered {
    /// So many units with these numbers.
    pub(super) fn add(&mut self, column: &Column, seen: Seen, units: u64) -> Result<(), TooLarge> {
        if column.kind == Some(ColumnKind::Events) {
            return self.add_events(seen.value, units);
        }
        let value = column.cap.map_or(seen.value, |cap| seen.value.min(cap));
        let sums = of(value, seen.beside.unwrap_or(0), units)?;
        let into = if seen.beside.is_some() {
            &mut self.known
        } else {
            &mut self.new
        };
        *into = checked(into, &sums)?;
        if value != 0 {
            self.active = self.active.saturating_add(units);
        }
        Ok(())
    }

    /// Of so many units these have the event.
    fn add_events(&mut self, events: i64, units: u64) -> Result<(), TooLarge> {
        let events = u64::try_from(events / ONE).unwrap_or(0);
        let with = of(ONE, 0, events)?;
        let without = of(0, 0, units.saturating_sub(events))?;
        self.new = checked(&self.new, &checked(&with, &without)?)?;
        self.active = self.active.saturating_add(events);
        Ok(())
    }
}

/// The sums of so many units with the same numbers.
pub(super) fn of(value: i64, beside: i64, units: u64) -> Result<Sums, TooLarge> {
    let (y, x, n) = (i128::from(value), i128::from(beside), i128::from(units));
    let times = |square: i128| square.checked_mul(n).ok_or(TooLarge);
    Ok(Sums {
        n: units,
        y: times(y)?,
        yy: times(y * y)?,
        x: times(x)?,
        xx: times(x * x)?,
        xy: times(x * y)?,
    })
}

/// Both together, unless one of the sums has no room.
pub(super) fn checked(one: &Sums, other: &Sums) -> Result<Sums, TooLarge> {
    let add = |one: i128, other: i128| one.checked_add(other).ok_or(TooLarge);
    Ok(Sums {
        n: one.n.checked_add(other.n).ok_or(TooLarge)?,
        y: add(one.y, other.y)?,
        yy: add(one.yy, other.yy)?,
        x: add(one.x, other.x)?,
        xx: add(one.xx, other.xx)?,
        xy: add(one.xy, other.xy)?,
    })
}
