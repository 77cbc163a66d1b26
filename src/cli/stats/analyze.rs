//! `tidegate stats analyze`: data that never went through Tidegate.

use super::source;
use crate::cli::failure::Failure;
use crate::cli::{read_text, screen, word};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_analytics::foreign::{About, Analysis, Missing, Question, Schedule, Settings, Wanted};
use tidegate_analytics::report::{Besides, Report};
use tidegate_model::experiment::{Goal, Role, Spending};
use tidegate_model::invalid::{Invalid, Violation};
use tidegate_model::snapshot::Digest;

mod rows;
mod sums;

#[derive(Debug, Args)]
pub(super) struct Analyze {
    /// The table: comma-separated values, the first row names the columns; `-` is standard input
    #[arg(required_unless_present = "from_json", conflicts_with = "from_json")]
    file: Option<PathBuf>,
    /// Sums in the place of a table: counts, means and deviations, or a design with tallies; `-` is standard input
    /// They say themselves what is compared and how
    #[arg(long, value_name = "FILE", conflicts_with_all = TABLE)]
    from_json: Option<PathBuf>,
    /// The column that says which arm a row belongs to; otherwise one with a usual name
    #[arg(long, value_name = "COLUMN")]
    arm: Option<String>,
    /// The arm that the others are compared with; otherwise one with a usual name
    #[arg(long, value_name = "VALUE")]
    control: Option<String>,
    /// What is measured; otherwise the only column left. KIND is conversion, mean, ratio or rate (of COLUMN/COLUMN),
    /// events, median, p90 and the like
    #[arg(long = "metric", short, value_name = "[NAME=]COLUMN[:KIND]", value_parser = crate::cli::named::<Wanted>)]
    metrics: Vec<Wanted>,
    /// Which way is good: increase, decrease or maintain
    #[arg(long = "goal", value_name = "[NAME=]GOAL", value_parser = goal)]
    goals: Vec<About<Goal>>,
    /// What is done with a metric: success, secondary or guardrail
    #[arg(long = "role", value_name = "[NAME=]ROLE", value_parser = role)]
    roles: Vec<About<Role>>,
    /// How much worse still counts as the same: 0.02 is 2 % of the control's value
    #[arg(long = "margin", value_name = "[NAME=]SHARE", value_parser = number)]
    margins: Vec<About<f64>>,
    /// The smallest change worth finding, as a share of the control's value
    #[arg(long = "minimum-effect", value_name = "[NAME=]SHARE", value_parser = number)]
    minimum_effects: Vec<About<f64>>,
    /// The column with what units did before, which sharpens the comparison (CUPED)
    #[arg(long = "covariate", value_name = "[NAME=]COLUMN", value_parser = text)]
    covariates: Vec<About<String>>,
    /// Above this a unit's value counts as this
    #[arg(long = "cap", value_name = "[NAME=]VALUE", value_parser = number)]
    caps: Vec<About<f64>>,
    /// Multiply values that are too large or too fine to be kept in millionths
    #[arg(long = "scale", value_name = "[NAME=]FACTOR", value_parser = number)]
    scales: Vec<About<f64>>,
    /// The column that says whose a row is: rows of one unit are added up
    #[arg(long, value_name = "COLUMN")]
    unit: Option<String>,
    /// The column that says how many units a row stands for
    #[arg(long, value_name = "COLUMN")]
    weight: Option<String>,
    /// The column with groups from before the experiment, within which is compared as well
    #[arg(long, value_name = "COLUMN")]
    strata: Option<String>,
    /// The planned share of an arm; of all arms or of none
    #[arg(long, value_name = "ARM=SHARE", value_parser = expected)]
    expected: Vec<(String, f64)>,
    /// Compare these arms alone
    #[arg(long, value_name = "ARM")]
    only: Vec<String>,
    /// Read the rows alone in which a column has this value; several times for several columns
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = crate::cli::pair)]
    rows_where: Vec<(String, String)>,
    /// What becomes of a cell without a value
    #[arg(long, value_enum, default_value_t = Gap::Refuse)]
    missing: Gap,
    /// The accepted chance of a false alarm, for two sides together
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    alpha: f64,
    /// When the data are looked at: once, as they are complete; whenever one likes; at planned looks
    #[arg(long, value_enum, default_value_t = Looks::Fixed)]
    discipline: Looks,
    /// With `sequential`: units in all arms at which the test is sharpest [default: 5000]
    #[arg(long, value_name = "UNITS")]
    tuned_for: Option<u64>,
    /// With `group-sequential`: units in all arms at the last look
    #[arg(long, value_name = "UNITS", required_if_eq("discipline", "group-sequential"))]
    planned: Option<u64>,
    /// With `group-sequential`: how many looks are planned
    #[arg(long, value_name = "N", default_value_t = 5)]
    looks: u32,
    /// With `group-sequential`: how the accepted error is spent, obrien-fleming or pocock
    #[arg(long, value_name = "FUNCTION", default_value = "obrien-fleming", value_parser = spending)]
    spending: Spending,
    /// With `group-sequential`: units in all arms at a look that was taken; several times, the earliest first
    #[arg(long, value_name = "UNITS")]
    looked_at: Vec<u64>,
    /// What stands between two cells [default: a comma, and a tab for .tsv]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Answer in JSON, for machines: --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Where the report goes; otherwise to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is asked of tables alone.
