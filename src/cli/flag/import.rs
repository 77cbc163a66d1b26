//! `tidegate flag import`.

use super::super::client::{Body, Client};
use super::super::failure::Failure;
use super::super::read_text;
use super::super::screen::{Screen, Tone, cell, toned};
use super::document::{Definitions, Language};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_interop::flagd::{Leniency, Remark};
use tidegate_model::environment::{Bucketing, EnvironmentSettings};
use tidegate_model::flag::Flag;
use tidegate_model::key::Revision;
use tidegate_model::segment::Segment;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// In whose words the file is written
    #[arg(long, value_enum, default_value = "tidegate")]
    from: Language,
    /// The file, JSON; `-` is standard input
    file: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Import what can be said, and leave out the flags that cannot
    #[arg(long)]
    partial: bool,
    /// Import splits that flagd deals by something else than '<salt>.<unit>': shares stay, other units are in them
    #[arg(long)]
    deal_anew: bool,
}

/// What becomes of a flag or segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Create,
    Replace(Revision),
    Nothing,
}

/// A flag or segment that is to be saved.
#[derive(Debug, PartialEq)]
struct Item {
    kind: &'static str,
    path: String,
    key: String,
    definition: Value,
    change: Change,
}

/// A flag or segment, as the control plane shows it.
#[derive(Debug, Deserialize)]
struct Shown<T> {
    definition: T,
    revision: Revision,
}

/// What is to be imported, and what was said about the rest.
#[derive(Debug, Default)]
struct Read {
    definitions: Definitions,
    notes: Vec<Remark>,
    findings: Vec<Remark>,
    bucketing: Option<Bucketing>,
}

pub(super) async fn run(client: &Client, screen: Screen, import: Import) -> Result<(), Failure> {
    let read = read(&import)?;
    for note in &read.notes {
        eprintln!("note: {}: {}", note.flag, note.what);
    }
    for finding in &read.findings {
        eprintln!("cannot be imported: {}: {}", finding.flag, finding.what);
    }
    let mut left_out: Vec<&str> = read
        .findings
        .iter()
        .map(|finding| finding.flag.as_str())
        .collect();
    left_out.dedup();
    if !left_out.is_empty() && !import.partial {
        return Err(Failure::input(
            import.file.display(),
            format!(
                "{} of its flags cannot be imported; nothing changed",
                left_out.len()
            ),
            "change them as said above, or import the others with --partial",
        ));
    }
    warn_of_bucketing(client, read.bucketing).await?;
    let items = planned(client, &read.definitions).await?;
    if !import.dry_run {
        save(client, &items).await?;
    }
    let answer = json!({
        "created": keys(&items, |change| change == Change::Create),
        "changed": keys(&items, |change| matches!(change, Change::Replace(_))),
        "unchanged": keys(&items, |change| change == Change::Nothing),
        "leftOut": left_out,
        "dryRun": import.dry_run,
    });
    screen.show(&answer, || Ok(table(screen, &items, import.dry_run)))?;
    if left_out.is_empty() {
        return Ok(());
    }
    Err(Failure::Incomplete {
        what: format!("{} flags were left out", left_out.len()),
    })
}

fn read(import: &Import) -> Result<Read, Failure> {
    let text = read_text(&import.file)?;
    let unreadable = |why: String| {
        Failure::input(
            import.file.display(),
            why,
            "see docs/cli.md for what a file holds",
        )
    };
    match import.from {
        Language::Tidegate => Ok(Read {
            definitions: Definitions::parse(&text).map_err(unreadable)?,
            ..Read::default()
        }),
        Language::Flagd => {
            let leniency = Leniency {
                deal_anew: import.deal_anew,
            };
            let imported = tidegate_interop::flagd::import(text.as_bytes(), leniency);
            let imported = imported.map_err(|error| unreadable(error.to_string()))?;
            let definitions = Definitions::new(imported.flags, imported.segments);
            Ok(Read {
                definitions: definitions.map_err(|invalid| unreadable(invalid.to_string()))?,
                notes: imported.notes,
                findings: imported.findings,
                bucketing: imported.bucketing,
            })
        }
    }
}

/// Splits are the same only where units are hashed the same.
async fn warn_of_bucketing(client: &Client, written_for: Option<Bucketing>) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Settings {
        settings: EnvironmentSettings,
    }
    let Some(written_for) = written_for else {
        return Ok(());
    };
    let found: Settings = client.get(&client.within("settings")).await?.read()?;
    if found.settings.bucketing != written_for {
        eprintln!(
            "note: the file is written for the bucketing {}, and {} has {}: its splits hold other units",
            written_for.name(),
            client.environment(),
            found.settings.bucketing.name()
        );
    }
    Ok(())
}

