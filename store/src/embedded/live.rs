//! What the committer writes and everybody else reads.

use crate::api::StoreError;
use crate::journal::{Chain, Index, Written};
use crate::table::{Slots, Table};
use crate::view::{Applied, Progress, Snapshot};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::change::EntityRef;
use tidegate_model::head::Head;
use tokio::sync::watch;

/// Numbers for operators, since the store was opened unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StoreStats {
    /// Records that were committed.
    pub commits: u64,
    /// Writes to the journal, each with its sync.
    pub groups: u64,
    /// Records in the last write.
    pub last_group: u64,
    /// Seconds spent in `fdatasync`.
    pub sync_seconds: f64,
    /// Bytes of the segments of the journal that are in the folder.
    pub journal_bytes: u64,
    /// Sequence of the oldest record that is in the folder; 0 when that cannot be read.
    pub oldest: u64,
    /// Bytes of the view.
    pub view_bytes: u64,
    /// A view that is larger than this is made again at the next start, in bytes; by what it said when the store was
    /// opened.
    pub view_bytes_max: u64,
    /// Sequence of the newest record.
    pub head: u64,
    /// Sequence of the last record that is in the view. Not moving while `head` moves: sled failed.
    pub applied: u64,
    /// Sequence of the last record in the view when it was last synced to the disk.
    pub checkpointed: u64,
    /// Times that the view was made again from the journal: 0 or 1.
    pub rebuilt: u64,
    /// Whether there was too little room at the last commit for anything but what shuts things.
    pub full: bool,
}

/// The end of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Sequence of the newest record; 0 when there is none.
    pub sequence: u64,
    /// The chain up to and with it.
    pub chain: Chain,
    /// The chain after each of the last records, up to and with the newest.
    pub steps: Vec<Chain>,
}

impl Tip {
    /// As a head that somebody may sign.
    pub fn head(&self, epoch: u64, at: Timestamp) -> Head {
        Head {
            epoch,
            sequence: self.sequence,
            chain: self.chain.digest(),
            at,
            steps: self.steps.iter().map(Chain::step).collect(),
        }
    }
}

/// The truth, and counters beside it.
#[derive(Debug)]
pub(crate) struct Live {
    truth: RwLock<Truth>,
    stop_reason: OnceLock<String>,
    commits: AtomicU64,
    groups: AtomicU64,
    last_group: AtomicU64,
    sync_nanos: AtomicU64,
    applied: AtomicU64,
    checkpointed: AtomicU64,
    rebuilt: u64,
    view_bytes_max: u64,
    full: AtomicBool,
    /// Whether the thread that writes has ended and given the folder back.
    ended: watch::Sender<bool>,
}

/// Why nothing is acknowledged any more, when nothing is wrong.
pub(crate) const CLOSED: &str = "it was closed";

/// Of so many records it is remembered what each was, until a head is signed.
const STEPS_MAX: usize = 4096;

/// Everything that becomes visible together.
#[derive(Debug)]
pub(crate) struct Truth {
    /// All entities.
    pub(crate) table: Table,
    /// The chain up to the table's head.
    pub(crate) chain: Chain,
    /// The chain after each of the last records, as far as nobody has signed them, and at most [`STEPS_MAX`].
    pub(crate) steps: VecDeque<Chain>,
    /// Where records are in the journal.
    pub(crate) index: Index,
    /// What the view does not know yet.
    pub(crate) unsaved: BTreeSet<EntityRef>,
}

