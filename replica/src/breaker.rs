//! The upstream behind a breaker: one that mostly fails is left alone for a while.

use crate::backoff::draw;
use crate::metrics::Counters;
use crate::upstream::{News, Offer, Upstream, UpstreamError};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_model::breaker::Breaker;
use tidegate_model::fleet::{BreakerState, NodeReport, Receipt};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, KeyList, Version};
use tokio::time::Instant;

/// How long it is left alone at most: the upper end of the usual waits.
const OPEN: Duration = Duration::from_secs(30);

/// The breaker that everything which asks one upstream shares.
#[derive(Debug)]
pub(crate) struct SharedBreaker(Mutex<Breaker>);

impl Default for SharedBreaker {
    fn default() -> Self {
        Self(Mutex::new(Breaker::new(OPEN)))
    }
}

impl SharedBreaker {
    /// Where it stands.
    pub(crate) fn state(&self) -> BreakerState {
        self.with(|breaker, now| breaker.state(now))
    }

    /// Asks it or tells it something, at this moment.
    fn with<T>(&self, ask: impl FnOnce(&mut Breaker, std::time::Instant) -> T) -> T {
        let mut breaker = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut breaker, Instant::now().into_std())
    }
}

/// An upstream behind a breaker.
pub(crate) struct Guarded {
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) breaker: Arc<SharedBreaker>,
    pub(crate) counters: Arc<Counters>,
}

impl Guarded {
    fn admit(&self) -> Result<(), UpstreamError> {
        self.breaker.with(Breaker::admit).map_err(|wait| {
            self.counters.kept_back();
            UpstreamError::BreakerOpen { wait }
        })
    }

    fn note<T>(&self, outcome: Result<T, UpstreamError>) -> Result<T, UpstreamError> {
        let failed = match &outcome {
            Ok(_) => Some(false),
            Err(error) => error.speaks_against_upstream(),
        };
        if let Some(failed) = failed {
            self.breaker
                .with(|breaker, now| breaker.note(failed, now, draw()));
        }
        outcome
    }
}

#[async_trait]
impl Upstream for Guarded {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        self.admit()?;
        self.note(self.upstream.current(after, wait).await)
    }

    async fn news(&self, after: Option<Version>) -> Result<Option<Box<dyn News>>, UpstreamError> {
        self.admit()?;
        self.note(self.upstream.news(after).await)
    }

    async fn keys(&self) -> Result<Option<KeyList>, UpstreamError> {
        self.admit()?;
        self.note(self.upstream.keys().await)
    }

    async fn list(&self, digest: &Digest) -> Result<Bytes, UpstreamError> {
        self.admit()?;
        self.note(self.upstream.list(digest).await)
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        self.admit()?;
        self.note(self.upstream.report(report).await)
    }

    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        self.admit()?;
        match self.upstream.observe(batch).await {
            // It may only be observations that it cannot keep: no reason to leave it alone with snapshots and reports.
            Err(error @ UpstreamError::Refused { status: 500.., .. }) => Err(error),
            outcome => self.note(outcome),
        }
    }
}
