//! Requests that may come again because their answers got lost (faults.md F29).
//!
//! What a request did says in its own record through which request it was done: both become true together, so
//! nothing is ever done without being known. The answer is kept beside the journal before it is given. A process that
//! ends between the two leaves a record without an answer: whoever repeats the request is told of the record.

use crate::control::ControlError;
use crate::shell::Shell;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::change::{EntityRef, Kind, Record};
use tidegate_model::key::TokenName;
use tidegate_model::request::RequestKey;
use tidegate_model::snapshot::Digest;
use tidegate_model::span::Span;
use tidegate_store::{KeptAnswer, Store, StoreError};

/// How long an answer is kept.
const KEPT_FOR: Span = Span::seconds(24 * 3600);
/// Most answers that are kept; of more, the oldest go before their time.
const ANSWERS_MAX: usize = 100_000;
/// How often the folder of answers is swept.
const SWEEP_EVERY: Span = Span::seconds(3600);
/// Before the last record of the journal there is no record of this age whose answer the process before did not
/// keep: [`RepeatDesk::settle`] runs every minute, and no request takes as long as this.
const UNSETTLED_MAX: Span = Span::seconds(900);
/// How many records are read at once.
const PAGE_RECORDS: usize = 256;

/// What a request did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The record of it.
    pub record: u64,
    /// When.
    pub at: Timestamp,
    /// What it is about: the rollout, if there is one.
    pub entity: EntityRef,
    /// Of the request.
    pub digest: Digest,
}

/// What is known of a request that came before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    /// It was answered.
    Answered {
        /// Of the request.
        digest: Digest,
        /// The answer, as it was handed to [`FirstTime::keep`].
        answer: String,
    },
    /// It was done, and its answer is not kept.
    Done(Done),
}

/// How often a request came.
pub enum Turn {
    /// For the first time, as far as anybody knows: it may be done.
    First(FirstTime),
    /// It was done before.
    Again(Before),
    /// It is being done at this moment.
    UnderWay,
}

/// The right to do a request. Nobody else gets it while this lives.
pub struct FirstTime {
    shell: Arc<Shell>,
    name: Digest,
}

/// What is known of requests.
#[derive(Debug, Default)]
pub(crate) struct RepeatDesk {
    under_way: Mutex<BTreeSet<Digest>>,
    /// What was done, as long as no answer is kept.
    done: Mutex<BTreeMap<Digest, Done>>,
    kept: AtomicUsize,
    next_sweep: Mutex<Option<Timestamp>>,
}

/// Keys are each token's own.
fn name_of(token: &TokenName, key: &RequestKey) -> Digest {
    // No name of a token has this character.
    Digest::of(format!("{token}\n{key}").as_bytes())
}

/// What a record says was done through a request.
fn done(record: &Record) -> Option<(Digest, Done)> {
    let (Some(request), Author::Token { name, .. }) = (&record.request, &record.by) else {
        return None;
    };
    let entities = || record.entries.iter().map(|entry| &entry.entity);
    let rollout = entities().find(|entity| entity.kind() == Kind::Rollout);
    let done = Done {
        record: record.sequence,
        at: record.at,
        entity: rollout.or_else(|| entities().next())?.clone(),
        digest: request.digest.clone(),
    };
    Some((name_of(name, &request.key), done))
}

