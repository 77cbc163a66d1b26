//! `tidegate flag`: see and change flags.

use super::client::{Answer, Body, Client};
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use export::Export;
use import::Import;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_model::experiment::Experiment;
use tidegate_model::flag::{FlagDefinition, FlagStatus, FlagType, Pin, Serve, WeightedVariation};
use tidegate_model::key::{ExperimentKey, FlagKey, Revision, VariationKey};
use tidegate_model::share::Share;

mod document;
mod export;
mod import;

/// What to do about flags.
#[derive(Debug, Args)]
pub(crate) struct FlagArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All flags
    #[command(after_help = "Example:\n  tidegate flag list --environment staging")]
    List,
    /// One flag with everything it says
    #[command(after_help = "Examples:
  tidegate flag show new-checkout
  tidegate flag show new-checkout --json | jq .definition > flag.json")]
    Show {
        /// The flag
        #[arg(value_parser = super::named::<FlagKey>)]
        key: FlagKey,
    },
    /// Create a flag, or change one
    #[command(after_help = "Examples:
  tidegate flag set new-checkout --type boolean
  tidegate flag set new-checkout --variation on
  tidegate flag set slow-mode --percentage 25
  tidegate flag set new-checkout --status inactive
  tidegate flag set new-checkout --file flag.json")]
    Set(Box<Set>),
    /// Create and change flags and segments as a file says
    #[command(after_help = "Examples:
  tidegate flag import --from flagd flags.flagd.json --dry-run
  tidegate flag import --from flagd flags.flagd.json --partial --environment staging
  tidegate flag import backup.json --environment staging")]
    Import(Import),
    /// Write all flags and segments to a file
    #[command(after_help = "Examples:
  tidegate flag export --output backup.json
  tidegate flag export --to flagd --output flags.flagd.json --environment staging")]
    Export(Export),
}

#[derive(Debug, Args)]
struct Set {
    /// The flag
    #[arg(value_parser = super::named::<FlagKey>)]
    key: FlagKey,
    #[command(flatten)]
    changes: Changes,
}

/// At least one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Make a flag of this type, if there is none: boolean, percentage; others are made with --file
    #[arg(long = "type", value_parser = super::word::<FlagType>)]
    kind: Option<FlagType>,
    /// What everybody gets who is caught by no rule
    #[arg(long, value_parser = super::named::<VariationKey>)]
    variation: Option<VariationKey>,
    /// For how many per cent a percentage flag is on
    #[arg(long, value_parser = share, conflicts_with = "variation")]
    percentage: Option<Share>,
    /// Whether it is in use: active, inactive, archived
    #[arg(long, value_parser = super::word::<FlagStatus>)]
    status: Option<FlagStatus>,
    /// The whole definition as JSON, as `flag show --json` has it under `definition`; `-` is standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["kind", "variation", "percentage", "status"]
    )]
    file: Option<PathBuf>,
}

fn share(text: &str) -> Result<Share, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .trim_end()
        .parse()
        .map_err(|_| "a percentage is a number from 0 to 100, for example 25".to_owned())?;
    Share::of_percent(number).map_err(|violation| violation.to_string())
}

/// A flag, as the control plane shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    definition: FlagDefinition,
    revision: Revision,
    #[serde(default)]
    pin: Option<Pin>,
    #[serde(default)]
    held: Option<ExperimentKey>,
}

/// Does what the command line says.
pub(crate) async fn run(args: FlagArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    match args.verb {
        Verb::List => {
            let answer = client.get(&client.within("flags")).await?;
            screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?)))
        }
        Verb::Show { key } => {
            let answer = client.get(&client.within(&format!("flags/{key}"))).await?;
            show(screen, &answer)
        }
        Verb::Set(set) => save(&client, screen, *set).await,
        Verb::Import(import) => import::run(&client, screen, import).await,
        Verb::Export(export) => export::run(&client, export).await,
    }
}

async fn save(client: &Client, screen: Screen, set: Set) -> Result<(), Failure> {
    let path = client.within(&format!("flags/{}", set.key));
    let found = client.find(&path).await?;
    let definition = match &set.changes.file {
        Some(file) => from_file(file)?,
        None => {
            let before = found.as_ref().map(Answer::read::<Shown>).transpose()?;
            changed(set, before.map(|shown| shown.definition), client)?
        }
    };
    let answer = client.put(&path, Body::Json(definition), found.as_ref()).await?;
    show(screen, &answer)
}

