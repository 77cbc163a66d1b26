//! Distributions: chances, their logarithms, and the values that have them.
//!
//! `sf` is the chance of more than `x`, `cdf` of at most `x`; `isf` and `ppf` invert them. `ln_` gives the
//! natural logarithm, which has its digits where the number itself underflows.

pub mod beta;
pub mod binomial;
pub mod chi_squared;
pub mod fisher;
pub mod normal;
pub mod poisson;
pub mod student;
