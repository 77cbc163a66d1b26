//! The thread that writes.

use super::line::{Line, NotWritten};
use super::{Entry, Shared, State};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::oneshot;

/// What nobody waits for is written when so many observations are there.
pub(super) const OBSERVATIONS_AT_ONCE: usize = 1_000;

/// Or when the first of them has waited so long.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// What is to be written together.
struct Load {
    entries: Vec<Entry>,
    observations: usize,
    bytes: u64,
    ends: Vec<oneshot::Sender<bool>>,
}

impl State {
    fn is_due(&self) -> bool {
        self.urgent
            || self.closing
            || !self.ends.is_empty()
            || self.pending_observations >= OBSERVATIONS_AT_ONCE
    }

    fn unload(&mut self) -> Load {
        self.urgent = false;
        self.since = None;
        Load {
            entries: std::mem::take(&mut self.pending),
            observations: std::mem::take(&mut self.pending_observations),
            // Counted as pending until they are counted as kept.
            bytes: self.pending_bytes,
            ends: std::mem::take(&mut self.ends),
        }
    }
}

impl Shared {
    /// Writes what comes until the line is closed.
    pub(super) fn write_all(&self, mut line: Line) {
        while let Some(load) = self.next() {
            let frames = load.entries.iter().filter_map(|entry| entry.frame.as_ref());
            let outcome = match frames.clone().next().is_none() && load.ends.is_empty() {
                true => Ok(None),
                false => line.write(frames, !load.ends.is_empty()).map(Some),
            };
            let mut state = self.lock();
            state.pending_bytes = state.pending_bytes.saturating_sub(load.bytes);
            match outcome {
                Ok(written) => {
                    if let Some(written) = written {
                        self.note(&mut state, written);
                    }
                    drop(state);
                    load.answer(true);
                }
                Err(failed) => {
                    let after = self.fail(&mut state, &failed);
                    // Before anybody hears of it.
                    (self.on_loss)(load.observations + after.observations);
                    drop(state);
                    load.answer(false);
                    after.answer(false);
                }
            }
        }
    }

    /// Takes what was handed in after a write that failed: who was told that a unit was seen before shall not be told
    /// that all is well when what was seen is lost.
    fn fail(&self, state: &mut State, failed: &NotWritten) -> Load {
        state.broken |= failed.torn;
        state.failures += 1;
        if state.failures.is_power_of_two() {
            tracing::error!(
                error = &failed.error as &dyn std::error::Error,
                times = state.failures,
                torn = failed.torn,
                "observations cannot be written; units are left out of experiments, evaluation goes on"
            );
        }
        let load = state.unload();
        state.pending_bytes = 0;
        load
    }

    /// What is to be written next; `None` when the line is closed and everything is written.
    fn next(&self) -> Option<Load> {
        let mut state = self.lock();
        loop {
            if state.is_due() {
                break;
            }
            let left = state
                .since
                .map(|since| LONGEST_WAIT.saturating_sub(since.elapsed()));
            state = match left {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => break,
                Some(left) => {
                    self.wake
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        let is_over = state.closing && state.pending.is_empty() && state.ends.is_empty();
        (!is_over).then(|| state.unload())
    }
}

impl Load {
    /// Tells those who wait.
    fn answer(self, written: bool) {
        let waiting = self.entries.into_iter().filter_map(|entry| entry.then);
        for one in waiting.chain(self.ends) {
            // Who gave up waiting does not need to hear it.
            let _ = one.send(written);
        }
    }
}
