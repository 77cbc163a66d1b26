//! The one hand on the clock.

use chrono::TimeDelta;
use std::time::{Duration, Instant};
use tidegate_model::Timestamp;

/// How often the wall clock is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A wall clock that moves by more than this between two looks was set.
const JUMP: TimeDelta = TimeDelta::seconds(1);

/// Tells the time. An actor asks once per message and hands the answer down.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// How far the wall clock has moved away from [`now`](Self::now): by how much it was set, forward or back, and how long
    /// the machine slept. Nothing is decided by it.
    fn offset(&self) -> TimeDelta {
        TimeDelta::zero()
    }
}

/// Tells how far the wall clock has moved away, until the process ends.
pub(crate) async fn watch(shell: std::sync::Arc<crate::shell::Shell>) {
    let mut before = TimeDelta::zero();
    loop {
        let offset = shell.clock.offset();
        shell.measures.others.clock_offset.set(offset.as_seconds_f64());
        if (offset - before).abs() > JUMP {
            let (jump, all) = ((offset - before).as_seconds_f64(), offset.as_seconds_f64());
            tracing::warn!(
                jump,
                since_start = all,
                "the wall clock was set, in seconds; time goes on here as if it had not"
            );
        }
        before = offset;
        tokio::time::sleep(EVERY).await;
    }
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
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.started_wall
            .checked_add_signed(elapsed)
            .unwrap_or(Timestamp::MAX_UTC)
    }

    fn offset(&self) -> TimeDelta {
        chrono::Utc::now() - self.now()
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
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.epoch
            .checked_add_signed(elapsed)
            .unwrap_or(Timestamp::MAX_UTC)
    }
}
