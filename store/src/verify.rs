//! Reading and checking a whole store without changing it.

use crate::api::StoreError;
use crate::embedded::fold;
use crate::folder;
use crate::journal::{self, Chain, Torn};
use crate::lists::{self, ListFolder};
use crate::table::Table;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use tidegate_model::Timestamp;
use tidegate_model::change::Record;
use tidegate_model::snapshot::Digest;
use tidegate_model::units::UnitSet;

/// What a whole journal holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Which life of the store this is.
    pub epoch: u64,
    /// How many segments the journal has.
    pub segments: u32,
    /// How many records, which is also the sequence of the newest.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// How many things exist.
    pub entities: u64,
    /// How many lists of units the segments name; all of them are there and as they should be.
    pub lists: u64,
    /// When the newest record was written, by the clock of that machine; `None` when there is none.
    pub newest: Option<Timestamp>,
    /// What stands for the whole journal: equal for equal journals only.
    pub chain: Chain,
    /// What an interrupted write has left behind, or a running server is just writing. The next
    /// start cuts it off.
    pub torn: Option<Torn>,
}

/// Reads the whole journal in `folder`: checksums, chain, sequence, revisions, and that each change
/// can follow the state before it; then every list of units that a segment names. Changes nothing, and may run beside a server.
///
/// # Errors
/// [`StoreError::Damaged`] names the file, offset and number of the first bad record, or the first bad
/// list.
pub fn verify(folder: impl AsRef<Path>) -> Result<VerifyReport, StoreError> {
    check(folder.as_ref(), None)
}

/// As [`verify`]; and the journal has to begin with all that `chain` stood for, which a report named earlier.
///
/// # Errors
/// As [`verify`]; [`StoreError::Damaged`] also when it does not.
pub fn verify_since(folder: impl AsRef<Path>, chain: &str) -> Result<VerifyReport, StoreError> {
    check(folder.as_ref(), Some(chain))
}

fn check(root: &Path, chain: Option<&str>) -> Result<VerifyReport, StoreError> {
    if !folder::check_format(root)? {
        return Err(no_format(root));
    }
    let (mut stands, mut newest) = (chain.is_none(), None);
    let epoch = folder::read_epoch(root)?;
    let mut table = Table::default();
    let scan = journal::scan(&folder::journal(root), |place, text| {
        stands = stands || chain == Some(place.chain.to_string().as_str());
        newest = Some(fold(&mut table, place, text)?);
        Ok(())
    })?;
    if scan.segment == 0 {
        let first = journal::path(&folder::journal(root), 1);
        return Err(StoreError::damaged(&first, 0, "the journal is missing"));
    }
    if !stands {
        let what = format!(
            "no beginning of this journal is what chain {} stood for: it was cut, or written anew",
            chain.unwrap_or_default()
        );
        return Err(StoreError::damaged(&folder::journal(root), 0, what));
    }
    let named = lists::named(&table);
    check_lists(&ListFolder::of(root), &named)?;
    let existing = table.slots().values().filter(|slot| slot.state.is_some());
    Ok(VerifyReport {
        epoch,
        segments: scan.segment,
        records: scan.head,
        bytes: scan.bytes,
        entities: existing.count() as u64,
        lists: named.len() as u64,
        newest,
        chain: scan.chain,
        torn: scan.torn,
    })
}

fn check_lists(folder: &ListFolder, named: &BTreeSet<Digest>) -> Result<(), StoreError> {
    for digest in named {
        let path = folder.path(digest);
        let Some(bytes) = folder.load(digest)? else {
            return Err(StoreError::damaged(
                &path,
                0,
                "a segment names this list, and it is missing",
            ));
        };
        UnitSet::from_bytes(&bytes).map_err(|refusal| StoreError::damaged(&path, 0, refusal.to_string()))?;
    }
    Ok(())
}

/// Shows every record of the journal in `folder` to `visit`, oldest first, until it breaks off. Checks checksums, chain and
/// sequence on the way. Changes nothing, and may run beside a server. Holds one segment in memory.
///
/// # Errors
/// [`StoreError::Damaged`] names the file, offset and number of the first bad record.
pub fn read_journal<B>(
    folder: impl AsRef<Path>,
    mut visit: impl FnMut(Record) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, StoreError> {
    let root = folder.as_ref();
    if !folder::check_format(root)? {
        return Err(no_format(root));
    }
    let mut broken = None;
    let scanned = journal::scan(&folder::journal(root), |place, text| {
        let record: Record = serde_json::from_slice(text)
            .map_err(|error| place.damaged(format!("record {} cannot be read: {error}", place.sequence)))?;
        if record.sequence != place.sequence {
            let (found, sequence) = (record.sequence, place.sequence);
            return Err(place.damaged(format!("record {found} stands where {sequence} should")));
        }
        match visit(record) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(with) => {
                broken = Some(with);
                Err(StoreError::Stopped("enough was read".to_owned()))
            }
        }
    });
    match (broken, scanned) {
        (Some(with), _) => Ok(ControlFlow::Break(with)),
        (None, Ok(_)) => Ok(ControlFlow::Continue(())),
        (None, Err(error)) => Err(error),
    }
}

fn no_format(root: &Path) -> StoreError {
    StoreError::damaged(&root.join("FORMAT"), 0, "the file is missing")
}
