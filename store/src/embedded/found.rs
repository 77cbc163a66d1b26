//! What a folder holds when it is opened: the newest state that is known, and the journal behind it.

use crate::api::StoreError;
use crate::checkpoint::{self, Checkpoint};
use crate::folder::Folder;
use crate::journal::{self, Scan, SegmentFile};
use crate::table::Table;
use crate::view::View;
use crate::walk::{check_end, out_of_reach, read_record};

/// The journal read to its end, and the view that goes with it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scan: Scan,
    pub(super) table: Table,
    /// Why it has to be made again, if it has to.
    pub(super) view: Result<View, String>,
}

/// Why the journal does not go on from a base.
enum Misfit {
    /// The base is not a state of this journal. In words, why.
    Base(String),
    /// The journal itself is not as it should be.
    Journal(StoreError),
}

impl From<StoreError> for Misfit {
    fn from(error: StoreError) -> Self {
        Self::Journal(error)
    }
}

/// Reads the journal, going on from the view; from the newest checkpoint that is good when the view is not; from nothing
/// when the first record is there. A base that does not agree with the journal is given up, unless it has seen records
/// that the journal does not have.
pub(super) fn read(folder: &Folder, view: Result<View, String>) -> Result<Found, StoreError> {
    let _held = journal::hold(&folder.journal())?;
    let files = journal::list(&folder.journal())?;
    let (first, _) = journal::beginning(&files)?;
    let view = match view {
        Ok(view) if view.applied.sequence == 0 => Ok(view),
        Ok(view) if view.applied.sequence + 1 < first => {
            let known = view.applied.sequence;
            Err(format!(
                "it ends at record {known}, the journal begins at {first}"
            ))
        }
        Ok(view) => {
            let base = Checkpoint {
                chain: view.applied.chain,
                table: view.table.clone(),
            };
            match go_on(folder, &files, base) {
                Ok((scan, table)) => {
                    let view = Ok(view);
                    return Ok(Found { scan, table, view });
                }
                Err(Misfit::Journal(error)) => return Err(error),
                Err(Misfit::Base(odd)) => Err(odd),
            }
        }
        Err(odd) => Err(odd),
    };
    let (scan, table) = without_view(folder, &files, first)?;
    Ok(Found { scan, table, view })
}

/// From the newest checkpoint that is good, or from nothing.
fn without_view(folder: &Folder, files: &[SegmentFile], first: u64) -> Result<(Scan, Table), StoreError> {
    let mut odd = Vec::new();
    let mut sequences = checkpoint::list(&folder.root)?;
    sequences.retain(|sequence| *sequence >= first - 1);
    for sequence in sequences.into_iter().rev() {
        let why = match checkpoint::read(&folder.root, sequence) {
            Err(error) => error.to_string(),
            Ok(base) => match go_on(folder, files, base) {
                Ok(found) => return Ok(found),
                Err(Misfit::Journal(error)) => return Err(error),
                Err(Misfit::Base(what)) => format!("checkpoint {sequence}: {what}"),
            },
        };
        tracing::warn!(%why, "a checkpoint is of no use; what is older is tried");
        odd.push(why);
    }
    if first > 1 {
        return Err(out_of_reach(files, first, &odd));
    }
    go_on(folder, files, Checkpoint::default()).map_err(|misfit| match misfit {
        Misfit::Journal(error) => error,
        // The empty state is where every journal begins.
        Misfit::Base(what) => StoreError::damaged(&folder.journal(), 0, what),
    })
}

/// Reads the journal, folding what is newer than the base into it.
fn go_on(folder: &Folder, files: &[SegmentFile], base: Checkpoint) -> Result<(Scan, Table), Misfit> {
    let Checkpoint { chain, mut table } = base;
    let known = table.head();
    let mut there = None;
    let mut odd = None;
    let scan = journal::scan(files, |place, text| {
        if place.sequence <= known {
            there = Some(place.chain);
            return Ok(());
        }
        if odd.is_some() {
            return Ok(());
        }
        let record = read_record(place, text)?;
        match table.replay(&record) {
            // The base may be what does not fit: the journal alone decides, below.
            Err(what) if known > 0 => odd = Some(what),
            replayed => replayed.map_err(|what| place.damaged(what))?,
        }
        Ok(())
    })?;
    check_whole(folder, &scan)?;
    check_end(&folder.root, &scan, known)?;
    if there.unwrap_or(scan.before) != chain {
        odd = Some("it is the state of another journal".to_owned());
    }
    match odd {
        Some(what) => Err(Misfit::Base(what)),
        None => Ok((scan, table)),
    }
}

/// Whether nothing is missing that was there once.
fn check_whole(folder: &Folder, scan: &Scan) -> Result<(), StoreError> {
    if folder.created && scan.head > 0 {
        let what = "the file is missing, though there is a journal";
        return Err(StoreError::damaged(&folder.root.join("FORMAT"), 0, what));
    }
    if !folder.created && scan.segment == 0 {
        let first = journal::path(&folder.journal(), 1);
        return Err(StoreError::damaged(&first, 0, "the journal is missing"));
    }
    Ok(())
}
