//! Signs what the journal is, again and again: whoever keeps such a head elsewhere finds out later whether the past was
//! rewritten, cut or reordered.

use std::sync::Arc;
use std::time::Duration;
use tidegate_actors::control::{ControlError, ControlPlane};
use tidegate_model::head::SignedHead;
use tidegate_store::{EmbeddedStore, HeadFile, Tip};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether there is something to sign.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A head is signed after so many looks, if there is anything new.
const LOOKS_MAX: u32 = 60;

/// A head is signed at the next look after so many records. The store remembers four times as many.
const RECORDS_MAX: u64 = 1000;

/// Signs heads of a control plane's journal. Cheap to clone.
#[derive(Clone)]
pub(crate) struct HeadSigner {
    store: Arc<EmbeddedStore>,
    control: ControlPlane,
}

impl HeadSigner {
    /// Of this control plane, whose store this is.
    pub(crate) fn new(store: Arc<EmbeddedStore>, control: ControlPlane) -> Self {
        Self { store, control }
    }

    /// The head as it is now, without steps.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn now(&self) -> Result<SignedHead, ControlError> {
        self.sign(&self.store.tip())
    }

    fn sign(&self, tip: &Tip) -> Result<SignedHead, ControlError> {
        let epoch = tidegate_store::Store::epoch(self.store.as_ref());
        let head = tip.head(epoch, self.control.clock().now());
        self.control.sign_head(head)
    }

    /// Keeps a head every minute, or every thousand records, if there are new ones; and the last one when it is stopped.
    pub(crate) async fn run(self, mut file: HeadFile, mut stopped: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut signed, mut since) = (0, 0);
        loop {
            let stopping = tokio::select! {
                _at = looks.tick() => false,
                // The sender is gone only when the process is ending, which is a reason to stop too.
                _stopped = stopped.wait_for(|stopped| *stopped) => true,
            };
            since += 1;
            let new = self.store.tip().sequence.saturating_sub(signed);
            let due = new > 0 && (stopping || since >= LOOKS_MAX || new >= RECORDS_MAX);
            if due {
                let tip = self.store.take_tip();
                let sequence = tip.sequence;
                file = match self.keep(tip, file).await {
                    Some(file) => file,
                    None => return,
                };
                (signed, since) = (sequence, 0);
            }
            if stopping {
                return;
            }
        }
    }

    /// Signs and keeps one. Failing to is told, and tried again with the next: nothing else depends on it.
    async fn keep(&self, tip: Tip, mut file: HeadFile) -> Option<HeadFile> {
        let signed = match self.sign(&tip) {
            Ok(signed) => signed,
            Err(error) => {
                tracing::error!(%error, "the head of the journal cannot be signed");
                return Some(file);
            }
        };
        let kept = tokio::task::spawn_blocking(move || {
            let kept = file.append(&signed);
            (kept, file)
        });
        match kept.await {
            Ok((kept, file)) => {
                if let Err(error) = kept {
                    tracing::error!(%error, "the signed head of the journal is not kept");
                }
                Some(file)
            }
            Err(panic) => {
                tracing::error!(%panic, "heads of the journal are not kept any more");
                None
            }
        }
    }
}
