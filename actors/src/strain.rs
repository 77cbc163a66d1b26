//! Whether the thread of the actors keeps up (faults.md F58).
//!
//! Everything that decides runs on one thread. When it is late by seconds, what it knows of the world is old: nothing
//! opens then. What shuts is never held up by this.

use crate::shell::Shell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is measured.
const EVERY: Duration = Duration::from_millis(250);
/// Later than this is told in the log.
const LATE: Duration = Duration::from_millis(250);
/// Later than this, nothing opens.
const TOO_LATE: Duration = Duration::from_secs(5);
/// How long it must keep up before anything opens again.
const RECOVERY: Duration = Duration::from_secs(60);

/// Whether nothing may open because the thread of the actors does not keep up.
#[derive(Debug, Default)]
pub(crate) struct Strain(AtomicBool);

impl Strain {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, on: bool) {
        match (self.0.swap(on, Ordering::Relaxed), on) {
            (false, true) => {
                tracing::error!("the actors do not keep up: nothing opens until they do for a minute")
            }
            (true, false) => tracing::info!("the actors keep up again"),
            _ => {}
        }
    }
}

/// What a lag means for the next minute.
#[derive(Debug, Default)]
struct Watch {
    /// When it was last too late.
    last: Option<Instant>,
}

impl Watch {
    /// Whether nothing may open, when at `now` the thread was late by `lag`.
    fn judge(&mut self, lag: Duration, now: Instant) -> bool {
        if lag > TOO_LATE {
            self.last = Some(now);
        }
        self.last.is_some_and(|last| now < last + RECOVERY)
    }
}

/// Measures, on the thread that it is spawned on, until the process ends.
pub(crate) async fn measure(shell: Arc<Shell>) {
    let mut watch = Watch::default();
    loop {
        let due = Instant::now() + EVERY;
        tokio::time::sleep_until(due).await;
        let now = Instant::now();
        let lag = now.saturating_duration_since(due);
        shell.measures.others.lag.observe(lag.as_secs_f64());
        if lag > LATE {
            let milliseconds = lag.as_millis();
            tracing::warn!(milliseconds, "the thread of the actors is late");
        }
        shell.strain.set(watch.judge(lag, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f58_five_seconds_late_holds_for_a_minute() {
        let mut watch = Watch::default();
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        for (second, lag, on) in [
            (0, 0, false),
            (1, 4, false),
            (2, 6, true),
            (3, 0, true),
            (30, 7, true),
            (62, 0, true),
            (89, 0, true),
            (90, 0, false),
            (91, 5, false),
        ] {
            assert_eq!(
                watch.judge(Duration::from_secs(lag), at(second)),
                on,
                "second {second}"
            );
        }
    }
}
