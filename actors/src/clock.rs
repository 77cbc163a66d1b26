//! The one hand on the clock.

use tidegate_model::Timestamp;

/// Tells the time. An actor asks once per message and hands the answer down.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}
