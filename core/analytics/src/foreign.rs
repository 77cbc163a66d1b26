//! Data that never went through Tidegate: tables with a row for each unit, and sums that somebody else made.
//!
//! [`Table`] takes the rows of a table one by one and keeps sums alone, so that a table may be larger than memory;
//! [`summary`] reads what others have summed up. Either gives an [`Analysis`]: a design, tallies, and what was taken
//! for granted on the way, in words. [`Analysis::judge`] then is the way of every other experiment.

mod analysis;
mod beside;
mod cell;
mod columns;
mod gathered;
mod metrics;
mod names;
mod percentiles;
mod question;
mod reading;
pub mod summary;
mod table;
mod units;

pub use analysis::{Analysis, Judged};
pub(crate) use beside::Layered;
pub use beside::{Beside, RateComparison, RateResult, RatedArm, Stratified, WithinStrata};
pub use question::{About, ColumnKind, Missing, Question, Schedule, Settings, Wanted};
pub use table::Table;
