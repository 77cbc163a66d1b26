//! Lists beside the journal: kept while they are named, checked, and damage told by name.

use crate::ground::runtime;
use bytes::Bytes;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tidegate_model::snapshot::Digest;
use tidegate_model::units::UnitSet;
use tidegate_store::contract::sample::{listed_segment, propose, save, segment, segment_ref};
use tidegate_store::{EmbeddedStore, Settings, Store as _, StoreError, verify};

fn list(unit: &str) -> Bytes {
    UnitSet::of_hashes(vec![UnitSet::hash(unit)]).to_bytes().into()
}

fn without_grace() -> Settings {
    Settings {
        list_grace: Duration::ZERO,
        ..Settings::default()
    }
}

/// A closed store with two lists, of which a segment names the first.
fn with_two_lists() -> (TempDir, Digest, Digest) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    let (named, nameless) = runtime().block_on(async {
        let named = store.put_list(list("a")).await.unwrap();
        let nameless = store.put_list(list("b")).await.unwrap();
        let change = listed_segment("s", named.as_str());
        let write = save(segment_ref("s"), change);
        store.commit(propose(vec![write])).await.unwrap();
        store.close().await.unwrap();
        (named, nameless)
    });
    (folder, named, nameless)
}

fn file(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("lists").join(digest.as_str())
}

fn load(folder: &Path, settings: Settings, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
    let (store, _) = EmbeddedStore::open_with(folder, settings)?;
    runtime().block_on(async {
        let loaded = store.load_list(digest).await;
        store.close().await.unwrap();
        loaded
    })
}

#[test]
fn a_list_that_nothing_names_is_removed_at_a_start_after_its_grace() {
    let (folder, named, nameless) = with_two_lists();
    let folder = folder.path();
    let unfinished = folder.join("lists").join(format!("{named}.7.unfinished"));
    fs::write(&unfinished, b"tgun").unwrap();
    assert_eq!(
        load(folder, Settings::default(), &nameless).unwrap(),
        Some(list("b"))
    );
    assert!(!unfinished.exists());
    assert_eq!(load(folder, without_grace(), &nameless).unwrap(), None);
    assert_eq!(load(folder, without_grace(), &named).unwrap(), Some(list("a")));
}

#[test]
fn a_list_is_nameless_once_its_segment_has_another() {
    let (folder, named, _) = with_two_lists();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        let write = save(segment_ref("s"), segment("s", "u1"));
        store.commit(propose(vec![write])).await.unwrap();
        store.close().await.unwrap();
    });
    assert_eq!(load(folder.path(), without_grace(), &named).unwrap(), None);
}

#[test]
fn damaged_and_missing_lists_are_told_by_name_and_mended_by_putting_them_again() {
    type Spoil = fn(&Path);
    let ways: [(&str, Spoil); 3] = [
        ("its bytes are not those", |file| {
            fs::write(file, [&fs::read(file).unwrap()[..], b"x"].concat()).unwrap();
        }),
        ("its bytes are not those", |file| fs::write(file, b"").unwrap()),
        ("it is missing", |file| fs::remove_file(file).unwrap()),
    ];
    for (says, spoil) in ways {
        let (folder, named, nameless) = with_two_lists();
        let folder = folder.path();
        assert_eq!(verify(folder).unwrap().lists, 1);
        // Nobody needs the other one.
        spoil(&file(folder, &nameless));
        assert_eq!(verify(folder).unwrap().lists, 1);
        spoil(&file(folder, &named));
        let told = verify(folder).unwrap_err().to_string();
        assert!(told.contains(says) && told.contains(named.as_str()), "{told}");
        match load(folder, Settings::default(), &named) {
            Ok(None) => assert!(says.contains("missing")),
            Err(StoreError::Damaged { file, .. }) => assert!(file.contains(named.as_str())),
            other => panic!("{other:?}"),
        }
        let (store, _) = EmbeddedStore::open(folder).unwrap();
        runtime().block_on(async {
            assert_eq!(store.put_list(list("a")).await.unwrap(), named);
            store.close().await.unwrap();
        });
        assert_eq!(
            load(folder, Settings::default(), &named).unwrap(),
            Some(list("a"))
        );
        assert_eq!(verify(folder).unwrap().lists, 1);
    }
}

#[test]
fn a_named_list_that_is_none_is_found() {
    let (folder, _, _) = with_two_lists();
    let (store, _) = EmbeddedStore::open(folder.path()).unwrap();
    runtime().block_on(async {
        let digest = store.put_list(Bytes::from_static(b"no list")).await.unwrap();
        let write = save(segment_ref("t"), listed_segment("t", digest.as_str()));
        store.commit(propose(vec![write])).await.unwrap();
        store.close().await.unwrap();
    });
    let told = verify(folder.path()).unwrap_err().to_string();
    assert!(told.contains("no list of units"), "{told}");
}
