//! Looks four times a second whether the control plane can be relied on to decide, and keeps what follows: when it only
//! serves is decided in [`tidegate_decide::serving`].

use crate::control::ControlError;
use crate::shell::Shell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tidegate_decide::serving::{self, Cause, Signs};
use tidegate_model::span::Span;
use tidegate_store::Proposal;
use tokio::time::Instant;

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// A thread of the actors that is later than this is told in the log (faults.md F58).
const LATE: Duration = Duration::from_millis(250);

/// Why the control plane only serves, and what others saw that may become a reason.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    causes: RwLock<Vec<Cause>>,
    failing: AtomicUsize,
    stuck: AtomicBool,
}

impl Serving {
    /// So many actors fail again and again, or are kept apart.
    pub(crate) fn note_failing(&self, actors: usize) {
        self.failing.store(actors, Ordering::Relaxed);
    }

    /// A commit got no answer in time.
    pub(crate) fn note_stuck(&self) {
        self.stuck.store(true, Ordering::Relaxed);
    }

    /// Why it only serves; empty while all is well.
    pub(crate) fn causes(&self) -> Vec<Cause> {
        let causes = self.causes.read().unwrap_or_else(PoisonError::into_inner);
        causes.clone()
    }

    /// Whether what opens, or edits, is taken.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        let causes = self.causes();
        match causes.is_empty() {
            true => Ok(()),
            false => Err(ControlError::ServesOnly { causes }),
        }
    }

    /// Whether this is taken.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check_proposal(&self, proposal: &Proposal) -> Result<(), ControlError> {
        let changes = proposal.writes.iter().flat_map(|write| &write.changes);
        match serving::is_taken(&proposal.by, changes) {
            true => Ok(()),
            false => self.check(),
        }
    }

    fn set(&self, shell: &Shell, causes: Vec<Cause>) {
        let before = {
            let mut now = self.causes.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *now, causes.clone())
        };
        for cause in Cause::ALL {
            let gauge = &shell.measures.others.serves_only;
            let on = causes.contains(&cause);
            gauge.with_label_values(&[cause.name()]).set(i64::from(on));
            match (before.contains(&cause), on) {
                (false, true) => tracing::error!(
                    "from now on it only serves: {cause}; nothing opens and nothing is edited until that has been over \
                     for {}",
                    serving::RECOVERY
                ),
                (true, false) => tracing::warn!(cause = cause.name(), "a reason to serve only is over"),
                _ => {}
            }
        }
    }
}

/// Looks, on the thread that it is spawned on, until the process ends.
pub(crate) async fn watch(shell: Arc<Shell>) {
    let mut decided = serving::Serving::default();
    loop {
        let due = Instant::now() + EVERY;
        tokio::time::sleep_until(due).await;
        let lag = Instant::now().saturating_duration_since(due);
        shell.measures.others.lag.observe(lag.as_secs_f64());
        if lag > LATE {
            let milliseconds = lag.as_millis();
            tracing::warn!(milliseconds, "the thread of the actors is late");
        }
        let stuck = shell.serving.stuck.swap(false, Ordering::Relaxed);
        let signs = Signs {
            failing: shell.serving.failing.load(Ordering::Relaxed),
            lag: Span::millis(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            stuck: stuck || shell.storage_failure.get().is_some(),
        };
        let causes = decided.look(&signs, shell.clock.now());
        shell.serving.set(&shell, causes);
    }
}
