//! Units with several rows: their numbers are added up before they are squared.

use super::cell::Place;
use super::gathered::Seen;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use tidegate_model::invalid::Violation;

/// What is known of one unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    /// Its arm; `None` once it was seen in two.
    pub(super) arm: Option<usize>,
    pub(super) stratum: usize,
    /// Each metric; `None` as long as no row had a value.
    pub(super) seen: Box<[Option<Seen>]>,
}

/// All units by their names.
#[derive(Debug, Clone, Default)]
pub(super) struct Units {
    numbers: HashMap<Box<str>, u32, FixedState>,
    pub(super) all: Vec<Unit>,
}

impl Units {
    /// The number of the unit whose row this is. One that is seen in another arm than before is in none from then on.
    pub(super) fn number(
        &mut self,
        name: &str,
        (arm, stratum): (usize, usize),
        metrics: usize,
        place: Place<'_>,
    ) -> Result<u32, Violation> {
        if let Some(number) = self.numbers.get(name) {
            if let Some(unit) = self.all.get_mut(*number as usize) {
                if unit.arm != Some(arm) {
                    unit.arm = None;
                }
                if unit.stratum != stratum {
                    return Err(place.wrong(
                        name,
                        "a unit is in one stratum, and this one was in another before",
                        "take for strata what was known before the experiment",
                    ));
                }
            }
            return Ok(*number);
        }
        let number = u32::try_from(self.all.len())
            .map_err(|_full| place.wrong(name, "a table has at most 4,294,967,295 units", "divide it"))?;
        self.numbers.insert(name.into(), number);
        self.all.push(Unit {
            arm: Some(arm),
            stratum,
            seen: vec![None; metrics].into(),
        });
        Ok(number)
    }

    /// Adds a row's numbers of one metric to those of its unit.
    pub(super) fn add(
        &mut self,
        number: u32,
        metric: usize,
        row: Seen,
        has_covariate: bool,
        place: Place<'_>,
    ) -> Result<(), Violation> {
        let unit = self.all.get_mut(number as usize);
        let Some(seen) = unit.and_then(|unit| unit.seen.get_mut(metric)) else {
            return Ok(());
        };
        let Some(before) = *seen else {
            *seen = Some(row);
            return Ok(());
        };
        let too_large = || {
            place.wrong(
                "",
                "the values of one unit have no room in 64 bits",
                "multiply them by less than 1, as the scale of the metric",
            )
        };
        let add = |one: i64, other: i64| one.checked_add(other).ok_or_else(too_large);
        let beside = match (before.beside, row.beside) {
            (Some(one), Some(other)) if has_covariate && one != other => {
                return Err(place.wrong(
                    "",
                    "all rows of a unit have the same covariate",
                    "write what the unit did before the experiment into each of its rows, or into one",
                ));
            }
            (Some(one), Some(other)) if !has_covariate => Some(add(one, other)?),
            (one, other) => one.or(other),
        };
        *seen = Some(Seen {
            value: add(before.value, row.value)?,
            beside,
        });
        Ok(())
    }
}
