//! Distributions: chances, their logarithms, and the values that have them.
//!
//! `sf` is the chance of more than `x`, `cdf` of at most `x`; `isf` and `ppf` invert them. `ln_` gives the
//! natural logarithm, which has its digits where the number itself underflows.
//!
//! Both tails have a relative accuracy of at least 1e-9 wherever the arguments have it: the smaller one is
//! computed, never one less the other. Parameters that no distribution has give NaN.

pub mod beta;
pub mod binomial;
pub mod chi_squared;
pub(crate) mod deviance;
pub mod fisher;
mod incomplete_beta;
mod incomplete_gamma;
pub mod noncentral_t;
pub mod normal;
pub mod poisson;
mod quadrature;
mod quantile;
pub mod student;
mod tails;
