//! Disks that are full (faults.md F54).

use crate::ground::{commit, look, runtime};
use std::path::Path;
use std::process::Command;
use tidegate_store::contract::sample::{alert, flag, flag_ref, propose, save};
use tidegate_store::{CommitError, EmbeddedStore, Settings, Store as _, about};

const BALLAST: u64 = 1 << 20;

fn settings(least: u64) -> Settings {
    Settings {
        ballast_bytes: BALLAST,
        room_bytes_least: Some(least),
        ..Settings::default()
    }
}

#[test]
fn f54_with_little_room_only_what_shuts_things_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = EmbeddedStore::open_with(folder.path(), settings(0)).unwrap();
    assert!(about(folder.path()).unwrap().ballast);
    runtime().block_on(async {
        commit(&store, 1).await;
        store.close().await.unwrap();
    });
    let (store, _) = EmbeddedStore::open_with(folder.path(), settings(u64::MAX)).unwrap();
    runtime().block_on(async {
        let refused = store
            .commit(propose(vec![save(flag_ref("b"), flag("b", ""))]))
            .await;
        assert!(matches!(refused, Err(CommitError::Full)), "{refused:?}");
        assert!(store.stats().full);
        let shuts = store
            .commit(propose(vec![alert("64f9f5e172e01281")]))
            .await
            .unwrap();
        assert_eq!(shuts.sequence, 2);
        assert!(store.load(&flag_ref("a")).await.unwrap().is_some());
        store.close().await.unwrap();
    });
    let (report, _) = look(folder.path()).unwrap();
    assert_eq!((report.head, report.torn), (2, None));
}

/// A file system of so many bytes; gone when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn of(bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "this test mounts a small file system: run it as root"
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _left_to_the_system = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn f54_a_rollback_finds_room_on_a_disk_without_any() {
    let disk = Small::of(4 << 20);
    let data = disk.path().join("data");
    let (store, _) = EmbeddedStore::open_with(&data, settings(0)).unwrap();
    assert!(about(&data).unwrap().ballast);
    let head = runtime().block_on(async {
        commit(&store, 3).await;
        // Somebody else takes all that is left.
        let hog = disk.path().join("hog");
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        let full = std::io::copy(&mut { zeros }, &mut std::fs::File::create(&hog).unwrap()).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        let mut stored = 3;
        // What is left of the journal's last page may still take a few.
        let refused = loop {
            let text = "x".repeat(4096);
            match store
                .commit(propose(vec![save(flag_ref("b"), flag("b", &text))]))
                .await
            {
                Ok(_) => stored += 1,
                Err(refused) => break refused,
            }
        };
        assert!(matches!(refused, CommitError::Full), "{refused:?}");
        for number in 0..50 {
            let shuts = propose(vec![alert(&format!("64f9f5e172e0{number:04x}"))]);
            store.commit(shuts).await.unwrap();
        }
        assert!(!about(&data).unwrap().ballast, "it was given up for them");
        assert!(store.load(&flag_ref("a")).await.unwrap().is_some(), "reads go on");
        std::fs::remove_file(hog).unwrap();
        commit(&store, 2).await;
        assert!(about(&data).unwrap().ballast, "it is there again");
        store.close().await.unwrap();
        stored + 50 + 2
    });
    let (report, _) = look(&data).unwrap();
    assert_eq!((report.head, report.torn), (head, None));
}

#[test]
fn f54_a_store_opens_on_a_full_disk() {
    let disk = Small::of(8 << 20);
    let data = disk.path().join("data");
    let (store, _) = EmbeddedStore::open_with(&data, settings(0)).unwrap();
    runtime().block_on(async {
        commit(&store, 3).await;
        store.close().await.unwrap();
    });
    let hog = disk.path().join("hog");
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    let _full = std::io::copy(&mut { zeros }, &mut std::fs::File::create(hog).unwrap()).unwrap_err();
    let (store, report) = EmbeddedStore::open_with(&data, settings(0)).unwrap();
    assert_eq!(report.head, 3);
    runtime().block_on(async {
        store
            .commit(propose(vec![alert("64f9f5e172e01281")]))
            .await
            .unwrap();
        assert_eq!(store.head(), 4);
    });
}
