//! What a table is asked: which columns say what, and how the answer is judged.

use std::str::FromStr;
use tidegate_model::experiment::{Goal, Role, Spending};
use tidegate_model::invalid::Violation;
use tidegate_model::key::MetricName;

/// What a table is asked. Columns are named as its first row names them; what is left out is guessed, and said.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What the analysis is called.
    pub title: String,
    /// The column that says which arm a row belongs to.
    pub arm: Option<String>,
    /// The arm that the others are compared with, as the table writes it.
    pub control: Option<String>,
    /// The arms that are compared; empty for all. Rows of others are left out and counted.
    pub only: Vec<String>,
    /// Columns with the value that their rows must have: a part of the table is analysed. Other rows are passed over and
    /// counted.
    pub rows_where: Vec<(String, String)>,
    /// The planned shares of the arms, in any unit; empty when they are not known. Then nobody can tell whether units
    /// are missing.
    pub expected: Vec<(String, f64)>,
    /// The column that says whose a row is, when a unit has several rows.
    pub unit: Option<String>,
    /// The column that says how many units a row stands for.
    pub weight: Option<String>,
    /// The column with groups that were there before the experiment.
    pub strata: Option<String>,
    /// What is measured.
    pub metrics: Vec<Wanted>,
    /// How metrics are judged.
    pub settings: Settings,
    /// What becomes of a cell without a value.
    pub missing: Missing,
    /// The accepted chance of a false alarm, for two sides together.
    pub alpha: f64,
    /// When the data were and will be looked at.
    pub schedule: Schedule,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            title: "analysis".to_owned(),
            arm: None,
            control: None,
            only: Vec::new(),
            rows_where: Vec::new(),
            expected: Vec::new(),
            unit: None,
            weight: None,
            strata: None,
            metrics: Vec::new(),
            settings: Settings::default(),
            missing: Missing::default(),
            alpha: 0.05,
            schedule: Schedule::default(),
        }
    }
}

/// When data are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Once: they are complete.
    #[default]
    Once,
    /// Whenever one likes.
    Anytime {
        /// Units in all arms together at which the test is sharpest; left out, 5,000.
        tuned_for: Option<u64>,
    },
    /// At planned looks.
    Planned {
        /// Units in all arms together at the last look.
        units: u64,
        /// How many looks are planned.
        looks: u32,
        /// How the accepted error is spent.
        spending: Spending,
        /// Units at each look that was taken before, the earliest first.
        before: Vec<u64>,
    },
}

/// What becomes of a cell without a value: empty, `NA`, `NaN`, `null` or `None`. A covariate without a value is no
/// such case: the unit has no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// The table is refused.
    #[default]
    Refuse,
    /// The row is left out of that metric, and counted.
    LeaveOut,
    /// The value is 0.
    Zero,
}

/// A setting of one metric, or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct About<T> {
    /// The metric's name; `None` for all metrics.
    pub metric: Option<String>,
    /// What is set.
    pub value: T,
}

impl<T> About<T> {
    /// Reads `[NAME=]VALUE`.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub fn read<E>(text: &str, value: impl FnOnce(&str) -> Result<T, E>) -> Result<Self, E> {
        let (metric, rest) = match text.split_once('=') {
            Some((name, rest)) => (Some(name.trim().to_owned()), rest.trim()),
            None => (None, text.trim()),
        };
        Ok(Self {
            metric,
            value: value(rest)?,
        })
    }
}

/// How metrics are judged. Of two settings of one metric the later one holds, and one with a name before one without.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Which way is good; otherwise more.
    pub goals: Vec<About<Goal>>,
    /// What is done with the metric; otherwise it decides.
    pub roles: Vec<About<Role>>,
    /// How much worse still counts as the same, as a share of the control's value.
    pub margins: Vec<About<f64>>,
    /// The smallest change that is worth finding, as a share of the control's value.
    pub minimum_effects: Vec<About<f64>>,
    /// Above this a unit's value counts as this.
    pub caps: Vec<About<f64>>,
    /// What values are multiplied by, for those too large or too fine to be counted in millionths.
    pub scales: Vec<About<f64>>,
    /// The column with what a unit did before, which makes the comparison sharper.
    pub covariates: Vec<About<String>>,
}

