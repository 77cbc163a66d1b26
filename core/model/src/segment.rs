//! Reusable groups of contexts.

use crate::condition::Predicate;
use crate::invalid::{Invalid, Violation};
use crate::key::SegmentKey;
use serde::{Deserialize, Serialize};

/// A segment as it is written, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SegmentDefinition {
    /// Its name in the environment.
    pub key: SegmentKey,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Units that are in whatever the rest says, by targeting key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included: Vec<String>,
    /// Units that are out whatever the rest says, by targeting key; stronger than `included`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// Who else is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Predicate>,
}

/// A segment whose definition holds together on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "SegmentDefinition", into = "SegmentDefinition")]
#[schema(value_type = SegmentDefinition)]
pub struct Segment(SegmentDefinition);

impl Segment {
    /// A segment, if its definition holds together. Whether the segments it names exist is the
    /// catalogue's question.
    ///
    /// # Errors
    /// Everything that is wrong with the definition.
    pub fn new(definition: SegmentDefinition) -> Result<Self, Invalid> {
        let mut violations: Vec<Violation> = Vec::new();
        if definition.when.is_none() && definition.included.is_empty() {
            violations.push(Violation::new(
                "when",
                "",
                "a segment says who is in it",
                "give conditions under 'when', or units under 'included'",
            ));
        }
        if let Some(predicate) = &definition.when {
            violations.extend(
                predicate
                    .violations()
                    .into_iter()
                    .map(|violation| violation.inside("when")),
            );
        }
        Invalid::unless_empty(violations, Self(definition))
    }

    /// What it says.
    pub fn definition(&self) -> &SegmentDefinition {
        &self.0
    }

    /// Its name.
    pub fn key(&self) -> &SegmentKey {
        &self.0.key
    }
}

impl TryFrom<SegmentDefinition> for Segment {
    type Error = Invalid;
    fn try_from(definition: SegmentDefinition) -> Result<Self, Invalid> {
        Self::new(definition)
    }
}

impl From<Segment> for SegmentDefinition {
    fn from(segment: Segment) -> Self {
        segment.0
    }
}
