//! What a node has in front of its replica: streams, limits, answers that were given before.

use crate::metrics::Metrics;
use crate::rate_limit::RateLimit;
use crate::result_cache::ResultCache;
use crate::sheet::Sheet;
use crate::stream::{Room, STREAMS_MAX};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tidegate_replica::{Replica, Served};
use tokio::sync::{Semaphore, watch};

/// What a node has in front of its replica.
pub(crate) struct Surface {
    metrics: Metrics,
    limit: OnceLock<RateLimit>,
    results: Arc<ResultCache>,
    sheet: RwLock<Option<Arc<Sheet>>>,
    streams: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Surface {
    /// The surface of this replica, and its metrics in the replica's registry.
    ///
    /// # Errors
    /// When the replica has a surface already.
    pub(crate) fn new(replica: &Replica) -> Result<Self, prometheus::Error> {
        let results = Arc::new(ResultCache::default());
        Ok(Self {
            metrics: Metrics::register(replica.counters().registry(), &results)?,
            limit: OnceLock::new(),
            results,
            sheet: RwLock::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            closing: watch::Sender::new(false),
        })
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How often one credential may ask; `None` is as often as it likes.
    pub(crate) fn limit(&self) -> Option<&RateLimit> {
        self.limit.get()
    }

    /// Sets how often one credential may ask. The first word counts.
    pub(crate) fn set_limit(&self, per_second: NonZeroU32) {
        self.limit.get_or_init(|| RateLimit::new(per_second));
    }

    pub(crate) fn results(&self) -> &ResultCache {
        &self.results
    }

    /// The sheet of this snapshot: made when it is asked for first, and kept while the snapshot is in
    /// force.
    pub(crate) fn sheet(&self, served: &Arc<Served>) -> Arc<Sheet> {
        let of_this = |sheet: &&Arc<Sheet>| Arc::ptr_eq(&sheet.served, served);
        let known = self.sheet.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(sheet) = known.as_ref().filter(of_this) {
            return Arc::clone(sheet);
        }
        drop(known);
        let fresh = Arc::new(Sheet::new(Arc::clone(served)));
        let mut known = self.sheet.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody who was slow must not put an older one back.
        let is_newest = known
            .as_ref()
            .is_none_or(|sheet| sheet.served.turn() < served.turn());
        if is_newest {
            *known = Some(Arc::clone(&fresh));
            self.results.clear();
        }
        fresh
    }

    /// A place for one more stream; `None` when there are enough.
    pub(crate) fn room_for_stream(&self) -> Option<Room> {
        match Arc::clone(&self.streams).try_acquire_owned() {
            Ok(permit) => Some(Room::new(permit, self.metrics.streams.clone())),
            Err(_) => {
                self.metrics.refused("streams");
                None
            }
        }
    }

    /// Ends all streams, so that a server can stop.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Turns true when streams shall end.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}
