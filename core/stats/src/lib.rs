//! Statistics of rollouts and experiments: pure mathematics, no clock, no randomness, no domain.
//!
//! What cannot be computed is a [`Refusal`] with its reason, never a neutral number: no p of 1, no effect of 0.

pub mod bandit;
pub mod bayes;
pub mod burn_rate;
pub mod distribution;
mod evidence;
pub mod moments;
pub mod power;
mod quadrature;
pub mod rank;
mod refusal;
pub mod sequential;

pub use evidence::{Alternative, Counts, Goal, Interval, PValue};
pub use refusal::Refusal;
