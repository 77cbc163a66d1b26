//! Results of experiments: one verdict in every unit, honest looks, refusals instead of neutral numbers.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that has not what it needs fails"
)]

mod decisions;
mod guardrails;
mod looks;
mod make;
mod numbers;
mod refusals;
mod verdicts;