/// What will become of each: segments first, and nothing before what it names.
async fn planned(client: &Client, definitions: &Definitions) -> Result<Vec<Item>, Failure> {
    let flags: BTreeMap<String, (Flag, Revision)> =
        there(client, "flags", |flag: &Flag| flag.key().to_string()).await?;
    let segments = there(client, "segments", |segment: &Segment| segment.key().to_string()).await?;
    let mut items = Vec::new();
    for segment in definitions.segments_in_order() {
        let key = segment.key().to_string();
        let change = change(segments.get(&key), segment);
        items.push(item(client, ("segment", "segments"), key, json!(segment), change));
    }
    for flag in definitions.flags_in_order() {
        let key = flag.key().to_string();
        let change = change(flags.get(&key), flag);
        items.push(item(client, ("flag", "flags"), key, json!(flag), change));
    }
    Ok(items)
}

async fn there<T: DeserializeOwned>(
    client: &Client,
    kind: &str,
    key: impl Fn(&T) -> String,
) -> Result<BTreeMap<String, (T, Revision)>, Failure> {
    let shown: Vec<Shown<T>> = client.get(&client.within(kind)).await?.items()?;
    let each = shown.into_iter();
    Ok(each
        .map(|one| (key(&one.definition), (one.definition, one.revision)))
        .collect())
}

fn change<T: PartialEq>(there: Option<&(T, Revision)>, wanted: &T) -> Change {
    match there {
        None => Change::Create,
        Some((there, _)) if there == wanted => Change::Nothing,
        Some((_, revision)) => Change::Replace(*revision),
    }
}

fn item(
    client: &Client,
    (kind, kinds): (&'static str, &str),
    key: String,
    definition: Value,
    change: Change,
) -> Item {
    let path = client.within(&format!("{kinds}/{key}"));
    Item {
        kind,
        path,
        key,
        definition,
        change,
    }
}

async fn save(client: &Client, items: &[Item]) -> Result<(), Failure> {
    let wanted: Vec<&Item> = items
        .iter()
        .filter(|item| item.change != Change::Nothing)
        .collect();
    let bar = bar(wanted.len());
    for (done, item) in wanted.iter().enumerate() {
        if let Err(failure) = put(client, item).await {
            bar.finish_and_clear();
            eprintln!(
                "{done} of {} were saved, then {} {} was not; the same command does the rest",
                wanted.len(),
                item.kind,
                item.key
            );
            return Err(failure);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

async fn put(client: &Client, item: &Item) -> Result<(), Failure> {
    let found = match item.change {
        Change::Replace(seen) => {
            let found = client.get(&item.path).await?;
            if found.read::<Shown<Value>>()?.revision != seen {
                let why = "was changed by somebody else in the meantime";
                return Err(Failure::input(&item.key, why, "import it again"));
            }
            Some(found)
        }
        Change::Create | Change::Nothing => None,
    };
    client
        .put(&item.path, Body::Json(item.definition.clone()), found.as_ref())
        .await?;
    Ok(())
}

/// Hidden where nobody looks: it draws on standard error, and only on a terminal.
fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    match ProgressStyle::with_template("{bar:30} {pos} of {len}, {eta} to go") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn keys(items: &[Item], which: impl Fn(Change) -> bool) -> Vec<Value> {
    let chosen = items.iter().filter(|item| which(item.change));
    chosen
        .map(|item| json!({"kind": item.kind, "key": item.key}))
        .collect()
}

fn table(screen: Screen, items: &[Item], dry_run: bool) -> String {
    let row = |item: &Item| {
        let (text, tone) = match (item.change, dry_run) {
            (Change::Create, false) => ("created", Tone::Good),
            (Change::Create, true) => ("would be created", Tone::Good),
            (Change::Replace(_), false) => ("changed", Tone::Wait),
            (Change::Replace(_), true) => ("would be changed", Tone::Wait),
            (Change::Nothing, _) => ("unchanged", Tone::Plain),
        };
        vec![cell(item.kind), cell(&item.key), toned(text, tone)]
    };
    let empty = "nothing to import";
    screen.table(&["kind", "key", "change"], items.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_not_saved_again() {
        let there = (5, Revision(3));
        assert_eq!(change(Some(&there), &5), Change::Nothing);
        assert_eq!(change(Some(&there), &6), Change::Replace(Revision(3)));
        assert_eq!(change(None, &6), Change::Create);
    }

    #[test]
    fn a_plan_is_a_table() {
        let item = |key: &str, change| Item {
            kind: "flag",
            path: String::new(),
            key: key.to_owned(),
            definition: Value::Null,
            change,
        };
        let items = [
            item("a", Change::Create),
            item("b", Change::Replace(Revision(1))),
            item("c", Change::Nothing),
        ];
        assert_eq!(
            table(Screen::PIPE, &items, true),
            "KIND  KEY  CHANGE
flag  a    would be created
flag  b    would be changed
flag  c    unchanged
"
        );
        assert_eq!(
            keys(&items, |change| change == Change::Create),
            [json!({"kind": "flag", "key": "a"})]
        );
        assert_eq!(table(Screen::PIPE, &[], false), "nothing to import\n");
    }
}
