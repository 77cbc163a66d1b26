//! Archiving: old segments go, the state stays, and whoever asks for what is gone is told where the journal begins.

use crate::ground::{
    self, State, assert_damaged, commit, copy_into, copy_without_view, filled_with, look, runtime, segment,
    tiny_segments,
};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use tempfile::TempDir;
use tidegate_model::Timestamp;
use tidegate_store::contract::listed;
use tidegate_store::{
    Archived, EmbeddedStore, Expected, Life, Store as _, StoreError, ViewReport, archive, compact, copy,
    read_journal, verify, verify_against,
};

/// Archives all that may go.
fn all(folder: &Path, to: &Path) -> Result<Archived, StoreError> {
    archive(folder, to, Timestamp::MAX_UTC, |_, _| {})
}

/// A closed store of ten records in ten segments, of which eight are in an archive.
fn archived() -> (TempDir, TempDir) {
    let folder = filled_with(10, tiny_segments());
    let to = tempfile::tempdir().unwrap();
    let done = all(folder.path(), &to.path().join("archive")).unwrap();
    assert_eq!(
        (done.segments, done.oldest, done.checkpoints),
        (8, 9, vec![8, 9]),
        "the newest old one stays, and what is being written"
    );
    (folder, to)
}

/// What a start makes of a folder whose view is lost.
fn without_view(folder: &Path) -> Result<State, StoreError> {
    let copied = copy_without_view(folder);
    let (store, _) = EmbeddedStore::open(copied.path())?;
    Ok(runtime().block_on(async {
        let state = listed(&store).await;
        store.close().await.unwrap();
        state
    }))
}

/// The records that a folder and its archive have together.
fn sequences(folder: &Path, archive: Option<&Path>) -> Result<Vec<u64>, StoreError> {
    let mut found = Vec::new();
    let read = read_journal(folder, archive, |record| {
        found.push(record.sequence);
        ControlFlow::<()>::Continue(())
    });
    read.map(|_| found)
}

fn expecting(archive: &Path) -> Expected<'_> {
    Expected {
        archive: Some(archive),
        ..Expected::default()
    }
}

#[test]
fn archiving_moves_what_is_old_and_changes_nothing_else() {
    let whole = filled_with(10, tiny_segments());
    let before = look(whole.path()).unwrap().1;
    let (folder, to) = archived();
    let archive = to.path().join("archive");
    assert!(!segment(folder.path(), 8).exists() && segment(&archive, 8).exists());
    assert!(segment(folder.path(), 9).exists() && !segment(&archive, 9).exists());
    assert_eq!(without_view(folder.path()).unwrap(), before);

    let here = verify(folder.path()).unwrap();
    assert_eq!((here.first, here.records, here.segments), (9, 10, 2));
    let both = verify_against(folder.path(), expecting(&archive)).unwrap();
    assert_eq!(
        (both.first, both.records, both.segments, both.archived),
        (1, 10, 10, 8)
    );
    let original = verify(whole.path()).unwrap();
    assert_eq!((both.chain, here.chain), (original.chain, original.chain));
    assert_eq!((here.entities, both.entities), (2, 2));

    assert_eq!(
        sequences(folder.path(), Some(&archive)).unwrap(),
        (1..=10).collect::<Vec<_>>()
    );
    assert!(matches!(
        sequences(folder.path(), None),
        Err(StoreError::Archived { oldest: 9 })
    ));
    compact(folder.path()).unwrap();
    let (store, report) = EmbeddedStore::open(folder.path()).unwrap();
    assert_eq!(report.view, ViewReport::Loaded { behind: 0 });
    runtime().block_on(async {
        assert_eq!(listed(&store).await, before);
        store.close().await.unwrap();
    });
}

