//! A table, a row at a time: what is kept of it are sums.

use super::analysis::{Analysis, ArmPart, Parts};
use super::beside::Strata;
use super::cell::{self, Place};
use super::columns::{Column, Layout};
use super::gathered::{Gathered, TooLarge};
use super::metrics::MetricPart;
use super::question::{ColumnKind, Missing, Question};
use super::reading::{Reading, Said, Told, text_at};
use super::units::Units;
use tidegate_model::experiment::ARMS_MAX;
use tidegate_model::experiment::tally::LeftOut;
use tidegate_model::invalid::{Invalid, Violation};

const ONE: i64 = 1_000_000;

/// A table that is being read.
///
/// Of a row sums alone are kept. Percentiles keep 16 bytes for each of their values, and units with several rows are
/// kept until the end.
#[derive(Debug, Clone)]
pub struct Table {
    question: Question,
    layout: Layout,
    arms: Vec<Arm>,
    strata: Strata,
    units: Option<Units>,
    rows: u64,
    /// Rows that are not of the part that is analysed.
    passed_over: u64,
    left_out: LeftOut,
    /// For each metric.
    told: Vec<Told>,
}

#[derive(Debug, Clone)]
struct Arm {
    text: String,
    units: u64,
    metrics: Vec<Gathered>,
}

/// The row that is being read, and where it belongs.
struct Row {
    arm: usize,
    stratum: usize,
    units: u64,
    unit: Option<u32>,
}

impl Table {
    /// A table with this first row. `sample` is the row after it, or nothing: it tells numbers from names.
    ///
    /// # Errors
    /// A column that is asked for and not there, or cannot be guessed; settings of a metric that nobody asked for.
    pub fn new(question: Question, header: &[&str], sample: &[&str]) -> Result<Self, Violation> {
        let layout = Layout::of(&question, header, sample)?;
        let told = vec![Told::default(); layout.columns.len()];
        let units = layout.unit.map(|_| Units::default());
        Ok(Self {
            question,
            layout,
            arms: Vec::new(),
            strata: Strata::default(),
            units,
            rows: 0,
            passed_over: 0,
            left_out: LeftOut::default(),
            told,
        })
    }

