//! What the benchmarks share.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has to stop"
)]

pub mod load;
pub mod nodes;
pub mod plane;
pub mod process;
pub mod prometheus;