impl Settings {
    /// Of one kind of setting, that of the metric.
    pub(super) fn of<'a, T>(settings: &'a [About<T>], metric: &MetricName) -> Option<&'a T> {
        let named = settings
            .iter()
            .rev()
            .find(|one| one.metric.as_deref() == Some(metric.as_str()));
        let found = named.or_else(|| settings.iter().rev().find(|one| one.metric.is_none()));
        found.map(|one| &one.value)
    }

    /// All names of metrics that settings have, each with the word for the setting.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        fn names<'a, T>(
            setting: &'static str,
            all: &'a [About<T>],
        ) -> impl Iterator<Item = (&'static str, &'a str)> {
            all.iter()
                .filter_map(move |one| Some((setting, one.metric.as_deref()?)))
        }
        names("goal", &self.goals)
            .chain(names("role", &self.roles))
            .chain(names("margin", &self.margins))
            .chain(names("minimum effect", &self.minimum_effects))
            .chain(names("cap", &self.caps))
            .chain(names("scale", &self.scales))
            .chain(names("covariate", &self.covariates))
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnKind {
    /// 0 or 1: whether the unit has it.
    Conversion,
    /// Of how many of the units for which the row stands it is true.
    Events,
    /// A number of each unit, averaged.
    Mean,
    /// Two columns, `A/B`: the sum of one by the sum of the other, by the delta method over units.
    Ratio,
    /// Two columns, `A/B`: a count by what it was counted over, as Poisson counts.
    Rate,
    /// A percentile of all rows, from 0 to 1; of a unit with several rows they go together.
    Percentile(f64),
}

/// A metric that is wanted, written `[NAME=]COLUMN[:KIND]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What it is called; left out, as its column.
    pub name: Option<MetricName>,
    /// The column, or for ratios and rates two with a slash between.
    pub columns: String,
    /// What it holds; left out it is guessed: 0 and 1 alone make a conversion, other numbers a mean, and two columns
    /// with a slash between a ratio.
    pub kind: Option<ColumnKind>,
}

impl FromStr for Wanted {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        let (name, rest) = match text.split_once('=') {
            Some((name, rest)) => (Some(MetricName::new(name.trim())?), rest),
            None => (None, text),
        };
        let kind = rest.rsplit_once(':').and_then(|(columns, word)| {
            let kind = kind(word.trim())?;
            Some((columns, kind))
        });
        let (columns, kind) = match kind {
            Some((columns, kind)) => (columns, Some(kind)),
            None => (rest, None),
        };
        if columns.trim().is_empty() {
            return Err(Violation::new(
                "metric",
                text,
                "a metric names its column",
                "write NAME=COLUMN, NAME=COLUMN:KIND or NAME=COLUMN/COLUMN:ratio",
            ));
        }
        Ok(Self {
            name,
            columns: columns.trim().to_owned(),
            kind,
        })
    }
}

/// The word for a kind.
fn kind(word: &str) -> Option<ColumnKind> {
    Some(match word {
        "conversion" => ColumnKind::Conversion,
        "events" => ColumnKind::Events,
        "mean" => ColumnKind::Mean,
        "ratio" => ColumnKind::Ratio,
        "rate" => ColumnKind::Rate,
        "median" => ColumnKind::Percentile(0.5),
        _ => {
            let percent = word.strip_prefix('p')?.parse::<f64>().ok()?;
            ColumnKind::Percentile(Some(percent / 100.0).filter(|share| *share > 0.0 && *share < 1.0)?)
        }
    })
}

/// The words for kinds, for errors.
pub(super) const KINDS: &str = "conversion, events, mean, ratio, rate, median, p90 and the like";
