//! From a folder to a store.

use super::EmbeddedStore;
use super::commit::Committer;
use super::found::{self, Found};
use super::live::{Live, Truth};
use crate::answers::AnswerFolder;
use crate::api::StoreError;
use crate::compact::bytes;
use crate::folder::Folder;
use crate::journal::{self, Appender, Torn};
use crate::lists::{self, ListFolder};
use crate::room::Room;
use crate::view::{self, View, ViewWriter, state_bytes};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// What can be chosen when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A segment of the journal that has reached this is followed by a new one, in bytes.
    pub segment_bytes_max: u64,
    /// Commits that may wait; the next one waits for a place.
    pub queue_commits_max: usize,
    /// Records between two checkpoints of the view.
    pub checkpoint_records: u64,
    /// How long a list that no segment names is kept: whoever put it may be about to name it in a
    /// change, or may want to go back to it.
    pub list_grace: Duration,
    /// How large the file is that keeps room for what shuts things on a full disk, in bytes.
    pub ballast_bytes: u64,
    /// A view that is larger than this when the store is opened is made again, in bytes; `None` for
    /// [`view_bytes_max`](crate::view_bytes_max) of what it says.
    pub view_bytes_max: Option<u64>,
    /// With less room than this nothing else is stored, in bytes; `None` for a twentieth of the file system, up to 1 GiB.
    pub room_bytes_least: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes_max: 64 << 20,
            queue_commits_max: 1024,
            checkpoint_records: 10_000,
            list_grace: Duration::from_secs(24 * 3600),
            ballast_bytes: 16 << 20,
            view_bytes_max: None,
            room_bytes_least: None,
        }
    }
}

/// What was found when a store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the store is new.
    pub created: bool,
    /// Which life of the store this is.
    pub epoch: u64,
    /// Sequence of the newest record.
    pub head: u64,
    /// What an interrupted write had left behind. It was never acknowledged, and was cut off.
    pub torn: Option<Torn>,
    /// How the view was.
    pub view: ViewReport,
}

/// How the view was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewReport {
    /// As it should be, but for so many records that were folded again.
    Loaded {
        /// How many records it was behind.
        behind: u64,
    },
    /// It was as it should be, but for its size, and was made again.
    Renewed {
        /// How large it was, in bytes.
        bytes: u64,
        /// How large it may be, in bytes.
        most: u64,
    },
    /// There is none, and no room to make one: the next start tries again.
    Away {
        /// Why there is none.
        why: String,
    },
    /// It was made again from the journal.
    Rebuilt {
        /// What was odd about it.
        why: String,
        /// Where it was put.
        quarantine: PathBuf,
    },
}

pub(super) fn open(root: &Path, settings: Settings) -> Result<(EmbeddedStore, OpenReport), StoreError> {
    open_taken(Folder::take(root)?, settings)
}

/// Opens the store in a folder that is this process' own.
pub(crate) fn open_taken(
    folder: Folder,
    settings: Settings,
) -> Result<(EmbeddedStore, OpenReport), StoreError> {
    let Found {
        mut scan,
        table,
        view,
    } = found::read(&folder, view::open(&folder.view()))?;
    if let Some(torn) = &scan.torn {
        let (file, offset, bytes) = (torn.file.display(), torn.offset, torn.bytes);
        tracing::warn!(%file, offset, bytes, "cut off a write that was never acknowledged");
        journal::cut(&folder.journal(), torn)?;
    }
    let journal = Appender::new(&folder.journal(), &mut scan, settings.segment_bytes_max)?;
    if folder.created {
        folder.seal()?;
    }
    let room = Room::of(&folder.root, settings.ballast_bytes, settings.room_bytes_least);
    remove_outgrown(&folder)?;
    let (view, view_report) = match view {
        Ok(view) => renew_or_keep(&folder, view, settings.view_bytes_max, scan.head)?,
        Err(why) if !room.fits_view() => {
            tracing::warn!(%why, "there is no room for the view; the journal is all that is used");
            (View::default(), ViewReport::Away { why })
        }
        Err(why) => rebuild(&folder, why)?,
    };
    let report = OpenReport {
        created: folder.created,
        epoch: folder.epoch,
        head: scan.head,
        torn: scan.torn.take(),
        view: view_report,
    };
    let lists = ListFolder::of(&folder.root);
    let removed = lists.sweep(&lists::named(&table), settings.list_grace)?;
    if removed > 0 {
        tracing::info!(removed, "removed lists of units that no segment names");
    }
    let answers = AnswerFolder::of(&folder.root);
    answers.tidy()?;
    let truth = Truth {
        unsaved: table.newer_than(&view.table),
        table,
        chain: scan.chain,
        steps: VecDeque::new(),
        index: scan.index,
    };
    let rebuilt = matches!(report.view, ViewReport::Rebuilt { .. }).into();
    let most = settings.view_bytes_max;
    let most = most.unwrap_or_else(|| view::view_bytes_max(state_bytes(&truth.table)));
    let live = Arc::new(Live::new(truth, view.applied.sequence, rebuilt, most));
    let store = start(
        folder,
        (lists, answers),
        settings,
        (journal, room),
        live,
        view.sled,
    )?;
    Ok((store, report))
}

