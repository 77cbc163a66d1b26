//! The one hand on the clock.

use std::time::Instant;
use tidegate_model::Timestamp;

/// Tells the time. An actor asks once per message and hands the answer down.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, read once: from there on time is monotonic, so that a wall clock that
/// jumps neither fires a timer twice nor lets two stages pass (faults.md F37, F38).
#[derive(Debug)]
pub struct SystemClock {
    started_wall: Timestamp,
    started: Instant,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            started_wall: chrono::Utc::now(),
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = chrono::TimeDelta::from_std(self.started.elapsed()).unwrap_or(chrono::TimeDelta::MAX);
        self.started_wall
            .checked_add_signed(elapsed)
            .unwrap_or(Timestamp::MAX_UTC)
    }
}

/// A start plus tokio's clock: with tokio's time paused, timers and timestamps move together.
#[derive(Debug)]
pub struct TokioClock {
    epoch: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `epoch` now.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self {
            epoch,
            started: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = chrono::TimeDelta::from_std(self.started.elapsed()).unwrap_or(chrono::TimeDelta::MAX);
        self.epoch
            .checked_add_signed(elapsed)
            .unwrap_or(Timestamp::MAX_UTC)
    }
}
