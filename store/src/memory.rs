//! A store for tests: the same behaviour, and nothing survives.

use crate::answers::leaving;
use crate::api::{Changed, CommitError, KeptAnswer, Proposal, Store, StoreError, Stored};
use crate::draft::Draft;
use crate::table::{Slots, Table};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tidegate_model::Timestamp;
use tidegate_model::change::{EntityRef, Kind, Record};
use tidegate_model::key::EnvironmentKey;
use tidegate_model::snapshot::Digest;

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    truth: RwLock<Truth>,
}

#[derive(Debug, Default)]
struct Truth {
    table: Table,
    records: Vec<Record>,
    lists: BTreeMap<Digest, Bytes>,
    answers: BTreeMap<Digest, KeptAnswer>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Truth> {
        self.truth.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, proposal: Proposal) -> Result<Record, CommitError> {
        let draft = Draft::new(proposal)?;
        let mut truth = self.truth.write().unwrap_or_else(PoisonError::into_inner);
        let sequence = truth.table.head() + 1;
        let planned = truth.table.plan(&Slots::new(), sequence, draft)?;
        truth.table.adopt(planned.slots, sequence);
        truth.records.push(planned.record.clone());
        Ok(planned.record)
    }

    async fn load(&self, entity: &EntityRef) -> Result<Option<Stored>, StoreError> {
        Ok(self.read().table.load(entity))
    }

    async fn list(
        &self,
        kind: Kind,
        environment: Option<&EnvironmentKey>,
    ) -> Result<Vec<Stored>, StoreError> {
        Ok(self.read().table.list(kind, environment))
    }

    async fn changed(
        &self,
        environment: &EnvironmentKey,
        kinds: &[Kind],
        after: u64,
    ) -> Result<Changed, StoreError> {
        Ok(self.read().table.changed(environment, kinds, after))
    }

    async fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let truth = self.read();
        let newer = truth.records.partition_point(|record| record.sequence <= after);
        Ok(truth.records.iter().skip(newer).take(limit).cloned().collect())
    }

    async fn put_list(&self, bytes: Bytes) -> Result<Digest, StoreError> {
        let digest = Digest::of(&bytes);
        let mut truth = self.truth.write().unwrap_or_else(PoisonError::into_inner);
        truth.lists.insert(digest.clone(), bytes);
        Ok(digest)
    }

    async fn load_list(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.read().lists.get(digest).cloned())
    }

    async fn keep_answer(&self, name: &Digest, kept: KeptAnswer) -> Result<(), StoreError> {
        let mut truth = self.truth.write().unwrap_or_else(PoisonError::into_inner);
        truth.answers.insert(name.clone(), kept);
        Ok(())
    }

    async fn load_answer(&self, name: &Digest) -> Result<Option<KeptAnswer>, StoreError> {
        Ok(self.read().answers.get(name).cloned())
    }

    async fn sweep_answers(&self, until: Timestamp, at_most: usize) -> Result<usize, StoreError> {
        let mut truth = self.truth.write().unwrap_or_else(PoisonError::into_inner);
        let all = truth.answers.iter().map(|(name, kept)| (kept.at, name.clone()));
        for name in leaving(all.collect(), until, at_most) {
            truth.answers.remove(&name);
        }
        Ok(truth.answers.len())
    }

    fn head(&self) -> u64 {
        self.read().table.head()
    }

    fn epoch(&self) -> u64 {
        1
    }
}
