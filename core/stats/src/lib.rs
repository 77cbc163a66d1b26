//! Statistics of rollouts and experiments: pure mathematics, no clock, no randomness, no domain.
//!
//! What cannot be computed is `None`, never a neutral number: no p of 1, no effect of 0.

pub mod burn_rate;
pub mod power;
pub mod rank;
pub mod sequential;
