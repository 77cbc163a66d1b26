//! Keeps asking upstream for a newer snapshot, for ever.

use crate::backoff::{Backoff, LONGEST_AWAY, LONGEST_REFUSED, draw};
use crate::replica::Replica;
use crate::serving::OfferRefusal;
use crate::upstream::{Latest, News, Offer, Tiding, Upstream, UpstreamError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::snapshot::{Digest, SnapshotRefusal, Version};
use tokio::time::Instant;

/// How long upstream is asked to hold a request while there is nothing newer. Well under the minute
/// after which a snapshot counts as stale, and under the idle limits of usual proxies.
const LONG_POLL: Duration = Duration::from_secs(25);

/// An upstream that answers "nothing newer" faster than this does not wait; asking again at once
/// would be a flood.
const SHORTEST_ROUND: Duration = Duration::from_millis(500);

/// How long an upstream without a stream that gets through is asked instead.
const STREAM_AGAIN: Duration = Duration::from_secs(600);

/// A stream says something at once.
const FIRST_WORD: Duration = Duration::from_secs(10);

/// After that it says something every 25 s at the latest. Shorter than the minute after which a snapshot
/// counts as stale.
const SILENCE: Duration = Duration::from_secs(45);

/// Streams that ended together are opened again within this time, not all at once (faults.md F69).
const REOPEN_JITTER: Duration = Duration::from_secs(3);

/// Nodes that a delta does not suit load the whole snapshot within this time, not all at once.
const WHOLE_JITTER: Duration = Duration::from_secs(2);

/// How often upstream is asked for its keys, so that a key that was retired is not believed for longer.
const KEYS_INTERVAL: Duration = Duration::from_secs(300);

/// The loop that brings new snapshots.
pub(crate) struct Pull {
    replica: Replica,
    upstream: Arc<dyn Upstream>,
    backoff: Backoff,
    last_failure: Option<&'static str>,
    keys_asked: Option<Instant>,
    /// When it was found that upstream has no stream, or none that gets through.
    no_stream_since: Option<Instant>,
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
            keys_asked: None,
            no_stream_since: None,
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

    /// Follows upstream until something fails: by its stream, or by one question.
    async fn round(&mut self) -> Result<(), Failure> {
        self.follow_keys_when_due().await?;
        let streams = self.no_stream_since.is_none_or(|at| at.elapsed() >= STREAM_AGAIN);
        if streams {
            // What is published already does not have to be told first.
            if self.version().is_none() {
                self.ask(Duration::ZERO).await?;
            }
            match self
                .upstream
                .news(self.version())
                .await
                .map_err(Failure::Upstream)?
            {
                Some(news) => return self.listen(news).await,
                None => self.no_stream_since = Some(Instant::now()),
            }
        }
        self.ask(LONG_POLL).await
    }

    /// Takes what the stream tells until it ends. A stream that is silent is no good: something on
    /// the way keeps it back, and asking is better then.
    async fn listen(&mut self, news: Box<dyn News>) -> Result<(), Failure> {
        let mut news = Latest::of(news);
        let mut patience = FIRST_WORD;
        loop {
            let Ok(tiding) = tokio::time::timeout(patience, news.next()).await else {
                tracing::warn!(node = %self.replica.name(), ?patience,
                    "the stream of new versions is silent; asking for them instead");
                self.no_stream_since = Some(Instant::now());
                return Ok(());
            };
            let Some(Tiding { version, delta }) = tiding.map_err(Failure::Upstream)? else {
                // Upstream ends all its streams at once.
                tokio::time::sleep(REOPEN_JITTER.mul_f64(draw())).await;
                return Ok(());
            };
            self.succeeded();
            patience = SILENCE;
            if version > self.version() {
                match delta {
                    Some(delta) => self.take(Offer::Delta(delta)).await?,
                    None => self.ask(Duration::ZERO).await?,
                }
            } else if version.is_some() && version == self.version() {
                self.replica.contact().confirmed(Instant::now());
            }
            self.follow_keys_when_due().await?;
        }
    }

    /// One question to upstream.
    async fn ask(&mut self, wait: Duration) -> Result<(), Failure> {
        let after = self.version();
        let answer = self.upstream.current(after, wait).await;
        match answer.map_err(Failure::Upstream)? {
            Some(offer) => self.take(offer).await,
            None if after.is_some() => {
                self.replica.contact().confirmed(Instant::now());
                Ok(())
            }
            // Nothing was ever published, so there is nothing to confirm.
            None => Ok(()),
        }
    }

    /// Puts what upstream offers in force. If a delta does not lead there, the whole snapshot is
    /// loaded, after a moment that differs from node to node (faults.md F66).
    async fn take(&mut self, offer: Offer) -> Result<(), Failure> {
        let is_delta = matches!(offer, Offer::Delta(_));
        match self.offered(offer).await {
            Err(Failure::Refused(OfferRefusal::NoWay(refusal))) if is_delta => {
                tracing::warn!(node = %self.replica.name(), error = &refusal as &dyn std::error::Error,
                    "a delta does not lead to the new version; loading it whole");
                tokio::time::sleep(WHOLE_JITTER.mul_f64(draw())).await;
                match self
                    .upstream
                    .current(None, Duration::ZERO)
                    .await
                    .map_err(Failure::Upstream)?
                {
                    Some(whole) => self.offered(whole).await,
                    None => Ok(()),
                }
            }
            outcome => outcome,
        }
    }

    /// Puts it in force. Lists of units that it names are fetched first, if they are not at hand.
    async fn offered(&mut self, offer: Offer) -> Result<(), Failure> {
        match self.offered_once(offer.clone()).await {
            Err(OfferRefusal::ListsMissing(missing)) => {
                self.fetch(missing).await?;
                self.offered_once(offer).await.map_err(Failure::Refused)
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

    async fn offered_once(&mut self, offer: Offer) -> Result<(), OfferRefusal> {
        let replica = self.replica.clone();
        let offered = apart(move || match offer {
            Offer::Whole(bytes) => replica.offer(&bytes).map(drop),
            Offer::Delta(bytes) => replica.offer_delta(&bytes).map(drop),
        });
        let offered = offered.await;
        if let Err(OfferRefusal::Unfit(SnapshotRefusal::UnknownKey(_))) = &offered {
            // The keys may have been turned since: they are asked for before the next try.
            self.keys_asked = None;
        }
        offered
    }

    fn version(&self) -> Option<Version> {
        self.replica.served().map(|served| served.version())
    }

    async fn follow_keys_when_due(&mut self) -> Result<(), Failure> {
        if self.keys_asked.is_none_or(|at| at.elapsed() >= KEYS_INTERVAL) {
            self.follow_keys().await?;
        }
        Ok(())
    }

    /// Asks for the keys, and believes those that a believed one vouches for. That they cannot be had
    /// is a reason to wait only for who knows none.
    async fn follow_keys(&mut self) -> Result<(), Failure> {
        if !self.replica.keyring().looks() {
            return Ok(());
        }
        let list = match self.upstream.keys().await {
            Ok(list) => list,
            Err(error) if self.replica.keyring().is_empty() => return Err(Failure::Upstream(error)),
            Err(error) => {
                self.replica.counters().pull_failed(error.cause());
                return Ok(());
            }
        };
        self.keys_asked = Some(Instant::now());
        let Some(list) = list else { return Ok(()) };
        let (replica, serial) = (self.replica.clone(), list.serial);
        let followed = tokio::task::spawn_blocking(move || replica.keyring().follow(list)).await;
        match followed {
            Ok(Ok(true)) => {
                tracing::info!(node = %self.replica.name(), serial, "the trusted keys changed");
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                self.replica.counters().keys_refused();
                tracing::warn!(node = %self.replica.name(), serial, error = &error as &dyn std::error::Error,
                    "the keys that upstream tells are not believed; those known stay");
            }
            Err(panic) => tracing::error!(node = %self.replica.name(), %panic, "following the keys failed"),
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
        UpstreamError::BreakerOpen { wait } => Some(*wait),
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
