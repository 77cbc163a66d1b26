//! What becomes of observations that were handed in.

use tokio::sync::oneshot;

/// Why observations were not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// As many wait as may.
    #[error("as many observations wait for the control plane as the node may keep")]
    Full,
    /// They could not be written.
    #[error("observations cannot be written to the node's folder")]
    Disk,
}

impl NotKept {
    /// The cause, as the label of `tidegate_node_lost_observations_total`.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Disk => "disk",
        }
    }
}

/// What becomes of observations that were handed in.
#[derive(Debug)]
pub(crate) struct Ticket(Option<oneshot::Receiver<bool>>);

impl Ticket {
    /// Of what is kept already, or what nobody waits for.
    pub(super) fn of_nothing() -> Self {
        Self(None)
    }

    /// Of what will be said to be written or not.
    pub(super) fn new(written: Option<oneshot::Receiver<bool>>) -> Self {
        Self(written)
    }

    /// Waits until they are written.
    ///
    /// # Errors
    /// When they could not be.
    pub(crate) async fn written(self) -> Result<(), NotKept> {
        match self.0 {
            None => Ok(()),
            Some(written) => match written.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(NotKept::Disk),
            },
        }
    }
}
