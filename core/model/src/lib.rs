//! The nouns of Tidegate and what is always true of them.
//!
//! Read top to bottom: names and quantities, then flags and what targets them, then policies and
//! rollouts, then the changes that everything is folded from.
//!
//! Nothing here can read a clock, a socket, a file or a random number: time and text are arguments.

mod schema;

pub mod invalid;
pub mod key;
pub mod share;
pub mod span;

pub mod condition;
pub mod context;
pub mod environment;
pub mod experiment;
pub mod flag;
pub mod segment;
pub mod snapshot;
pub mod units;

pub mod alert;
pub mod calendar;
pub mod evidence;
pub mod freeze;
pub mod gate;
pub mod notice;
pub mod policy;
pub mod rollout;
pub mod target;
pub mod verdict;

pub mod access;
pub mod basis;
pub mod because;
pub mod breaker;
pub mod catalog;
pub mod change;
pub mod fleet;
pub mod head;
pub mod observation;
pub mod request;

/// A point in time, always UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
