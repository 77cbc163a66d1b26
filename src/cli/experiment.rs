//! `tidegate experiment`: design, run and read experiments.

use super::client::{Answer, Body, Client};
use super::failure::Failure;
use super::screen::{self, Screen, Tone, cell, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use report::Format;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_model::experiment::{ExperimentCommand, Outcome};
use tidegate_model::key::{ExperimentKey, PolicyName, VariationKey};

mod report;
mod results;
mod show;

/// What to do about experiments.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All experiments
    #[command(after_help = "Example:\n  tidegate experiment list --environment staging")]
    List,
    /// One experiment: its design, where it stands, and what it speaks for
    #[command(after_help = "Examples:
  tidegate experiment show green-button
  tidegate experiment show green-button --json | jq .design > green-button.json")]
    Show(One),
    /// Create an experiment, or change one, as a file says
    #[command(after_help = "Example:\n  tidegate experiment save green-button.json")]
    Save {
        /// The design as JSON; `-` is standard input
        file: PathBuf,
    },
    /// Say everything that is wrong with a design, and store nothing
    #[command(after_help = "Example:\n  tidegate experiment check green-button.json")]
    Check {
        /// The design as JSON; `-` is standard input
        file: PathBuf,
    },
    /// How many units a design needs, how long that takes, and what would make it cheaper
    #[command(after_help = "Examples:
  tidegate experiment plan green-button.json --traffic traffic.json
  tidegate experiment plan green-button.json --measured-by blue-button

A file of traffic: {\"unitsADay\": 4000, \"metrics\": {\"purchase\": {\"value\": 0.1}}}")]
    Plan(report::Planned),
    /// Remove a draft
    #[command(after_help = "Example:\n  tidegate experiment delete green-button")]
    Delete(One),
    /// Start at the time that the design names
    #[command(after_help = "Example:\n  tidegate experiment schedule green-button")]
    Schedule(One),
    /// Do not start by itself
    #[command(after_help = "Example:\n  tidegate experiment unschedule green-button")]
    Unschedule(One),
    /// Deal arms from now on
    #[command(after_help = "Example:\n  tidegate experiment start green-button")]
    Start(One),
    /// Deal no arms for now: everybody gets what the flag serves without the experiment
    #[command(after_help = "Example:\n  tidegate experiment pause green-button --reason 'the shop is down'")]
    Pause(Steer),
    /// Deal arms again
    #[command(after_help = "Example:\n  tidegate experiment resume green-button --reason 'it is up again'")]
    Resume(Steer),
    /// End an experiment, and say what becomes of its flag
    #[command(after_help = "Examples:
  tidegate experiment stop green-button --ship green --reason 'it sells more'
  tidegate experiment stop green-button --revert --reason 'it does not'
  tidegate experiment stop green-button --hand-over green --policy canary --reason 'step by step'")]
    Stop(Stop),
    /// Put an experiment away that is over
    #[command(after_help = "Example:\n  tidegate experiment archive green-button")]
    Archive(One),
    /// What an experiment says: the result that counts, and what follows from it
    #[command(after_help = "Examples:
  tidegate experiment results green-button
  tidegate experiment results green-button --breakdown country
  tidegate experiment results green-button --json | jq .decision")]
    Results {
        #[command(flatten)]
        one: One,
        /// One of the design's dimensions: each metric for each value of it
        #[arg(long, value_name = "DIMENSION")]
        breakdown: Option<String>,
    },
    /// How each metric of each treatment came about
    #[command(after_help = "Example:\n  tidegate experiment course green-button")]
    Course(One),
    /// The result that counts as a report
    #[command(after_help = "Examples:
  tidegate experiment report green-button
  tidegate experiment report green-button --format html --output report.html")]
    Report {
        #[command(flatten)]
        one: One,
        /// How to write it [default: markdown, with --json json]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// The file to write it to [default: standard output]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// Which experiment.
#[derive(Debug, Args)]
struct One {
    /// The experiment
    #[arg(value_parser = super::named::<ExperimentKey>)]
    key: ExperimentKey,
}

/// Which experiment, and why.
#[derive(Debug, Args)]
struct Steer {
    #[command(flatten)]
    one: One,
    /// Why; stands in the audit log
    #[arg(long, short)]
    reason: String,
}

#[derive(Debug, Args)]
struct Stop {
    #[command(flatten)]
    steer: Steer,
    #[command(flatten)]
    outcome: Way,
    /// The policy by which the variation is opened that is handed over
    #[arg(long, short, value_parser = super::named::<PolicyName>, requires = "hand_over")]
    policy: Option<PolicyName>,
}

/// Exactly one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Way {
    /// Everybody gets this variation
    #[arg(long, value_name = "VARIATION", value_parser = super::named::<VariationKey>)]
    ship: Option<VariationKey>,
    /// Everybody gets what the flag serves without the experiment
    #[arg(long)]
    revert: bool,
    /// A rollout opens this variation step by step
    #[arg(long, value_name = "VARIATION", value_parser = super::named::<VariationKey>, requires = "policy")]
    hand_over: Option<VariationKey>,
}

impl Stop {
    fn outcome(self) -> Outcome {
        match (self.outcome.ship, self.outcome.hand_over, self.policy) {
            (Some(variation), _, _) => Outcome::Ship { variation },
            (None, Some(variation), Some(policy)) => Outcome::HandOver { variation, policy },
            _ => Outcome::Revert,
        }
    }
}

