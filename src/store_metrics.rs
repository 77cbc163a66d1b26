//! What the store counts, told whenever Prometheus asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntCounter, IntGauge};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_store::{EmbeddedStore, StoreStats};

/// Tells what a store counts.
pub(crate) struct StoreCollector {
    store: Arc<EmbeddedStore>,
    /// One scrape after the other: counters are set back and counted up to what the store says.
    shown: Mutex<Shown>,
    described: Vec<Desc>,
}

struct Shown {
    commits: IntCounter,
    writes: IntCounter,
    sync_seconds: Counter,
    last_write: IntGauge,
    journal_bytes: IntGauge,
    head: IntGauge,
    oldest: IntGauge,
    view_bytes: IntGauge,
    view_bytes_max: IntGauge,
    view_behind: IntGauge,
    checkpoint_behind: IntGauge,
    rebuilt: IntGauge,
    full: IntGauge,
    free_bytes: Gauge,
}

impl StoreCollector {
    /// Of this store.
    ///
    /// # Errors
    /// Never: the names are valid.
    pub(crate) fn new(store: Arc<EmbeddedStore>) -> prometheus::Result<Self> {
        let shown = Shown {
            commits: IntCounter::new("tidegate_store_commits_total", "Records that were committed")?,
            writes: IntCounter::new(
                "tidegate_store_writes_total",
                "Writes to the journal, each with its sync, each with all commits that waited",
            )?,
            sync_seconds: Counter::new(
                "tidegate_store_sync_seconds_total",
                "Seconds spent in fdatasync of the journal",
            )?,
            last_write: IntGauge::new("tidegate_store_last_write_records", "Records in the last write")?,
            journal_bytes: IntGauge::new(
                "tidegate_store_journal_bytes",
                "Bytes of the journal, without what was archived",
            )?,
            head: IntGauge::new("tidegate_store_head", "Sequence of the newest record")?,
            oldest: IntGauge::new(
                "tidegate_store_oldest",
                "Sequence of the oldest record that was not archived",
            )?,
            view_bytes: IntGauge::new("tidegate_store_view_bytes", "Bytes of the view")?,
            view_bytes_max: IntGauge::new(
                "tidegate_store_view_bytes_max",
                "A view that is larger than so many bytes is made again at the next start",
            )?,
            view_behind: IntGauge::new(
                "tidegate_store_view_behind_records",
                "Records that the view does not have yet; a start folds them again",
            )?,
            checkpoint_behind: IntGauge::new(
                "tidegate_store_checkpoint_behind_records",
                "Records since the view was last synced to the disk",
            )?,
            rebuilt: IntGauge::new(
                "tidegate_store_state_rebuilt",
                "1 if this start had to make the view again from the journal",
            )?,
            full: IntGauge::new(
                "tidegate_store_full",
                "1 while there is room for nothing but what shuts rollouts",
            )?,
            free_bytes: Gauge::new("tidegate_store_free_bytes", "Room on the disk of the data folder")?,
        };
        let described = shown.all().iter().flat_map(|one| one.desc()).cloned().collect();
        Ok(Self {
            store,
            shown: Mutex::new(shown),
            described,
        })
    }
}

impl Shown {
    fn all(&self) -> [&dyn Collector; 14] {
        [
            &self.commits,
            &self.writes,
            &self.sync_seconds,
            &self.last_write,
            &self.journal_bytes,
            &self.head,
            &self.oldest,
            &self.view_bytes,
            &self.view_bytes_max,
            &self.view_behind,
            &self.checkpoint_behind,
            &self.rebuilt,
            &self.full,
            &self.free_bytes,
        ]
    }

    fn show(&self, stats: StoreStats, free: Option<u64>) {
        self.commits.reset();
        self.commits.inc_by(stats.commits);
        self.writes.reset();
        self.writes.inc_by(stats.groups);
        self.sync_seconds.reset();
        self.sync_seconds.inc_by(stats.sync_seconds);
        let gauges = [
            (&self.last_write, stats.last_group),
            (&self.journal_bytes, stats.journal_bytes),
            (&self.head, stats.head),
            (&self.oldest, stats.oldest),
            (&self.view_bytes, stats.view_bytes),
            (&self.view_bytes_max, stats.view_bytes_max),
            (&self.view_behind, stats.head.saturating_sub(stats.applied)),
            (
                &self.checkpoint_behind,
                stats.head.saturating_sub(stats.checkpointed),
            ),
            (&self.rebuilt, stats.rebuilt),
            (&self.full, u64::from(stats.full)),
        ];
        for (gauge, value) in gauges {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        if let Some(free) = free {
            #[expect(clippy::cast_precision_loss, reason = "nobody counts these bytes one by one")]
            self.free_bytes.set(free as f64);
        }
    }
}

impl Collector for StoreCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.described.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.show(self.store.stats(), self.store.free_bytes());
        shown.all().iter().flat_map(|one| one.collect()).collect()
    }
}
