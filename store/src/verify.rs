//! Checking a whole store without changing it.

use crate::api::StoreError;
use crate::embedded::fold;
use crate::folder;
use crate::journal::{self, Chain, Torn};
use crate::table::Table;
use std::path::Path;

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
    /// What stands for the whole journal: equal for equal journals only.
    pub chain: Chain,
    /// What an interrupted write has left behind, or a running server is just writing. The next
    /// start cuts it off.
    pub torn: Option<Torn>,
}

/// Reads the whole journal in `folder`: checksums, chain, sequence, revisions, and that each change
/// can follow the state before it. Changes nothing, and may run beside a server.
///
/// # Errors
/// [`StoreError::Damaged`] names the file, offset and number of the first bad record.
pub fn verify(folder: impl AsRef<Path>) -> Result<VerifyReport, StoreError> {
    let root = folder.as_ref();
    if !folder::check_format(root)? {
        return Err(StoreError::damaged(
            &root.join("FORMAT"),
            0,
            "the file is missing",
        ));
    }
    let epoch = folder::read_epoch(root)?;
    let mut table = Table::default();
    let scan = journal::scan(&folder::journal(root), |place, text| {
        fold(&mut table, place, text)
    })?;
    if scan.segment == 0 {
        let first = journal::path(&folder::journal(root), 1);
        return Err(StoreError::damaged(&first, 0, "the journal is missing"));
    }
    let existing = table.slots().values().filter(|slot| slot.state.is_some());
    Ok(VerifyReport {
        epoch,
        segments: scan.segment,
        records: scan.head,
        bytes: scan.bytes,
        entities: existing.count() as u64,
        chain: scan.chain,
        torn: scan.torn,
    })
}
