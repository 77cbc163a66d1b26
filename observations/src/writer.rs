//! The one thread that writes the log.

use crate::append::Appender;
use crate::disk::{Disk, Space, sync_folder};
use crate::error::{LogError, TakeInError};
use crate::extent::Shared;
use crate::follow::Waker;
use crate::segment::{CreateError, is_absent};
use crate::spool::{Ledger, Place, Spool};
use crate::status::Taking;
use crate::{Now, millis};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_model::observation::ObservationReceipt;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Most batches that one write takes: keeps the wait of the first of them short.
const GROUP_BATCHES_MAX: usize = 1024;

/// A write is not extended beyond this, in bytes.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum Job {
    /// Keep a batch.
    TakeIn {
        /// Which.
        batch: Packed,
        /// Who waits.
        reply: oneshot::Sender<Answer>,
    },
    /// Remove segments that nobody needs.
    Forget {
        /// In which nothing was received at this time or later, in milliseconds since 1970.
        before: i64,
        /// Who waits.
        reply: oneshot::Sender<Result<u64, LogError>>,
    },
    /// Finish what came before, and end.
    Close,
}

/// What becomes of a batch.
pub(crate) type Answer = Result<ObservationReceipt, TakeInError>;

/// A batch that was found good.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Its line.
    pub(crate) spool: String,
    /// Its number there.
    pub(crate) number: u64,
    /// How many observations.
    pub(crate) observations: u64,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// Its part of the memory that waiting batches may take.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    /// What waits.
    pub(crate) jobs: mpsc::Receiver<Job>,
    /// The end of the log.
    pub(crate) log: Appender,
    /// What was taken in.
    pub(crate) ledger: Ledger,
    /// Where the segments are.
    pub(crate) folder: PathBuf,
    /// What may fail.
    pub(crate) disk: Arc<dyn Disk>,
    /// Tells the time.
    pub(crate) now: Now,
    /// What others see.
    pub(crate) shared: Arc<Shared>,
    /// Is told of each write.
    pub(crate) waker: Waker,
    /// Locked until the end.
    pub(crate) lock: File,
}

/// Batches that become durable in one write.
#[derive(Debug, Default)]
struct Group {
    /// The lines as they will be.
    lines: HashMap<String, Spool>,
    /// What is staged: its place in its line, and how many observations.
    staged: Vec<(Place, u64)>,
    /// Who waits: for which line, and whether it was refused for want of room.
    waiting: Vec<(oneshot::Sender<Answer>, String, bool)>,
    repeats: u64,
    received: i64,
    closes: bool,
}

/// Tells that the thread has ended, however it did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.note(|status| {
            if !matches!(status.taking, Taking::Stopped { .. }) {
                let why = match std::thread::panicking() {
                    true => "its thread has failed",
                    false => "it was closed",
                };
                status.taking = Taking::Stopped { why: why.to_owned() };
            }
        });
    }
}

impl Writer {
    /// Until it is asked to close, nobody can ask any more, or the disk fails.
    pub(crate) fn run(mut self) {
        let _told = Ended(Arc::clone(&self.shared));
        while let Some(first) = self.jobs.blocking_recv() {
            let group = self.gather(first);
            let closes = group.closes;
            if let Err(error) = self.write(group) {
                tracing::error!(%error, "the disk failed, no observations are acknowledged any more");
                break;
            }
            if closes {
                break;
            }
        }
        // Said, and not left to the closing of the file: a process that is being forked off holds a copy of it for a moment.
        // Where it fails, the lock goes with the file.
        let _unlocked = self.lock.unlock();
    }

