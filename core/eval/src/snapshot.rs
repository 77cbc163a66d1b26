//! A snapshot compiled for evaluation.

use crate::evaluation::{ErrorCode, Evaluation, Reason};
use tidegate_model::context::Context;
use tidegate_model::invalid::Invalid;
use tidegate_model::snapshot::{SnapshotContent, Version};

/// A snapshot compiled for evaluation. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct CompiledSnapshot {
    version: Version,
}

/// A context prepared for one compiled snapshot; evaluates any number of its flags.
#[derive(Debug)]
pub struct PreparedContext {}

impl CompiledSnapshot {
    /// Compiles a snapshot.
    ///
    /// # Errors
    /// What a node could choke on, with the flag or segment named.
    pub fn compile(_content: &SnapshotContent, version: Version) -> Result<Self, Invalid> {
        Ok(Self { version })
    }

    /// Where in the history it stands.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The flags' keys, sorted. Archived flags are left out.
    pub fn flag_keys(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Looks up the context's attributes once for any number of evaluations.
    pub fn prepare(&self, _context: &Context) -> PreparedContext {
        PreparedContext {}
    }

    /// The answer for one flag.
    pub fn evaluate<'a>(&'a self, _flag: &str, _context: &PreparedContext) -> Evaluation<'a> {
        Evaluation {
            value: None,
            json: None,
            variation: "",
            reason: Reason::Error(ErrorCode::FlagNotFound),
            version: self.version,
        }
    }
}
