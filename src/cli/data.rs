//! Commands that work on a data folder itself, with or without a server on it: `backup`, `restore`, `compact`.

use super::failure::Failure;
use super::observed::{self, ObservedLog};
use super::screen;
use crate::observation_logs::{FOLDER as LOGS, environments_in};
use crate::serve::refuse_store;
use clap::Args;
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_store::{Compacted, CopyReport, Life, compact, copy};

/// What stands in a data folder beside the store and belongs to the control plane: the keys that sign its snapshots, the
/// first token, and how far notices were told.
const BESIDE: [&str; 3] = ["signing-keys.json", "admin-token", "notices"];

/// Which data folder.
#[derive(Debug, Clone, Args)]
pub(crate) struct Folder {
    /// The data folder of a control plane
    #[arg(long, env = "TIDEGATE_DATA", default_value = "data", value_name = "FOLDER")]
    pub(super) data: PathBuf,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

impl Folder {
    /// Where it is, if it is there.
    pub(super) fn check(&self) -> Result<&Path, Failure> {
        match self.data.is_dir() {
            true => Ok(&self.data),
            false => Err(Failure::input(
                format!("--data {}", self.data.display()),
                "there is no such folder",
                "name the data folder of a control plane, or a backup of it",
            )),
        }
    }

    /// Answers a person or a machine.
    pub(super) fn answer(&self, document: &serde_json::Value, text: &str) -> Result<(), Failure> {
        match self.json {
            true => screen::print(&format!("{document:#}\n")),
            false => screen::print(text),
        }
    }
}

/// What is copied where.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  tidegate backup --to /backup/tidegate-monday

May run beside a server, and then has all that was acknowledged before it began: the journal, lists, keys, and the logs of
observations. Every record is checked on the way, and every batch of observations in the copy; a part of them that cannot
be read is named, and copied as it is.
The backup holds the keys that snapshots are signed with: keep it as safe as the original.")]
pub(crate) struct BackupArgs {
    /// Where the backup is made: a folder that is empty or not there yet
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Makes a backup.
pub(crate) fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let from = args.folder.check()?;
    let copied = copied(from, &args.to, Life::Same)?;
    let logs = observed::read_logs(&args.to)?;
    let text = format!(
        "backed up {} to {}\n{}",
        what(&copied),
        args.to.display(),
        observed::text(&logs)
    );
    args.folder.answer(&document(&copied, &logs), &text)
}

/// What is put back where.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  tidegate restore --from /backup/tidegate-monday --data data

The folder must be empty or not there: stop the server and move the damaged one aside first. What is put back is a new
life of the store: nodes take its snapshots for newer than any they have seen, and go back to what it says.")]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Puts a backup back.
pub(crate) fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    if !args.from.is_dir() {
        return Err(Failure::input(
            format!("--from {}", args.from.display()),
            "there is no such folder",
            "name a folder that 'tidegate backup' made",
        ));
    }
    // Seconds since 1970 are above every life there was, also of a backup that was put back before.
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH);
    let life = Life::Above(seconds.map_or(0, |since| since.as_secs()));
    let copied = copied(&args.from, &args.folder.data, life)?;
    let logs = observed::read_logs(&args.folder.data)?;
    let text = format!(
        "put back {} in {}, as life {}; start it with: tidegate serve --data {}\n{}",
        what(&copied),
        args.folder.data.display(),
        copied.epoch,
        args.folder.data.display(),
        observed::text(&logs)
    );
    args.folder.answer(&document(&copied, &logs), &text)
}

/// Copies a store, with a bar on standard error if that is a terminal.
fn copied(from: &Path, to: &Path, life: Life) -> Result<CopyReport, Failure> {
    let bar = bar("checking the journal");
    let environments = environments_in(from)
        .map_err(|error| Failure::process("cannot read the logs of observations", error))?;
    let logs = environments
        .iter()
        .map(|environment| format!("{LOGS}/{environment}"));
    let logs: Vec<String> = logs.collect();
    let beside: Vec<&str> = BESIDE
        .into_iter()
        .chain(logs.iter().map(String::as_str))
        .collect();
    let copied = copy(from, to, life, &beside, |done, all| {
        bar.set_message("copying");
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    copied.map_err(|error| refuse_store(from, error))
}

/// A bar on standard error if that is a terminal, which counts bytes.
pub(super) fn bar(message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(message);
    bar
}

fn what(copied: &CopyReport) -> String {
    let CopyReport {
        head, bytes, lists, ..
    } = copied;
    format!("{head} records in {} and {lists} lists", DecimalBytes(*bytes))
}

fn document(copied: &CopyReport, logs: &[ObservedLog]) -> serde_json::Value {
    json!({
        "epoch": copied.epoch, "records": copied.head, "segments": copied.segments, "bytes": copied.bytes,
        "lists": copied.lists, "chain": copied.chain.to_string(), "observations": observed::document(logs),
    })
}

/// Which data folder is made smaller.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:
  tidegate compact

Needs the folder for itself: stop the server first. Makes the view again from the journal, and removes views that were
put aside. The journal stays as it is.")]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Makes a data folder smaller.
pub(crate) fn shrink(args: &CompactArgs) -> Result<(), Failure> {
    let folder = args.folder.check()?;
    let Compacted {
        before,
        after,
        removed,
    } = compact(folder).map_err(|error| refuse_store(folder, error))?;
    let text = format!(
        "the view has {} now, and had {}; {removed} views that were put aside are gone\n",
        DecimalBytes(after),
        DecimalBytes(before)
    );
    let document = json!({ "viewBytesBefore": before, "viewBytes": after, "quarantinesRemoved": removed });
    args.folder.answer(&document, &text)
}
