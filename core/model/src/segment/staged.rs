//! Edits of segments that open step by step.
//!
//! An edit that is staged is guarded by a boolean flag of its own: units that the flag's rollout gives `after` are in
//! the segment by the staged definition, all others by the present one. So everything that guards a flag guards a
//! segment.

use super::{Segment, SegmentDefinition};
use crate::flag::{Flag, FlagDefinition, FlagStatus, FlagType, Serve, Variation, Visibility};
use crate::invalid::Invalid;
use crate::key::{FlagKey, PolicyName, RolloutId, SegmentKey, VariationKey};
use serde::{Deserialize, Serialize};

/// How the keys of guarding flags begin. No other flag has such a key.
pub const GUARD_PREFIX: &str = "segment.";

/// The variation of a guarding flag for whom the staged definition holds.
pub const AFTER: &str = "after";

/// The variation of a guarding flag for whom the present definition holds.
pub const BEFORE: &str = "before";

/// An edit of a segment that is being opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StagedSegment {
    /// What the segment says for those who have the edit.
    #[schema(value_type = SegmentDefinition)]
    pub definition: Segment,
    /// The flag whose rollout says who has it.
    pub guard: FlagKey,
    /// That rollout.
    pub rollout: RolloutId,
    /// The policy that it was started by.
    pub policy: PolicyName,
}

/// A segment as the control plane keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentState {
    /// What it says.
    pub segment: Segment,
    /// An edit of it that is being opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Box<StagedSegment>>,
}

impl From<Segment> for SegmentState {
    fn from(segment: Segment) -> Self {
        Self {
            segment,
            staged: None,
        }
    }
}

impl SegmentState {
    /// Everything that it says: the present definition, and the staged one.
    pub fn definitions(&self) -> impl Iterator<Item = &SegmentDefinition> {
        let staged = self.staged.iter().map(|staged| staged.definition.definition());
        std::iter::once(self.segment.definition()).chain(staged)
    }
}

/// The segment that a flag of this key guards; `None` for all other flags.
pub fn guarded_by(flag: &FlagKey) -> Option<&str> {
    flag.as_str().strip_prefix(GUARD_PREFIX)
}

/// The flag that guards edits of a segment, while nobody has them.
///
/// # Errors
/// When the segment's key is so long that the flag's would be too long.
pub fn guard(segment: &SegmentKey) -> Result<Flag, Invalid> {
    let variation = |key: &str, value: bool| {
        Ok::<_, Invalid>(Variation {
            key: VariationKey::new(key)?,
            value: value.into(),
            description: String::new(),
        })
    };
    let before = VariationKey::new(BEFORE)?;
    Flag::new(FlagDefinition {
        key: FlagKey::new(&format!("{GUARD_PREFIX}{segment}"))?,
        description: format!("Guards edits of segment {segment} that open step by step."),
        kind: FlagType::Boolean,
        number_format: None,
        status: FlagStatus::Active,
        visibility: Visibility::Server,
        variations: vec![variation(BEFORE, false)?, variation(AFTER, true)?],
        off: Some(before.clone()),
        percentage: None,
        prerequisites: Vec::new(),
        individuals: Vec::new(),
        rules: Vec::new(),
        experiment: None,
        fallback: Some(Serve::Variation(before)),
        unit: None,
        salt: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_serves_nobody_the_edit_by_itself() {
        let guard = guard(&SegmentKey::new("beta-users").unwrap()).unwrap();
        assert_eq!(guarded_by(guard.key()), Some("beta-users"));
        assert_eq!(guarded_by(&FlagKey::new("segments").unwrap()), None);
        let before = VariationKey::new(BEFORE).unwrap();
        assert_eq!(guard.fallback(), Some(&Serve::Variation(before)));
        assert!(super::guard(&SegmentKey::new(&"s".repeat(255)).unwrap()).is_err());
    }
}
