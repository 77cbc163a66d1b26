//! Statistics of rollouts and experiments: pure mathematics, no clock, no randomness, no domain.
//!
//! What cannot be computed is a [`Refusal`] with its reason, never a neutral number: no p of 1, no effect of 0.

pub mod anova;
pub mod bandit;
pub mod bayes;
pub mod burn_rate;
pub mod contingency;
pub mod count_rate;
pub mod cuped;
pub mod distribution;
pub mod effect;
mod evidence;
pub mod group_sequential;
pub mod margin;
pub mod mean;
pub mod moments;
pub mod multiplicity;
pub mod power;
pub mod proportion;
mod quadrature;
pub mod quantile;
pub mod rank;
pub mod ratio;
mod refusal;
pub mod sample_ratio;
pub mod sample_size;
pub mod sequential;
pub mod strata;

pub use evidence::{Alternative, Counts, Goal, Interval, PValue};
pub use refusal::Refusal;
