//! Windows: when a stage may open.

use tidegate_model::Timestamp;
use tidegate_model::policy::Window;

/// Whether a stage may open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Now.
    Open,
    /// Not now.
    Closed {
        /// When it may; `None` if not within the horizon that is searched.
        opens: Option<Timestamp>,
        /// The operator's words for the window that closes, if it is one.
        reason: String,
    },
}

/// Whether a stage may open at `now`.
pub fn opening(_windows: &[Window], _now: Timestamp) -> Opening {
    Opening::Open
}
