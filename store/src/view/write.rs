//! Keeping the view up to date, on a thread of its own: a sled that hangs or fails delays nobody.

use super::value::{self, APPLIED, Applied};
use super::words;
use crate::table::Slots;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

/// How long changes gather before they are written to the view.
const GATHER: Duration = Duration::from_millis(20);

/// How long closing waits for the last write and checkpoint of the view.
const CLOSE_SECONDS_MAX: u64 = 10;

/// What changed since the snapshot before it, all at one point of the journal.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The slots that changed.
    pub(crate) slots: Slots,
    /// The point.
    pub(crate) applied: Applied,
}

/// How far the view goes, by the sequence of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Progress {
    /// The system has it.
    Written(u64),
    /// The disk has it.
    Synced(u64),
}

/// The thread that writes the view. Dropping it lets the thread write what is left and end.
#[derive(Debug)]
pub(crate) struct ViewWriter {
    wake: SyncSender<()>,
    /// Nothing is ever sent: the thread looks whether it is still there.
    open: mpsc::Sender<()>,
    ended: Receiver<()>,
}

struct Writing<F, A> {
    sled: sled::Db,
    folder: PathBuf,
    checkpoint_records: u64,
    /// Takes what has changed.
    take: F,
    /// Is told how far the view goes.
    wrote: A,
}

impl ViewWriter {
    /// Starts the thread. Whenever it is woken it writes what `take` gives, and tells `wrote`. Without a database there is
    /// nothing to write, and no thread.
    pub(crate) fn start<F, A>(
        sled: Option<sled::Db>,
        folder: PathBuf,
        checkpoint_records: u64,
        take: F,
        wrote: A,
    ) -> std::io::Result<Self>
    where
        F: Fn() -> Snapshot + Send + 'static,
        A: Fn(Progress) + Send + 'static,
    {
        // One token is enough: whoever finds it already there knows that the thread has not looked yet.
        let (wake, woken) = mpsc::sync_channel(1);
        let (end, ended) = mpsc::channel();
        let (open, closing) = mpsc::channel();
        let Some(sled) = sled else {
            return Ok(Self { wake, open, ended });
        };
        let writing = Writing {
            sled,
            folder,
            checkpoint_records,
            take,
            wrote,
        };
        thread::Builder::new().name("view".to_owned()).spawn(move || {
            let outcome = catch_unwind(AssertUnwindSafe(move || writing.run(&woken, &closing)));
            let outcome = outcome.unwrap_or_else(|panic| Err(format!("sled panicked: {}", words(&*panic))));
            if let Err(cause) = outcome {
                tracing::warn!(%cause, "the view is not kept up to date any more, the next start catches up");
            }
            // The database is closed by now, and whoever waits may open it again.
            drop(end);
        })?;
        Ok(Self { wake, open, ended })
    }

    /// Says that there is something to take.
    pub(crate) fn wake(&self) {
        // Full: the thread will look anyway. Gone: it has said why.
        let _ = self.wake.try_send(());
    }

    /// Waits until everything is written and checkpointed, but not for a sled that hangs.
    pub(crate) fn close(self) {
        drop((self.wake, self.open));
        let limit = Duration::from_secs(CLOSE_SECONDS_MAX);
        if self.ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(seconds = CLOSE_SECONDS_MAX, "the view did not close in time");
        }
    }
}

impl<F: Fn() -> Snapshot, A: Fn(Progress)> Writing<F, A> {
    fn run(self, woken: &Receiver<()>, closing: &Receiver<()>) -> Result<(), String> {
        let mut checkpointed = None;
        for () in woken {
            // One batch for many changes keeps sled, and the core that it needs, out of the way of commits. Nobody is
            // woken for what comes meanwhile, and closing does not wait.
            let _gathered_or_closing = closing.recv_timeout(GATHER);
            let applied = self.write()?;
            if applied >= *checkpointed.get_or_insert(applied) + self.checkpoint_records {
                self.checkpoint(applied)?;
                checkpointed = Some(applied);
            }
        }
        let applied = self.write()?;
        self.checkpoint(applied)
    }

    fn write(&self) -> Result<u64, String> {
        let Snapshot { slots, applied } = (self.take)();
        let mut batch = sled::Batch::default();
        for (entity, slot) in &slots {
            batch.insert(entity.to_string().as_str(), value::encode(entity, slot)?);
        }
        batch.insert(APPLIED, applied.encode());
        self.sled.apply_batch(batch).map_err(|error| error.to_string())?;
        (self.wrote)(Progress::Written(applied.sequence));
        Ok(applied.sequence)
    }

    /// sled's own flush leaves the data in the system's memory.
    fn checkpoint(&self, applied: u64) -> Result<(), String> {
        self.sled.flush().map_err(|error| error.to_string())?;
        let synced = File::open(self.folder.join("db")).and_then(|file| file.sync_data());
        synced.map_err(|error| format!("syncing the view failed: {error}"))?;
        (self.wrote)(Progress::Synced(applied));
        Ok(())
    }
}
