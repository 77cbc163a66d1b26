//! Whatever happens to the view, the state is the journal's.

use crate::ground::*;
use std::fs;
use std::path::Path;
use tidegate_store::contract::listed;
use tidegate_store::{EmbeddedStore, Settings, ViewReport, verify};

/// Harms the view of a store of ten records; the state must be what it was. What the start says of
/// the view is given back.
#[track_caller]
fn check(harm: impl FnOnce(&Path)) -> ViewReport {
    let folder = filled(10);
    let before = look(folder.path()).unwrap();
    assert_eq!(before.0.view, ViewReport::Loaded { behind: 0 });
    harm(&folder.path().join("view"));
    let (report, after) = look(folder.path()).unwrap();
    assert_eq!((report.head, &after), (10, &before.1));
    let again = look(folder.path()).unwrap();
    assert_eq!(
        (again.0.view, again.1),
        (ViewReport::Loaded { behind: 0 }, after),
        "it was mended"
    );
    report.view
}

#[track_caller]
fn assert_rebuilt(report: ViewReport, says: &str) {
    match report {
        ViewReport::Rebuilt { why, quarantine } => {
            assert!(why.contains(says), "{why}");
            assert!(quarantine.ends_with("quarantine-1"));
        }
        other => panic!("not rebuilt: {other:?}"),
    }
}

/// Lets `write` loose on the database behind the store's back.
fn tamper(view: &Path, write: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(view).flush_every_ms(None);
    // sled's own threads may still hold the lock of the database that was just closed.
    let sled = std::iter::repeat_with(|| config.open())
        .take(1000)
        .find_map(Result::ok)
        .unwrap();
    write(&sled);
    sled.flush().unwrap();
}

#[test]
fn f53_a_deleted_view_is_made_again() {
    let report = check(|view| fs::remove_dir_all(view).unwrap());
    assert_eq!(report, ViewReport::Loaded { behind: 10 });
}

#[test]
fn f53_garbage_in_place_of_the_view_is_put_aside() {
    let report = check(|view| {
        fs::remove_dir_all(view).unwrap();
        fs::write(view, b"not a folder").unwrap();
    });
    assert_rebuilt(report, "");
}

#[test]
fn f53_a_value_that_fails_its_checksum_is_found() {
    let report = check(|view| {
        tamper(view, |sled| {
            let key = "flag/production/a";
            let mut value = sled.get(key).unwrap().unwrap().to_vec();
            *value.last_mut().unwrap() ^= 1;
            sled.insert(key, value).unwrap();
        });
    });
    assert_rebuilt(report, "flag/production/a does not match its checksum");
}

/// What sled does when a page is lost: the old value comes back, whole and without an error.
#[test]
fn f53_an_old_value_that_comes_back_is_found() {
    let folder = filled(10);
    let mut old = None;
    tamper(&folder.path().join("view"), |sled| {
        old = sled.get("flag/production/a").unwrap()
    });
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        commit(&store, 2).await;
        store.close().await.unwrap();
    });
    let before = look(folder.path()).unwrap().1;
    tamper(&folder.path().join("view"), |sled| {
        sled.insert("flag/production/a", old.unwrap()).unwrap();
    });
    let (report, after) = look(folder.path()).unwrap();
    assert_rebuilt(report.view, "it is not what it was at record 12");
    assert_eq!(after, before);
}

#[test]
fn f53_missing_values_are_found() {
    for (key, says) in [
        ("flag/production/b", "not what it was"),
        ("applied", "how far it goes"),
    ] {
        let report = check(|view| {
            tamper(view, |sled| {
                sled.remove(key).unwrap();
            });
        });
        assert_rebuilt(report, says);
    }
}

#[test]
fn f53_a_view_of_a_newer_format_is_made_again() {
    let report = check(|view| {
        tamper(view, |sled| {
            let mut value = sled.get("applied").unwrap().unwrap().to_vec();
            value[0] = 3;
            sled.insert("applied", value).unwrap();
        });
    });
    assert_rebuilt(report, "has format 3");
}

/// sled never makes its file smaller: whoever saves the same flag again and again has a view that grows.
#[test]
fn a_view_that_has_outgrown_its_bound_is_made_again_at_the_next_start() {
    let folder = filled(300);
    let (_, before) = look(folder.path()).unwrap();
    let grown = tidegate_store::about(folder.path()).unwrap().view_bytes;
    let open = |most| {
        let settings = Settings {
            view_bytes_max: Some(most),
            ..Settings::default()
        };
        let (store, report) = EmbeddedStore::open_with(folder.path(), settings).unwrap();
        let stats = store.stats();
        assert_eq!((stats.view_bytes_max, stats.rebuilt), (most, 0));
        runtime().block_on(async {
            assert_eq!(listed(&store).await, before);
            store.close().await.unwrap();
        });
        assert_eq!(store.stats().applied, 300);
        report.view
    };
    // One that an interrupted start had put aside.
    fs::create_dir(folder.path().join("view-outgrown")).unwrap();
    let (bytes, most) = (grown, grown - 1);
    assert_eq!(open(most), ViewReport::Renewed { bytes, most });
    assert!(!folder.path().join("view-outgrown").exists());
    assert_eq!(open(u64::MAX), ViewReport::Loaded { behind: 0 });
}

#[test]
fn f53_a_view_that_is_merely_behind_catches_up() {
    let folder = filled(4);
    let early = copy(&folder.path().join("view"));
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        commit(&store, 7).await;
        store.close().await.unwrap();
    });
    let before = look(folder.path()).unwrap().1;
    fs::remove_dir_all(folder.path().join("view")).unwrap();
    fs::rename(early.path(), folder.path().join("view")).unwrap();
    let (report, after) = look(folder.path()).unwrap();
    assert_eq!((report.view, after), (ViewReport::Loaded { behind: 7 }, before));
}

#[test]
fn f53_the_view_of_another_journal_is_given_up() {
    let other = filled_at_once(8);
    let report = check(|view| {
        fs::remove_dir_all(view).unwrap();
        fs::create_dir(view).unwrap();
        copy_into(&other.path().join("view"), view);
    });
    assert_rebuilt(report, "the state of another journal");
}

/// sled's own files, harmed in many places: it may err, panic, hang, or not notice.
#[test]
fn f53_harm_to_the_database_file_never_changes_the_state() {
    let folder = filled(10);
    let before = look(folder.path()).unwrap().1;
    let whole = fs::read(folder.path().join("view/db")).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for step in 0..24 {
        let harmed = copy(folder.path());
        let mut bytes = whole.clone();
        let at = used * step / 24;
        bytes[at] ^= 1 << (step % 8);
        if step % 6 == 5 {
            bytes.truncate(at);
        }
        fs::write(harmed.path().join("view/db"), bytes).unwrap();
        let after = look(harmed.path()).unwrap().1;
        assert_eq!(after, before, "byte {at}");
        assert_eq!(verify(harmed.path()).unwrap().records, 10);
    }
}

#[test]
fn f52_a_view_that_is_ahead_of_the_journal_is_refused() {
    let short = filled(3);
    let long = filled(10);
    fs::remove_dir_all(short.path().join("view")).unwrap();
    fs::create_dir(short.path().join("view")).unwrap();
    copy_into(&long.path().join("view"), &short.path().join("view"));
    let file = segment(short.path(), 1);
    let end = fs::read(&file).unwrap().len();
    assert_damaged(look(short.path()), &file, end);
}
