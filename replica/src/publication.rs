//! What is handed on to nodes: the newest snapshot, the ways to it from older ones, and word of every
//! new one. The control plane has one for each environment, and so has every node, which makes it
//! the upstream of other nodes.
//!
//! Everything is written and compressed once for a version, when it is first asked for, and shared by all
//! who ask.

mod coding;

pub use coding::{Coded, Coding};

use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_model::snapshot::{Chain, Delta, Digest, Snapshot, SnapshotHeader, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// A delta up to this size, in bytes, goes with the word of the new version: thousands of nodes need
/// not ask then.
const INLINE_BYTES_MAX: usize = 32 << 10;

/// How much of whole snapshots may be on its way at a time, in KiB (faults.md F69).
const WHOLE_KIB_MAX: usize = 128 << 10;

/// What a small snapshot counts as, in KiB, so that not too many connections are busy at a time.
const WHOLE_KIB_MIN: usize = 256;

/// Most streams at a time.
const STREAMS_MAX: usize = 10_000;

/// What is handed on to nodes. Cloning gives another handle to the same.
#[derive(Debug, Clone)]
pub struct Publication {
    newest: Arc<watch::Sender<Option<Arc<Issue>>>>,
    closed: Arc<watch::Sender<bool>>,
    whole: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// One version, as it is handed on.
#[derive(Debug)]
pub struct Issue {
    header: SnapshotHeader,
    whole: Coded,
    chain: Chain,
    deltas: Mutex<BTreeMap<Version, Option<Arc<Coded>>>>,
    news: Mutex<BTreeMap<Option<Version>, Bytes>>,
}

/// Too much is on its way already; come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many nodes ask at once")]
pub struct TooMuch;

/// Held as long as something is on its way.
#[derive(Debug)]
pub struct OnItsWay(#[expect(dead_code, reason = "only kept")] OwnedSemaphorePermit);

/// Word of the newest version.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Word<'a> {
    version: Version,
    digest: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a Delta>,
}

impl Default for Publication {
    fn default() -> Self {
        Self {
            newest: Arc::new(watch::Sender::new(None)),
            closed: Arc::new(watch::Sender::new(false)),
            whole: Arc::new(Semaphore::new(WHOLE_KIB_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }
}

impl Publication {
    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<Issue>> {
        self.newest.borrow().clone()
    }

    /// Hands on a snapshot, given as it is carried. One that is older than the newest is left; one of
    /// the same version replaces it. Reads it whole: not for an event loop's thread.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hand_on(&self, bytes: Bytes) -> Result<(), serde_json::Error> {
        let snapshot: Snapshot = serde_json::from_slice(&bytes)?;
        let before = self.newest();
        let version = snapshot.header.version;
        if before
            .as_ref()
            .is_some_and(|before| before.header.version > version)
        {
            return Ok(());
        }
        let chain = before
            .and_then(|before| before.lengthened(&snapshot))
            .unwrap_or_default();
        let issue = Arc::new(Issue {
            header: snapshot.header,
            whole: Coded::new(bytes),
            chain,
            deltas: Mutex::default(),
            news: Mutex::default(),
        });
        self.newest.send_if_modified(|newest| {
            let older = newest
                .as_ref()
                .is_none_or(|newest| newest.header.version <= version);
            if older {
                *newest = Some(issue);
            }
            older
        });
        Ok(())
    }

    /// The newest version as soon as it is above `than`; whatever is newest when `patience` ends or
    /// the publication is closed.
    pub async fn newer_than(&self, than: Option<Version>, patience: Duration) -> Option<Arc<Issue>> {
        let (mut newest, mut closed) = (self.newest.subscribe(), self.closed.subscribe());
        let newer = newest.wait_for(|newest| {
            let version = newest.as_ref().map(|newest| newest.header.version);
            version.is_some() && version > than
        });
        tokio::select! {
            Ok(newer) = newer => return newer.clone(),
            _ = closed.wait_for(|closed| *closed) => {}
            () = tokio::time::sleep(patience) => {}
        }
        self.newest()
    }

    /// Wakes when there is a newer version.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Option<Arc<Issue>>> {
        self.newest.subscribe()
    }

    /// Becomes true when streams have to end.
    #[must_use]
    pub fn watch_closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Ends all streams and all waiting, because the process is about to end.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Leave to send a whole snapshot of so many bytes, to be held until it is sent.
    ///
    /// # Errors
    /// When too much is on its way already.
    pub fn admit_whole(&self, bytes: usize) -> Result<OnItsWay, TooMuch> {
        let weight = bytes.div_ceil(1024).clamp(WHOLE_KIB_MIN, WHOLE_KIB_MAX);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.whole).try_acquire_many_owned(weight);
        permit.map(OnItsWay).map_err(|_| TooMuch)
    }

    /// Leave to open a stream, to be held as long as it is open.
    ///
    /// # Errors
    /// When there are too many.
    pub fn admit_stream(&self) -> Result<OnItsWay, TooMuch> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        permit.map(OnItsWay).map_err(|_| TooMuch)
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        STREAMS_MAX - self.streams.available_permits()
    }
}

impl Issue {
    /// What identifies the snapshot.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Where in the history it stands.
    #[must_use]
    pub fn version(&self) -> Version {
        self.header.version
    }

    /// The whole snapshot.
    #[must_use]
    pub fn whole(&self) -> &Coded {
        &self.whole
    }

    /// The way from an older version, if it is remembered and shorter than the whole snapshot.
    #[must_use]
    pub fn delta_since(&self, version: Version) -> Option<Arc<Coded>> {
        let mut deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let delta = self.chain.since(version)?;
            let bytes = serde_json::to_vec(&delta).ok()?;
            let shorter = bytes.len() < self.whole.plain().len();
            shorter.then(|| Arc::new(Coded::new(bytes.into())))
        };
        deltas.entry(version).or_insert_with(make).clone()
    }

    /// Word of this version for a stream that heard of `last` before, as a server-sent event.
    #[must_use]
    pub fn news_since(&self, last: Option<Version>) -> Bytes {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let delta = last.and_then(|last| self.chain.since(last));
            let text = |delta: Option<&Delta>| {
                let word = Word {
                    version: self.header.version,
                    digest: &self.header.digest,
                    delta,
                };
                // Numbers and texts can always be written as JSON, which has no line breaks.
                let data = serde_json::to_string(&word).unwrap_or_default();
                format!("id: {}\nevent: snapshot\ndata: {data}\n\n", self.header.version)
            };
            let with_delta = delta.map(|delta| text(Some(&delta)));
            let short = with_delta.filter(|text| text.len() <= INLINE_BYTES_MAX);
            Bytes::from(short.unwrap_or_else(|| text(None)))
        };
        news.entry(last).or_insert_with(make).clone()
    }

    /// The history up to `next`, which follows this version.
    fn lengthened(&self, next: &Snapshot) -> Option<Chain> {
        if next.header.version == self.header.version {
            return None;
        }
        let base: Snapshot = serde_json::from_slice(self.whole.plain()).ok()?;
        let step = Delta::between(&base, next);
        let step = step.inspect_err(|error| tracing::warn!(%error, "there is no delta to this version"));
        Some(self.chain.and(step.ok()?))
    }

    /// The snapshot itself.
    ///
    /// # Errors
    /// Never: it was read when it was handed on.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, serde_json::Error> {
        serde_json::from_slice(self.whole.plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tidegate_model::Timestamp;

    fn bytes(number: u64, flags: &[u64]) -> Bytes {
        let flags: Vec<Value> = flags
            .iter()
            .map(|flag| json!({"flag": {"key": format!("f{flag:03}"), "type": "boolean"}}))
            .collect();
        let content = json!({"environment": "production", "flags": flags, "segments": []});
        let content = serde_json::from_value(content).unwrap();
        let snapshot = Snapshot::seal(&content, version(number), Timestamp::default(), None).unwrap();
        serde_json::to_vec(&snapshot).unwrap().into()
    }

    fn version(number: u64) -> Version {
        Version { epoch: 1, number }
    }

    #[test]
    fn deltas_are_offered_from_remembered_versions_when_they_are_shorter() {
        let publication = Publication::default();
        let all: Vec<u64> = (0..50).collect();
        for (number, flags) in [(1, &all[..49]), (2, &all[..50]), (5, &all[..48]), (9, &[])] {
            publication.hand_on(bytes(number, flags)).unwrap();
            // What comes too late changes nothing.
            publication.hand_on(bytes(number - 1, &[])).unwrap();
            assert_eq!(publication.newest().unwrap().version(), version(number));
            if number == 5 {
                let newest = publication.newest().unwrap();
                for (since, offered) in [(1, true), (2, true), (3, false), (5, false)] {
                    assert_eq!(newest.delta_since(version(since)).is_some(), offered, "{since}");
                }
                let word = |last: Option<u64>| {
                    let bytes = newest.news_since(last.map(version));
                    String::from_utf8(bytes.into()).unwrap()
                };
                assert!(word(Some(2)).contains("\"delta\":{"));
                assert!(!word(None).contains("delta"));
                assert!(word(Some(1)).starts_with("id: 1.5\nevent: snapshot\ndata: {"));
            }
        }
        let newest = publication.newest().unwrap();
        assert!(
            newest.delta_since(version(5)).is_none(),
            "the empty whole is shorter"
        );
    }

    #[test]
    fn f69_whole_snapshots_on_their_way_are_bounded() {
        let publication = Publication::default();
        let large = 32 << 20;
        let held: Vec<_> = std::iter::from_fn(|| publication.admit_whole(large).ok()).collect();
        assert_eq!(held.len(), 4);
        assert_eq!(publication.admit_whole(1).unwrap_err(), TooMuch);
        drop(held);
        let held: Vec<_> = std::iter::from_fn(|| publication.admit_whole(1).ok()).collect();
        assert_eq!(held.len(), 512);
    }

    #[test]
    fn f70_streams_are_bounded_and_counted() {
        let publication = Publication::default();
        let held: Vec<_> = std::iter::from_fn(|| publication.admit_stream().ok()).collect();
        assert!(held.len() >= 5000);
        assert_eq!(publication.streams(), held.len());
        drop(held);
        assert_eq!(publication.streams(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_a_newer_version_with_patience_or_with_the_process() {
        let publication = Publication::default();
        let minute = Duration::from_secs(60);
        assert!(publication.newer_than(None, minute).await.is_none());
        publication.hand_on(bytes(1, &[])).unwrap();
        let found = publication.newer_than(None, minute).await.unwrap();
        assert_eq!(found.version(), version(1));
        let waiting = publication.newer_than(Some(version(1)), minute);
        let later = async { publication.hand_on(bytes(2, &[1])).unwrap() };
        let (found, ()) = tokio::join!(waiting, later);
        assert_eq!(found.unwrap().version(), version(2));
        publication.close();
        let started = tokio::time::Instant::now();
        publication.newer_than(Some(version(2)), minute).await;
        assert!(started.elapsed() < minute);
    }
}