impl Live {
    pub(crate) fn new(truth: Truth, applied: u64, rebuilt: u64, view_bytes_max: u64) -> Self {
        Self {
            truth: RwLock::new(truth),
            stop_reason: OnceLock::new(),
            commits: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            last_group: AtomicU64::new(0),
            sync_nanos: AtomicU64::new(0),
            applied: AtomicU64::new(applied),
            checkpointed: AtomicU64::new(applied),
            rebuilt,
            view_bytes_max,
            full: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Truth> {
        self.truth.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Truth> {
        self.truth.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a write has made durable.
    pub(crate) fn adopt(&self, slots: Slots, written: &Written) {
        let records = written.offsets.len() as u64;
        let mut guard = self.write();
        let truth = &mut *guard;
        truth.unsaved.extend(slots.keys().cloned());
        truth.table.adopt(slots, written.first + records - 1);
        truth.chain = written.chain;
        truth.steps.extend(&written.chains);
        let surplus = truth.steps.len().saturating_sub(STEPS_MAX);
        truth.steps.drain(..surplus);
        if written.began_segment {
            truth.index.begin_segment(written.segment, written.first);
        }
        for (sequence, offset) in (written.first..).zip(&written.offsets) {
            truth.index.add(sequence, *offset);
        }
        drop(guard);
        self.commits.fetch_add(records, Ordering::Relaxed);
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.last_group.store(records, Ordering::Relaxed);
        let nanos = u64::try_from(written.sync.as_nanos()).unwrap_or(u64::MAX);
        self.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The end of the journal.
    pub(crate) fn tip(&self) -> Tip {
        let truth = self.read();
        Tip {
            sequence: truth.table.head(),
            chain: truth.chain,
            steps: Vec::new(),
        }
    }

    /// The end of the journal, with the steps to it since this was last asked.
    pub(crate) fn take_tip(&self) -> Tip {
        let mut truth = self.write();
        Tip {
            sequence: truth.table.head(),
            chain: truth.chain,
            steps: truth.steps.drain(..).collect(),
        }
    }

    /// What the view does not know yet. It counts as known from now on.
    pub(crate) fn take_unsaved(&self) -> Snapshot {
        let mut truth = self.write();
        let unsaved = std::mem::take(&mut truth.unsaved);
        let slots = unsaved.into_iter().filter_map(|entity| {
            let slot = truth.table.slots().get(&entity)?.clone();
            Some((entity, slot))
        });
        let slots = slots.collect();
        Snapshot {
            slots,
            applied: Applied {
                sequence: truth.table.head(),
                chain: truth.chain,
                fingerprint: truth.table.fingerprint(),
            },
        }
    }

    /// Notes whether there is too little room.
    pub(crate) fn note_room(&self, full: bool) {
        match (self.full.swap(full, Ordering::Relaxed), full) {
            (false, true) => {
                tracing::error!(
                    "the disk is full: nothing is stored but what shuts rollouts, until there is room again"
                );
            }
            (true, false) => tracing::info!("there is room on the disk again"),
            _ => {}
        }
    }

    /// Notes how far the view goes.
    pub(crate) fn note_view(&self, progress: Progress) {
        match progress {
            Progress::Written(sequence) => self.applied.store(sequence, Ordering::Relaxed),
            Progress::Synced(sequence) => self.checkpointed.store(sequence, Ordering::Relaxed),
        }
    }

    /// Notes why nothing is acknowledged any more. The first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        let _ = self.stop_reason.set(reason);
    }

    /// Notes that the thread that writes has ended and given the folder back.
    pub(crate) fn note_ended(&self) {
        self.ended.send_replace(true);
    }

    /// Resolves when it has.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as this.
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    /// Whether nothing but being closed stopped it.
    pub(crate) fn was_closed(&self) -> bool {
        self.stop_reason.get().is_some_and(|reason| reason == CLOSED)
    }

    /// The error of every commit after the store stopped.
    pub(crate) fn stopped(&self) -> StoreError {
        let reason = self.stop_reason.get();
        StoreError::Stopped(reason.map_or_else(|| "its thread ended".to_owned(), String::clone))
    }

    /// What is known without asking the disk.
    pub(crate) fn stats(&self) -> StoreStats {
        StoreStats {
            commits: self.commits.load(Ordering::Relaxed),
            groups: self.groups.load(Ordering::Relaxed),
            last_group: self.last_group.load(Ordering::Relaxed),
            sync_seconds: Duration::from_nanos(self.sync_nanos.load(Ordering::Relaxed)).as_secs_f64(),
            head: self.read().table.head(),
            applied: self.applied.load(Ordering::Relaxed),
            checkpointed: self.checkpointed.load(Ordering::Relaxed),
            rebuilt: self.rebuilt,
            view_bytes_max: self.view_bytes_max,
            full: self.full.load(Ordering::Relaxed),
            ..StoreStats::default()
        }
    }
}
