//! Bulk answers that were given already, for whoever asks the same again.

use crate::metrics::Metrics;
use actix_web::web::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Serialize;
use std::sync::Arc;

/// Most memory of the answers that are kept, in bytes.
const BYTES_MAX: u64 = 32 << 20;

/// Most answers that are kept.
const ENTRIES_MAX: usize = 16_384;

/// Each answer counts as at least so many bytes, which is what bounds their number.
const ENTRY_BYTES_MIN: u64 = BYTES_MAX / ENTRIES_MAX as u64;

/// Identifies an answer: the digest of everything that it depends on.
pub(crate) type Identity = [u8; 32];

/// Answers by their identity. The snapshot's version is part of it, so nothing stale is ever found;
/// what is left of older versions is thrown away when a new one comes into force.
pub(crate) struct ResultCache {
    answers: Cache<Identity, Arc<Kept>, Weight>,
}

/// A bulk answer.
pub(crate) struct Kept {
    /// The body.
    pub(crate) body: Bytes,
    /// For each flag in it, in their order, the place of the variation served.
    pub(crate) variations: Box<[Option<u16>]>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Identity, Arc<Kept>> for Weight {
    fn weight(&self, _: &Identity, kept: &Arc<Kept>) -> u64 {
        let variations = size_of_val(&*kept.variations);
        (kept.body.len() as u64 + variations as u64).max(ENTRY_BYTES_MIN)
    }
}

/// What the cache holds, and how often it helped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statistics {
    entries: usize,
    entries_max: usize,
    bytes: u64,
    bytes_max: u64,
    hits: u64,
    misses: u64,
    /// Hits among all look-ups, 0 to 1; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    hit_rate: Option<f64>,
}

impl Default for ResultCache {
    fn default() -> Self {
        Self {
            answers: Cache::with_weighter(ENTRIES_MAX, BYTES_MAX, Weight),
        }
    }
}

impl ResultCache {
    /// The answer that was given to the same request, if it is still there.
    pub(crate) fn get(&self, identity: &Identity, metrics: &Metrics) -> Option<Arc<Kept>> {
        let found = self.answers.get(identity);
        match found {
            Some(_) => metrics.cache_hits.inc(),
            None => metrics.cache_misses.inc(),
        }
        found
    }

    /// Keeps an answer, in the place of others if there is no room.
    pub(crate) fn keep(&self, identity: Identity, kept: Kept) {
        self.answers.insert(identity, Arc::new(kept));
    }

    /// Throws everything away.
    pub(crate) fn clear(&self) {
        self.answers.clear();
    }

    /// How many answers there are, and how many bytes they count for.
    pub(crate) fn size(&self) -> (usize, u64) {
        (self.answers.len(), self.answers.weight())
    }

    pub(crate) fn statistics(&self, metrics: &Metrics) -> Statistics {
        let (entries, bytes) = self.size();
        let (hits, misses) = (metrics.cache_hits.get(), metrics.cache_misses.get());
        #[expect(clippy::cast_precision_loss, reason = "a ratio to look at")]
        let rate = (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64);
        Statistics {
            entries,
            entries_max: ENTRIES_MAX,
            bytes,
            bytes_max: BYTES_MAX,
            hits,
            misses,
            hit_rate: rate,
        }
    }
}