const TABLE: [&str; 16] = [
    "arm",
    "control",
    "metrics",
    "goals",
    "roles",
    "margins",
    "minimum_effects",
    "covariates",
    "caps",
    "scales",
    "unit",
    "weight",
    "strata",
    "expected",
    "only",
    "rows_where",
];

/// What becomes of a cell without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Gap {
    /// The table is refused
    Refuse,
    /// The row is left out of that metric, and counted
    LeaveOut,
    /// The value is 0
    Zero,
}

/// When data are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Looks {
    /// Once: they are complete
    Fixed,
    /// Whenever one likes
    Sequential,
    /// At planned looks
    GroupSequential,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What decides, for a terminal
    Text,
    /// Everything, for machines
    Json,
    /// Everything, for a ticket
    Markdown,
    /// Everything with drawings, for a browser
    Html,
}

fn goal(text: &str) -> Result<About<Goal>, String> {
    About::read(text, word)
}

fn role(text: &str) -> Result<About<Role>, String> {
    About::read(text, word)
}

fn number(text: &str) -> Result<About<f64>, String> {
    About::read(text, finite)
}

fn text(text: &str) -> Result<About<String>, String> {
    About::read(text, |value| match value {
        "" => Err("a column has a name".to_owned()),
        value => Ok(value.to_owned()),
    })
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(format!("{text:?} is no number; write it like 0.05")),
    }
}

fn spending(text: &str) -> Result<Spending, String> {
    match text {
        "obrien-fleming" => Ok(Spending::ObrienFleming),
        "pocock" => Ok(Spending::Pocock),
        _ => Err("known: obrien-fleming, pocock".to_owned()),
    }
}

fn expected(text: &str) -> Result<(String, f64), String> {
    // The share stands last: an arm may have any name.
    let (arm, share) = text.rsplit_once('=').ok_or("it is written ARM=SHARE")?;
    Ok((arm.to_owned(), finite(share)?))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "\\t" | "tab" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err("it is one character, such as ';', or 'tab'".to_owned()),
        },
    }
}

impl Analyze {
    pub(super) const fn wants_json(&self) -> bool {
        self.json || matches!(self.format, Format::Json)
    }

    fn question(&self) -> Question {
        let source = self.file.as_ref().or(self.from_json.as_ref());
        let title = source
            .filter(|file| file.as_path() != Path::new("-"))
            .and_then(|file| file.file_stem())
            .map_or_else(|| "analysis".into(), |stem| stem.to_string_lossy());
        Question {
            title: title.into_owned(),
            arm: self.arm.clone(),
            control: self.control.clone(),
            only: self.only.clone(),
            rows_where: self.rows_where.clone(),
            expected: self.expected.clone(),
            unit: self.unit.clone(),
            weight: self.weight.clone(),
            strata: self.strata.clone(),
            metrics: self.metrics.clone(),
            settings: Settings {
                goals: self.goals.clone(),
                roles: self.roles.clone(),
                margins: self.margins.clone(),
                minimum_effects: self.minimum_effects.clone(),
                caps: self.caps.clone(),
                scales: self.scales.clone(),
                covariates: self.covariates.clone(),
            },
            missing: match self.missing {
                Gap::Refuse => Missing::Refuse,
                Gap::LeaveOut => Missing::LeaveOut,
                Gap::Zero => Missing::Zero,
            },
            alpha: self.alpha,
            schedule: match self.discipline {
                Looks::Fixed => Schedule::Once,
                Looks::Sequential => Schedule::Anytime {
                    tuned_for: self.tuned_for,
                },
                Looks::GroupSequential => Schedule::Planned {
                    units: self.planned.unwrap_or(0),
                    looks: self.looks,
                    spending: self.spending,
                    before: self.looked_at.clone(),
                },
            },
        }
    }
}

