//! Experiments: what a design has to be, the fold of their changes, the flags that they hold, and their numbers.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that has not what it needs fails"
)]

mod designs;
mod flags;
mod make;
mod states;
mod tallies;