/// Does what the command line says.
pub(crate) async fn run(args: ExperimentArgs) -> Result<(), Failure> {
    use ExperimentCommand as C;
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    match args.verb {
        Verb::List => list(&client, screen).await,
        Verb::Show(One { key }) => {
            let answer = client.get(&client.within(&format!("experiments/{key}"))).await?;
            show(screen, &answer)
        }
        Verb::Save { file } => save(&client, screen, &file).await,
        Verb::Check { file } => check(&client, screen, &file).await,
        Verb::Plan(planned) => report::plan(&client, screen, &planned).await,
        Verb::Delete(One { key }) => delete(&client, screen, &key).await,
        Verb::Schedule(One { key }) => command(&client, screen, &key, &C::Schedule).await,
        Verb::Unschedule(One { key }) => command(&client, screen, &key, &C::Unschedule).await,
        Verb::Start(One { key }) => command(&client, screen, &key, &C::Start).await,
        Verb::Pause(Steer { one, reason }) => command(&client, screen, &one.key, &C::Pause { reason }).await,
        Verb::Resume(Steer { one, reason }) => {
            command(&client, screen, &one.key, &C::Resume { reason }).await
        }
        Verb::Stop(stop) => {
            let (key, reason) = (stop.steer.one.key.clone(), stop.steer.reason.clone());
            let outcome = stop.outcome();
            command(&client, screen, &key, &C::Stop { outcome, reason }).await
        }
        Verb::Archive(One { key }) => command(&client, screen, &key, &C::Archive).await,
        Verb::Results { one, breakdown } => results::results(&client, screen, &one.key, breakdown).await,
        Verb::Course(One { key }) => results::course(&client, screen, &key).await,
        Verb::Report { one, format, output } => {
            report::report(&client, screen, &one.key, format, output.as_deref()).await
        }
    }
}

async fn list(client: &Client, screen: Screen) -> Result<(), Failure> {
    let answer = client.get(&client.within("experiments")).await?;
    let views: Vec<Value> = answer.items()?;
    screen.show(&answer.json()?, || {
        let rows = views.iter().map(|view| {
            let design = &view["design"];
            vec![
                cell(text(&design["key"])),
                toned(text(&view["phase"]), tone(&view["phase"])),
                cell(text(&design["flag"])),
                cell(
                    view["started"]
                        .as_str()
                        .map_or_else(|| "-".to_owned(), show::when),
                ),
                cell(
                    at(view, "/advice/action")
                        .as_str()
                        .unwrap_or("-")
                        .replace('_', " "),
                ),
                cell(text(&design["hypothesis"])),
            ]
        });
        Ok(screen.table(
            &[
                "experiment",
                "phase",
                "flag",
                "started",
                "speaks for",
                "hypothesis",
            ],
            rows.collect(),
            "no experiments; design one with: tidegate experiment save FILE",
        ))
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn tone(phase: &Value) -> Tone {
    match phase.as_str() {
        Some("running") => Tone::Good,
        Some("paused" | "scheduled") => Tone::Wait,
        _ => Tone::Plain,
    }
}

fn show(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    let view = answer.json()?;
    screen.show(&view, || Ok(show::whole(&view)))
}

/// A part of an answer; null where there is none.
fn at<'v>(value: &'v Value, path: &str) -> &'v Value {
    value.pointer(path).unwrap_or(&Value::Null)
}

/// The design in a file; `-` is standard input.
fn design(file: &Path) -> Result<(ExperimentKey, Value), Failure> {
    let text = super::read_text(file)?;
    let design: Value = serde_json::from_str(&text).map_err(|error| {
        let fix = "a design is JSON, as `tidegate experiment show KEY --json` has it under `design`";
        Failure::input(file.display(), format!("cannot be read: {error}"), fix)
    })?;
    let key = at(&design, "/key").as_str().unwrap_or_default();
    let key = key.parse().map_err(|violation| {
        Failure::input(
            file.display(),
            violation,
            "give the design a 'key', for example \"green-button\"",
        )
    })?;
    Ok((key, design))
}

async fn save(client: &Client, screen: Screen, file: &Path) -> Result<(), Failure> {
    let (key, design) = design(file)?;
    let path = client.within(&format!("experiments/{key}"));
    let seen = client.find(&path).await?;
    let answer = client.put(&path, Body::Json(design), seen.as_ref()).await?;
    show(screen, &answer)
}

async fn check(client: &Client, screen: Screen, file: &Path) -> Result<(), Failure> {
    let (key, design) = design(file)?;
    let answer = client.post(&client.within("experiments/check"), &design).await?;
    let checked = answer.json()?;
    let violations = at(&checked, "/violations")
        .as_array()
        .cloned()
        .unwrap_or_default();
    if violations.is_empty() {
        return screen.show(&checked, || Ok(format!("{key} could be saved as it is\n")));
    }
    if screen.json {
        screen::print(&format!("{checked:#}\n"))?;
    }
    let listed: Vec<String> = violations
        .iter()
        .map(|one| {
            let (field, rule, fix) = (text(&one["field"]), text(&one["rule"]), text(&one["fix"]));
            format!("{field}: {rule} (is {:?}); {fix}", text(&one["value"]))
        })
        .collect();
    Err(Failure::input(
        file.display(),
        listed.join("\n"),
        "mend that, and check again",
    ))
}

async fn delete(client: &Client, screen: Screen, key: &ExperimentKey) -> Result<(), Failure> {
    let path = client.within(&format!("experiments/{key}"));
    let seen = client.get(&path).await?;
    client.delete_seen(&path, &seen).await?;
    screen.show(&json!({ "deleted": key }), || Ok(format!("{key} is gone\n")))
}

async fn command(
    client: &Client,
    screen: Screen,
    key: &ExperimentKey,
    command: &ExperimentCommand,
) -> Result<(), Failure> {
    let path = client.within(&format!("experiments/{key}/commands"));
    let answer = client.post(&path, command).await?;
    show(screen, &answer)
}
