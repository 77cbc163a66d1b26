//! Reading a whole store without changing it: from the earliest state that is known, through all of its journal.

use crate::api::StoreError;
use crate::archive;
use crate::checkpoint::{self, Checkpoint};
use crate::folder;
use crate::journal::{self, Chain, Place, Scan, SegmentFile};
use crate::table::Table;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_model::Timestamp;
use tidegate_model::change::Record;

/// What was found on the way.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The journal.
    pub(crate) scan: Scan,
    /// The state at its end.
    pub(crate) table: Table,
    /// The records that there are checkpoints of, in order.
    pub(crate) checkpoints: Vec<u64>,
    /// How many of the segments are those of the archive.
    pub(crate) archived: u32,
}

/// A record, and what was before it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    /// Where it stands.
    pub(crate) place: &'a Place<'a>,
    /// When it was written.
    pub(crate) at: Timestamp,
    /// The state before it; `None` where only a later state is known.
    pub(crate) before: Option<(&'a Table, Chain)>,
}

/// Folds the journal of the store at `root` and shows each step to `visit`, which may end it by an error. Begins with
/// record 1 if its segment is there, or in `archive`; else with the oldest checkpoint that the journal follows. Every
/// checkpoint must be what the journal makes. The caller holds the journal.
pub(crate) fn walk(
    root: &Path,
    archive: Option<&Path>,
    mut visit: impl FnMut(Step<'_>) -> Result<(), StoreError>,
) -> Result<Walked, StoreError> {
    let (files, archived) = files(root, archive)?;
    let (first, before) = journal::beginning(&files)?;
    let checkpoints = checkpoint::list(root)?;
    let read = |sequence: &u64| checkpoint::read(root, *sequence).map(|found| (*sequence, found));
    let mut pending: BTreeMap<u64, Checkpoint> = checkpoints.iter().map(read).collect::<Result<_, _>>()?;
    // Older ones are of no use, and of no harm.
    pending = pending.split_off(&(first - 1));
    let Checkpoint { chain, table } = match first {
        1 => Checkpoint::default(),
        _ => pending
            .pop_first()
            .map(|(_, found)| found)
            .ok_or_else(|| out_of_reach(&files, first, &[]))?,
    };
    let (known, known_chain) = (table.head(), chain);
    let foreign = || StoreError::damaged(&checkpoint::path(root, known), 0, FOREIGN);
    if known + 1 == first && before != known_chain {
        return Err(foreign());
    }
    let (mut table, mut chain) = (table, chain);
    let scan = journal::scan(&files, |place, text| {
        let record = read_record(place, text)?;
        let step = |before| Step {
            place,
            at: record.at,
            before,
        };
        if place.sequence <= known {
            visit(step(None))?;
            return match place.sequence == known && place.chain != known_chain {
                true => Err(foreign()),
                false => Ok(()),
            };
        }
        visit(step(Some((&table, chain))))?;
        table.replay(&record).map_err(|what| place.damaged(what))?;
        chain = place.chain;
        match pending.remove(&place.sequence) {
            Some(found) if found.chain != chain || found.table != table => {
                let path = checkpoint::path(root, place.sequence);
                Err(StoreError::damaged(&path, 0, FOREIGN))
            }
            _ => Ok(()),
        }
    })?;
    let last = pending.keys().next_back().copied().unwrap_or(known);
    check_end(root, &scan, last)?;
    Ok(Walked {
        scan,
        table,
        checkpoints,
        archived,
    })
}

const FOREIGN: &str = "it is not the state that the journal makes";

/// The segments of the store at `root`, after those that are in the archive only; how many are.
pub(crate) fn files(root: &Path, archive: Option<&Path>) -> Result<(Vec<SegmentFile>, u32), StoreError> {
    let here = journal::list(&folder::journal(root))?;
    let first = journal::path(&folder::journal(root), 1);
    let Some(oldest) = here.first() else {
        return Err(StoreError::damaged(&first, 0, "the journal is missing"));
    };
    let mut files = match archive {
        Some(archive) => archive::segments(archive, &here)?,
        None => Vec::new(),
    };
    files.retain(|file| file.number < oldest.number);
    let archived = u32::try_from(files.len()).unwrap_or(u32::MAX);
    files.extend(here);
    Ok((files, archived))
}

/// The record that stands there.
///
/// # Errors
/// When it cannot be read, or another one stands there.
pub(crate) fn read_record(place: &Place<'_>, text: &[u8]) -> Result<Record, StoreError> {
    let sequence = place.sequence;
    let record: Record = serde_json::from_slice(text)
        .map_err(|error| place.damaged(format!("record {sequence} cannot be read: {error}")))?;
    match record.sequence {
        found if found == sequence => Ok(record),
        found => Err(place.damaged(format!("record {found} stands where {sequence} belongs"))),
    }
}

/// The journal begins behind everything that is known of what was before; `odd` says why checkpoints that would reach back
/// are of no use.
pub(crate) fn out_of_reach(files: &[SegmentFile], first: u64, odd: &[String]) -> StoreError {
    let why = match odd {
        [] => "no checkpoint reaches back to it".to_owned(),
        odd => odd.join("; "),
    };
    let what = format!(
        "the file is missing: the journal begins at record {first}, and {why}. Copy the segments before it back from the \
         archive, or restore the last backup"
    );
    let missing = files.first().and_then(|file| {
        let journal = file.path.parent()?;
        Some(journal::path(journal, file.number.saturating_sub(1)))
    });
    StoreError::damaged(&missing.unwrap_or_default(), 0, what)
}

/// Whether the journal goes as far as what is known to have been acknowledged.
pub(crate) fn check_end(root: &Path, scan: &Scan, acknowledged: u64) -> Result<(), StoreError> {
    if scan.head >= acknowledged {
        return Ok(());
    }
    let last = journal::path(&folder::journal(root), scan.segment.max(1));
    let head = scan.head;
    let what = format!("the journal ends at record {head}, but record {acknowledged} was acknowledged");
    Err(StoreError::damaged(&last, scan.end, what))
}
