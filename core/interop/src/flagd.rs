//! flagd's flag definition JSON (schema v0): our flags lowered to it, and its flags read.
//!
//! `docs/flagd.md` says row by row what becomes of a definition, and what cannot be said in flagd's
//! language at all. What is lowered means the same in the evaluators of npm, PyPI and crates.io,
//! which differ in more than their hashes: every expression here was chosen because all three agree
//! on it.

mod buckets;
mod condition;
mod experiment;
mod flag;
mod import;
mod logic;
mod lower;
mod segment;
mod source;
mod time;
mod version;

pub use import::{DOCUMENT_BYTES_MAX, Imported, Leniency, Remark, Unreadable, import};
pub use lower::{LeftOut, Lowered, TooLarge, lower};
pub use source::{cannot_lower, cannot_lower_segment};

/// Largest configuration, in bytes: the gRPC clients of all languages refuse a longer message.
pub const CONFIGURATION_BYTES_MAX: usize = 4_194_304;
/// Largest expression of one flag, in bytes.
pub const FLAG_BYTES_MAX: usize = 1 << 20;
/// Most entries of one list. Clients look through lists one by one: 240,000 entries cost them up to
/// 60 ms an evaluation.
pub const LIST_MAX: usize = 5000;
/// Deepest nesting of one flag's expression, with everything it refers to in place. The evaluator in
/// Rust refuses a whole configuration that nests deeper than 127.
pub const DEPTH_MAX: usize = 110;