/// Records, without those that were moved to an archive: those are older than anything that is asked about here.
async fn kept(store: &dyn Store, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
    match store.records(after, limit).await {
        Err(StoreError::Archived { oldest }) => {
            let gone = usize::try_from(oldest - 1 - after).unwrap_or(usize::MAX);
            store.records(oldest - 1, limit.saturating_sub(gone)).await
        }
        records => records,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RepeatDesk {
    /// Finds out what was done without an answer that is kept.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let head = store.head();
        let Some(newest) = kept(store, head.saturating_sub(1), 1).await?.pop() else {
            return Ok(());
        };
        let settled = UNSETTLED_MAX.before(newest.at);
        let page = u64::try_from(PAGE_RECORDS).unwrap_or(u64::MAX);
        let mut before = head;
        while before > 0 {
            let after = before.saturating_sub(page);
            let limit = usize::try_from(before - after).unwrap_or(PAGE_RECORDS);
            let records = kept(store, after, limit).await?;
            for record in &records {
                if let Some((name, done)) = done(record)
                    && store.load_answer(&name).await?.is_none()
                {
                    lock(&self.done).insert(name, done);
                }
            }
            if records.first().is_none_or(|record| record.at < settled) {
                break;
            }
            before = after;
        }
        Ok(())
    }

    /// Takes note of what was done just now.
    pub(crate) fn note_done(&self, record: &Record) {
        if let Some((name, done)) = done(record) {
            lock(&self.done).insert(name, done);
        }
    }

    /// Writes down what was done and will not be answered any more, and sweeps when it is time.
    pub(crate) async fn settle(&self, shell: &Shell) {
        let orphans: Vec<(Digest, Done)> = {
            let under_way = lock(&self.under_way);
            let done = lock(&self.done);
            let orphans = done.iter().filter(|(name, _)| !under_way.contains(*name));
            orphans.map(|(name, done)| (name.clone(), done.clone())).collect()
        };
        for (name, done) in orphans {
            let at = done.at;
            if let Err(error) = self.write(shell, &name, at, &Before::Done(done)).await {
                tracing::warn!(%error, "what a request did is not written down; it is tried again");
                return;
            }
        }
        let now = shell.clock.now();
        let due = {
            let mut next = lock(&self.next_sweep);
            let due = next.is_none_or(|next| next <= now) || self.kept.load(Ordering::Relaxed) > ANSWERS_MAX;
            if due {
                *next = Some(SWEEP_EVERY.after(now));
            }
            due
        };
        if due {
            match shell.store.sweep_answers(KEPT_FOR.before(now), ANSWERS_MAX).await {
                Ok(left) => self.kept.store(left, Ordering::Relaxed),
                Err(error) => tracing::warn!(%error, "answers are not swept; it is tried again"),
            }
        }
    }

    /// What is known of a request, if it came within the time in which answers are kept.
    async fn before(&self, shell: &Shell, name: &Digest) -> Result<Option<Before>, ControlError> {
        let oldest = KEPT_FOR.before(shell.clock.now());
        if let Some(done) = lock(&self.done).get(name) {
            return Ok((done.at > oldest).then(|| Before::Done(done.clone())));
        }
        let kept = shell.store.load_answer(name).await.map_err(ControlError::Store)?;
        let Some(kept) = kept.filter(|kept| kept.at > oldest) else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&kept.bytes);
        read.map(Some)
            .map_err(|error| crate::shell::incident(&format!("a kept answer cannot be read: {error}")))
    }

    async fn write(
        &self,
        shell: &Shell,
        name: &Digest,
        at: Timestamp,
        before: &Before,
    ) -> Result<(), ControlError> {
        let bytes = serde_json::to_vec(before)
            .map_err(|error| crate::shell::incident(&format!("an answer cannot be written down: {error}")))?;
        let kept = KeptAnswer {
            at,
            bytes: Bytes::from(bytes),
        };
        shell
            .store
            .keep_answer(name, kept)
            .await
            .map_err(ControlError::Store)?;
        self.kept.fetch_add(1, Ordering::Relaxed);
        lock(&self.done).remove(name);
        Ok(())
    }
}

impl FirstTime {
    pub(crate) async fn of(
        shell: &Arc<Shell>,
        token: &TokenName,
        key: &RequestKey,
    ) -> Result<Turn, ControlError> {
        let name = name_of(token, key);
        if !lock(&shell.repeats.under_way).insert(name.clone()) {
            return Ok(Turn::UnderWay);
        }
        let first = Self {
            shell: shell.clone(),
            name,
        };
        let before = shell.repeats.before(shell, &first.name).await?;
        Ok(before.map_or(Turn::First(first), Turn::Again))
    }

    /// Keeps what the request, which has this digest, is answered. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn keep(self, digest: Digest, answer: String) -> Result<(), ControlError> {
        let before = Before::Answered { digest, answer };
        let now = self.shell.clock.now();
        self.shell
            .repeats
            .write(&self.shell, &self.name, now, &before)
            .await
    }

    /// Keeps that the request was done, without what it was answered; nothing if it did nothing.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn keep_done(self) -> Result<(), ControlError> {
        let done = lock(&self.shell.repeats.done).get(&self.name).cloned();
        match done {
            Some(done) => {
                let (shell, at) = (&self.shell, done.at);
                shell
                    .repeats
                    .write(shell, &self.name, at, &Before::Done(done))
                    .await
            }
            None => Ok(()),
        }
    }
}

impl Drop for FirstTime {
    fn drop(&mut self) {
        lock(&self.shell.repeats.under_way).remove(&self.name);
    }
}
