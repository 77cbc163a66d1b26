//! What one row says of one metric.

use super::cell::{self, Place};
use super::columns::{Column, Layout};
use super::gathered::Seen;
use super::question::{ColumnKind, Missing};
use tidegate_model::invalid::Violation;

/// What is to be told of a metric at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// Cells without a value.
    pub(super) missing: u64,
    /// Values that were rounded to millionths.
    pub(super) rounded: u64,
    /// A value other than 0 and 1.
    pub(super) other: bool,
}

/// What one row says of one metric.
pub(super) enum Said {
    Nothing,
    Numbers(Seen),
    Value(f64),
}

/// The text of a cell, and where it is.
pub(super) fn text_at<'t, 'r>(
    layout: &'t Layout,
    line: u64,
    column: usize,
    cell: &impl Fn(usize) -> Option<&'r str>,
) -> Result<(&'r str, Place<'t>), Violation> {
    let place = Place {
        line,
        column: layout.name(column),
    };
    let text = cell(column).map(str::trim);
    text.map(|text| (text, place))
        .ok_or_else(|| place.wrong("", "a row has a cell for each column", "give it all its cells"))
}

/// One metric of one row.
pub(super) struct Reading<'a> {
    pub(super) layout: &'a Layout,
    pub(super) column: &'a Column,
    pub(super) missing: Missing,
    pub(super) line: u64,
    /// Units for which the row stands.
    pub(super) units: u64,
}

impl Reading<'_> {
    pub(super) fn place(&self, column: usize) -> Place<'_> {
        Place {
            line: self.line,
            column: self.layout.name(column),
        }
    }

    pub(super) fn said<'r>(
        &self,
        cell: &impl Fn(usize) -> Option<&'r str>,
        told: &mut Told,
    ) -> Result<Said, Violation> {
        let column = self.column;
        let (text, place) = text_at(self.layout, self.line, column.value, cell)?;
        let Some(value) = self.number(text, column.value, told)? else {
            return Ok(Said::Nothing);
        };
        told.other |= value != 0.0 && value.to_bits() != 1.0_f64.to_bits();
        let scale = match column.kind {
            Some(ColumnKind::Conversion | ColumnKind::Events | ColumnKind::Rate) => 1.0,
            _ => column.scale,
        };
        if column.percentile().is_some() {
            return Ok(Said::Value(value * scale));
        }
        self.check(value, text)?;
        let (fixed, rounded) = cell::millionths(value * scale, column, text, place)?;
        let mut any = rounded;
        let beside = match column.beside {
            None => None,
            Some(at) => {
                let (text, place) = text_at(self.layout, self.line, at, cell)?;
                let number = if column.has_covariate() {
                    cell::number(text, place)?
                } else {
                    self.number(text, at, told)?
                };
                match number {
                    // Without a denominator there is nothing to add up; without a covariate there is no history.
                    None if column.is_quotient() => return Ok(Said::Nothing),
                    None => None,
                    Some(number) => {
                        if column.kind == Some(ColumnKind::Rate) && number < 0.0 {
                            return Err(place.wrong(
                                text,
                                "what is counted over is not negative",
                                "take the row out",
                            ));
                        }
                        let (fixed, rounded) = cell::millionths(number * column.scale, column, text, place)?;
                        any |= rounded;
                        Some(fixed)
                    }
                }
            }
        };
        told.rounded += u64::from(any);
        Ok(Said::Numbers(Seen { value: fixed, beside }))
    }

    /// The number of a cell; nothing when the row is left out.
    fn number(&self, text: &str, at: usize, told: &mut Told) -> Result<Option<f64>, Violation> {
        let place = self.place(at);
        if let Some(number) = cell::number(text, place)? {
            return Ok(Some(number));
        }
        told.missing += 1;
        match self.missing {
            Missing::LeaveOut => Ok(None),
            Missing::Zero => Ok(Some(0.0)),
            Missing::Refuse => Err(place.wrong(
                text,
                "a cell has a value",
                "give it one, or add --missing leave-out or --missing zero",
            )),
        }
    }

    /// Whether the value is one of its kind.
    fn check(&self, value: f64, text: &str) -> Result<(), Violation> {
        let place = Place {
            line: self.line,
            column: self.layout.name(self.column.value),
        };
        let zero_or_one = value == 0.0 || value.to_bits() == 1.0_f64.to_bits();
        match self.column.kind {
            Some(ColumnKind::Conversion) if !zero_or_one => Err(place.wrong(
                text,
                "a conversion is 0 or 1",
                "use the kind 'mean' for numbers, or 'events' for how many of a row's units have it",
            )),
            Some(ColumnKind::Events) => {
                let events = cell::whole(text, place, "of a row's units a whole number has the event")?;
                if events > self.units {
                    return Err(place.wrong(
                        text,
                        &format!("of {} units no more have the event", self.units),
                        "check which column holds the number of units",
                    ));
                }
                Ok(())
            }
            Some(ColumnKind::Rate) => {
                cell::whole(text, place, "events are counted, so they are a whole number").map(|_| ())
            }
            _ => Ok(()),
        }
    }
}
