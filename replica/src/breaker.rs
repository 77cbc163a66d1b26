//! Stops asking an upstream that mostly fails, and finds out when it works again.
//!
//! Over the last calls, closed: every call is made. Once half of them failed, open: none is, so that an
//! upstream that struggles is left alone. After a while half-open: one is made, and decides.

use crate::backoff::draw;
use crate::metrics::Counters;
use crate::upstream::{News, Offer, Upstream, UpstreamError};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_model::fleet::{BreakerState, NodeReport, Receipt};
use tidegate_model::snapshot::{Digest, KeyList, Version};
use tokio::time::Instant;

/// How many calls are remembered.
const WINDOW: usize = 20;

/// Fewer calls than this prove nothing.
const CALLS_MIN: usize = 10;

/// How long the breaker stays open: the upper end of the usual waits. Drawn between half of it and the
/// whole.
const OPEN: Duration = Duration::from_secs(30);

/// The breaker of one upstream.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    now: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether each of the last calls failed, the oldest first.
    calls: VecDeque<bool>,
    position: Position,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    /// One call was let through at this moment.
    HalfOpen {
        since: Instant,
    },
}

impl Breaker {
    /// Where it stands.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        match self.now().position {
            Position::Closed => BreakerState::Closed,
            Position::Open { until } if now < until => BreakerState::Open,
            Position::Open { .. } | Position::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call may be made now; otherwise after how long to ask again.
    pub(crate) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.now();
        match state.position {
            Position::Closed => Ok(()),
            Position::Open { until } if now < until => Err(until - now),
            // A call that was let through and never came back does not keep the others out for ever.
            Position::HalfOpen { since } if now < since + OPEN => Err(Duration::from_secs(1)),
            Position::Open { .. } | Position::HalfOpen { .. } => {
                state.position = Position::HalfOpen { since: now };
                Ok(())
            }
        }
    }

    /// Notes how a call went. `draw` is a random number from 0 to 1.
    pub(crate) fn note(&self, failed: bool, now: Instant, draw: f64) {
        let mut state = self.now();
        let open = Position::Open {
            until: now + OPEN.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0)),
        };
        match state.position {
            Position::HalfOpen { .. } if failed => state.position = open,
            Position::HalfOpen { .. } => *state = State::default(),
            // A call from before: it says nothing about now.
            Position::Open { .. } => {}
            Position::Closed => {
                state.calls.push_back(failed);
                while state.calls.len() > WINDOW {
                    state.calls.pop_front();
                }
                let failures = state.calls.iter().filter(|failed| **failed).count();
                if state.calls.len() >= CALLS_MIN && failures * 2 >= state.calls.len() {
                    *state = State {
                        calls: VecDeque::new(),
                        position: open,
                    };
                }
            }
        }
    }

    fn now(&self) -> MutexGuard<'_, State> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An upstream behind a breaker.
pub(crate) struct Guarded {
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) counters: Arc<Counters>,
}

impl Guarded {
    fn admit(&self) -> Result<(), UpstreamError> {
        self.breaker.admit(Instant::now()).map_err(|wait| {
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
            self.breaker.note(failed, Instant::now(), draw());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(breaker: &Breaker, calls: &str, now: Instant) -> BreakerState {
        for call in calls.chars() {
            breaker.note(call == 'x', now, 1.0);
        }
        breaker.state(now)
    }

    #[test]
    fn opens_when_half_of_the_last_calls_failed() {
        use BreakerState::{Closed, Open};
        let now = Instant::now();
        for (calls, state) in [
            ("", Closed),
            ("xxxxxxxxx", Closed),
            ("xxxxxxxxxx", Open),
            ("x.x.x.x.x.", Open),
            ("x..x.x.x...", Closed),
            (".....................", Closed),
            ("....................xxxxxxxxx", Closed),
            ("....................xxxxxxxxxx", Open),
            // What is older than the window does not count.
            ("..........xxxxxxxxx...........xxxxxxxxx", Closed),
        ] {
            assert_eq!(noted(&Breaker::default(), calls, now), state, "{calls:?}");
        }
    }

    #[test]
    fn one_call_decides_after_a_while() {
        let start = Instant::now();
        let breaker = Breaker::default();
        assert_eq!(noted(&breaker, "xxxxxxxxxx", start), BreakerState::Open);
        assert_eq!(breaker.admit(start), Err(OPEN));
        let later = start + OPEN;
        assert_eq!(breaker.state(later), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(later), Ok(()));
        assert!(breaker.admit(later).is_err(), "only one");
        breaker.note(true, later, 0.0);
        assert_eq!(breaker.admit(later), Err(OPEN / 2));
        let again = later + OPEN;
        assert_eq!(breaker.admit(again), Ok(()));
        breaker.note(false, again, 0.0);
        assert_eq!(breaker.state(again), BreakerState::Closed);
        // It starts over: what was before counts for nothing.
        assert_eq!(noted(&breaker, "xxxxxxxxx", again), BreakerState::Closed);
    }

    #[test]
    fn a_call_that_never_comes_back_is_not_waited_for_for_ever() {
        let start = Instant::now();
        let breaker = Breaker::default();
        noted(&breaker, "xxxxxxxxxx", start);
        assert_eq!(breaker.admit(start + OPEN), Ok(()));
        assert_eq!(breaker.admit(start + OPEN * 2), Ok(()));
    }
}
