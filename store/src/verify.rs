//! Reading and checking a whole store without changing it.

use crate::api::StoreError;
use crate::folder;
use crate::heads::Vouched;
use crate::journal::{self, Chain, Scan, Torn};
use crate::lists::{self, ListFolder};
use crate::view::state_bytes;
use crate::walk::{Walked, files, read_record, walk};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use tidegate_model::Timestamp;
use tidegate_model::change::Record;
use tidegate_model::head::SignedHead;
use tidegate_model::snapshot::Digest;
use tidegate_model::units::UnitSet;

/// What a whole store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Which life of the store this is.
    pub epoch: u64,
    /// How many segments were read, those of the archive included.
    pub segments: u32,
    /// How many of them are in the archive only.
    pub archived: u32,
    /// The sequence of the first record that was read: 1 unless earlier ones are in an archive that was not named.
    pub first: u64,
    /// The sequence of the newest record; 0 when there is none.
    pub records: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// The records that there are checkpoints of, in order; each is what the journal makes of what was before it.
    pub checkpoints: Vec<u64>,
    /// How many things exist.
    pub entities: u64,
    /// Bytes of their states as a view holds them, those of deleted things too.
    pub state_bytes: u64,
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

/// What a store is compared with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'a> {
    /// The archive that its first segments were moved to: both are read as one journal.
    pub archive: Option<&'a Path>,
    /// What once stood for its journal, as a [`VerifyReport`] named it: the journal has to begin with all of that.
    pub chain: Option<&'a str>,
    /// Heads that were signed, each of which the journal has to contain. Their signatures are for
    /// [`SignedHead::check`] to judge.
    pub heads: &'a [SignedHead],
}

/// Reads the whole journal in `folder`: checksums, chain, sequence, revisions, and that each change
/// can follow the state before it; every checkpoint; then every list of units that a segment names. Changes nothing, and
/// may run beside a server.
///
/// # Errors
/// [`StoreError::Damaged`] names the file, offset and number of the first bad record, or the first bad
/// checkpoint or list.
pub fn verify(folder: impl AsRef<Path>) -> Result<VerifyReport, StoreError> {
    verify_against(folder, Expected::default())
}

/// As [`verify`], and compares it with what is expected.
///
/// # Errors
/// As [`verify`]; [`StoreError::Damaged`] also when it differs, or the archive is not as it should be;
/// [`StoreError::Archived`] when heads were signed of records that are in an archive that was not named.
pub fn verify_against(folder: impl AsRef<Path>, expected: Expected<'_>) -> Result<VerifyReport, StoreError> {
    let root = folder.as_ref();
    folder::require_format(root)?;
    let epoch = folder::read_epoch(root)?;
    let held = journal::hold(&folder::journal(root))?;
    let is_expected = |chain: Chain| expected.chain == Some(chain.to_string().as_str());
    let (mut stands, mut newest) = (expected.chain.is_none(), None);
    let mut vouched = Vouched::by(expected.heads);
    let Walked {
        scan,
        table,
        checkpoints,
        archived,
    } = walk(root, expected.archive, |step| {
        let place = step.place;
        stands = stands || is_expected(place.chain);
        newest = Some(step.at);
        let same = vouched.check(place.sequence, place.chain);
        same.map_err(|what| place.damaged(what))
    })?;
    drop(held);
    check_heads(root, vouched, &scan)?;
    if !stands && !is_expected(scan.before) {
        return Err(stands_for_nothing(root, expected.chain, scan.first));
    }
    let named = lists::named(&table);
    check_lists(&ListFolder::of(root), &named)?;
    let existing = table.slots().values().filter(|slot| slot.state.is_some());
    Ok(VerifyReport {
        epoch,
        segments: scan.segments,
        archived,
        first: scan.first,
        records: scan.head,
        bytes: scan.bytes,
        checkpoints,
        entities: existing.count() as u64,
        state_bytes: state_bytes(&table),
        lists: named.len() as u64,
        newest,
        chain: scan.chain,
        torn: scan.torn,
    })
}

/// What heads say of records that are not there.
fn check_heads(root: &Path, mut vouched: Vouched, scan: &Scan) -> Result<(), StoreError> {
    if vouched.is_before(scan.first) {
        return Err(StoreError::Archived { oldest: scan.first });
    }
    let last = journal::path(&folder::journal(root), scan.segment.max(1));
    let before = vouched.check(scan.first - 1, scan.before);
    let same = before.and_then(|()| vouched.check_end(scan.head));
    same.map_err(|what| StoreError::damaged(&last, scan.end, what))
}

fn stands_for_nothing(root: &Path, chain: Option<&str>, first: u64) -> StoreError {
    let chain = chain.unwrap_or_default();
    let why = match first {
        1 => "it was cut, or written anew".to_owned(),
        first => format!(
            "it was cut, or written anew, or the chain stands for records before {first}, which are in an archive: name it"
        ),
    };
    let what = format!("no beginning of this journal is what chain {chain} stood for: {why}");
    StoreError::damaged(&folder::journal(root), 0, what)
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

/// Shows every record of the journal in `folder` to `visit`, oldest first, until it breaks off; those that were moved to
/// `archive` before the others. Checks checksums, chain and sequence on the way. Changes nothing, and may run beside a
/// server. Holds one segment in memory.
///
/// # Errors
/// [`StoreError::Damaged`] names the file, offset and number of the first bad record; [`StoreError::Archived`] when the
/// first records are neither in the folder nor in the archive.
pub fn read_journal<B>(
    folder: impl AsRef<Path>,
    archive: Option<&Path>,
    mut visit: impl FnMut(Record) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, StoreError> {
    let root = folder.as_ref();
    folder::require_format(root)?;
    let _held = journal::hold(&folder::journal(root))?;
    let (files, _) = files(root, archive)?;
    match journal::beginning(&files)?.0 {
        1 => {}
        oldest => return Err(StoreError::Archived { oldest }),
    }
    let mut broken = None;
    let scanned = journal::scan(&files, |place, text| match visit(read_record(place, text)?) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(with) => {
            broken = Some(with);
            Err(StoreError::Stopped("enough was read".to_owned()))
        }
    });
    match (broken, scanned) {
        (Some(with), _) => Ok(ControlFlow::Break(with)),
        (None, Ok(_)) => Ok(ControlFlow::Continue(())),
        (None, Err(error)) => Err(error),
    }
}
