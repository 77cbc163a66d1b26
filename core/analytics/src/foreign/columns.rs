//! Which columns of a table say what: as it was asked, or as its first rows suggest.

use super::cell;
use super::names::Names;
use super::question::{ColumnKind, KINDS, Question, Settings, Wanted};
use tidegate_model::experiment::{Cap, Measure, Metric, OnBreach};
use tidegate_model::invalid::{Violation, nearest};
use tidegate_model::key::MetricName;

/// Names of columns that usually say which arm a row belongs to.
const ARMS: [&str; 11] = [
    "arm",
    "variation",
    "variant",
    "group",
    "treatment",
    "treat",
    "bucket",
    "condition",
    "cohort",
    "test_group",
    "experiment_group",
];
/// Names of columns that usually say whose a row is.
const UNITS: [&str; 8] = [
    "unit",
    "unit_id",
    "user",
    "user_id",
    "userid",
    "visitor_id",
    "customer_id",
    "device_id",
];

/// One metric and where its numbers stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    /// What is known of it; its measure follows from the kind at the end.
    pub(super) metric: Metric,
    /// `None` as long as its values decide.
    pub(super) kind: Option<ColumnKind>,
    /// Where the value stands: a value, a numerator, events.
    pub(super) value: usize,
    /// Where the covariate, the denominator or the exposure stands.
    pub(super) beside: Option<usize>,
    /// What values are multiplied by.
    pub(super) scale: f64,
    /// In millionths.
    pub(super) cap: Option<i64>,
}

impl Column {
    /// Whether what stands beside the value is a covariate.
    pub(super) const fn has_covariate(&self) -> bool {
        self.beside.is_some() && !self.is_quotient()
    }

    /// Whether it is one column by another.
    pub(super) const fn is_quotient(&self) -> bool {
        matches!(self.kind, Some(ColumnKind::Ratio | ColumnKind::Rate))
    }

    /// The percentile, if it is one.
    pub(super) const fn percentile(&self) -> Option<f64> {
        match self.kind {
            Some(ColumnKind::Percentile(share)) => Some(share),
            _ => None,
        }
    }
}

/// Which columns say what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) names: Vec<String>,
    pub(super) arm: usize,
    pub(super) unit: Option<usize>,
    pub(super) weight: Option<usize>,
    pub(super) strata: Option<usize>,
    /// Columns that say which rows are read, with the value they must have.
    pub(super) filters: Vec<(usize, String)>,
    pub(super) columns: Vec<Column>,
    /// What was guessed, a sentence each.
    pub(super) notes: Vec<String>,
}

impl Layout {
    /// As it was asked for of a table with this first row; `sample` is its second one.
    pub(super) fn of(question: &Question, header: &[&str], sample: &[&str]) -> Result<Self, Violation> {
        let header = Header::of(header);
        let mut notes = Vec::new();
        let arm = match &question.arm {
            Some(name) => header.find("arm", name)?,
            None => header.guess_arm(&mut notes)?,
        };
        let optional = |what: &str, name: &Option<String>| {
            name.as_deref().map(|name| header.find(what, name)).transpose()
        };
        let unit = optional("unit", &question.unit)?;
        let weight = optional("weight", &question.weight)?;
        let strata = optional("strata", &question.strata)?;
        if unit.is_some() && weight.is_some() {
            return Err(Violation::new(
                "weight",
                question.weight.as_deref().unwrap_or_default(),
                "a row stands either for many units or for a part of one",
                "leave 'weight' or 'unit' out",
            ));
        }
        let filters = question.rows_where.iter();
        let filters = filters
            .map(|(name, value)| Ok((header.find("where", name)?, value.clone())))
            .collect::<Result<Vec<_>, Violation>>()?;
        let mut taken = vec![Some(arm), unit, weight, strata];
        taken.extend(filters.iter().map(|(column, _)| Some(*column)));
        let wanted = if question.metrics.is_empty() {
            vec![header.guess_metric(&taken, &question.settings, sample, &mut notes)?]
        } else {
            question.metrics.clone()
        };
        let mut columns = Vec::new();
        let mut names = Names::default();
        for wanted in &wanted {
            columns.push(header.column(wanted, &question.settings, &mut names)?);
        }
        settings_have_metrics(&question.settings, &columns)?;
        for column in &columns {
            header.check(column, weight.is_some())?;
        }
        if unit.is_none() {
            header.tell_of_units(&mut notes);
        }
        Ok(Self {
            names: header.0,
            arm,
            unit,
            weight,
            strata,
            filters,
            columns,
            notes,
        })
    }

    /// A column's name.
    pub(super) fn name(&self, column: usize) -> &str {
        self.names.get(column).map_or("", String::as_str)
    }
}

struct Header(Vec<String>);

