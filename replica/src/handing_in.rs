//! Hands in observations, batch by batch and in order.
//!
//! A batch that was not acknowledged is sent again under its number and unchanged. Batches behind it wait, on disk:
//! how many may, does not depend on how long upstream is away but on how much room there is.

use crate::backoff::{Backoff, LONGEST_AWAY, LONGEST_REFUSED, draw};
use crate::observations::Observations;
use crate::pull::asked_to_wait;
use crate::replica::Replica;
use crate::spool::{Level, Waiting};
use crate::upstream::{Upstream, UpstreamError};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

/// How often observations go out while there are any, and how often they are synced.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the last batches may take when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// The loop that hands in.
pub(crate) struct HandingIn {
    replica: Replica,
    observations: Arc<Observations>,
    upstream: Arc<dyn Upstream>,
    level: watch::Receiver<Level>,
    backoff: Backoff,
    last_failure: Option<&'static str>,
}

impl HandingIn {
    pub(crate) fn new(replica: Replica, upstream: Arc<dyn Upstream>) -> Self {
        let observations = Arc::clone(replica.observations());
        Self {
            level: observations.spool().level(),
            observations,
            replica,
            upstream,
            backoff: Backoff::default(),
            last_failure: None,
        }
    }

    /// Hands in whenever there is something. Never ends; may be dropped at any point without losing a batch.
    pub(crate) async fn run(&mut self) {
        let syncing = keep_synced(Arc::clone(&self.observations));
        let handing_in = async {
            loop {
                // The line is in the hands of this replica, so its end is never heard of.
                let _ = self
                    .level
                    .wait_for(|level| level.batches > 0 || level.open > 0)
                    .await;
                if self.level.borrow().batches == 0 {
                    // What comes within a second goes out together.
                    let _ = timeout(INTERVAL, self.level.wait_for(|level| level.batches > 0)).await;
                }
                if let Err(pause) = self.hand_in_all().await {
                    sleep(pause).await;
                }
            }
        };
        tokio::join!(syncing, handing_in);
    }

    /// Hands in what is left, when the node stops. What is not taken waits in the folder for the next start.
    pub(crate) async fn finish(mut self) {
        let all = async {
            self.observations.spool().end_batch().await;
            self.hand_in_all().await
        };
        let all = timeout(FAREWELL, all).await;
        let _synced = sync(&self.observations).await;
        let (_, left) = self.observations.spool().size();
        if !matches!(all, Ok(Ok(()))) && left > 0 {
            tracing::warn!(node = %self.replica.name(), left, "stopped without handing in the last observations");
        }
    }

    /// Sends everything that is there. `Err` is how long to wait.
    async fn hand_in_all(&mut self) -> Result<(), Duration> {
        if self.level.borrow_and_update().batches == 0 {
            self.observations.spool().end_batch().await;
        }
        // Nothing is sent whose number could come to stand for something else after a power cut.
        sync(&self.observations).await.map_err(|_: io::Error| INTERVAL)?;
        while let Some(batch) = self.observations.spool().front() {
            self.send(batch).await?;
        }
        Ok(())
    }

    async fn send(&mut self, waiting: Waiting) -> Result<(), Duration> {
        let loading = waiting.clone();
        let loaded = spawn_blocking(move || loading.load()).await;
        let batch = match loaded {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => {
                tracing::error!(node = %self.replica.name(), error = &error as &dyn std::error::Error,
                    lost = waiting.observations, "a batch of observations cannot be read from the disk; it is dropped");
                self.drop_batch(&waiting, "damaged");
                return Ok(());
            }
            // It panicked, or the runtime ends.
            Err(_) => return Err(INTERVAL),
        };
        match self.upstream.observe(&batch).await {
            // It has it, and a power cut there could still take it.
            Ok(receipt) if receipt.through < waiting.number => Err(self.pause(LONGEST_AWAY)),
            Ok(receipt) => {
                let taken = self.observations.spool().forget(&waiting.name, receipt.through);
                self.replica.counters().observations().handed_in(taken);
                self.backoff.succeeded(Instant::now());
                self.last_failure = None;
                Ok(())
            }
            Err(error) => self.failed(&waiting, &error),
        }
    }

    fn failed(&mut self, waiting: &Waiting, error: &UpstreamError) -> Result<(), Duration> {
        let cause = error.cause();
        self.replica.counters().observations().failed(cause);
        if let UpstreamError::Refused {
            status: 400 | 413 | 422,
            ..
        } = error
        {
            // It would be refused for ever, and all that follows would wait behind it.
            tracing::error!(node = %self.replica.name(), error = error as &dyn std::error::Error,
                lost = waiting.observations, "upstream refuses a batch of observations; it is dropped");
            self.drop_batch(waiting, "refused_upstream");
            return Ok(());
        }
        if self.last_failure != Some(cause) {
            tracing::warn!(node = %self.replica.name(), error = error as &dyn std::error::Error,
                "cannot hand in observations; they are kept, retrying");
        }
        self.last_failure = Some(cause);
        let longest = match error {
            UpstreamError::Credential { .. } => LONGEST_REFUSED,
            _ => LONGEST_AWAY,
        };
        Err(self.pause(longest).max(asked_to_wait(error).unwrap_or_default()))
    }

    fn pause(&mut self, longest: Duration) -> Duration {
        self.backoff.failed(Instant::now(), longest, draw())
    }

    fn drop_batch(&self, waiting: &Waiting, cause: &str) {
        let lost = waiting.observations as u64;
        self.replica.counters().observations().lost(cause, lost);
        self.observations.forget_seen();
        self.observations.spool().forget(&waiting.name, waiting.number);
    }
}

/// Syncs what was written, a second after it was.
async fn keep_synced(observations: Arc<Observations>) {
    let mut level = observations.spool().level();
    loop {
        // As above, it never ends.
        let _ = level.wait_for(|level| level.unsynced).await;
        sleep(INTERVAL).await;
        // Failures are logged, and end the writing.
        let _ = sync(&observations).await;
    }
}

async fn sync(observations: &Arc<Observations>) -> io::Result<()> {
    if !observations.spool().level().borrow().unsynced {
        return Ok(());
    }
    let syncing = Arc::clone(observations);
    let synced = spawn_blocking(move || syncing.spool().sync()).await;
    let synced = synced.unwrap_or_else(|error| Err(io::Error::other(error)));
    synced.inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error,
            "observations cannot be synced; units are left out of experiments until a restart, evaluation goes on");
    })
}
