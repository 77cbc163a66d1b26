//! A store that does not answer, or panics, when it is told to.

use bytes::Bytes;
use std::sync::{Arc, Mutex};
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, Kind, Record};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::Digest;
use tidegate_store::{Changed, CommitError, KeptAnswer, MemoryStore, Proposal, Store, StoreError, Stored};

/// What the store does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// What a store does.
    Well,
    /// Commits get no answer.
    Silent,
    /// Who loads something, or commits, panics.
    Panics,
}

/// A store that does as it is told.
pub(super) struct MoodyStore {
    inner: MemoryStore,
    mood: Mutex<Mood>,
}

impl MoodyStore {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            mood: Mutex::new(Mood::Well),
        })
    }

    /// From now on.
    pub(super) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }
}

#[async_trait::async_trait]
impl Store for MoodyStore {
    async fn commit(&self, proposal: Proposal) -> Result<Record, CommitError> {
        match self.mood() {
            Mood::Well => self.inner.commit(proposal).await,
            Mood::Silent => std::future::pending().await,
            Mood::Panics => panic!("a store that panics on a commit"),
        }
    }

    async fn load(&self, entity: &EntityRef) -> Result<Option<Stored>, StoreError> {
        assert_ne!(self.mood(), Mood::Panics, "a store that panics on {entity}");
        self.inner.load(entity).await
    }

    async fn list(&self, kind: Kind, within: Option<&EnvironmentKey>) -> Result<Vec<Stored>, StoreError> {
        self.inner.list(kind, within).await
    }

    async fn changed(&self, of: &EnvironmentKey, kinds: &[Kind], after: u64) -> Result<Changed, StoreError> {
        self.inner.changed(of, kinds, after).await
    }

    async fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.inner.records(after, limit).await
    }

    async fn put_list(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        self.inner.put_list(bytes).await
    }

    async fn load_list(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.load_list(digest).await
    }

    async fn keep_answer(&self, name: &Digest, kept: KeptAnswer) -> Result<(), StoreError> {
        self.inner.keep_answer(name, kept).await
    }

    async fn load_answer(&self, name: &Digest) -> Result<Option<KeptAnswer>, StoreError> {
        self.inner.load_answer(name).await
    }

    async fn sweep_answers(&self, until: Timestamp, at_most: usize) -> Result<usize, StoreError> {
        self.inner.sweep_answers(until, at_most).await
    }

    fn head(&self) -> u64 {
        self.inner.head()
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }
}
