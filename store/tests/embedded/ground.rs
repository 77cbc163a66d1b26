//! Stores in folders, and the bytes of their journals.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_model::change::EntityRef;
use tidegate_store::contract::sample::{flag, flag_ref, propose, save};
use tidegate_store::contract::{listed, replayed};
use tidegate_store::{EmbeddedStore, OpenReport, Settings, Store as _, StoreError, Stored};
use tokio::runtime::Runtime;

/// Everything that exists.
pub(crate) type State = BTreeMap<EntityRef, Stored>;

/// Bytes in front of the first frame of a segment, and of the text in a frame.
const SEGMENT_HEADER: usize = 56;
const FRAME_HEAD: usize = 48;

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
}

/// So small that every record begins a segment.
pub(crate) fn tiny_segments() -> Settings {
    Settings {
        segment_bytes_max: 1,
        ..Settings::default()
    }
}

/// A closed store of so many records, each saving another description of one of two flags.
pub(crate) fn filled(records: usize) -> TempDir {
    filled_with(records, Settings::default())
}

pub(crate) fn filled_with(records: usize, settings: Settings) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open_with(folder.path(), settings).unwrap();
    runtime().block_on(async {
        commit(&store, records).await;
        store.close().await.unwrap();
    });
    folder
}

pub(crate) async fn commit(store: &EmbeddedStore, records: usize) {
    for number in 0..records {
        let key = if number % 2 == 0 { "a" } else { "b" };
        let change = flag(key, &format!("number {number}"));
        store
            .commit(propose(vec![save(flag_ref(key), change)]))
            .await
            .unwrap();
    }
}

/// A closed store of one record, then many that were committed at the same time.
pub(crate) fn filled_at_once(records: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    let store = Arc::new(store);
    runtime().block_on(async {
        commit(&store, 2).await;
        let commits = (0..records).map(|number| {
            let store = Arc::clone(&store);
            async move {
                store
                    .commit(propose(vec![save(flag_ref("c"), flag("c", &number.to_string()))]))
                    .await
            }
        });
        let commits = commits.collect::<tokio::task::JoinSet<_>>();
        assert!(commits.join_all().await.iter().all(Result::is_ok));
        store.close().await.unwrap();
    });
    folder
}

/// Opens the store, looks at it, and closes it again.
pub(crate) fn look(folder: &Path) -> Result<(OpenReport, State), StoreError> {
    let (store, report) = EmbeddedStore::open(folder)?;
    let state = runtime().block_on(async {
        let state = listed(&store).await;
        assert_eq!(
            state,
            replayed(&store).await,
            "the state is what the records make"
        );
        store.close().await.unwrap();
        state
    });
    Ok((report, state))
}

/// A copy of a folder, without the view: as if sled had kept nothing.
pub(crate) fn copy_without_view(from: &Path) -> TempDir {
    let to = copy(from);
    fs::remove_dir_all(to.path().join("view")).unwrap();
    to
}

pub(crate) fn copy(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

pub(crate) fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "ballast" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn segment(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("journal/{number:08}.log"))
}

/// One frame of a segment.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Sequence of the first record of the same write.
    pub(crate) group: u64,
}

/// The frames of a segment that is whole.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut start = SEGMENT_HEADER;
    while start < bytes.len() {
        let length = u32::from_le_bytes(bytes[start..start + 4].try_into().unwrap());
        let group = u64::from_le_bytes(bytes[start + 8..start + 16].try_into().unwrap());
        let end = start + FRAME_HEAD + length as usize;
        frames.push(Frame { start, end, group });
        start = end;
    }
    frames
}

/// Asserts damage at this offset of this file.
#[track_caller]
pub(crate) fn assert_damaged<T: std::fmt::Debug>(found: Result<T, StoreError>, file: &Path, offset: usize) {
    match found {
        Err(StoreError::Damaged {
            file: told,
            offset: at,
            ..
        }) => {
            assert_eq!((told, at), (file.display().to_string(), offset as u64));
        }
        other => panic!("not found to be damaged: {other:?}"),
    }
}
