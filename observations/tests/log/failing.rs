//! A disk that fails at any call, is full, or is cut off between two calls: what was acknowledged is there.

use crate::ground::{Clock, batch, copy, kept, open, small, try_open};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tidegate_observations::{Disk, LogError, Settings, Space, SystemDisk, TakeInError, Taking};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    /// A write that leaves half of it behind.
    Write,
    /// A write that leaves half of it behind because there is no room.
    NoRoom,
    /// A sync.
    Sync,
}

/// Fails at one call of a kind.
#[derive(Debug)]
struct Failing {
    failure: Failure,
    /// Calls of that kind until then.
    left: AtomicUsize,
}

impl Failing {
    fn fails(&self, kind: fn(Failure) -> bool) -> bool {
        kind(self.failure) && self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

impl Disk for Failing {
    fn space(&self, folder: &Path) -> io::Result<Space> {
        SystemDisk.space(folder)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.fails(|failure| failure != Failure::Sync) {
            SystemDisk.write(file, &bytes[..bytes.len() / 2])?;
            return Err(match self.failure {
                Failure::NoRoom => io::ErrorKind::StorageFull.into(),
                Failure::Write | Failure::Sync => io::Error::from_raw_os_error(5),
            });
        }
        SystemDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.fails(|failure| failure == Failure::Sync) {
            return Err(io::Error::from_raw_os_error(5));
        }
        SystemDisk.sync(file)
    }
}

fn with(disk: impl Disk) -> Settings {
    Settings {
        disk: Arc::new(disk),
        ..small()
    }
}

/// Until something fails: batches that were acknowledged.
const SENT: u64 = 20;

#[tokio::test]
async fn after_a_failed_write_or_sync_nothing_is_acknowledged_until_a_restart() {
    for failure in [Failure::Write, Failure::Sync] {
        let mut failed = 0;
        for call in 1.. {
            let data = tempfile::tempdir().unwrap();
            let disk = Failing {
                failure,
                left: AtomicUsize::new(call),
            };
            let log = open(data.path(), &Clock::at_nine(), with(disk));
            let mut acknowledged = BTreeSet::new();
            let mut refused = 0;
            for number in 1..=SENT {
                match log.take_in(&batch("node", number)).await {
                    Ok(receipt) => {
                        assert_eq!(refused, 0, "nothing is acknowledged after a failure");
                        assert!(acknowledged.insert(receipt.through));
                    }
                    Err(TakeInError::Stopped { why }) => {
                        assert!(why.contains("Input/output error"), "{why}");
                        refused += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            if refused == 0 {
                break;
            }
            failed += 1;
            assert!(matches!(log.status().taking, Taking::Stopped { .. }));
            let forgotten = log.forget(crate::ground::at(i64::from(u32::MAX))).await;
            assert!(matches!(forgotten, Err(LogError::Stopped { .. })));
            log.close().await;
            let log = open(data.path(), &Clock::at_nine(), small());
            let found: BTreeSet<u64> = kept(data.path()).into_iter().map(|(_, number)| number).collect();
            assert!(found.is_superset(&acknowledged), "{failure:?} {call}");
            assert!(
                found.len() <= acknowledged.len() + 1,
                "only what was under way may be there too"
            );
            assert_eq!(log.status().damaged, [], "{failure:?} {call}");
            for number in 1..=SENT {
                log.take_in(&batch("node", number)).await.unwrap();
            }
            log.close().await;
            assert_eq!(kept(data.path()).len() as u64, SENT, "{failure:?} {call}");
        }
        assert!(
            failed > 20,
            "{failure:?}: writes of batches and of heads, {failed}"
        );
    }
}

#[tokio::test]
async fn a_write_without_room_leaves_nothing_behind_and_the_log_goes_on() {
    let mut failed = 0;
    for call in 1.. {
        let data = tempfile::tempdir().unwrap();
        let disk = Failing {
            failure: Failure::NoRoom,
            left: AtomicUsize::new(call),
        };
        let log = open(data.path(), &Clock::at_nine(), with(disk));
        let mut refused = 0;
        for number in 1..=SENT {
            let mut answer = log.take_in(&batch("node", number)).await;
            if answer == Err(TakeInError::Full) {
                refused += 1;
                assert_eq!(log.status().taking, Taking::Full);
                answer = log.take_in(&batch("node", number)).await;
            }
            assert_eq!(answer.unwrap().through, number);
            assert_eq!(log.status().taking, Taking::Open);
        }
        log.close().await;
        assert_eq!(kept(data.path()).len() as u64, SENT, "call {call}");
        let log = open(data.path(), &Clock::at_nine(), small());
        assert_eq!((log.status().torn, log.status().missing), (None, 0));
        if refused == 0 {
            break;
        }
        assert_eq!(refused, 1);
        failed += 1;
    }
    assert!(failed > 20, "writes of batches and of heads, {failed}");
}

/// Says that there is hardly any room, when it is told to.
#[derive(Debug, Clone, Default)]
struct Low(Arc<AtomicBool>);

impl Disk for Low {
    fn space(&self, folder: &Path) -> io::Result<Space> {
        let mut space = SystemDisk.space(folder)?;
        if self.0.load(Ordering::SeqCst) {
            space.free = (space.all / 10).min(2 << 30) - 1;
        }
        Ok(space)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        SystemDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        SystemDisk.sync(file)
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_repeats_only_until_there_is_room() {
    let data = tempfile::tempdir().unwrap();
    let low = Low::default();
    let log = open(data.path(), &Clock::at_nine(), with(low.clone()));
    log.take_in(&batch("node", 1)).await.unwrap();
    low.0.store(true, Ordering::SeqCst);
    assert_eq!(log.take_in(&batch("node", 2)).await, Err(TakeInError::Full));
    assert_eq!(log.status().taking, Taking::Full);
    assert_eq!(log.take_in(&batch("node", 1)).await.unwrap().through, 1);
    low.0.store(false, Ordering::SeqCst);
    assert_eq!(log.take_in(&batch("node", 2)).await.unwrap().through, 2);
    assert_eq!(log.status().taking, Taking::Open);
    assert_eq!(kept(data.path()).len(), 2);
}

/// Leaves a copy of the folder before and after each call, and in the middle of each write, with what was acknowledged then.
#[derive(Debug, Clone)]
struct Copying {
    data: PathBuf,
    copies: PathBuf,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    taken: Arc<Mutex<Vec<BTreeSet<u64>>>>,
}

impl Copying {
    fn copy(&self) {
        let mut taken = self.taken.lock().unwrap();
        copy(&self.data, &self.copies.join(taken.len().to_string()));
        taken.push(self.acknowledged.lock().unwrap().clone());
    }
}

impl Disk for Copying {
    fn space(&self, folder: &Path) -> io::Result<Space> {
        SystemDisk.space(folder)
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.copy();
        let (one, other) = bytes.split_at(bytes.len() / 2);
        SystemDisk.write(file, one)?;
        self.copy();
        SystemDisk.write(file, other)?;
        self.copy();
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        SystemDisk.sync(file)?;
        self.copy();
        Ok(())
    }
}

#[tokio::test]
async fn a_crash_between_any_two_calls_loses_nothing_that_was_acknowledged() {
    let world = tempfile::tempdir().unwrap();
    let data = world.path().join("data");
    let disk = Copying {
        data: data.clone(),
        copies: world.path().join("copies"),
        acknowledged: Arc::default(),
        taken: Arc::default(),
    };
    let log = open(&data, &Clock::at_nine(), with(disk.clone()));
    for number in 1..=SENT {
        log.take_in(&batch("node", number)).await.unwrap();
        disk.acknowledged.lock().unwrap().insert(number);
    }
    log.close().await;
    let taken = disk.taken.lock().unwrap().clone();
    assert!(taken.len() > 80);
    for (number, acknowledged) in taken.iter().enumerate() {
        let copied = disk.copies.join(number.to_string());
        let log = try_open(&copied, &Clock::at_nine(), small()).unwrap();
        assert_eq!(log.status().damaged, [], "copy {number}");
        let found: BTreeSet<u64> = kept(&copied).into_iter().map(|(_, number)| number).collect();
        assert!(found.is_superset(acknowledged), "copy {number}");
        assert!(found.len() <= acknowledged.len() + 1, "copy {number}");
        for number in 1..=SENT {
            log.take_in(&batch("node", number)).await.unwrap();
        }
        log.close().await;
        assert_eq!(kept(&copied).len() as u64, SENT, "copy {number}");
    }
}