/// The definition with what the command line changes.
fn changed(set: Set, before: Option<FlagDefinition>, client: &Client) -> Result<Value, Failure> {
    let Set { key, changes } = set;
    let mut definition = match (before, changes.kind) {
        (Some(before), None) => before,
        (Some(before), Some(kind)) if before.kind == kind => before,
        (Some(_), Some(_)) => {
            let fix = "leave out --type, or make another flag";
            return Err(Failure::input(
                key,
                "exists with another type, and a type never changes",
                fix,
            ));
        }
        (None, Some(kind)) => new(&key, kind)?,
        (None, None) => {
            let why = format!("there is no such flag in {}", client.environment());
            return Err(Failure::input(
                key,
                why,
                "make it with --type boolean, or from a file with --file",
            ));
        }
    };
    if let Some(variation) = changes.variation {
        definition.fallback = Some(Serve::Variation(variation));
        definition.percentage = None;
    }
    // The control plane writes a percentage as a split in the fallback; one of the two is given.
    if changes.percentage.is_some() {
        definition.percentage = changes.percentage;
        definition.fallback = None;
    }
    definition.status = changes.status.unwrap_or(definition.status);
    Ok(json!(definition))
}

/// A new flag, of which everything else is left to the control plane.
fn new(key: &FlagKey, kind: FlagType) -> Result<FlagDefinition, Failure> {
    let definition = serde_json::from_value(json!({ "key": key, "type": kind }));
    definition.map_err(|error| Failure::input(key, error, "write it to a file and use --file"))
}

fn from_file(file: &Path) -> Result<Value, Failure> {
    let text = super::read_text(file)?;
    // Left as it is: the control plane names everything that is wrong with it at once.
    serde_json::from_str(&text).map_err(|error| {
        let fix = "see 'tidegate flag show FLAG --json' for one that is";
        Failure::input(file.display(), format!("no JSON: {error}"), fix)
    })
}

fn table(screen: Screen, flags: &[Shown]) -> String {
    let row = |flag: &Shown| {
        let definition = &flag.definition;
        let rollout = flag.pin.as_ref().map(|pin| pin.rollout.as_str());
        let holder = rollout.or(flag.held.as_ref().map(|experiment| experiment.as_str()));
        vec![
            cell(&definition.key),
            cell(spelled(&definition.kind)),
            toned(spelled(&definition.status), tone(definition.status)),
            cell(serves(definition)),
            cell(holder.unwrap_or("-")),
            cell(flag.revision),
            cell(&definition.description),
        ]
    };
    screen.table(
        &[
            "flag",
            "type",
            "status",
            "fallback",
            "held by",
            "revision",
            "description",
        ],
        flags.iter().map(row).collect(),
        "no flags yet; create one with: tidegate flag set new-checkout --type boolean",
    )
}

fn show(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    screen.show(&answer.json()?, || Ok(whole(screen, &answer.read()?)))
}

fn whole(screen: Screen, flag: &Shown) -> String {
    let definition = &flag.definition;
    let status = screen.tinted(&spelled(&definition.status), tone(definition.status));
    let mut lines = vec![format!(
        "{}  {}, {status}, revision {}",
        definition.key,
        spelled(&definition.kind),
        flag.revision
    )];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<13} {text}"));
    if !definition.description.is_empty() {
        line("about", definition.description.clone());
    }
    for variation in &definition.variations {
        line("variation", format!("{} = {}", variation.key, variation.value));
    }
    if let Some(off) = &definition.off {
        line("when off", off.to_string());
    }
    for needed in &definition.prerequisites {
        let variations: Vec<&str> = needed.variations.iter().map(|key| key.as_str()).collect();
        line(
            "needs",
            format!("{} to serve {}", needed.flag, variations.join(" or ")),
        );
    }
    for individual in &definition.individuals {
        line(
            "individuals",
            format!("{} -> {}", individual.units.join(", "), individual.variation),
        );
    }
    for rule in &definition.rules {
        line(
            "rule",
            format!(
                "{} -> {}, when {}",
                rule.name,
                served(&rule.serve),
                json!(rule.when)
            ),
        );
    }
    if let Some(experiment) = &definition.experiment {
        line("experiment", tested(experiment));
    }
    if let Some(experiment) = &flag.held {
        line("held by", format!("experiment {experiment}"));
    }
    if let Some(pin) = &flag.pin {
        line(
            "rollout",
            format!("{} opens {}, back to {}", pin.rollout, pin.candidate, pin.safe),
        );
    }
    line("fallback", serves(definition));
    format!("{}\n", lines.join("\n"))
}

