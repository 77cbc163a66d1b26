//! The store of one machine: a journal in a folder, sled as a view of it, the truth in memory.
//!
//! A commit goes through a bounded queue to one thread. It takes everything that waits, checks it
//! against the truth, writes it to the journal at once, syncs, takes it over into the truth and
//! only then answers. Reads are answered from memory; the view is written behind everybody's back.

mod commit;
mod found;
mod live;
mod open;

use crate::answers::AnswerFolder;
use crate::api::{Changed, CommitError, KeptAnswer, Proposal, Store, StoreError, Stored};
use crate::compact::bytes;
use crate::draft::Draft;
use crate::journal::{Reader, beginning, list};
use crate::lists::ListFolder;
use crate::probe::Space;
use async_trait::async_trait;
use bytes::Bytes;
use commit::Job;
use live::Live;
pub use live::{StoreStats, Tip};
pub(crate) use open::open_taken;
pub use open::{OpenReport, Settings, ViewReport};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, Kind, Record};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::Digest;
use tokio::sync::{mpsc, oneshot};

/// The store of one machine.
///
/// Dropping it without [`close`](Self::close) loses nothing: the thread finishes what waits and
/// gives the folder back by itself, some time later.
#[derive(Debug)]
pub struct EmbeddedStore {
    jobs: mpsc::Sender<Job>,
    live: Arc<Live>,
    journal: PathBuf,
    view: PathBuf,
    lists: Arc<ListFolder>,
    answers: Arc<AnswerFolder>,
    epoch: u64,
}

impl EmbeddedStore {
    /// Opens the store in `folder`, or makes one. Blocks while it reads the journal.
    ///
    /// # Errors
    /// When the folder is in use, damaged, too new, or cannot be read; nothing was changed then.
    pub fn open(folder: impl AsRef<Path>) -> Result<(Self, OpenReport), StoreError> {
        Self::open_with(folder, Settings::default())
    }

    /// As [`open`](Self::open), with settings.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: impl AsRef<Path>, settings: Settings) -> Result<(Self, OpenReport), StoreError> {
        open::open(folder.as_ref(), settings)
    }

    /// Finishes what waits, checkpoints the view and gives the folder back. Every later commit is
    /// refused; reads are answered as before.
    ///
    /// # Errors
    /// When the store had stopped already, with the reason.
    pub async fn close(&self) -> Result<(), StoreError> {
        let sent = self.jobs.send(Job::Close).await;
        sent.map_err(|_| self.live.stopped())?;
        self.live.ended().await;
        match self.live.was_closed() {
            true => Ok(()),
            false => Err(self.live.stopped()),
        }
    }

    /// Room on the disk of the folder, in bytes; `None` when the system does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        Space::of(&self.journal).ok().map(|space| space.free)
    }

    /// The end of the journal, for whoever vouches for it.
    pub fn tip(&self) -> Tip {
        self.live.tip()
    }

    /// As [`tip`](Self::tip), with what each record was since this was last called: of the newest 4,096 at most.
    pub fn take_tip(&self) -> Tip {
        self.live.take_tip()
    }

    /// Numbers for operators. Asks the disk how large the folder's parts are: others may have archived some of it.
    pub fn stats(&self) -> StoreStats {
        let files = list(&self.journal).unwrap_or_default();
        let oldest = beginning(&files).map_or(0, |(first, _)| first);
        StoreStats {
            journal_bytes: bytes(&self.journal).unwrap_or_default(),
            view_bytes: bytes(&self.view).unwrap_or_default(),
            oldest,
            ..self.live.stats()
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn commit(&self, proposal: Proposal) -> Result<Record, CommitError> {
        let draft = Box::new(Draft::new(proposal)?);
        let (reply, mut committed) = oneshot::channel();
        let sent = self.jobs.send(Job::Commit { draft, reply }).await;
        sent.map_err(|_| self.live.stopped())?;
        // What is sent while the thread ends may be taken by nobody, and dropped by nobody. Whatever the thread has to
        // answer it has answered before it closes the queue.
        let answer = tokio::select! {
            biased;
            answer = &mut committed => answer.ok(),
            () = self.jobs.closed() => committed.try_recv().ok(),
        };
        answer.ok_or_else(|| self.live.stopped())?
    }

    async fn load(&self, entity: &EntityRef) -> Result<Option<Stored>, StoreError> {
        Ok(self.live.read().table.load(entity))
    }

    async fn list(
        &self,
        kind: Kind,
        environment: Option<&EnvironmentKey>,
    ) -> Result<Vec<Stored>, StoreError> {
        Ok(self.live.read().table.list(kind, environment))
    }

    async fn changed(
        &self,
        environment: &EnvironmentKey,
        kinds: &[Kind],
        after: u64,
    ) -> Result<Changed, StoreError> {
        Ok(self.live.read().table.changed(environment, kinds, after))
    }

    async fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let first = after.saturating_add(1);
        let (last, mark, oldest) = {
            let truth = self.live.read();
            let limit = u64::try_from(limit).unwrap_or(u64::MAX);
            let last = truth.table.head().min(after.saturating_add(limit));
            (last, truth.index.before(first), truth.index.first())
        };
        if first > last {
            return Ok(Vec::new());
        }
        let mark = mark.ok_or(StoreError::Archived {
            oldest: oldest.unwrap_or(first),
        })?;
        let journal = self.journal.clone();
        let operation = format!("reading records {first} to {last}");
        on_disk(&operation, move || Reader::open(journal, mark)?.take(first, last)).await
    }

    async fn put_list(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        let lists = Arc::clone(&self.lists);
        on_disk("writing a list", move || lists.put(&bytes)).await
    }

    async fn load_list(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let (lists, digest) = (Arc::clone(&self.lists), digest.clone());
        on_disk("reading a list", move || lists.load(&digest)).await
    }

    async fn keep_answer(&self, name: &Digest, kept: KeptAnswer) -> Result<(), StoreError> {
        let (answers, name) = (Arc::clone(&self.answers), name.clone());
        on_disk("writing an answer", move || answers.keep(&name, &kept)).await
    }

    async fn load_answer(&self, name: &Digest) -> Result<Option<KeptAnswer>, StoreError> {
        let (answers, name) = (Arc::clone(&self.answers), name.clone());
        on_disk("reading an answer", move || answers.load(&name)).await
    }

    async fn sweep_answers(&self, until: Timestamp, at_most: usize) -> Result<usize, StoreError> {
        let answers = Arc::clone(&self.answers);
        on_disk("sweeping answers", move || answers.sweep(until, at_most)).await
    }

    fn head(&self) -> u64 {
        self.live.read().table.head()
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Runs what waits for the disk apart from what must not wait.
async fn on_disk<T: Send + 'static>(
    operation: &str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|error| {
        Err(StoreError::Io {
            operation: operation.to_owned(),
            cause: error.to_string(),
        })
    })
}
