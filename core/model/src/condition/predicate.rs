//! Conditions and segments, nested.

use super::{Condition, Operator, PREDICATE_DEPTH_MAX};
use crate::invalid::Violation;
use crate::key::SegmentKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Conditions and segments, nested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PredicateText", into = "PredicateText")]
pub enum Predicate {
    /// Every one holds.
    All(Vec<Predicate>),
    /// At least one holds.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// The context is in the segment.
    Segment(SegmentKey),
    /// The condition holds.
    Condition(Condition),
}

impl Predicate {
    /// Everything wrong with it, each with its path inside the predicate.
    pub fn violations(&self) -> Vec<Violation> {
        self.violations_at_depth(0)
    }

    /// Every segment it names, in reading order.
    pub fn segments(&self) -> Vec<&SegmentKey> {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().flat_map(Self::segments).collect(),
            Self::Not(inner) => inner.segments(),
            Self::Segment(key) => vec![key],
            Self::Condition(_) => Vec::new(),
        }
    }

    fn violations_at_depth(&self, depth: usize) -> Vec<Violation> {
        if depth > PREDICATE_DEPTH_MAX {
            return vec![Violation::new(
                "",
                "",
                format!("conditions nest at most {PREDICATE_DEPTH_MAX} deep"),
                "move the inner part into a segment",
            )];
        }
        let list = |name: &str, inner: &[Self]| {
            if inner.is_empty() {
                return vec![Violation::new(
                    name,
                    "[]",
                    format!("'{name}' needs at least one entry"),
                    "add a condition",
                )];
            }
            let each = inner.iter().enumerate();
            each.flat_map(|(i, one)| {
                let path = format!("{name}[{i}]");
                one.violations_at_depth(depth + 1)
                    .into_iter()
                    .map(move |violation| violation.inside(&path))
            })
            .collect()
        };
        match self {
            Self::All(inner) => list("all", inner),
            Self::Any(inner) => list("any", inner),
            Self::Not(inner) => inner
                .violations_at_depth(depth + 1)
                .into_iter()
                .map(|violation| violation.inside("not"))
                .collect(),
            Self::Segment(_) => Vec::new(),
            Self::Condition(condition) => condition.check().err().into_iter().collect(),
        }
    }
}

/// The written form: exactly one of `all`, `any`, `not`, `segment`, or `attribute` with `operator`.
///
/// A struct of options instead of an untagged enum, because serde's "did not match any variant"
/// helps nobody.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PredicateText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    all: Option<Vec<Predicate>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    any: Option<Vec<Predicate>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    not: Option<Box<Predicate>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator: Option<Operator>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    value: Value,
}

crate::schema::written_as!(Predicate, PredicateText);

impl TryFrom<PredicateText> for Predicate {
    type Error = Violation;

    fn try_from(text: PredicateText) -> Result<Self, Violation> {
        let lonely = text.attribute.is_none() && text.operator.is_none() && text.value.is_null();
        match (text.all, text.any, text.not, text.segment, lonely) {
            (Some(all), None, None, None, true) => Ok(Self::All(all)),
            (None, Some(any), None, None, true) => Ok(Self::Any(any)),
            (None, None, Some(not), None, true) => Ok(Self::Not(not)),
            (None, None, None, Some(segment), true) => Ok(Self::Segment(segment)),
            (None, None, None, None, false) => match (text.attribute, text.operator) {
                (Some(attribute), Some(operator)) => Ok(Self::Condition(Condition {
                    attribute,
                    operator,
                    value: text.value,
                })),
                _ => Err(shape("a condition has both an 'attribute' and an 'operator'")),
            },
            _ => Err(shape(
                "exactly one of 'all', 'any', 'not', 'segment' or 'attribute' is given",
            )),
        }
    }
}

fn shape(rule: &str) -> Violation {
    Violation::new(
        "when",
        "",
        rule,
        r#"for example {"attribute": "country", "operator": "in", "value": ["FR"]}"#,
    )
}

impl From<Predicate> for PredicateText {
    fn from(predicate: Predicate) -> Self {
        let empty = Self {
            all: None,
            any: None,
            not: None,
            segment: None,
            attribute: None,
            operator: None,
            value: Value::Null,
        };
        match predicate {
            Predicate::All(all) => Self {
                all: Some(all),
                ..empty
            },
            Predicate::Any(any) => Self {
                any: Some(any),
                ..empty
            },
            Predicate::Not(not) => Self {
                not: Some(not),
                ..empty
            },
            Predicate::Segment(segment) => Self {
                segment: Some(segment),
                ..empty
            },
            Predicate::Condition(Condition {
                attribute,
                operator,
                value,
            }) => Self {
                attribute: Some(attribute),
                operator: Some(operator),
                value,
                ..empty
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Predicate, String> {
        let predicate: Predicate = serde_json::from_str(json).map_err(|error| error.to_string())?;
        match predicate.violations().first() {
            None => Ok(predicate),
            Some(violation) => Err(violation.to_string()),
        }
    }

    #[test]
    fn good_predicates_round_trip() {
        for json in [
            r#"{"attribute":"country","operator":"in","value":["FR","DE"]}"#,
            r#"{"all":[{"segment":"staff"},{"not":{"attribute":"beta","operator":"exists"}}]}"#,
            r#"{"any":[{"attribute":"age","operator":"greater_than","value":18}]}"#,
            r#"{"attribute":"email","operator":"regex","value":"@corp\\.com$"}"#,
        ] {
            let predicate = check(json).unwrap();
            assert_eq!(serde_json::to_string(&predicate).unwrap(), json);
        }
    }

    #[test]
    fn bad_predicates_say_what_is_wrong() {
        for (json, says) in [
            (r#"{"all":[],"any":[]}"#, "exactly one of"),
            (r#"{"all":[]}"#, "'all' needs at least one"),
            (r#"{"attribute":"x"}"#, "both an 'attribute' and an 'operator'"),
            (r#"{"attribute":"x","operator":"matches"}"#, "unknown variant"),
            (
                r#"{"attribute":"x","operator":"in","value":"FR"}"#,
                "needs a list",
            ),
            (
                r#"{"attribute":"x","operator":"less_than","value":"5"}"#,
                "needs a number",
            ),
            (
                r#"{"attribute":"x","operator":"exists","value":1}"#,
                "needs no value",
            ),
            (
                r#"{"attribute":"x","operator":"regex","value":"("}"#,
                "regular expression",
            ),
            (
                r#"{"any":[{"attribute":"","operator":"exists"}]}"#,
                "any[0].attribute",
            ),
            (r#"{"colour":"red"}"#, "unknown field `colour`"),
        ] {
            let error = check(json).unwrap_err();
            assert!(error.contains(says), "{json}: {error}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let mut json = r#"{"attribute":"x","operator":"exists"}"#.to_owned();
        for _ in 0..=PREDICATE_DEPTH_MAX {
            json = format!(r#"{{"not":{json}}}"#);
        }
        assert!(check(&json).unwrap_err().contains("nest at most"));
    }
}
