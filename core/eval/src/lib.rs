//! Snapshot and context in, evaluation out. Cannot fail, takes no lock, allocates nothing.

pub mod bucket;
mod evaluation;
mod snapshot;

pub use evaluation::{ErrorCode, Evaluation, Reason};
pub use snapshot::{CompiledSnapshot, PreparedContext};
