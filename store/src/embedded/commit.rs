//! The one thread that writes the journal.

use super::live::{CLOSED, Live};
use crate::api::{CommitError, StoreError};
use crate::draft::Draft;
use crate::folder::Folder;
use crate::journal::{AppendError, Appender, Written};
use crate::room::Room;
use crate::table::{Planned, Slots};
use crate::view::ViewWriter;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tidegate_model::change::Record;
use tokio::sync::{mpsc, oneshot};

/// Most commits that one write takes: keeps the wait of the first of them short.
const GROUP_COMMITS_MAX: usize = 1024;

/// A write is not extended beyond this, in bytes.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// How long the thread looks out for more commits when several come at once. A sync takes much longer than this, and one
/// that all share is worth more than one that begins at once.
const LOOK_OUT: Duration = Duration::from_micros(60);

/// What the thread is asked for.
#[derive(Debug)]
pub(crate) enum Job {
    /// Make it true.
    Commit {
        /// What.
        draft: Box<Draft>,
        /// Who waits.
        reply: Reply,
    },
    /// Finish what came before, and end.
    Close,
}

type Reply = oneshot::Sender<Result<Record, CommitError>>;

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Committer {
    /// What waits.
    pub(crate) jobs: mpsc::Receiver<Job>,
    /// The end of the journal.
    pub(crate) journal: Appender,
    /// What is left of the disk.
    pub(crate) room: Room,
    /// The truth; only this thread changes it.
    pub(crate) live: Arc<Live>,
    /// Is woken after each write.
    pub(crate) view: ViewWriter,
    /// Held until the end.
    pub(crate) folder: Folder,
    /// Whether several commits came at once the last time: somebody who is alone is not kept waiting for others.
    pub(crate) crowded: bool,
}

/// Tells that the thread has ended, however it did.
struct Ended(Arc<Live>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.note_ended();
    }
}

/// Commits that become durable in one write.
#[derive(Debug, Default)]
struct Group {
    slots: Slots,
    answers: Vec<(Reply, Result<Record, CommitError>)>,
    /// Whether something in it shuts things.
    shuts: bool,
    closes: bool,
}

impl Committer {
    /// Until it is asked to close, nobody can ask any more, or storage fails.
    pub(crate) fn run(mut self) {
        let _told = Ended(Arc::clone(&self.live));
        while let Some(first) = self.jobs.blocking_recv() {
            let group = self.gather(first);
            let closes = group.closes;
            if let Err(error) = self.write(group) {
                tracing::error!(%error, "storage failed, nothing is acknowledged any more");
                self.live.stop(error.to_string());
                break;
            }
            if closes {
                break;
            }
        }
        self.live.stop(CLOSED.to_owned());
        // From here on a commit finds nobody who takes it; what still waits in the queue is told so.
        drop(self.jobs);
        self.view.close();
        drop(self.folder);
    }

    /// Takes what waits, checks it and stages it.
    fn gather(&mut self, first: Job) -> Group {
        let mut group = Group::default();
        let low = self.room.is_low();
        self.live.note_room(low);
        if !low {
            self.room.keep();
        }
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Commit { draft, reply } => {
                    let shuts = draft.record.entries.iter().any(|entry| entry.change.shuts());
                    let answer = match low && !shuts {
                        true => Err(CommitError::Full),
                        false => self.stage(&mut group.slots, *draft),
                    };
                    group.shuts |= shuts && answer.is_ok();
                    group.answers.push((reply, answer));
                }
                Job::Close => {
                    group.closes = true;
                    break;
                }
            }
            if group.answers.len() >= GROUP_COMMITS_MAX || self.journal.staged_bytes() >= GROUP_BYTES_MAX {
                break;
            }
            next = self.next(group.answers.len());
        }
        self.crowded = group.answers.len() > 1;
        group
    }

    /// What waits; in a crowd, what comes in a moment.
    fn next(&mut self, gathered: usize) -> Option<Job> {
        let waiting = self.jobs.try_recv().ok();
        if waiting.is_some() || !(self.crowded || gathered > 1) {
            return waiting;
        }
        let until = Instant::now() + LOOK_OUT;
        while Instant::now() < until {
            thread::yield_now();
            if let Ok(job) = self.jobs.try_recv() {
                return Some(job);
            }
        }
        None
    }

    fn stage(&mut self, slots: &mut Slots, draft: Draft) -> Result<Record, CommitError> {
        let sequence = self.journal.next_sequence();
        let planned = self.live.read().table.plan(slots, sequence, draft)?;
        let Planned { record, slots: after } = planned;
        let malformed = |what: String| CommitError::Malformed { what };
        let text = serde_json::to_vec(&record).map_err(|error| malformed(error.to_string()))?;
        if !self.journal.stage(&text) {
            let bytes = text.len();
            return Err(malformed(format!("no frame holds its text of {bytes} bytes")));
        }
        slots.extend(after);
        Ok(record)
    }

    /// Writes what is staged, takes it over, and answers. Refusals are answered only now too: they
    /// may be due to a commit of the same group, which is not true before it is durable.
    fn write(&mut self, group: Group) -> Result<(), StoreError> {
        let outcome = if self.journal.staged_bytes() == 0 {
            Ok(())
        } else {
            self.append(group.shuts).map(|written| {
                self.live.adopt(group.slots, &written);
                self.view.wake();
            })
        };
        for (reply, answer) in group.answers {
            let answer = match &outcome {
                Ok(()) => answer,
                Err(AppendError::Full) => answer.and(Err(CommitError::Full)),
                Err(AppendError::Broken(error)) => Err(CommitError::Store(error.clone())),
            };
            // Whoever does not wait any more will read it back.
            let _ = reply.send(answer);
        }
        match outcome {
            Ok(()) | Err(AppendError::Full) => Ok(()),
            Err(AppendError::Broken(error)) => Err(error),
        }
    }

    /// Appends what is staged. When there is no room, what shuts things gets what was kept for it; else nothing that is
    /// staged is true, and the journal is as it was.
    fn append(&mut self, shuts: bool) -> Result<Written, AppendError> {
        let mut written = self.journal.write();
        if matches!(written, Err(AppendError::Full)) && shuts && self.room.release() {
            written = self.journal.write();
        }
        if matches!(written, Err(AppendError::Full)) {
            self.journal.unstage();
        }
        written
    }
}
