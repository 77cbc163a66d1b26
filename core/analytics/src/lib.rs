//! Experiments from events to results.
//!
//! Events fold into a [`tidegate_model::experiment::tally::Tallies`] that is exact: sums of whole millionths in 128 bits, so that no order of
//! events and no way of merging gives another number, and a result never looks at a participant.

pub mod bandit;
pub mod decision;
pub mod findings;
pub mod fold;
pub mod foreign;
pub mod plan;
pub mod report;
pub mod result;
pub mod sufficient;