pub(super) fn run(args: &Analyze) -> Result<(), Failure> {
    let question = args.question();
    let analysis = match (&args.file, &args.from_json) {
        (Some(file), _) => rows::read(file, args.delimiter, question)?,
        (None, Some(file)) => sums::read(&read_text(file)?, question).map_err(|why| why.of(file))?,
        (None, None) => {
            return Err(Failure::input(
                "FILE",
                "no table is named",
                "name one, or --from-json",
            ));
        }
    };
    let shown = shown(&analysis, if args.json { Format::Json } else { args.format })?;
    match &args.out {
        None => screen::print(&shown),
        Some(file) => std::fs::write(file, shown).map_err(|error| {
            Failure::input(
                file.display(),
                format!("cannot be written: {error}"),
                "check the path",
            )
        }),
    }
}

fn shown(analysis: &Analysis, format: Format) -> Result<String, Failure> {
    let judged = analysis.judge();
    let no_json = |error| Failure::process("cannot write the inputs as JSON", error);
    let mut inputs = serde_json::to_vec(&analysis.design).map_err(no_json)?;
    inputs.extend(serde_json::to_vec(&analysis.tallies).map_err(no_json)?);
    let digest = Digest::of(&inputs);
    let report = Report {
        design: &analysis.design,
        result: &judged.result,
        decision: &judged.decision,
        plan: None,
        inputs: digest.as_str(),
        version: concat!("tidegate ", env!("CARGO_PKG_VERSION")),
    };
    let besides = Besides {
        notes: &analysis.notes,
        beside: &judged.beside,
    };
    Ok(match format {
        Format::Text => report.text_with(&besides),
        Format::Markdown => report.markdown_with(&besides),
        Format::Html => report.html_with(&besides),
        Format::Json => {
            let mut whole = serde_json::to_value(report).map_err(no_json)?;
            if let Some(fields) = whole.as_object_mut() {
                fields.insert("notes".to_owned(), json!(analysis.notes));
                fields.insert("beside".to_owned(), json!(judged.beside));
            }
            format!("{whole:#}\n")
        }
    })
}

/// What is wrong with a file, in the words of the command line.
fn refuse(file: &Path, violation: &Violation) -> Failure {
    let value = if violation.value.is_empty() {
        String::new()
    } else {
        format!(" ({:?})", violation.value)
    };
    Failure::input(
        format!("{}: {}", source(file), violation.field),
        format!("{}{value}", violation.rule),
        &violation.fix,
    )
}

/// All that is wrong with a file, a sentence each.
fn refuse_all(file: &Path, invalid: &Invalid) -> Failure {
    match invalid.violations() {
        [single] => refuse(file, single),
        several => {
            let lines: Vec<String> = several
                .iter()
                .map(|violation| format!("\n  {violation}"))
                .collect();
            Failure::input(
                source(file),
                format!("{} things are wrong{}\n", several.len(), lines.concat()),
                "mend all of them",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_a_name_or_are_for_all() {
        assert_eq!(goal("spent=decrease").unwrap().metric.as_deref(), Some("spent"));
        assert_eq!(goal("maintain").unwrap().metric, None);
        assert!(goal("spent=up").unwrap_err().contains("`increase`"));
        assert!(number("m=two").unwrap_err().contains("0.05"));
        assert_eq!(expected("a=b=50").unwrap(), ("a=b".to_owned(), 50.0));
        assert!(expected("a").is_err());
        assert_eq!((delimiter("tab"), delimiter(";")), (Ok(b'\t'), Ok(b';')));
        assert!(delimiter("::").is_err());
    }
}
