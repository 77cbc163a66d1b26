//! `tidegate segment`: see segments, and import lists of units into them.

use super::client::{Answer, Client};
use super::failure::Failure;
use super::screen::{Screen, Tone, cell, toned};
use super::target::Target;
use clap::{Args, Subcommand};
use import::Import;
use serde::Deserialize;
use serde_json::json;
use stage::Stage;
use tidegate_model::key::{Revision, SegmentKey};
use tidegate_model::segment::{SegmentDefinition, SegmentStatus, StagedSegment};

mod import;
mod stage;

/// What to do about segments.
#[derive(Debug, Args)]
pub(crate) struct SegmentArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// All segments
    #[command(after_help = "Example:\n  tidegate segment list --environment staging")]
    List,
    /// One segment with everything it says
    #[command(after_help = "Examples:
  tidegate segment show beta
  tidegate segment show beta --json | jq .definition > segment.json")]
    Show {
        /// The segment
        #[arg(value_parser = super::named::<SegmentKey>)]
        key: SegmentKey,
    },
    /// Import a list of units, in place of the one that the segment has
    #[command(after_help = "Examples:
  tidegate segment import beta users.csv
  tidegate segment import beta users.csv --column user_id
  tidegate segment import beta users.ndjson --column id
  psql -Atc 'select id from users' | tidegate segment import beta - --format csv")]
    Import(Import),
    /// Open an edit of a segment step by step, guarded by a policy as a rollout is
    #[command(after_help = "Example:
  tidegate segment stage beta-users --file new.yaml --policy canary --watch

Its rollout is one of the flag segment.KEY: 'tidegate rollout' watches and steers it like any.")]
    Stage(Stage),
}

/// A segment, as the control plane shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    definition: SegmentDefinition,
    revision: Revision,
    #[serde(default)]
    staged: Option<StagedSegment>,
}

/// Does what the command line says.
pub(crate) async fn run(args: SegmentArgs) -> Result<(), Failure> {
    let client = Client::new(&args.target)?;
    let screen = Screen::of(&args.target);
    match args.verb {
        Verb::List => {
            let answer = client.get(&client.within("segments")).await?;
            screen.show(&answer.json()?, || Ok(table(screen, &answer.items()?)))
        }
        Verb::Show { key } => {
            let answer = client.get(&client.within(&format!("segments/{key}"))).await?;
            show(screen, &answer)
        }
        Verb::Import(import) => import::run(&client, screen, import).await,
        Verb::Stage(stage) => stage::run(&client, screen, stage).await,
    }
}

fn table(screen: Screen, segments: &[Shown]) -> String {
    let row = |segment: &Shown| {
        let definition = &segment.definition;
        let status = definition.status;
        vec![
            cell(&definition.key),
            toned(spelled(status), tone(status)),
            cell(by(definition)),
            cell(segment.revision),
            cell(&definition.description),
        ]
    };
    screen.table(
        &["key", "status", "by", "revision", "description"],
        segments.iter().map(row).collect(),
        "no segments yet; import a list of units with: tidegate segment import beta users.csv",
    )
}

fn show(screen: Screen, answer: &Answer) -> Result<(), Failure> {
    screen.show(&answer.json()?, || Ok(whole(screen, &answer.read()?)))
}

fn whole(screen: Screen, segment: &Shown) -> String {
    let definition = &segment.definition;
    let status = screen.tinted(&spelled(definition.status), tone(definition.status));
    let mut lines = vec![format!(
        "{}  segment, {status}, revision {}",
        definition.key, segment.revision
    )];
    lines.extend(says(definition));
    if let Some(staged) = &segment.staged {
        lines.push(format!(
            "  being opened by {} (policy {})",
            staged.rollout, staged.policy
        ));
        let inner = says(staged.definition.definition());
        lines.extend(inner.into_iter().map(|line| format!("  {line}")));
    }
    format!("{}\n", lines.join("\n"))
}

/// What a definition says, line by line.
fn says(definition: &SegmentDefinition) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<13} {text}"));
    if !definition.description.is_empty() {
        line("about", definition.description.clone());
    }
    for (name, units) in [
        ("excluded", &definition.excluded),
        ("included", &definition.included),
    ] {
        if !units.is_empty() {
            line(name, units.join(", "));
        }
    }
    if let Some(list) = &definition.list {
        line("list", format!("{} units, {}", list.count, list.digest.short()));
    }
    if let Some(when) = &definition.when {
        line("when", json!(when).to_string());
    }
    if let Some(score) = &definition.score {
        line("score", format!("at least {}", score.at_least));
        for part in &score.parts {
            line("", format!("{} when {}", part.weight, json!(part.when)));
        }
    }
    lines
}

/// What decides who is in, in a few words.
fn by(definition: &SegmentDefinition) -> String {
    let list = definition
        .list
        .as_ref()
        .map(|list| format!("list of {}", list.count));
    let words = [
        (!definition.included.is_empty()).then(|| format!("{} units", definition.included.len())),
        list,
        definition.when.as_ref().map(|_| "conditions".to_owned()),
        definition.score.as_ref().map(|_| "score".to_owned()),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn tone(status: SegmentStatus) -> Tone {
    match status {
        SegmentStatus::Active => Tone::Good,
        SegmentStatus::Draft => Tone::Wait,
        SegmentStatus::Inactive => Tone::Plain,
    }
}

fn spelled(status: SegmentStatus) -> String {
    json!(status).as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn segment(definition: Value) -> Shown {
        serde_json::from_value(json!({ "definition": definition, "revision": 3 })).unwrap()
    }

    fn beta() -> Shown {
        segment(json!({
            "key": "beta", "description": "asked for it", "excluded": ["eve"],
            "list": {"digest": "0123456789abcdef".repeat(4), "count": 1_000_000},
            "score": {"parts": [{"when": {"segment": "staff"}, "weight": 2.5}], "atLeast": 2},
        }))
    }

    #[test]
    fn a_segment_is_shown_whole() {
        assert_eq!(
            whole(Screen::PIPE, &beta()),
            "beta  segment, active, revision 3
  about         asked for it
  excluded      eve
  list          1000000 units, 0123456789ab
  score         at least 2
                2.5 when {\"segment\":\"staff\"}
"
        );
    }

    #[test]
    fn an_edit_that_is_being_opened_is_shown_below() {
        let segment: Shown = serde_json::from_value(json!({
            "definition": {"key": "beta", "included": ["ada"]}, "revision": 4,
            "staged": {"definition": {"key": "beta", "included": ["ada", "bob"]}, "guard": "segment.beta",
                "rollout": "segment.beta.1", "policy": "canary"},
        }))
        .unwrap();
        assert_eq!(
            whole(Screen::PIPE, &segment),
            "beta  segment, active, revision 4
  included      ada
  being opened by segment.beta.1 (policy canary)
    included      ada, bob
"
        );
    }

    #[test]
    fn segments_are_a_table() {
        let staff = segment(json!({"key": "staff", "status": "draft", "included": ["ada", "bob"]}));
        assert_eq!(
            table(Screen::PIPE, &[beta(), staff]),
            "KEY    STATUS  BY                      REVISION  DESCRIPTION
beta   active  list of 1000000, score  3         asked for it
staff  draft   2 units                 3
"
        );
        assert!(table(Screen::PIPE, &[]).starts_with("no segments yet"));
    }
}
