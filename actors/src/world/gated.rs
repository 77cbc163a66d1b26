//! A store with somebody in front of its commits.

use super::*;
use bytes::Bytes;
use std::ops::Deref;
use tidegate_model::change::{EntityRef, Kind};
use tidegate_model::snapshot::Digest;
use tidegate_store::{Changed, CommitError, KeptAnswer, Proposal, StoreError, Stored};

/// Who stands in front of the commits.
#[async_trait::async_trait]
pub(super) trait Gate: Send + Sync + 'static {
    /// Lets a proposal through to the store, or not.
    async fn commit(&self, inner: &MemoryStore, proposal: Proposal) -> Result<Record, CommitError>;
}

/// The store.
pub(super) struct Gated<G> {
    inner: MemoryStore,
    gate: G,
}

impl<G> Gated<G> {
    pub(super) fn new(gate: G) -> Arc<Self> {
        let inner = MemoryStore::new();
        Arc::new(Self { inner, gate })
    }
}

impl<G> Deref for Gated<G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.gate
    }
}

#[async_trait::async_trait]
impl<G: Gate> Store for Gated<G> {
    async fn commit(&self, proposal: Proposal) -> Result<Record, CommitError> {
        self.gate.commit(&self.inner, proposal).await
    }

    async fn load(&self, entity: &EntityRef) -> Result<Option<Stored>, StoreError> {
        self.inner.load(entity).await
    }

    async fn list(
        &self,
        kind: Kind,
        environment: Option<&EnvironmentKey>,
    ) -> Result<Vec<Stored>, StoreError> {
        self.inner.list(kind, environment).await
    }

    async fn changed(
        &self,
        environment: &EnvironmentKey,
        kinds: &[Kind],
        after: u64,
    ) -> Result<Changed, StoreError> {
        self.inner.changed(environment, kinds, after).await
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
