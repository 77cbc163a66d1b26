//! A breaker: stops asking somebody who mostly fails, and finds out when they work again.
//!
//! Over the last calls, closed: every call is made. Once half of them failed, open: none is, so that whoever
//! struggles is left alone. After a while half-open: one is made, and decides.

use crate::fleet::BreakerState;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many calls are remembered.
const WINDOW: usize = 20;

/// Fewer calls than this prove nothing.
const CALLS_MIN: usize = 10;

/// A breaker.
#[derive(Debug)]
pub struct Breaker {
    /// How long it stays open at most.
    open: Duration,
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
    /// A closed one. Once open, it stays so for half of this time to the whole of it, drawn anew each time.
    pub fn new(open: Duration) -> Self {
        Self {
            open,
            calls: VecDeque::new(),
            position: Position::Closed,
        }
    }

    /// Where it stands.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.position {
            Position::Closed => BreakerState::Closed,
            Position::Open { until } if now < until => BreakerState::Open,
            Position::Open { .. } | Position::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a call may be made now.
    ///
    /// # Errors
    /// After how long to ask again.
    pub fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        match self.position {
            Position::Closed => Ok(()),
            Position::Open { until } if now < until => Err(until - now),
            // A call that was let through and never came back does not keep the others out for ever.
            Position::HalfOpen { since } if now < since + self.open => Err(Duration::from_secs(1)),
            Position::Open { .. } | Position::HalfOpen { .. } => {
                self.position = Position::HalfOpen { since: now };
                Ok(())
            }
        }
    }

    /// Notes how a call went. `draw` is a random number from 0 to 1.
    pub fn note(&mut self, failed: bool, now: Instant, draw: f64) {
        let open = Position::Open {
            until: now + self.open.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0)),
        };
        match self.position {
            Position::HalfOpen { .. } if failed => self.position = open,
            Position::HalfOpen { .. } => *self = Self::new(self.open),
            // A call from before: it says nothing about now.
            Position::Open { .. } => {}
            Position::Closed => {
                self.calls.push_back(failed);
                while self.calls.len() > WINDOW {
                    self.calls.pop_front();
                }
                let failures = self.calls.iter().filter(|failed| **failed).count();
                if self.calls.len() >= CALLS_MIN && failures * 2 >= self.calls.len() {
                    self.calls.clear();
                    self.position = open;
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some moment to begin with")]
mod tests {
    use super::*;

    const OPEN: Duration = Duration::from_secs(30);

    fn noted(breaker: &mut Breaker, calls: &str, now: Instant) -> BreakerState {
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
            assert_eq!(noted(&mut Breaker::new(OPEN), calls, now), state, "{calls:?}");
        }
    }

    #[test]
    fn one_call_decides_after_a_while() {
        let start = Instant::now();
        let mut breaker = Breaker::new(OPEN);
        assert_eq!(noted(&mut breaker, "xxxxxxxxxx", start), BreakerState::Open);
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
        assert_eq!(noted(&mut breaker, "xxxxxxxxx", again), BreakerState::Closed);
    }

    #[test]
    fn a_call_that_never_comes_back_is_not_waited_for_for_ever() {
        let start = Instant::now();
        let mut breaker = Breaker::new(OPEN);
        noted(&mut breaker, "xxxxxxxxxx", start);
        assert_eq!(breaker.admit(start + OPEN), Ok(()));
        assert_eq!(breaker.admit(start + OPEN * 2), Ok(()));
    }
}