fn serves(definition: &FlagDefinition) -> String {
    match (&definition.percentage, &definition.fallback) {
        (Some(share), _) => format!("on for {share}"),
        (None, Some(serve)) => served(serve),
        (None, None) => "the caller's default".to_owned(),
    }
}

fn served(serve: &Serve) -> String {
    match serve {
        Serve::Variation(key) => key.to_string(),
        Serve::Split(parts) => dealt(parts),
    }
}

fn dealt(parts: &[WeightedVariation]) -> String {
    let part = |part: &WeightedVariation| format!("{} {}", part.variation, part.weight);
    parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn tested(experiment: &Experiment) -> String {
    let mut text = format!("{}: {}", experiment.key, dealt(&experiment.arms));
    if experiment.allocation != Share::ALL {
        text.push_str(&format!("; for {} of the units", experiment.allocation));
    }
    if let Some(layer) = &experiment.layer {
        text.push_str(&format!(
            "; layer {} from {} to {}",
            layer.key, layer.from, layer.to
        ));
    }
    if let Some(holdout) = &experiment.holdout {
        text.push_str(&format!("; holdout {} {}", holdout.key, holdout.share));
    }
    if let Some(audience) = &experiment.audience {
        text.push_str(&format!("; when {}", json!(audience)));
    }
    text
}

fn tone(status: FlagStatus) -> Tone {
    match status {
        FlagStatus::Active | FlagStatus::Experiment => Tone::Good,
        FlagStatus::Inactive => Tone::Wait,
        FlagStatus::Archived => Tone::Plain,
    }
}

/// A word as the API spells it.
fn spelled(word: &impl serde::Serialize) -> String {
    json!(word).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(definition: Value, pin: Value) -> Shown {
        serde_json::from_value(json!({ "definition": definition, "revision": 3, "pin": pin, "attempts": 1 }))
            .unwrap()
    }

    fn checkout() -> Shown {
        let pin = json!({ "rollout": "new-checkout.1", "candidate": "on", "safe": "off" });
        let definition = json!({
            "key": "new-checkout", "type": "boolean", "description": "one page instead of three",
            "variations": [{"key": "on", "value": true}, {"key": "off", "value": false}], "off": "off",
            "prerequisites": [{"flag": "accounts", "variations": ["v2", "v3"]}],
            "individuals": [{"units": ["ada", "bob"], "variation": "on"}],
            "experiment": {
                "key": "layout", "layer": {"key": "checkout", "from": 0, "to": 50}, "allocation": 20,
                "holdout": {"key": "q4", "share": 5}, "audience": {"segment": "beta"},
                "arms": [{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}],
            },
            "fallback": {"split": [{"variation": "on", "weight": 25}, {"variation": "off", "weight": 75}]},
        });
        flag(definition, pin)
    }

    #[test]
    fn a_flag_is_shown_whole() {
        assert_eq!(
            whole(Screen::PIPE, &checkout()),
            "new-checkout  boolean, active, revision 3
  about         one page instead of three
  variation     on = true
  variation     off = false
  when off      off
  needs         accounts to serve v2 or v3
  individuals   ada, bob -> on
  experiment    layout: on 50 %, off 50 %; for 20 % of the units; layer checkout from 0 % to 50 %; holdout q4 5 %; when {\"segment\":\"beta\"}
  rollout       new-checkout.1 opens on, back to off
  fallback      on 25 %, off 75 %
"
        );
    }

    #[test]
    fn flags_are_a_table() {
        let slow =
            json!({ "key": "slow-mode", "type": "percentage", "status": "inactive", "percentage": 12.5 });
        let table_of = |flags: &[Shown]| table(Screen::PIPE, flags);
        assert_eq!(
            table_of(&[checkout(), flag(slow, Value::Null)]),
            "FLAG          TYPE        STATUS    FALLBACK           HELD BY         REVISION  DESCRIPTION
new-checkout  boolean     active    on 25 %, off 75 %  new-checkout.1  3         one page instead of three
slow-mode     percentage  inactive  on for 12.5 %      -               3
"
        );
        assert!(table_of(&[]).starts_with("no flags yet; create one with: tidegate flag set"));
    }

    #[test]
    fn percentages_are_read_as_people_write_them() {
        for (text, expected) in [
            ("25", Some(25_000)),
            ("25%", Some(25_000)),
            ("0.5 %", Some(500)),
            ("101", None),
            ("x", None),
        ] {
            assert_eq!(share(text).ok().map(Share::parts), expected, "{text}");
        }
    }
}
