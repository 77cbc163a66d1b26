//! One cell of a table: what it says, or what is wrong with it and where.

use super::columns::Column;
use tidegate_model::experiment::tally::{Fixed, ValueError};
use tidegate_model::invalid::Violation;

/// Where a cell is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The line of its row, from 1.
    pub(super) line: u64,
    /// The column as the first row names it.
    pub(super) column: &'a str,
}

impl Place<'_> {
    pub(super) fn wrong(&self, value: &str, rule: &str, fix: &str) -> Violation {
        Violation::new(
            format!("line {}, column {:?}", self.line, self.column),
            value,
            rule,
            fix,
        )
    }
}

/// Whether a cell says that there is no value.
pub(super) fn is_missing(text: &str) -> bool {
    text.is_empty()
        || ["na", "n/a", "nan", "null", "none", "-nan"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

/// A number, or a word for 0 or 1; `None` when there is no value.
pub(super) fn number(text: &str, place: Place<'_>) -> Result<Option<f64>, Violation> {
    if is_missing(text) {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().or_else(|| truth(text));
    match number {
        Some(number) if number.is_finite() => Ok(Some(number)),
        Some(_) => Err(place.wrong(
            text,
            "a value is a finite number",
            "take the row out, or give the value that was measured",
        )),
        None => Err(place.wrong(
            text,
            "a value is a number, or true or false",
            "write it like 1234.5: a point before decimals, nothing between thousands, no unit",
        )),
    }
}

fn truth(text: &str) -> Option<f64> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "yes", "t"]) {
        Some(1.0)
    } else if is(["false", "no", "f"]) {
        Some(0.0)
    } else {
        None
    }
}

/// A value in millionths, and whether it was rounded to them.
pub(super) fn millionths(
    value: f64,
    column: &Column,
    text: &str,
    place: Place<'_>,
) -> Result<(i64, bool), Violation> {
    let name = &column.metric.name;
    match Fixed::of(value) {
        Ok(fixed) if fixed == Fixed::ZERO && value != 0.0 => Err(place.wrong(
            text,
            "values are kept in whole millionths, and this one would be 0",
            &format!("multiply all values of the metric: --scale {name}=1000000"),
        )),
        Ok(fixed) => Ok((
            fixed.millionths(),
            fixed.number().to_bits() != value.to_bits() && value != 0.0,
        )),
        Err(ValueError::TooLarge(_)) => Err(place.wrong(
            text,
            "a value is at most 1,000,000,000 away from 0",
            &format!("multiply all values of the metric by less than 1: --scale {name}=0.001"),
        )),
        Err(error @ ValueError::NotFinite) => Err(place.wrong(text, &error.to_string(), "take the row out")),
    }
}

/// A whole number that is not negative.
pub(super) fn whole(text: &str, place: Place<'_>, rule: &str) -> Result<u64, Violation> {
    let number = text.parse::<u64>().ok().or_else(|| {
        // As other programs write whole numbers: 3.0, 2e6.
        let number = text.parse::<f64>().ok()?;
        let fine = (0.0..=1e15).contains(&number) && number.fract() == 0.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number up to 10^15"
        )]
        let whole = number as u64;
        fine.then_some(whole)
    });
    number.ok_or_else(|| place.wrong(text, rule, "write a whole number, 0 or more"))
}
