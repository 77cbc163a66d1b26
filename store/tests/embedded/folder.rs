//! The folder: one holder, one format, one life; and what happens when storage fails.

use crate::ground::*;
use std::fs;
use tidegate_store::contract::listed;
use tidegate_store::contract::sample::{flag, flag_ref, propose, save};
use tidegate_store::{CommitError, EmbeddedStore, Settings, Store as _, StoreError, verify};

#[test]
fn f56_a_second_opening_is_refused_and_told_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    match EmbeddedStore::open(folder.path()) {
        Err(StoreError::InUse { holder, .. }) => {
            assert_eq!(holder, format!(" (process {})", std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    runtime().block_on(store.close()).unwrap();
    assert!(look(folder.path()).is_ok(), "closing gives the folder back");
}

#[test]
fn f61_newer_formats_are_refused() {
    let folder = filled(1);
    let digits = b"2";
    let line = format!("2 {:08x}\n", crc32c::crc32c(digits));
    fs::write(folder.path().join("FORMAT"), line).unwrap();
    for error in [
        look(folder.path()).unwrap_err(),
        verify(folder.path()).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                StoreError::TooNew {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn f61_a_segment_of_a_newer_format_is_refused() {
    let folder = filled(1);
    let file = segment(folder.path(), 1);
    let mut bytes = fs::read(&file).unwrap();
    bytes[8] = 7;
    let checksum = crc32c::crc32c(&bytes[..52]).to_le_bytes();
    bytes[52..56].copy_from_slice(&checksum);
    fs::write(&file, bytes).unwrap();
    let error = look(folder.path()).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::TooNew {
                found: 7,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn small_files_are_checked_too() {
    for name in ["FORMAT", "epoch"] {
        let folder = filled(1);
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, bytes).unwrap();
            assert_damaged(verify(folder.path()), &path, 0);
        }
        fs::remove_file(&path).unwrap();
        assert_damaged(verify(folder.path()), &path, 0);
        assert_damaged(look(folder.path()), &path, 0);
    }
}

#[test]
fn an_epoch_is_never_made_again_for_a_journal_that_has_records() {
    let folder = filled(1);
    let epoch = format!("3 {:08x}\n", crc32c::crc32c(b"3"));
    fs::write(folder.path().join("epoch"), &epoch).unwrap();
    assert_eq!(look(folder.path()).unwrap().0.epoch, 3);
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    assert_damaged(look(folder.path()), &folder.path().join("FORMAT"), 0);
    assert_eq!(fs::read_to_string(folder.path().join("epoch")).unwrap(), epoch);
}

#[test]
fn a_creation_that_was_interrupted_is_repeated() {
    let folder = filled(0);
    fs::remove_file(folder.path().join("FORMAT")).unwrap();
    fs::write(segment(folder.path(), 1), b"tide").unwrap();
    let (report, state) = look(folder.path()).unwrap();
    assert_eq!((report.created, report.epoch, state.len()), (true, 1, 0));
    assert!(!look(folder.path()).unwrap().0.created);
}

#[test]
fn segments_follow_each_other_and_records_are_read_across_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        segment_bytes_max: 1000,
        ..Settings::default()
    };
    let (store, _) = EmbeddedStore::open_with(folder.path(), settings).unwrap();
    runtime().block_on(async {
        commit(&store, 30).await;
        check_records(&store).await;
        store.close().await.unwrap();
    });
    let segments = verify(folder.path()).unwrap().segments;
    assert!((5..30).contains(&segments), "{segments}");
    let bytes = (1..=segments).map(|number| fs::metadata(segment(folder.path(), number)).unwrap().len());
    let (store, _) = EmbeddedStore::open_with(folder.path(), settings).unwrap();
    assert_eq!(store.stats().journal_bytes, bytes.sum::<u64>());
    runtime().block_on(async {
        check_records(&store).await;
        store.close().await.unwrap();
    });
}

async fn check_records(store: &EmbeddedStore) {
    for after in 0..30 {
        for limit in [1, 7, 100] {
            let records = store.records(after, limit).await.unwrap();
            let found: Vec<u64> = records.iter().map(|record| record.sequence).collect();
            let last = 30.min(after + limit as u64);
            assert_eq!(found, (after + 1..=last).collect::<Vec<_>>());
        }
    }
}

/// The next segment cannot be begun, because something stands in its place.
#[test]
fn f55_after_a_failed_write_nothing_is_acknowledged_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open_with(folder.path(), tiny_segments()).unwrap();
    let one = || propose(vec![save(flag_ref("a"), flag("a", "too late"))]);
    runtime().block_on(async {
        commit(&store, 2).await;
        let state = listed(&store).await;
        fs::create_dir(segment(folder.path(), 3)).unwrap();
        let failed = store.commit(one()).await;
        assert!(
            matches!(failed, Err(CommitError::Store(StoreError::Io { .. }))),
            "{failed:?}"
        );
        fs::remove_dir(segment(folder.path(), 3)).unwrap();
        let later = store.commit(one()).await;
        assert!(
            matches!(later, Err(CommitError::Store(StoreError::Stopped(_)))),
            "{later:?}"
        );
        assert_eq!((store.head(), listed(&store).await), (2, state), "reads go on");
        assert_eq!(store.records(0, 10).await.unwrap().len(), 2);
        assert!(matches!(store.close().await, Err(StoreError::Stopped(_))));
    });
    assert_eq!(verify(folder.path()).unwrap().records, 2);
}

#[test]
fn f60_closing_finishes_what_waits_and_refuses_what_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    let one = || propose(vec![save(flag_ref("a"), flag("a", ""))]);
    runtime().block_on(async {
        let (before, closed) = tokio::join!(biased; store.commit(one()), store.close());
        assert_eq!((before.unwrap().sequence, closed.is_ok()), (1, true));
        let after = store.commit(one()).await.unwrap_err();
        let CommitError::Store(error) = after else {
            panic!("{after:?}")
        };
        assert_eq!(error.to_string(), "the store has stopped: it was closed");
        assert_eq!((store.head(), store.stats().applied), (1, 1));
    });
}

#[test]
fn dropping_without_closing_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(commit(&store, 5));
    drop(store);
    let copied = tempfile::tempdir().unwrap();
    fs::create_dir(copied.path().join("journal")).unwrap();
    for name in ["FORMAT", "epoch", "journal/00000001.log"] {
        fs::copy(folder.path().join(name), copied.path().join(name)).unwrap();
    }
    assert_eq!(look(copied.path()).unwrap().0.head, 5);
}
