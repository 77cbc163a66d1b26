//! Reports and plans of experiments.

use super::{at, design};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::screen::{self, Screen, cell, number};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tidegate_model::key::ExperimentKey;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For machines.
    Json,
    /// For a ticket or a repository.
    Markdown,
    /// For a browser: one page with drawings, without scripts.
    Html,
}

/// What is to be planned.
#[derive(Debug, Args)]
pub(super) struct Planned {
    /// The design as JSON; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    traffic: Traffic,
}

/// Exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Traffic {
    /// What is known of the traffic, as JSON
    #[arg(long, value_name = "FILE")]
    traffic: Option<PathBuf>,
    /// An experiment that has started: its traffic, and the values of its control
    #[arg(long, value_name = "EXPERIMENT", value_parser = crate::cli::named::<ExperimentKey>)]
    measured_by: Option<ExperimentKey>,
}

/// The result that counts, as a report.
pub(super) async fn report(
    client: &Client,
    screen: Screen,
    key: &ExperimentKey,
    format: Option<Format>,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let usual = if screen.json {
        Format::Json
    } else {
        Format::Markdown
    };
    let format = format.unwrap_or(usual);
    let name = match format {
        Format::Json => "json",
        Format::Markdown => "markdown",
        Format::Html => "html",
    };
    let path = client.within(&format!("experiments/{key}/report?format={name}"));
    let answer = client.get(&path).await?;
    let text = match format {
        Format::Json => format!("{:#}\n", answer.json()?),
        Format::Markdown | Format::Html => answer.text(),
    };
    screen::write(&text, output)
}

/// How many units a design needs, and how long that takes.
pub(super) async fn plan(client: &Client, screen: Screen, planned: &Planned) -> Result<(), Failure> {
    let (_, design) = design(&planned.file)?;
    let mut body = Map::from_iter([("design".to_owned(), design)]);
    if let Some(file) = &planned.traffic.traffic {
        let text = crate::cli::read_text(file)?;
        let traffic = serde_json::from_str(&text).map_err(|error| {
            let fix = r#"for example {"unitsADay": 4000, "metrics": {"purchase": {"value": 0.1}}}"#;
            Failure::input(file.display(), format!("cannot be read: {error}"), fix)
        })?;
        body.insert("traffic".to_owned(), traffic);
    }
    if let Some(key) = &planned.traffic.measured_by {
        body.insert("measuredBy".to_owned(), json!(key));
    }
    let answer = client.post(&client.within("experiments/plan"), &body).await?;
    let plan = answer.json()?;
    screen.show(&plan, || Ok(told(screen, &plan)))
}

fn told(screen: Screen, plan: &Value) -> String {
    let mut text = format!(
        "{} needs {} units, {} days, with {} units a day\n\n",
        plan["experiment"].as_str().unwrap_or_default(),
        given(&plan["units"]),
        given(&plan["days"]),
        given(&plan["unitsADay"]),
    );
    let rows = plan["metrics"].as_array().into_iter().flatten().map(|metric| {
        let why = at(metric, "/units/refused/why").as_str();
        vec![
            cell(metric["metric"].as_str().unwrap_or_default()),
            cell(metric["role"].as_str().unwrap_or_default()),
            cell(metric["aim"].as_str().unwrap_or_default().replace('_', " ")),
            cell(given(&metric["units"])),
            cell(given(&metric["days"])),
            cell(given(&metric["chance"])),
            cell(given(&metric["detectable"])),
            cell(why.unwrap_or_default()),
        ]
    });
    let header = [
        "metric",
        "role",
        "aim",
        "units",
        "days",
        "chance",
        "detectable",
        "why not",
    ];
    text.push_str(&screen.table(&header, rows.collect(), "no metric can be planned"));
    for suggestion in plan["suggestions"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\n- {}\n",
            suggestion["text"].as_str().unwrap_or_default()
        ));
    }
    text
}

fn given(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), number)
}