/// Puts the odd view aside and begins an empty one.
fn rebuild(folder: &Folder, why: String) -> Result<(View, ViewReport), StoreError> {
    let (path, quarantine) = (folder.view(), folder.quarantine());
    fs::rename(&path, &quarantine).map_err(StoreError::io("moving aside", &path))?;
    tracing::warn!(%why, quarantine = %quarantine.display(), "the view is made again from the journal");
    Ok((new_view(&path)?, ViewReport::Rebuilt { why, quarantine }))
}

/// Keeps a view that is good, unless it is too large.
fn renew_or_keep(
    folder: &Folder,
    view: View,
    most: Option<u64>,
    head: u64,
) -> Result<(View, ViewReport), StoreError> {
    let most = most.unwrap_or_else(|| view::view_bytes_max(view.state_bytes));
    let bytes = bytes(&folder.view())?;
    if bytes <= most {
        let behind = head - view.applied.sequence;
        return Ok((view, ViewReport::Loaded { behind }));
    }
    tracing::info!(
        bytes,
        most,
        "the view is larger than it may be, and is made again"
    );
    let path = folder.view();
    view::close(view, &path)?;
    fs::rename(&path, folder.outgrown()).map_err(StoreError::io("moving aside", &path))?;
    let view = new_view(&path)?;
    remove_outgrown(folder)?;
    Ok((view, ViewReport::Renewed { bytes, most }))
}

/// Removes a view that was too large, if there is one.
fn remove_outgrown(folder: &Folder) -> Result<(), StoreError> {
    let path = folder.outgrown();
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("removing", &path)(error))
        }
        _ => Ok(()),
    }
}

fn new_view(path: &Path) -> Result<View, StoreError> {
    view::open(path).map_err(|cause| StoreError::Io {
        operation: format!("making {}", path.display()),
        cause,
    })
}

fn start(
    folder: Folder,
    (lists, answers): (ListFolder, AnswerFolder),
    settings: Settings,
    (journal, room): (Appender, Room),
    live: Arc<Live>,
    sled: Option<sled::Db>,
) -> Result<EmbeddedStore, StoreError> {
    let starting = |cause: io::Error| StoreError::Io {
        operation: "starting a thread".to_owned(),
        cause: cause.to_string(),
    };
    let (taken, noted) = (Arc::clone(&live), Arc::clone(&live));
    let view = ViewWriter::start(
        sled,
        folder.view(),
        settings.checkpoint_records,
        move || taken.take_unsaved(),
        move |progress| noted.note_view(progress),
    )
    .map_err(starting)?;
    view.wake();
    let (jobs, waiting) = mpsc::channel(settings.queue_commits_max.max(1));
    let store = EmbeddedStore {
        jobs,
        live: Arc::clone(&live),
        journal: folder.journal(),
        view: folder.view(),
        lists: Arc::new(lists),
        answers: Arc::new(answers),
        epoch: folder.epoch,
    };
    let committer = Committer {
        jobs: waiting,
        journal,
        room,
        live,
        view,
        folder,
        crowded: false,
    };
    let thread = thread::Builder::new().name("committer".to_owned());
    thread.spawn(move || committer.run()).map_err(starting)?;
    Ok(store)
}
