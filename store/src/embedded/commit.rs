//! The one thread that writes the journal.

use super::live::Live;
use crate::api::{CommitError, StoreError};
use crate::draft::Draft;
use crate::folder::Folder;
use crate::journal::Appender;
use crate::table::{Planned, Slots};
use crate::view::ViewWriter;
use std::sync::Arc;
use tidegate_model::change::Record;
use tokio::sync::{mpsc, oneshot};

/// Most commits that one write takes: keeps the wait of the first of them short.
const GROUP_COMMITS_MAX: usize = 1024;

/// A write is not extended beyond this, in bytes.
const GROUP_BYTES_MAX: usize = 4 << 20;

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
    Close(oneshot::Sender<()>),
}

type Reply = oneshot::Sender<Result<Record, CommitError>>;

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Committer {
    /// What waits.
    pub(crate) jobs: mpsc::Receiver<Job>,
    /// The end of the journal.
    pub(crate) journal: Appender,
    /// The truth; only this thread changes it.
    pub(crate) live: Arc<Live>,
    /// Is woken after each write.
    pub(crate) view: ViewWriter,
    /// Held until the end.
    pub(crate) folder: Folder,
}

/// Commits that become durable in one write.
#[derive(Debug, Default)]
struct Group {
    slots: Slots,
    answers: Vec<(Reply, Result<Record, CommitError>)>,
    close: Option<oneshot::Sender<()>>,
}

impl Committer {
    /// Until it is asked to close, nobody can ask any more, or storage fails.
    pub(crate) fn run(mut self) {
        let mut close = None;
        while let Some(first) = self.jobs.blocking_recv() {
            let mut group = self.gather(first);
            close = group.close.take();
            if let Err(error) = self.write(group) {
                tracing::error!(%error, "storage failed, nothing is acknowledged any more");
                self.live.stop(error.to_string());
                break;
            }
            if close.is_some() {
                break;
            }
        }
        self.live.stop("it was closed".to_owned());
        // From here on a commit finds nobody who takes it; what still waits in the queue is told so.
        drop(self.jobs);
        self.view.close();
        drop(self.folder);
        if let Some(close) = close {
            let _ = close.send(());
        }
    }

    /// Takes what waits, checks it and stages it.
    fn gather(&mut self, first: Job) -> Group {
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Commit { draft, reply } => {
                    let answer = self.stage(&mut group.slots, *draft);
                    group.answers.push((reply, answer));
                }
                Job::Close(close) => {
                    group.close = Some(close);
                    break;
                }
            }
            if group.answers.len() >= GROUP_COMMITS_MAX || self.journal.staged_bytes() >= GROUP_BYTES_MAX {
                break;
            }
            next = self.jobs.try_recv().ok();
        }
        group
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
            self.journal.write().map(|written| {
                self.live.adopt(group.slots, &written);
                self.view.wake();
            })
        };
        for (reply, answer) in group.answers {
            let answer = match &outcome {
                Ok(()) => answer,
                Err(error) => Err(CommitError::Store(error.clone())),
            };
            // Whoever does not wait any more will read it back.
            let _ = reply.send(answer);
        }
        outcome
    }
}
