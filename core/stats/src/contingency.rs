//! Tables of counts: is what happened independent of where it happened?
//!
//! The exact tests of one and two proportions, and the chi-squared tests of any number of arms and outcomes
//! (Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions, 3rd edition, chapters 2, 3, 9).

mod conditional;
mod exact;
mod table;

pub use conditional::{Shares, exact_interval};
pub use exact::{binomial_test, fisher_exact};
pub use table::{TableTest, chi_squared, g_test, yates};
