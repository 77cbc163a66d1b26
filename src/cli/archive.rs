//! `tidegate archive`: old segments of the journal, to another place.

use super::data::Folder;
use super::failure::Failure;
use crate::serve::refuse_store;
use clap::Args;
use indicatif::DecimalBytes;
use serde_json::json;
use std::path::PathBuf;
use tidegate_model::span::Span;
use tidegate_store::{Archived, archive};

/// What is moved where.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  tidegate archive --to /archive/tidegate
  tidegate archive --to /archive/tidegate --keep 90d

May run beside a server, and may be cut off at any moment and repeated. The state as of the records that are moved is
kept in the data folder first, and the copies are read back before the originals go. What a rollout decided before the
oldest record that is left can no longer be asked of the control plane (410), but read with --archive FOLDER: tidegate
verify, tidegate replay.")]
pub(crate) struct ArchiveArgs {
    /// The archive: a folder on another disk, empty, not there yet, or the one that was named before
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Segments stay that have records younger than this
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = super::named::<Span>)]
    keep: Span,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Archives.
pub(crate) fn run(args: &ArchiveArgs) -> Result<(), Failure> {
    let folder = args.folder.check()?;
    let before = args.keep.before(chrono::Utc::now());
    let bar = super::data::bar("copying");
    let archived = archive(folder, &args.to, before, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Archived {
        segments,
        bytes,
        oldest,
        checkpoints,
    } = archived.map_err(|error| refuse_store(folder, error))?;
    let text = match segments {
        0 => format!(
            "nothing is old enough to be moved: of the segments without a record younger than {} the newest one stays\n",
            args.keep
        ),
        _ => format!(
            "moved {segments} segments ({}) to {}; the journal begins at record {oldest} now\n",
            DecimalBytes(bytes),
            args.to.display()
        ),
    };
    let document = json!({
        "segments": segments, "bytes": bytes, "oldest": oldest, "checkpoints": checkpoints,
    });
    args.folder.answer(&document, &text)
}
