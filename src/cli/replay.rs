//! `tidegate replay`: every decision of rollouts, taken anew.

use super::failure::Failure;
use super::screen;
use crate::serve::refuse_store;
use clap::Args;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;
use tidegate_store::read_journal;
use tidegate_trail::replay::{Replay, Tally};

/// Which journal.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  tidegate replay
  tidegate replay --data /backup/tidegate --json
  tidegate replay --archive /archive/tidegate

Needs no control plane, changes nothing, and may run beside one. Exit code 7 names the first record that comes
out differently.")]
pub(crate) struct ReplayArgs {
    /// The data folder of a control plane, or a copy of it
    #[arg(long, env = "TIDEGATE_DATA", default_value = "data", value_name = "FOLDER")]
    data: PathBuf,
    /// The archive that 'tidegate archive' moved the first segments to
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Replays the journal in a folder.
pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    if !args.data.is_dir() {
        return Err(Failure::input(
            format!("--data {}", args.data.display()),
            "there is no such folder",
            "name the data folder of a control plane, or a copy of it",
        ));
    }
    let mut replay = Replay::default();
    let read = read_journal(&args.data, args.archive.as_deref(), |record| {
        match replay.take(&record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(disagreement) => ControlFlow::Break(disagreement),
        }
    });
    let read = read.map_err(|error| refuse_store(&args.data, error))?;
    let tally = replay.tally();
    let disagreement = match read {
        ControlFlow::Continue(()) => None,
        ControlFlow::Break(disagreement) => Some(disagreement),
    };
    if args.json {
        let shown =
            json!({ "agrees": disagreement.is_none(), "replayed": tally, "disagreement": disagreement });
        screen::print(&format!("{shown:#}\n"))?;
    } else {
        screen::print(&told(tally, disagreement.is_none()))?;
    }
    match disagreement {
        None => Ok(()),
        Some(disagreement) => Err(Failure::Failed {
            what: disagreement.to_string(),
        }),
    }
}

fn told(tally: Tally, agrees: bool) -> String {
    let Tally {
        records,
        rollouts,
        decisions,
        looks,
    } = tally;
    let how = if agrees {
        "every decision comes out as it stands there"
    } else {
        "all before the next one come out as they stand there"
    };
    format!("{records} records, {rollouts} rollouts, {decisions} decisions, {looks} looks: {how}\n")
}
