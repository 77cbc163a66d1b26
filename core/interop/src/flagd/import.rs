//! flagd's flag definitions, read: what our definitions can say exactly is imported, the rest is named.

mod comparison;
mod condition;
mod document;
mod flag;
mod holds;
mod operand;
mod outcome;
mod place;
mod reader;
mod segment;
mod share;
mod version;
mod written;

pub use document::{DOCUMENT_BYTES_MAX, Unreadable, import};

use tidegate_model::environment::Bucketing;
use tidegate_model::flag::FlagDefinition;
use tidegate_model::invalid::Violation;
use tidegate_model::segment::SegmentDefinition;

/// What may be imported although it changes who gets what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leniency {
    /// Splits over keys that Tidegate does not hash, or by weights that are no thousandths of a per cent:
    /// shares stay what they are, but the units in them are other ones.
    pub deal_anew: bool,
}

/// What a document says in our words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// The flags that can be said, by key.
    pub flags: Vec<FlagDefinition>,
    /// The segments that they ask for, those first that others ask for.
    pub segments: Vec<SegmentDefinition>,
    /// What is different only for contexts that flagd's own evaluators do not agree about, and what was
    /// left out because nothing is evaluated by it.
    pub notes: Vec<Remark>,
    /// Why flags were not imported. A flag that is named here is not among `flags`.
    pub findings: Vec<Remark>,
    /// What the document says that its units are hashed by. Splits are the same in an environment with
    /// this bucketing.
    pub bucketing: Option<Bucketing>,
}

/// Something about one flag of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Which flag, as the document names it.
    pub flag: String,
    /// What about it. The field is a JSON pointer into the document (RFC 6901).
    pub what: Violation,
}