    /// How many rows were read.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads the row that begins at this line.
    ///
    /// # Errors
    /// What is wrong with a cell, by its line and its column.
    pub fn row<'r>(&mut self, line: u64, cell: impl Fn(usize) -> Option<&'r str>) -> Result<(), Violation> {
        let Some(row) = self.place(line, &cell)? else {
            return Ok(());
        };
        let Self {
            question,
            layout,
            arms,
            strata,
            units,
            told,
            ..
        } = self;
        let Some(arm) = arms.get_mut(row.arm) else {
            return Ok(());
        };
        for (index, (column, told)) in layout.columns.iter().zip(told).enumerate() {
            let reading = Reading {
                layout,
                column,
                missing: question.missing,
                line,
                units: row.units,
            };
            let said = reading.said(&cell, told)?;
            let Some(gathered) = arm.metrics.get_mut(index) else {
                continue;
            };
            let seen = match said {
                Said::Nothing => continue,
                Said::Value(value) => {
                    let unit = row.unit.unwrap_or_else(|| number_of(gathered.values.len()));
                    gathered.values.push((unit, value));
                    continue;
                }
                Said::Numbers(seen) => seen,
            };
            match (units.as_mut(), row.unit) {
                (Some(units), Some(unit)) => {
                    units.add(
                        unit,
                        index,
                        seen,
                        column.has_covariate(),
                        reading.place(column.value),
                    )?;
                }
                _ => {
                    let added = gathered
                        .add(column, seen, row.units)
                        .and_then(|()| strata.add((row.stratum, row.arm, index), column, seen, row.units));
                    added.map_err(|TooLarge| too_large(reading.place(column.value), column))?;
                }
            }
        }
        Ok(())
    }

    /// Where the row belongs; nothing when it belongs nowhere.
    fn place<'r>(
        &mut self,
        line: u64,
        cell: &impl Fn(usize) -> Option<&'r str>,
    ) -> Result<Option<Row>, Violation> {
        self.rows += 1;
        let text = |column: usize| text_at(&self.layout, line, column, cell);
        for (column, value) in &self.layout.filters {
            if text(*column)?.0 != value {
                self.passed_over += 1;
                return Ok(None);
            }
        }
        let (arm, place) = text(self.layout.arm)?;
        if !self.is_compared(arm, place)? {
            self.left_out.unknown_arm += 1;
            return Ok(None);
        }
        let units = match self.layout.weight {
            None => 1,
            Some(weight) => {
                let (count, place) = text(weight)?;
                cell::whole(count, place, "a row stands for a whole number of units")?
            }
        };
        if units == 0 {
            return Ok(None);
        }
        let stratum = match self.layout.strata {
            None => 0,
            Some(column) => {
                let (name, place) = text(column)?;
                self.strata.number(name, place)?
            }
        };
        let known = self.arms.iter().position(|known| known.text == arm);
        let number = match known {
            Some(number) => number,
            None if self.arms.len() == ARMS_MAX => {
                return Err(place.wrong(
                    arm,
                    "a table has at most 20 arms",
                    "name the arms to be compared, or another column",
                ));
            }
            None => self.arms.len(),
        };
        let unit = match (self.layout.unit, self.units.as_mut()) {
            (Some(column), Some(all)) => {
                let (name, place) = text(column)?;
                if cell::is_missing(name) {
                    return Err(place.wrong(name, "a row says whose it is", "write the unit"));
                }
                Some(all.number(name, (number, stratum), self.layout.columns.len(), place)?)
            }
            _ => None,
        };
        if known.is_none() {
            self.arms.push(Arm {
                text: arm.to_owned(),
                units: 0,
                metrics: vec![Gathered::default(); self.layout.columns.len()],
            });
        }
        if let (None, Some(arm)) = (unit, self.arms.get_mut(number)) {
            arm.units = arm.units.saturating_add(units);
        }
        Ok(Some(Row {
            arm: number,
            stratum,
            units,
            unit,
        }))
    }

    /// Whether the row's arm is one of those that are compared.
    fn is_compared(&self, arm: &str, place: Place<'_>) -> Result<bool, Violation> {
        if !cell::is_missing(arm) {
            let only = &self.question.only;
            return Ok(only.is_empty() || only.iter().any(|one| one == arm));
        }
        if self.question.missing == Missing::LeaveOut {
            return Ok(false);
        }
        Err(place.wrong(
            arm,
            "a row says which arm it belongs to",
            "write the arm, or add --missing leave-out",
        ))
    }

    /// All rows are read.
    ///
    /// # Errors
    /// Everything wrong with what the table as a whole says.
    pub fn finish(mut self) -> Result<Analysis, Invalid> {
        for (column, told) in self.layout.columns.iter_mut().zip(&self.told) {
            if column.kind.is_none() {
                let (kind, why) = if told.other {
                    (ColumnKind::Mean, "a mean, for it has values other than 0 and 1")
                } else {
                    (
                        ColumnKind::Conversion,
                        "a conversion, for it is 0 or 1 everywhere",
                    )
                };
                column.kind = Some(kind);
                self.layout.notes.push(format!("{} is {why}", column.metric.name));
            }
        }
        self.add_units()?;
        let mut notes = std::mem::take(&mut self.layout.notes);
        if self.passed_over > 0 {
            notes.push(format!(
                "{} of {} rows were passed over: they are not of the part that was asked for",
                self.passed_over, self.rows
            ));
        }
        for (column, told) in self.layout.columns.iter().zip(&self.told) {
            self.tell(column, told, &mut notes);
        }
        self.check_precision()?;
        let arms: Vec<ArmPart> = self
            .arms
            .iter()
            .map(|arm| ArmPart {
                text: arm.text.clone(),
                units: arm.units,
            })
            .collect();
        let mut metrics = Vec::new();
        for (index, column) in self.layout.columns.iter().enumerate() {
            let of_arms = self.arms.iter_mut().filter_map(|arm| arm.metrics.get_mut(index));
            metrics.push(MetricPart {
                metric: column.metric.clone(),
                kind: column.kind.unwrap_or(ColumnKind::Mean),
                events: [Some(column.value), column.beside.filter(|_| column.is_quotient())]
                    .map(|at| at.map(|at| self.layout.name(at).to_owned())),
                has_covariate: column.has_covariate(),
                arms: of_arms.map(std::mem::take).collect(),
            });
        }
        Parts {
            question: self.question,
            arms,
            metrics,
            strata: self.strata,
            left_out: self.left_out,
            notes,
        }
        .analysis()
    }

    /// Units with several rows, now that these are complete.
    fn add_units(&mut self) -> Result<(), Violation> {
        let Some(units) = self.units.take() else {
            return Ok(());
        };
        for unit in &units.all {
            let Some(number) = unit.arm else {
                self.left_out.double_exposed += 1;
                continue;
            };
            let Some(arm) = self.arms.get_mut(number) else {
                continue;
            };
            arm.units += 1;
            let each = unit.seen.iter().zip(&self.layout.columns).enumerate();
            for (index, (seen, column)) in each {
                let (Some(mut seen), Some(gathered)) = (*seen, arm.metrics.get_mut(index)) else {
                    continue;
                };
                if column.kind == Some(ColumnKind::Conversion) {
                    seen.value = seen.value.min(ONE);
                }
                let place = Place {
                    line: 0,
                    column: self.layout.name(column.value),
                };
                let added = gathered
                    .add(column, seen, 1)
                    .and_then(|()| self.strata.add((unit.stratum, number, index), column, seen, 1));
                added.map_err(|TooLarge| too_large(place, column))?;
            }
        }
        let met_two = |unit: u32| {
            units
                .all
                .get(unit as usize)
                .is_some_and(|unit| unit.arm.is_none())
        };
        for gathered in self.arms.iter_mut().flat_map(|arm| &mut arm.metrics) {
            gathered.values.retain(|(unit, _)| !met_two(*unit));
        }
        Ok(())
    }

    fn tell(&self, column: &Column, told: &Told, notes: &mut Vec<String>) {
        let name = &column.metric.name;
        if told.missing > 0 {
            let what = if self.question.missing == Missing::Zero {
                "counted as 0"
            } else {
                "left out of it"
            };
            notes.push(format!(
                "{name}: {} rows without a value were {what}",
                told.missing
            ));
        }
        if told.rounded > 0 {
            notes.push(format!(
                "{name}: {} values were rounded to millionths",
                told.rounded
            ));
        }
        if column.scale.to_bits() != 1.0_f64.to_bits() {
            notes.push(format!("{name}: all values were multiplied by {}", column.scale));
        }
    }

    /// Values that were rounded must vary by much more than the rounding.
    fn check_precision(&self) -> Result<(), Violation> {
        /// A thousand millionths: rounding then adds a ten-millionth part to the variance.
        const VARY_MIN: f64 = 1e-3;
        for (index, (column, told)) in self.layout.columns.iter().zip(&self.told).enumerate() {
            let metrics = self.arms.iter().filter_map(|arm| arm.metrics.get(index));
            let fine = |gathered: &Gathered| {
                use crate::sufficient::SumsMoments as _;
                let deviation = |sums: &tidegate_model::experiment::tally::Sums| {
                    let moments = sums.moments().ok();
                    moments.and_then(|moments| moments.variance()).map(f64::sqrt)
                };
                let all = [&gathered.known, &gathered.new].map(deviation);
                all.into_iter().flatten().all(|deviation| deviation >= VARY_MIN)
            };
            if told.rounded > 0 && !metrics.into_iter().all(fine) {
                return Err(Violation::new(
                    format!("metric {}", column.metric.name),
                    format!("{} values were rounded", told.rounded),
                    "values are kept in whole millionths, and these vary by less than a thousand of them",
                    format!(
                        "multiply all values of the metric: --scale {}=1000000",
                        column.metric.name
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn too_large(place: Place<'_>, column: &Column) -> Violation {
    place.wrong(
        "",
        "the squares of these values have no room in 128 bits",
        &format!(
            "multiply all values of the metric by less than 1: --scale {}=0.001",
            column.metric.name
        ),
    )
}

/// A number for a unit that has one row.
fn number_of(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
