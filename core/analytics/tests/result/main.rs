//! Results of experiments: one verdict in every unit, honest looks, refusals instead of neutral numbers.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that has not what it needs fails"
)]
#![expect(
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "tables of cases, one number a line"
)]

mod decisions;
mod guardrails;
mod looks;
mod make;
mod numbers;
mod ranks;
mod refusals;
mod reports;
mod verdicts;