#[test]
fn archiving_beside_a_store_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open_with(folder.path(), tiny_segments()).unwrap();
    let state = runtime().block_on(async {
        for round in 1..=4_u64 {
            commit(&store, 10).await;
            let done = all(folder.path(), to.path()).unwrap();
            let oldest = round * 10 - 1;
            assert_eq!(
                (done.segments, done.oldest),
                (if round == 1 { 8 } else { 10 }, oldest)
            );
            assert_eq!(done.checkpoints, [oldest - 1, oldest]);
            for after in [0, oldest - 2] {
                let gone = store.records(after, 5).await;
                assert!(
                    matches!(gone, Err(StoreError::Archived { oldest: told }) if told == oldest),
                    "{gone:?}"
                );
            }
            let there = store.records(oldest - 1, 100).await.unwrap();
            assert_eq!(there.len(), 2);
            assert_eq!(store.records(round * 10, 5).await.unwrap(), []);
        }
        let state = listed(&store).await;
        store.close().await.unwrap();
        state
    });
    assert_eq!(without_view(folder.path()).unwrap(), state);
    assert_eq!(sequences(folder.path(), Some(to.path())).unwrap().len(), 40);
    let again = all(folder.path(), to.path()).unwrap();
    assert_eq!((again.segments, again.oldest), (0, 39), "nothing more is old");
    // Opened anew, it knows from the start where the journal begins.
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        let gone = store.records(3, 1).await;
        assert!(
            matches!(gone, Err(StoreError::Archived { oldest: 39 })),
            "{gone:?}"
        );
        commit(&store, 1).await;
        assert_eq!(store.records(38, 9).await.unwrap().len(), 3);
        store.close().await.unwrap();
    });
}

#[test]
fn what_is_new_stays() {
    let folder = filled_with(10, tiny_segments());
    let to = tempfile::tempdir().unwrap();
    let done = archive(folder.path(), to.path(), Timestamp::MIN_UTC, |_, _| {}).unwrap();
    assert_eq!((done.segments, done.oldest, done.checkpoints), (0, 1, vec![]));
    assert_eq!(verify(folder.path()).unwrap().first, 1);
}

/// Whatever step it was cut off at: the folder starts, everything is there or in the archive, and archiving goes on.
#[test]
fn f51_archiving_that_was_cut_off_goes_on() {
    let whole = filled_with(10, tiny_segments());
    let state = look(whole.path()).unwrap().1;
    let (done, archives) = archived();
    let checkpoints = done.path().join("checkpoint");
    for removed in 0..=8_u32 {
        for half_copied in [None, Some(3), Some(8)] {
            let (folder, to) = (ground::copy(whole.path()), tempfile::tempdir().unwrap());
            fs::create_dir(folder.path().join("checkpoint")).unwrap();
            copy_into(&checkpoints, &folder.path().join("checkpoint"));
            copy_into(&archives.path().join("archive"), to.path());
            fs::write(folder.path().join("checkpoint/99.0.unfinished"), "half").unwrap();
            if let Some(half) = half_copied.filter(|half| *half > removed) {
                for number in half..=8 {
                    fs::remove_file(segment(to.path(), number)).unwrap();
                }
                fs::write(segment(to.path(), half).with_extension("unfinished"), "half").unwrap();
            }
            for number in 1..=removed {
                fs::remove_file(segment(folder.path(), number)).unwrap();
            }
            let what = format!("{removed} removed, {half_copied:?} half copied");
            assert_eq!(without_view(folder.path()).unwrap(), state, "{what}");
            assert_eq!(verify(folder.path()).unwrap().records, 10, "{what}");
            let again = all(folder.path(), to.path()).unwrap();
            assert_eq!((again.segments, again.oldest), (8 - removed, 9), "{what}");
            assert_eq!(again.checkpoints, [8, 9], "{what}");
            assert_eq!(
                sequences(folder.path(), Some(to.path())).unwrap().len(),
                10,
                "{what}"
            );
            assert_eq!(without_view(folder.path()).unwrap(), state, "{what}");
            let left = fs::read_dir(folder.path().join("checkpoint")).unwrap();
            assert_eq!(left.count(), 2, "{what}: nothing half done is left");
        }
    }
}

#[test]
fn f53_a_checkpoint_that_is_lost_is_made_up_for_by_the_older_one() {
    let (folder, _to) = archived();
    let state = without_view(folder.path()).unwrap();
    let file = |sequence: u64| folder.path().join(format!("checkpoint/{sequence}"));
    let newest = fs::read(file(9)).unwrap();
    for at in [0, 9, 20, 50, 70, 100, newest.len() - 1] {
        let mut bytes = newest.clone();
        bytes[at] ^= 4;
        fs::write(file(9), bytes).unwrap();
        assert_eq!(without_view(folder.path()).unwrap(), state, "byte {at}");
        assert_damaged(verify(folder.path()), &file(9), 0);
    }
    // The older one, when there is nothing else: refused by name, until the segments are back.
    fs::remove_file(file(9)).unwrap();
    let mut older = fs::read(file(8)).unwrap();
    older[80] ^= 1;
    fs::write(file(8), older).unwrap();
    let said = without_view(folder.path()).unwrap_err().to_string();
    for part in [
        "00000008.log",
        "the journal begins at record 9",
        "checkpoint/8 is damaged",
        "its checksum does not match",
        "archive",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // A view that is good needs no checkpoint.
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        assert_eq!(listed(&store).await, state);
        store.close().await.unwrap();
    });
}

