//! Reusable groups of contexts.

use crate::condition::Predicate;
use crate::invalid::{Invalid, Violation};
use crate::key::SegmentKey;
use crate::snapshot::Digest;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;

mod score;
mod staged;

pub use score::{Points, Score, ScorePart};
pub use staged::{AFTER, BEFORE, GUARD_PREFIX, SegmentState, StagedSegment, guard, guarded_by};

/// Whether anybody is in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentStatus {
    /// Its definition says who.
    #[default]
    Active,
    /// Nobody yet: it is still being written.
    Draft,
    /// Nobody any more.
    Inactive,
}

/// A segment as it is written, not yet checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SegmentDefinition {
    /// Its name in the environment.
    pub key: SegmentKey,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether anybody is in.
    #[serde(default)]
    pub status: SegmentStatus,
    /// Units that are in whatever the rest says, by targeting key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included: Vec<String>,
    /// Units that are out whatever the rest says, by targeting key; stronger than `included`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// Who else is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Predicate>,
    /// Who else is in, by what speaks for and against them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Who else is in, by targeting key: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<UnitList>,
}

/// A list of units that is too long to stand in the definition, and kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnitList {
    /// SHA-256 of the list's bytes, by which it is found.
    pub digest: Digest,
    /// How many units are on it.
    pub count: u64,
}

impl SegmentDefinition {
    /// A segment that says nothing but its name yet.
    pub fn new(key: SegmentKey) -> Self {
        Self {
            key,
            description: String::new(),
            status: SegmentStatus::Active,
            included: Vec::new(),
            excluded: Vec::new(),
            when: None,
            score: None,
            list: None,
        }
    }
}

/// A segment whose definition holds together on its own.
/// A clone shares the definition.
#[derive(Debug, Clone, PartialEq, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "SegmentDefinition")]
#[schema(value_type = SegmentDefinition)]
pub struct Segment(Arc<SegmentDefinition>);

impl Segment {
    /// A segment, if its definition holds together. Whether the segments it names exist is the
    /// catalogue's question.
    ///
    /// # Errors
    /// Everything that is wrong with the definition.
    pub fn new(definition: SegmentDefinition) -> Result<Self, Invalid> {
        let mut violations: Vec<Violation> = Vec::new();
        let says_who = definition.when.is_some()
            || definition.score.is_some()
            || definition.list.is_some()
            || !definition.included.is_empty();
        if !says_who {
            violations.push(Violation::new(
                "when",
                "",
                "a segment says who is in it",
                "give conditions under 'when', a 'score', units under 'included', or import a list",
            ));
        }
        if let Some(predicate) = &definition.when {
            let inside = predicate.violations().into_iter();
            violations.extend(inside.map(|violation| violation.inside("when")));
        }
        if let Some(score) = &definition.score {
            let inside = score.violations().into_iter();
            violations.extend(inside.map(|violation| violation.inside("score")));
        }
        Invalid::unless_empty(violations, Self(Arc::new(definition)))
    }

    /// What it says.
    pub fn definition(&self) -> &SegmentDefinition {
        &self.0
    }

    /// Its name.
    pub fn key(&self) -> &SegmentKey {
        &self.0.key
    }

    /// Every segment it names, each with the field that does.
    pub fn segments(&self) -> Vec<(String, &SegmentKey)> {
        let when = self.0.when.iter().map(|when| ("when".to_owned(), when));
        let parts = self.0.score.iter().flat_map(|score| (0..).zip(&score.parts));
        let parts = parts.map(|(i, part): (usize, _)| (format!("score.parts[{i}].when"), &part.when));
        when.chain(parts)
            .flat_map(|(field, when)| when.segments().into_iter().map(move |key| (field.clone(), key)))
            .collect()
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
        Arc::unwrap_or_clone(segment.0)
    }
}

impl Serialize for Segment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<String, String> {
        let segment: Segment = serde_json::from_str(json).map_err(|error| error.to_string())?;
        serde_json::to_string(&segment).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_is_what_is_written() {
        let digest = "0123456789abcdef".repeat(4);
        for json in [
            r#"{"key":"s","status":"active","included":["u1"]}"#.to_owned(),
            r#"{"key":"s","status":"draft","when":{"segment":"other"}}"#.to_owned(),
            r#"{"key":"s","status":"inactive","score":{"parts":[{"when":{"attribute":"x","operator":"exists"},"weight":2.5},{"when":{"segment":"o"},"weight":-1}],"atLeast":1.5}}"#.to_owned(),
            format!(r#"{{"key":"s","status":"active","list":{{"digest":"{digest}","count":3}}}}"#),
        ] {
            assert_eq!(check(&json).unwrap(), json);
        }
    }

    #[test]
    fn everything_wrong_is_named() {
        let part = r#"{"when":{"attribute":"x","operator":"exists"},"weight":2}"#;
        for (json, says) in [
            (r#"{"key":"s"}"#.to_owned(), "a segment says who is in it"),
            (
                r#"{"key":"s","status":"new","included":["a"]}"#.to_owned(),
                "unknown variant `new`",
            ),
            (
                r#"{"key":"s","score":{"parts":[],"atLeast":1}}"#.to_owned(),
                "score.parts: a score has 1 to 1000 parts",
            ),
            (
                format!(r#"{{"key":"s","score":{{"parts":[{part}],"atLeast":3}}}}"#),
                "score.atLeast: scores of these parts lie between 0 and 2, so that nobody is in",
            ),
            (
                format!(r#"{{"key":"s","score":{{"parts":[{part}],"atLeast":0}}}}"#),
                "so that everybody is in",
            ),
            (
                r#"{"key":"s","score":{"parts":[{"when":{"any":[]},"weight":1}],"atLeast":1}}"#.to_owned(),
                "score.parts[0].when.any",
            ),
            (
                r#"{"key":"s","score":{"parts":[{"when":{"segment":"o"},"weight":0.0000001}],"atLeast":1}}"#
                    .to_owned(),
                "exact to a millionth",
            ),
            (
                r#"{"key":"s","list":{"digest":"../../secret","count":1}}"#.to_owned(),
                "a digest has 64 digits",
            ),
        ] {
            let error = check(&json).unwrap_err();
            assert!(error.contains(says), "{json}\nmissing {says:?} in {error}");
        }
    }
}