impl Header {
    fn of(cells: &[&str]) -> Self {
        let clean = |cell: &&str| cell.trim_start_matches('\u{feff}').trim().to_owned();
        Self(cells.iter().map(clean).collect())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|column| column == name)
    }

    fn find(&self, what: &str, name: &str) -> Result<usize, Violation> {
        let Some(found) = self.position(name) else {
            return Err(Violation::new(
                what,
                name,
                "the table has no such column",
                self.suggest(name),
            ));
        };
        if self.0.iter().filter(|column| *column == name).count() > 1 {
            return Err(Violation::new(
                what,
                name,
                "two columns of the table have this name",
                "rename one of them",
            ));
        }
        Ok(found)
    }

    fn suggest(&self, name: &str) -> String {
        if let [single] = self.0.as_slice()
            && let Some(other) = [';', '\t', '|'].iter().find(|other| single.contains(**other))
        {
            return format!("the cells are apart by {other:?}: add --delimiter");
        }
        nearest(name, self.0.iter().map(String::as_str)).map_or_else(
            || format!("choose one of {}", self.0.join(", ")),
            |near| format!("did you mean {near:?}?"),
        )
    }

    fn guess_arm(&self, notes: &mut Vec<String>) -> Result<usize, Violation> {
        let is = |column: &str, usual: &str| column.eq_ignore_ascii_case(usual);
        let found = ARMS
            .iter()
            .find_map(|usual| self.0.iter().position(|column| is(column, usual)));
        let Some(found) = found else {
            return Err(Violation::new(
                "arm",
                "",
                "no column has a name that says it is the arm",
                format!("name it with --arm; {}", self.suggest("arm")),
            ));
        };
        let name = self.0.get(found).map_or("", String::as_str);
        notes.push(format!("the arms stand in the column {name:?}, by its name"));
        Ok(found)
    }

    /// The one column that is left, if it holds a number.
    fn guess_metric(
        &self,
        taken: &[Option<usize>],
        settings: &Settings,
        sample: &[&str],
        notes: &mut Vec<String>,
    ) -> Result<Wanted, Violation> {
        let covariates: Vec<&str> = settings.covariates.iter().map(|one| one.value.as_str()).collect();
        let numeric = |index: usize| {
            let place = cell::Place { line: 2, column: "" };
            let text = sample.get(index).copied().unwrap_or_default().trim();
            cell::number(text, place).is_ok()
        };
        let left = self.0.iter().enumerate().filter(|(index, name)| {
            !taken.contains(&Some(*index))
                && numeric(*index)
                && !covariates.contains(&name.as_str())
                && !UNITS.iter().any(|unit| name.eq_ignore_ascii_case(unit))
        });
        let left: Vec<&str> = left.map(|(_, name)| name.as_str()).collect();
        match left.as_slice() {
            [single] => {
                notes.push(format!(
                    "the metric stands in the column {single:?}, the only one left"
                ));
                Ok(Wanted {
                    name: None,
                    columns: (*single).to_owned(),
                    kind: None,
                })
            }
            [] => Err(Violation::new(
                "metric",
                "",
                "no column that is left holds a number",
                format!("name one of {} with --metric", self.0.join(", ")),
            )),
            several => Err(Violation::new(
                "metric",
                "",
                "several columns could be the metric, and each one more makes all of them harder to prove",
                format!(
                    "name with --metric what the experiment was about, of {}",
                    several.join(", ")
                ),
            )),
        }
    }

    fn tell_of_units(&self, notes: &mut Vec<String>) {
        let named = |column: &&String| UNITS.iter().any(|unit| column.eq_ignore_ascii_case(unit));
        if let Some(name) = self.0.iter().find(named) {
            notes.push(format!(
                "every row is a unit; if some have several rows, name the column {name:?} as the unit"
            ));
        }
    }

    fn column(&self, wanted: &Wanted, settings: &Settings, names: &mut Names) -> Result<Column, Violation> {
        let name = match &wanted.name {
            Some(name) => name.clone(),
            None => MetricName::new(&names.key(&wanted.columns))?,
        };
        let place = format!("metric {name}");
        let (kind, value, beside) = match wanted.kind {
            Some(kind @ (ColumnKind::Ratio | ColumnKind::Rate)) => {
                let (value, beside) = self.quotient(&place, &wanted.columns)?;
                (Some(kind), value, Some(beside))
            }
            None if self.position(&wanted.columns).is_none() && wanted.columns.contains('/') => {
                let (value, beside) = self.quotient(&place, &wanted.columns)?;
                (Some(ColumnKind::Ratio), value, Some(beside))
            }
            kind => {
                let value = self.find(&place, &wanted.columns);
                (
                    kind,
                    value.map_err(|wrong| with_kinds(wrong, &wanted.columns))?,
                    None,
                )
            }
        };
        let scale = Settings::of(&settings.scales, &name).copied().unwrap_or(1.0);
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Violation::new(
                format!("scale {name}"),
                scale,
                "values are multiplied by a number above 0",
                "for example 1000000",
            ));
        }
        let cap = Settings::of(&settings.caps, &name).copied();
        let mut column = Column {
            metric: Metric {
                name: name.clone(),
                role: Settings::of(&settings.roles, &name).copied().unwrap_or_default(),
                measure: Measure::Revenue { event: name.clone() },
                goal: Settings::of(&settings.goals, &name).copied().unwrap_or_default(),
                margin: Settings::of(&settings.margins, &name).copied(),
                window: None,
                cap: cap.map(|cap| Cap::At(cap * scale)),
                minimum_effect: Settings::of(&settings.minimum_effects, &name).copied(),
                on_breach: OnBreach::Alert,
                ranks: false,
            },
            kind,
            value,
            beside,
            scale,
            cap: None,
        };
        if let Some(cap) = cap {
            let place = cell::Place {
                line: 0,
                column: "cap",
            };
            column.cap = Some(cell::millionths(cap * scale, &column, &cap.to_string(), place)?.0);
        }
        self.add_covariate(&mut column, settings)?;
        Ok(column)
    }

    fn add_covariate(&self, column: &mut Column, settings: &Settings) -> Result<(), Violation> {
        let name = &column.metric.name;
        let may =
            !column.is_quotient() && column.percentile().is_none() && column.kind != Some(ColumnKind::Events);
        match settings_covariate(settings, name) {
            Some((covariate, _)) if may => {
                column.beside = Some(self.find("covariate", covariate)?);
                Ok(())
            }
            Some((covariate, true)) => Err(Violation::new(
                format!("covariate {name}"),
                covariate,
                "only a conversion or a mean can be made sharper by a covariate",
                "leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// The two columns of `A/B`, whose names may have slashes themselves.
    fn quotient(&self, place: &str, columns: &str) -> Result<(usize, usize), Violation> {
        let splits = columns
            .match_indices('/')
            .map(|(at, _)| (columns.get(..at), columns.get(at + 1..)));
        let known = splits.filter_map(|(above, below)| {
            let position = |side: Option<&str>| self.position(side?.trim());
            Some((position(above)?, position(below)?))
        });
        if let Some(found) = known.into_iter().next() {
            return Ok(found);
        }
        let Some((above, below)) = columns.split_once('/') else {
            return Err(Violation::new(
                place,
                columns,
                "a ratio or a rate has two columns with a slash between",
                "write NAME=COLUMN/COLUMN:ratio",
            ));
        };
        Ok((self.find(place, above.trim())?, self.find(place, below.trim())?))
    }

    fn check(&self, column: &Column, weighted: bool) -> Result<(), Violation> {
        let name = self.0.get(column.value).map_or("", String::as_str);
        let place = format!("metric {}", column.metric.name);
        if column.kind == Some(ColumnKind::Events) && !weighted {
            return Err(Violation::new(
                place,
                name,
                "'events' counts of how many of a row's units it is true, so rows need a number of units",
                "name the column with it as the weight, or use the kind 'conversion'",
            ));
        }
        if column.percentile().is_some() && weighted {
            return Err(Violation::new(
                place,
                name,
                "a percentile needs a row for each value",
                "leave the weight out, and give the table as it was before it was summed up",
            ));
        }
        Ok(())
    }
}

fn with_kinds(wrong: Violation, columns: &str) -> Violation {
    if columns.contains(':') {
        Violation {
            fix: format!("{}; kinds are {KINDS}", wrong.fix),
            ..wrong
        }
    } else {
        wrong
    }
}

/// The covariate of a metric, and whether it was named for this one alone.
fn settings_covariate<'a>(settings: &'a Settings, name: &MetricName) -> Option<(&'a str, bool)> {
    let covariate = Settings::of(&settings.covariates, name)?;
    let named = settings
        .covariates
        .iter()
        .any(|one| one.metric.as_deref() == Some(name.as_str()));
    Some((covariate, named))
}

fn settings_have_metrics(settings: &Settings, columns: &[Column]) -> Result<(), Violation> {
    let known: Vec<&str> = columns.iter().map(|column| column.metric.name.as_str()).collect();
    for (setting, name) in settings.named() {
        if !known.contains(&name) {
            let fix = nearest(name, known.iter().copied()).map_or_else(
                || format!("choose one of {}", known.join(", ")),
                |near| format!("did you mean {near:?}?"),
            );
            return Err(Violation::new(setting, name, "no metric has this name", fix));
        }
    }
    Ok(())
}
