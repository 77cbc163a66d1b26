//! What the journal tells of rollouts.
//!
//! Each decision of a rollout is stored with what it rests on: [`ledger`] writes that down, and a [`thread`] reads it
//! again, record by record. [`replay`] takes every decision anew and says whether it comes out the same.

pub mod cause;
pub mod chronicle;
pub mod ledger;
mod patch;
pub mod replay;
pub mod report;
pub mod thread;
