//! Snapshot and context in, evaluation out. Cannot fail, takes no lock, allocates nothing.
//!
//! A snapshot is compiled once, a context is prepared once per snapshot, and then any number of flags
//! are evaluated by walking what was compiled: [`CompiledSnapshot::compile`],
//! [`CompiledSnapshot::prepare`], [`CompiledSnapshot::evaluate`].

mod attribute;
mod beginning;
pub mod bucket;
mod compile;
mod condition;
mod constant_set;
mod dealt;
mod decide;
mod evaluation;
mod experiment;
mod explain;
mod flag;
mod names;
mod number;
mod operator;
mod outcome;
mod part;
mod pattern;
mod predicate;
mod prepared;
mod segment;
mod snapshot;
mod timing;
mod typed;
mod user_agent;
mod vocabulary;

pub use compile::{PREREQUISITE_DEPTH_MAX, SEGMENT_DEPTH_MAX};
pub use dealt::{DIMENSION_BYTES_MAX, Dealt};
pub use evaluation::{ErrorCode, Evaluation, Lasting, Reason};
pub use explain::{Explanation, Finding, Membership, ScoredPart, Step};
pub use part::Part;
pub use prepared::{Filling, PreparedContext, Space};
pub use snapshot::CompiledSnapshot;
pub use typed::{NoValue, ValueType};
