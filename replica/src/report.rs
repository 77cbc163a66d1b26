//! Tells upstream what is served and what happened.
//!
//! A new version is reported at once: the stage clocks of rollouts wait for it. Counts go out every
//! second while there are any. A batch that was not acknowledged is sent again under its number and
//! unchanged, so upstream can tell a repeat from news; what happens meanwhile keeps adding up in the
//! tallies, whose size depends on flags and metrics, not on how long upstream is away.

use crate::backoff::{Backoff, LONGEST_AWAY, LONGEST_REFUSED, draw};
use crate::pull::asked_to_wait;
use crate::replica::Replica;
use crate::serving::Served;
use crate::upstream::{Upstream, UpstreamError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::fleet::{NodeReport, Tally};
use tidegate_model::snapshot::Version;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often counts go out while there are any.
const TALLY_INTERVAL: Duration = Duration::from_secs(1);

/// How often a node that has nothing to say shows that it lives: a sixth of its lease.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How long the last report may take when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Most tallies in one report. With the longest keys it stays under the usual 1 MiB for a request.
const TALLIES_PER_REPORT: usize = 1000;

/// The loop that reports.
pub(crate) struct Reporter {
    replica: Replica,
    upstream: Arc<dyn Upstream>,
    served: watch::Receiver<Option<Arc<Served>>>,
    unacknowledged: VecDeque<Batch>,
    batches: u64,
    backoff: Backoff,
    last_failure: Option<&'static str>,
    next: Next,
    rate: Rate,
}

/// How often something happens, over the last ten seconds or so.
struct Rate {
    since: Instant,
    count: u64,
    last: f64,
}

impl Rate {
    /// Shorter than this, chance decides.
    const WINDOW: Duration = Duration::from_secs(10);

    fn new() -> Self {
        Self {
            since: Instant::now(),
            count: 0,
            last: 0.0,
        }
    }

    fn add(&mut self, count: u64) {
        self.count = self.count.saturating_add(count);
    }

    fn per_second(&mut self) -> f64 {
        let elapsed = self.since.elapsed();
        if elapsed >= Self::WINDOW {
            let last = self.count as f64 / elapsed.as_secs_f64();
            *self = Self { last, ..Self::new() };
        }
        self.last
    }
}

/// When the next report is due.
enum Next {
    AtOnce,
    /// When there is something to say; this was the last report.
    Occasion(Instant),
    /// After this long, or when a new version is served.
    Retry(Duration),
}

struct Batch {
    number: u64,
    tallies: Vec<Tally>,
}

impl Reporter {
    pub(crate) fn new(replica: Replica, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            served: replica.watch(),
            replica,
            upstream,
            unacknowledged: VecDeque::new(),
            batches: 0,
            backoff: Backoff::default(),
            last_failure: None,
            next: Next::AtOnce,
            rate: Rate::new(),
        }
    }

    /// Says that the node is there, before it pulls anything: a rollback waits for the nodes that
    /// are known, so none may serve a fresh snapshot unknown. Upstream being away is no reason to
    /// wait: then there is nothing to pull either.
    pub(crate) async fn introduce(&mut self) {
        self.report().await;
    }

    /// Reports whenever there is something to say. Never ends; may be dropped at any point without
    /// losing a batch.
    pub(crate) async fn run(&mut self) {
        loop {
            match self.next {
                Next::AtOnce => {}
                Next::Occasion(last) => self.occasion(last).await,
                Next::Retry(pause) => {
                    // A new version is worth a try whatever happened before.
                    tokio::select! {
                        _ = self.served.changed() => {}
                        () = sleep(pause) => {}
                    }
                }
            }
            self.report().await;
        }
    }

    /// Hands in what is left, once, when the node stops.
    pub(crate) async fn finish(mut self) {
        self.draw_batches();
        let all = async {
            while !self.unacknowledged.is_empty() && self.send().await.is_ok() {}
            self.unacknowledged.is_empty()
        };
        if !matches!(timeout(FAREWELL, all).await, Ok(true)) {
            let lost: usize = self.unacknowledged.iter().map(|batch| batch.tallies.len()).sum();
            tracing::warn!(node = %self.replica.name(), lost, "stopped without handing in the last tallies");
        }
    }

    async fn report(&mut self) {
        self.draw_batches();
        let now = Instant::now();
        self.next = match self.send().await {
            Ok(()) if self.unacknowledged.is_empty() => Next::Occasion(now),
            Ok(()) => Next::AtOnce,
            Err(pause) => Next::Retry(pause),
        };
    }

    /// Sends the oldest batch, or a mere sign of life. `Err` is how long to wait.
    async fn send(&mut self) -> Result<(), Duration> {
        let serving: Option<Version> = self
            .served
            .borrow_and_update()
            .as_ref()
            .map(|served| served.version());
        let batch = self.unacknowledged.front();
        let report = NodeReport {
            node: self.replica.name().clone(),
            instance: self.replica.instance().to_owned(),
            batch: batch.map_or(self.batches, |batch| batch.number),
            serving,
            health: Some(self.replica.health(self.rate.per_second())),
            via: Vec::new(),
            tallies: batch.map_or_else(Vec::new, |batch| batch.tallies.clone()),
        };
        let sent = Instant::now();
        let outcome = self.upstream.report(&report).await;
        match outcome {
            Ok(receipt) => {
                self.replica.lease().vouched(sent, receipt);
                self.unacknowledged.pop_front();
                self.backoff.succeeded(Instant::now());
                self.last_failure = None;
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&mut self, error: &UpstreamError) -> Duration {
        let cause = error.cause();
        self.replica.counters().report_failed(cause);
        if let UpstreamError::Refused {
            status: 400 | 413 | 422,
            ..
        } = error
            && let Some(batch) = self.unacknowledged.pop_front()
        {
            // It would be refused for ever, and all that follows would wait behind it.
            let lost = batch.tallies.len() as u64;
            self.replica.counters().dropped("refused_upstream", lost);
            tracing::error!(node = %self.replica.name(), error = error as &dyn std::error::Error, lost,
                "upstream refuses a batch of tallies; it is dropped");
        } else if self.last_failure != Some(cause) {
            tracing::warn!(node = %self.replica.name(), error = error as &dyn std::error::Error,
                "cannot report; the tallies are kept, retrying");
        }
        self.last_failure = Some(cause);
        let longest = match error {
            UpstreamError::Credential { .. } => LONGEST_REFUSED,
            _ => LONGEST_AWAY,
        };
        let pause = self.backoff.failed(Instant::now(), longest, draw());
        pause.max(asked_to_wait(error).unwrap_or_default())
    }

    /// Numbers what happened since the last time, unless older batches still wait.
    fn draw_batches(&mut self) {
        if !self.unacknowledged.is_empty() {
            return;
        }
        let mut tallies = self.replica.tallies().take();
        let exposures = tallies.iter().filter(|tally| tally.metric.is_none());
        self.rate.add(exposures.map(|tally| tally.count).sum());
        while !tallies.is_empty() {
            let rest = tallies.split_off(tallies.len().min(TALLIES_PER_REPORT));
            self.batches += 1;
            self.unacknowledged.push_back(Batch {
                number: self.batches,
                tallies,
            });
            tallies = rest;
        }
    }

    /// Waits for a new version, for something counted, or for the next sign of life.
    async fn occasion(&mut self, last: Instant) {
        let sign_of_life = last + SIGN_OF_LIFE;
        loop {
            tokio::select! {
                _ = self.served.changed() => return,
                () = sleep_until(sign_of_life) => return,
                () = sleep(TALLY_INTERVAL) => {}
            }
            self.draw_batches();
            if !self.unacknowledged.is_empty() {
                return;
            }
        }
    }
}
