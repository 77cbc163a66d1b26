//! Two samples compared by ranks: for values whose distribution nobody knows, with outliers that a mean
//! would follow.
//!
//! [`mann_whitney`] tests, [`superiority`] and Cliff's delta say how often the treatment is larger,
//! [`hodges_lehmann`] says by how much, and [`kolmogorov_smirnov`] sees differences of any shape, spread
//! too. All treat ties as they are. The source is Hollander, Wolfe, Chicken (2014), Nonparametric
//! Statistical Methods, chapters 4 and 5, where no other is named.

mod hodges_lehmann;
mod kolmogorov_smirnov;
mod mann_whitney;
mod pooled;
mod sums;
mod superiority;

pub use hodges_lehmann::{HodgesLehmann, hodges_lehmann};
pub use kolmogorov_smirnov::{KolmogorovSmirnov, kolmogorov_smirnov};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use pooled::Pooled;
pub use sums::RankSums;
pub use superiority::{Superiority, superiority};

/// How the distribution of a rank statistic is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Counted out while that is quick, else by the limit with its usual correction.
    Automatic,
    /// By counting all ways to divide the pooled values, ties as they are.
    Exact,
    /// By the distribution that it has in the limit of many values.
    Asymptotic {
        /// Whether half a unit is taken off a statistic that is a whole number.
        continuity: bool,
    },
}
