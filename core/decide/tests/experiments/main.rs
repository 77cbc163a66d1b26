//! Experiments from their design to their end: what people want, what time and numbers make of them, and what always holds.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that has not what it needs fails"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod amending;
mod commanding;
mod grounds;
mod laws;
mod watching;
mod world;
