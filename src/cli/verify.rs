//! `tidegate verify`: every byte of a data folder, and whether the past is still what it was.

use super::data::Folder;
use super::failure::Failure;
use super::observed;
use crate::serve::refuse_store;
use clap::Args;
use indicatif::DecimalBytes;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_model::head::SignedHead;
use tidegate_model::snapshot::PublicKey;
use tidegate_store::{Expected, VerifyReport, read_heads, verify_against};

/// Which data folder is checked, against what.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  tidegate verify
  tidegate verify --data /backup/tidegate-monday --json
  tidegate verify --archive /archive/tidegate
  tidegate verify --heads heads-kept-elsewhere --trusted-key KEY
  tidegate verify --chain 51c07b2f

With --chain it must still begin with the journal that this stood for; with --heads it must contain every head that was
signed. The logs of observations are read too. Changes nothing, and may run beside a server. Exit code 65 names the first
bad record, or the first part of the observations that cannot be read.")]
pub(crate) struct VerifyArgs {
    /// The archive that 'tidegate archive' moved the first segments to: both are read as one journal
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// What 'verify' once said stood for the journal up to some record: it must still stand for its beginning
    #[arg(long, value_name = "SHA-256")]
    chain: Option<String>,
    /// Heads that the control plane signed: a copy of the file 'heads' in its data folder, or answers of
    /// /api/v1/journal/head, one a line
    #[arg(long, value_name = "FILE", requires = "trusted_key")]
    heads: Option<PathBuf>,
    /// A public key that heads may be signed with, in base64, or a file with one key a line; may be given several times
    #[arg(long, value_name = "KEY|FILE", requires = "heads")]
    trusted_key: Vec<String>,
    #[command(flatten)]
    pub(crate) folder: Folder,
}

/// Checks every byte.
pub(crate) fn run(args: &VerifyArgs) -> Result<(), Failure> {
    let folder = args.folder.check()?;
    let heads = match &args.heads {
        Some(file) => heads(file, &args.trusted_key)?,
        None => Vec::new(),
    };
    let expected = Expected {
        archive: args.archive.as_deref(),
        chain: args.chain.as_deref(),
        heads: &heads,
    };
    let report = verify_against(folder, expected).map_err(|error| refuse_store(folder, error))?;
    let logs = observed::read_logs(folder)?;
    let mut document = document(&report, heads.len());
    if let Some(fields) = document.as_object_mut() {
        fields.insert("observations".to_owned(), observed::document(&logs));
    }
    let text = text(&report, heads.len()) + &observed::text(&logs);
    args.folder.answer(&document, &text)?;
    match observed::first_damage(&logs) {
        None => Ok(()),
        Some(damage) => Err(Failure::DataDamaged {
            folder: folder.to_owned(),
            detail: format!(
                "{damage}; the journal is whole, and the control plane starts: results miss these observations"
            ),
        }),
    }
}

/// The heads in a file, each vouched for by one of the keys.
fn heads(file: &Path, trusted: &[String]) -> Result<Vec<SignedHead>, Failure> {
    let refused = |why: String, fix: &str| Failure::input(format!("--heads {}", file.display()), why, fix);
    let heads = read_heads(file).map_err(|error| {
        refused(
            error.to_string(),
            "name a file of heads that the control plane signed",
        )
    })?;
    let trusted: Vec<PublicKey> = crate::node_process::keys(trusted)?;
    for head in &heads {
        let fix = "keep heads where nobody can change them, and name every key that was ever used with --trusted-key";
        head.check(&trusted)
            .map_err(|refusal| refused(refusal.to_string(), fix))?;
    }
    Ok(heads)
}

fn text(report: &VerifyReport, heads: usize) -> String {
    let VerifyReport {
        first,
        records,
        segments,
        archived,
        ..
    } = report;
    let mut text = format!(
        "{} records in {segments} segments ({}), {} things, {} lists: every byte is as it was written\n",
        (records + 1).saturating_sub(*first),
        DecimalBytes(report.bytes),
        report.entities,
        report.lists
    );
    match (first, archived) {
        (1, 0) => {}
        (1, _) => text.push_str(&format!("{archived} of the segments are in the archive\n")),
        _ => text.push_str(&format!(
            "records before {first} are in an archive; name it with --archive to read them too\n"
        )),
    }
    if let Some(last) = report.checkpoints.last() {
        let count = report.checkpoints.len();
        text.push_str(&format!("{count} checkpoints, the newest as of record {last}\n"));
    }
    if heads > 0 {
        text.push_str(&format!("all of {heads} signed heads are in it\n"));
    }
    text.push_str(&format!("chain {}, life {}\n", report.chain, report.epoch));
    if let Some(torn) = &report.torn {
        text.push_str(&format!(
            "{} bytes at the end of {} are not whole: a server is writing there, or was cut off; the next start cuts them off\n",
            torn.bytes,
            torn.file.display()
        ));
    }
    text
}

fn document(report: &VerifyReport, heads: usize) -> serde_json::Value {
    let torn = report.torn.as_ref();
    json!({
        "epoch": report.epoch, "first": report.first, "records": report.records, "segments": report.segments,
        "archived": report.archived, "bytes": report.bytes, "checkpoints": report.checkpoints,
        "things": report.entities, "lists": report.lists, "heads": heads, "chain": report.chain.to_string(),
        "torn": torn.map(|torn| json!({ "file": torn.file, "offset": torn.offset, "bytes": torn.bytes })),
    })
}
