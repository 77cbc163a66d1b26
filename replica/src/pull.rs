//! Keeps asking upstream for a newer snapshot, for ever.

use crate::backoff::{Backoff, LONGEST_AWAY, LONGEST_REFUSED, draw};
use crate::replica::Replica;
use crate::serving::OfferRefusal;
use crate::upstream::{Upstream, UpstreamError};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::snapshot::{Digest, SnapshotRefusal};
use tokio::time::Instant;

/// How long upstream is asked to hold a request while there is nothing newer. Well under the minute
/// after which a snapshot counts as stale, and under the idle limits of usual proxies.
const LONG_POLL: Duration = Duration::from_secs(25);

/// An upstream that answers "nothing newer" faster than this does not wait; asking again at once
/// would be a flood.
const SHORTEST_ROUND: Duration = Duration::from_millis(500);

/// The loop that brings new snapshots.
pub(crate) struct Pull {
    replica: Replica,
    upstream: Arc<dyn Upstream>,
    backoff: Backoff,
    last_failure: Option<&'static str>,
}

/// Why a round brought nothing.
enum Failure {
    Upstream(UpstreamError),
    Refused(OfferRefusal),
}

impl Pull {
    pub(crate) fn new(replica: Replica, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            replica,
            upstream,
            backoff: Backoff::default(),
            last_failure: None,
        }
    }

    /// Never ends; may be dropped at any point.
    pub(crate) async fn run(mut self) {
        loop {
            let started = Instant::now();
            let pause = match self.round().await {
                Ok(()) => {
                    self.succeeded();
                    SHORTEST_ROUND.saturating_sub(started.elapsed())
                }
                Err(failure) => self.failed(&failure),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One question to upstream.
    async fn round(&self) -> Result<(), Failure> {
        let after = self.replica.served().map(|served| served.version());
        let answer = self.upstream.current(after, LONG_POLL).await;
        match answer.map_err(Failure::Upstream)? {
            Some(bytes) => self.take(bytes).await,
            None if after.is_some() => {
                self.replica.contact().confirmed(Instant::now());
                Ok(())
            }
            // Nothing was ever published, so there is nothing to confirm.
            None => Ok(()),
        }
    }

    /// Puts a snapshot in force. Lists of units that it names are fetched first, if they are not at hand.
    async fn take(&self, bytes: Bytes) -> Result<(), Failure> {
        let offer = || {
            let (replica, bytes) = (self.replica.clone(), bytes.clone());
            apart(move || replica.offer(&bytes).map(drop))
        };
        match offer().await {
            Err(OfferRefusal::ListsMissing(missing)) => {
                self.fetch(missing).await?;
                offer().await.map_err(Failure::Refused)
            }
            outcome => outcome.map_err(Failure::Refused),
        }
    }

    async fn fetch(&self, lists: BTreeSet<Digest>) -> Result<(), Failure> {
        let refused = |cause| self.replica.counters().refused_snapshot(cause);
        for digest in lists {
            let fetched = self.upstream.list(&digest).await;
            let bytes = fetched.map_err(|error| {
                refused("list_missing");
                Failure::Upstream(error)
            })?;
            let replica = self.replica.clone();
            let taken =
                apart(move || replica.take_list(&digest, &bytes).map_err(OfferRefusal::BadList)).await;
            taken.map_err(|refusal| {
                refused(refusal.cause());
                Failure::Refused(refusal)
            })?;
        }
        Ok(())
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded(Instant::now());
        if self.last_failure.take().is_some() {
            tracing::info!(node = %self.replica.name(), "the control plane is back");
        }
    }

    /// Counts the failure, says it once per outage, and tells how long to wait.
    fn failed(&mut self, failure: &Failure) -> Duration {
        let (cause, longest, error, asked): (_, _, &dyn std::error::Error, _) = match failure {
            // Counted where it was refused.
            Failure::Refused(refusal) => (refusal.cause(), LONGEST_AWAY, refusal, None),
            Failure::Upstream(error) => {
                self.replica.counters().pull_failed(error.cause());
                let longest = match error {
                    UpstreamError::Credential { .. } => {
                        self.replica.contact().credential_refused();
                        LONGEST_REFUSED
                    }
                    _ => LONGEST_AWAY,
                };
                (error.cause(), longest, error, asked_to_wait(error))
            }
        };
        let pause = self.backoff.failed(Instant::now(), longest, draw());
        let pause = pause.max(asked.unwrap_or_default());
        if self.last_failure.replace(cause) == Some(cause) {
            tracing::debug!(node = %self.replica.name(), error, ?pause, "still no newer snapshot");
        } else {
            tracing::warn!(node = %self.replica.name(), error, ?pause,
                "cannot get a newer snapshot; what is served stays in force, retrying");
        }
        pause
    }
}

/// What upstream asked for, as long as it is within reason.
pub(crate) fn asked_to_wait(error: &UpstreamError) -> Option<Duration> {
    match error {
        UpstreamError::Busy { retry_after, .. } => retry_after.map(|asked| asked.min(LONGEST_REFUSED)),
        _ => None,
    }
}

/// Runs what takes long apart from the event loop.
async fn apart(work: impl FnOnce() -> Result<(), OfferRefusal> + Send + 'static) -> Result<(), OfferRefusal> {
    let worked = tokio::task::spawn_blocking(work).await;
    worked.unwrap_or_else(|panic| Err(refusal_of_panic(&panic)))
}

fn refusal_of_panic(panic: &tokio::task::JoinError) -> OfferRefusal {
    OfferRefusal::Unfit(SnapshotRefusal::Unreadable(format!(
        "compiling it failed: {panic}"
    )))
}
