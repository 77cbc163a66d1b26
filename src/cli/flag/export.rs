//! `tidegate flag export`.

use super::super::client::Client;
use super::super::failure::Failure;
use super::super::screen::print;
use super::document::{Definitions, Language};
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use tidegate_interop::flagd::lower;
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::flag::{Flag, Pin};
use tidegate_model::key::{Revision, RolloutId, VariationKey};
use tidegate_model::policy::Audience;
use tidegate_model::segment::{Segment, StagedSegment, guarded_by};
use tidegate_model::share::Share;
use tidegate_model::snapshot::{RolloutSplit, SnapshotContent, SnapshotFlag, Version};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// In whose words to write
    #[arg(long, value_enum, default_value = "tidegate")]
    to: Language,
    /// The file to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct ShownFlag {
    definition: Flag,
    #[serde(default)]
    pin: Option<Pin>,
}

#[derive(Debug, Deserialize)]
struct ShownSegment {
    definition: Segment,
    #[serde(default)]
    staged: Option<StagedSegment>,
}

#[derive(Debug, Deserialize)]
struct ShownSettings {
    settings: EnvironmentSettings,
}

#[derive(Debug, Deserialize)]
struct ShownRollout {
    id: RolloutId,
    revision: Revision,
    candidate: VariationKey,
    safe: VariationKey,
    share: Share,
    audience: Option<Audience>,
}

pub(super) async fn run(client: &Client, export: Export) -> Result<(), Failure> {
    let flags: Vec<ShownFlag> = client.get(&client.within("flags")).await?.items()?;
    let segments: Vec<ShownSegment> = client.get(&client.within("segments")).await?.items()?;
    let (text, left_out) = match export.to {
        Language::Tidegate => whole(client, flags, segments),
        Language::Flagd => lowered(client, flags, segments).await?,
    };
    match &export.output {
        None => print(&text)?,
        Some(file) => std::fs::write(file, text).map_err(|error| {
            Failure::input(
                file.display(),
                format!("cannot be written: {error}"),
                "check the path",
            )
        })?,
    }
    for one in &left_out {
        eprintln!("left out: {one}");
    }
    match left_out.len() {
        0 => Ok(()),
        count => Err(Failure::Incomplete {
            what: format!("{count} things were left out"),
        }),
    }
}

/// All definitions as they are. Lists of units stand elsewhere, and are named.
fn whole(client: &Client, flags: Vec<ShownFlag>, segments: Vec<ShownSegment>) -> (String, Vec<String>) {
    let opening: Vec<String> = segments.iter().filter_map(still_opening).collect();
    let segments: Vec<Segment> = segments.into_iter().map(|one| one.definition).collect();
    let lists = segments.iter().filter_map(|segment| {
        let list = segment.definition().list.as_ref()?;
        let fix = "import it with 'tidegate segment import' wherever this file is imported";
        Some(format!(
            "segment {}: its list of {} units; {fix}",
            segment.key(),
            list.count
        ))
    });
    let left_out = lists.chain(opening).collect();
    // Flags that guard segments are made wherever an edit is staged.
    let flags = flags.into_iter().map(|one| one.definition);
    let flags = flags.filter(|flag| guarded_by(flag.key()).is_none());
    let definitions = Definitions {
        environment: Some(client.environment().clone()),
        flags: flags.collect(),
        segments,
    };
    (format!("{:#}\n", json!(definitions)), left_out)
}

/// That a segment is told as it was before an edit that is being opened.
fn still_opening(segment: &ShownSegment) -> Option<String> {
    let staged = segment.staged.as_ref()?;
    let (key, rollout) = (segment.definition.key(), &staged.rollout);
    Some(format!(
        "segment {key}: the edit that {rollout} opens; export again once that has ended"
    ))
}

/// As flagd's clients get it at this moment, but for the version.
async fn lowered(
    client: &Client,
    flags: Vec<ShownFlag>,
    segments: Vec<ShownSegment>,
) -> Result<(String, Vec<String>), Failure> {
    let settings: ShownSettings = client.get(&client.within("settings")).await?.read()?;
    let mut content = SnapshotContent {
        environment: client.environment().clone(),
        bucketing: settings.settings.bucketing,
        flags: Vec::with_capacity(flags.len()),
        staged: segments.iter().filter_map(|one| one.staged.clone()).collect(),
        segments: segments.into_iter().map(|one| one.definition).collect(),
        drill: None,
    };
    for ShownFlag { definition, pin } in flags {
        let rollout = match pin {
            Some(pin) => Some(split(client, &pin).await?),
            None => None,
        };
        content.flags.push(SnapshotFlag {
            flag: definition,
            rollout,
        });
    }
    let lowered = lower(&content, Version::default()).map_err(|too_large| {
        Failure::input(
            client.environment(),
            too_large,
            "shorten the lists in these flags, or archive flags",
        )
    })?;
    let left_out = lowered.left_out.iter().flat_map(|one| {
        let of_flag = one.why.iter();
        of_flag.map(move |why| format!("flag {}: {why}", one.flag))
    });
    let left_out = left_out.collect();
    let mut configuration: Value = serde_json::from_str(&lowered.configuration)
        .map_err(|error| Failure::process("cannot write flagd's language", error))?;
    if let Some(metadata) = configuration.get_mut("metadata").and_then(Value::as_object_mut) {
        // It names a snapshot, and this is none.
        Map::remove(metadata, "version");
    }
    Ok((format!("{configuration:#}\n"), left_out))
}

/// How far a running rollout has opened a flag.
async fn split(client: &Client, pin: &Pin) -> Result<RolloutSplit, Failure> {
    let answer = client
        .get(&client.within(&format!("rollouts/{}", pin.rollout)))
        .await?;
    let ShownRollout {
        id,
        revision,
        candidate,
        safe,
        share,
        audience,
    } = answer.read()?;
    let whole = Audience {
        share,
        ..Audience::default()
    };
    let Audience { share, waves } = audience.unwrap_or(whole);
    Ok(RolloutSplit {
        rollout: id,
        revision,
        candidate,
        safe,
        share,
        waves,
    })
}
