//! Experiments: what a design has to be, the fold of their changes, the flags that they hold, and their numbers.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that has not what it needs fails"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases")]

mod bandits;
mod designs;
mod flags;
mod make;
mod states;
mod tallies;