    /// Takes what waits, and stages it.
    fn gather(&mut self, first: Job) -> Group {
        let low = self.disk.space(&self.folder).is_ok_and(Space::is_low);
        let mut group = Group {
            received: self.log.received(millis((self.now.0)())),
            ..Group::default()
        };
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::TakeIn { batch, reply } => self.stage(&mut group, batch, reply, low),
                Job::Forget { before, reply } => {
                    let forgotten = self.forget(before);
                    // Whoever does not wait any more sees it in the status.
                    let _ = reply.send(forgotten);
                }
                Job::Close => {
                    group.closes = true;
                    break;
                }
            }
            let full = group.waiting.len() >= GROUP_BATCHES_MAX;
            if full || self.log.staged_bytes() >= GROUP_BYTES_MAX {
                break;
            }
            next = self.jobs.try_recv().ok();
        }
        group
    }

    fn stage(&mut self, group: &mut Group, batch: Packed, reply: oneshot::Sender<Answer>, low: bool) {
        let line = group.lines.get(&batch.spool);
        let mut line = line
            .or(self.ledger.spools.get(&batch.spool))
            .cloned()
            .unwrap_or_default();
        let place = line.take(batch.number, group.received);
        let refused = low && place != Place::Repeat;
        if place == Place::Repeat {
            group.repeats += 1;
        } else if !refused {
            self.log.stage(&batch.bytes, group.received);
            group.staged.push((place, batch.observations));
            group.lines.insert(batch.spool.clone(), line);
        }
        group.waiting.push((reply, batch.spool, refused));
        drop(batch.room);
    }

    /// Writes what is staged, takes it over, and answers. Repeats are answered only now too: what they repeat may be of the
    /// same group, which is not durable before.
    fn write(&mut self, group: Group) -> Result<(), LogError> {
        let outcome = match group.staged.len() {
            0 => Ok(()),
            _ => self.log.write(&self.ledger, group.received),
        };
        let mut lines = group.lines;
        let refused = group.waiting.iter().any(|(_, _, refused)| *refused);
        let unwritten = if outcome.is_ok() {
            for (place, observations) in group.staged {
                self.ledger.count(place, observations);
            }
            self.ledger.spools.extend(lines.drain());
            None
        } else {
            Some(lines)
        };
        self.tell(&outcome, refused, group.repeats);
        for (reply, spool, refused) in group.waiting {
            let through = self.ledger.spools.get(&spool).map_or(0, |line| line.through);
            let in_doubt = unwritten.as_ref().is_some_and(|lines| lines.contains_key(&spool));
            let answer = match &outcome {
                Err(CreateError::Broken(error)) => Err(TakeInError::Stopped {
                    why: error.to_string(),
                }),
                _ if refused || in_doubt => Err(TakeInError::Full),
                _ => Ok(ObservationReceipt { through }),
            };
            // Whoever does not wait any more will send it again, and hear that it is there.
            let _ = reply.send(answer);
        }
        match outcome {
            Ok(()) => {
                self.waker.wake();
                Ok(())
            }
            Err(CreateError::Full) => Ok(()),
            Err(CreateError::Broken(error)) => Err(error),
        }
    }

    /// What others see of it. Before anybody is answered: whoever has an answer finds it in the status.
    fn tell(&self, outcome: &Result<(), CreateError>, refused: bool, repeats: u64) {
        let ledger = &self.ledger;
        self.shared.note(|status| {
            status.taking = match outcome {
                Ok(()) if !refused => Taking::Open,
                Ok(()) | Err(CreateError::Full) => Taking::Full,
                Err(CreateError::Broken(error)) => Taking::Stopped {
                    why: error.to_string(),
                },
            };
            status.batches = ledger.batches;
            status.observations = ledger.observations;
            status.spools = ledger.spools.len() as u64;
            status.missing = ledger.missing;
            status.repeats += repeats;
        });
    }

    /// Removes the segments before the first one that is needed, oldest first, so that a crash in between leaves no gap.
    /// How many bytes became free.
    fn forget(&mut self, before: i64) -> Result<u64, LogError> {
        let before = self
            .shared
            .needed_from()
            .map_or(before, |needed| needed.min(before));
        let extent = self.shared.extent();
        let keep_from = extent.segment_since(before);
        let mut freed = 0;
        for segment in extent.segments.iter() {
            if segment.number >= keep_from || Some(segment.number) == self.log.segment() {
                break;
            }
            // Under whichever name: a reader may just have set it aside.
            for path in [&segment.path, &segment.aside().path] {
                match fs::remove_file(path) {
                    Err(error) if !is_absent(&error) => return Err(LogError::io("removing", path)(error)),
                    _ => {}
                }
            }
            freed += segment.bytes;
            self.shared.set_extent(|extent| {
                Arc::make_mut(&mut extent.segments).retain(|kept| kept.number != segment.number);
            });
        }
        sync_folder(&self.folder).map_err(LogError::io("syncing", &self.folder))?;
        Ok(freed)
    }
}