#[test]
fn a_checkpoint_of_another_journal_is_found() {
    let (folder, _to) = archived();
    let other = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open_with(other.path(), tiny_segments()).unwrap();
    runtime().block_on(async {
        commit(&store, 1).await;
        commit(&store, 11).await;
        store.close().await.unwrap();
    });
    let archive = tempfile::tempdir().unwrap();
    all(other.path(), archive.path()).unwrap();
    let file = folder.path().join("checkpoint/9");
    let foreign = ground::copy(folder.path());
    fs::remove_dir_all(foreign.path().join("checkpoint")).unwrap();
    fs::create_dir(foreign.path().join("checkpoint")).unwrap();
    fs::copy(
        other.path().join("checkpoint/10"),
        foreign.path().join("checkpoint/10"),
    )
    .unwrap();
    assert!(without_view(foreign.path()).is_err());
    fs::remove_file(&file).unwrap();
    fs::copy(
        other.path().join("checkpoint/10"),
        folder.path().join("checkpoint/10"),
    )
    .unwrap();
    assert_damaged(verify(folder.path()), &folder.path().join("checkpoint/10"), 0);
    assert!(without_view(folder.path()).is_ok(), "the older one is good");

    // Nor does the archive of one journal take the segments of another.
    let one = filled_with(20, tiny_segments());
    let refused = all(one.path(), archive.path()).unwrap_err();
    assert!(refused.to_string().contains("differs"), "{refused}");
    assert!(segment(one.path(), 1).exists(), "nothing went");
}

#[test]
fn f52_damage_in_the_archive_is_found_by_name() {
    let (folder, to) = archived();
    let to = to.path().join("archive");
    let file = segment(&to, 3);
    let whole = fs::read(&file).unwrap();
    for at in [0, 30, 57, 70, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        let offset = if at < 56 { 0 } else { 56 };
        assert_damaged(verify_against(folder.path(), expecting(&to)), &file, offset);
    }
    fs::write(&file, whole).unwrap();
    fs::rename(segment(&to, 8), to.join("eighth")).unwrap();
    assert_damaged(verify_against(folder.path(), expecting(&to)), &segment(&to, 8), 0);
    let nobody = to.join("nobody");
    fs::create_dir(&nobody).unwrap();
    assert_damaged(
        verify_against(folder.path(), expecting(&nobody)),
        &nobody.join("FORMAT"),
        0,
    );
}

#[test]
fn nothing_is_removed_when_the_archive_is_the_folder_or_another_process_archives() {
    let folder = filled_with(10, tiny_segments());
    let refused = all(folder.path(), folder.path()).unwrap_err();
    assert!(refused.to_string().contains("the folder itself"), "{refused}");
    assert_eq!(sequences(folder.path(), None).unwrap().len(), 10);
    let other = File::open(folder.path().join("checkpoint")).unwrap();
    other.lock().unwrap();
    let to = tempfile::tempdir().unwrap();
    assert!(matches!(
        all(folder.path(), to.path()),
        Err(StoreError::InUse { .. })
    ));
    drop(other);
    assert_eq!(all(folder.path(), to.path()).unwrap().segments, 8);
}

#[test]
fn backups_of_what_is_left_are_whole() {
    let (folder, to) = archived();
    let backup = to.path().join("backup");
    let copied = copy(folder.path(), &backup, Life::Above(0), &[], |_, _| {}).unwrap();
    assert_eq!((copied.head, copied.segments), (10, 2));
    let verified = verify_against(&backup, expecting(&to.path().join("archive"))).unwrap();
    assert_eq!((verified.records, verified.checkpoints), (10, vec![8, 9]));
    let (store, report) = EmbeddedStore::open(&backup).unwrap();
    assert_eq!((report.head, report.epoch), (10, 2));
    let expected = without_view(folder.path()).unwrap();
    runtime().block_on(async {
        assert_eq!(listed(&store).await, expected);
        store.close().await.unwrap();
    });
}
