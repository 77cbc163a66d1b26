//! Proof of the statistics that anybody can repeat: reference vectors of other packages, and simulations.

pub mod check;
mod methods;
pub mod simulate;
