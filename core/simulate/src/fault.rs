//! Why a simulation cannot go on.

use tidegate_decide::refusal::Refusal;
use tidegate_model::Timestamp;

/// Why a simulation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What was asked was refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A step answered with changes that no state can follow, or that are not its own: a mistake in
    /// Tidegate.
    #[error("a step that cannot be: {0}; this is a mistake in Tidegate, please report it")]
    Impossible(String),
    /// A step asks to be taken again at once, for ever: a mistake in Tidegate.
    #[error("at {at} the rollout never sleeps: {because}; this is a mistake in Tidegate, please report it")]
    Restless {
        /// When.
        at: Timestamp,
        /// What its newest step said.
        because: String,
    },
}
