//! Folds of observations: every measure, every cause of leaving out, any order, and a recomputation beside it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that has not what it needs fails"
)]
#![expect(clippy::too_many_lines, reason = "tables of cases, one a line")]

mod breakdowns;
mod causes;
mod long;
mod make;
mod measures;
mod orders;
mod ranks;
mod raw;
