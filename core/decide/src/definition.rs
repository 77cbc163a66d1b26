//! Saving and deleting flags and segments.

use crate::refusal::Refusal;
use tidegate_model::catalog::Catalog;
use tidegate_model::change::Change;
use tidegate_model::flag::{FlagDefinition, FlagState};
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::SegmentDefinition;

/// The change that gives a flag this definition; `None` when it has it already.
///
/// # Errors
/// What is wrong with the definition, by itself or beside the others; or what a running rollout,
/// or the flag being archived, forbids.
pub fn save_flag(
    _catalog: &Catalog,
    _before: Option<&FlagState>,
    _definition: FlagDefinition,
) -> Result<Option<Change>, Refusal> {
    Err(Refusal::conflict("", ""))
}

/// The change that gives a segment this definition; `None` when it has it already.
///
/// # Errors
/// What is wrong with the definition, by itself or beside the others.
pub fn save_segment(_catalog: &Catalog, _definition: SegmentDefinition) -> Result<Option<Change>, Refusal> {
    Err(Refusal::conflict("", ""))
}

/// The change that removes a segment.
///
/// # Errors
/// Who still uses it.
pub fn delete_segment(_catalog: &Catalog, _key: &SegmentKey) -> Result<Change, Refusal> {
    Err(Refusal::conflict("", ""))
}
