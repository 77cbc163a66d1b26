//! What can be asked about a context: conditions, and their nesting into predicates.

use crate::invalid::Violation;
use crate::key::SegmentKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Deepest nesting of `all`, `any` and `not`.
pub const PREDICATE_DEPTH_MAX: usize = 16;
/// Longest regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 4096;
/// Largest compiled regular expression, in bytes (faults.md F67).
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;

/// How an attribute is compared. A missing attribute fails every operator but `not_exists`,
/// `not_equals` and `not_in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Same JSON type and same value.
    Equals,
    /// Not `equals`.
    NotEquals,
    /// Both numbers, the attribute larger.
    GreaterThan,
    /// Both numbers, the attribute smaller.
    LessThan,
    /// The attribute is text that has the value inside it.
    Contains,
    /// The attribute is text that starts with the value.
    StartsWith,
    /// The attribute is text that ends with the value.
    EndsWith,
    /// The attribute equals one of the listed values.
    In,
    /// Not `in`.
    NotIn,
    /// The attribute is text in which the regular expression is found.
    Regex,
    /// The attribute is present and not null.
    Exists,
    /// Not `exists`.
    NotExists,
}

impl Operator {
    /// All operators, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Equals,
        Self::NotEquals,
        Self::GreaterThan,
        Self::LessThan,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::In,
        Self::NotIn,
        Self::Regex,
        Self::Exists,
        Self::NotExists,
    ];

    /// The operator's name in definitions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "not_equals",
            Self::GreaterThan => "greater_than",
            Self::LessThan => "less_than",
            Self::Contains => "contains",
            Self::StartsWith => "starts_with",
            Self::EndsWith => "ends_with",
            Self::In => "in",
            Self::NotIn => "not_in",
            Self::Regex => "regex",
            Self::Exists => "exists",
            Self::NotExists => "not_exists",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One question about one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Attribute name; nested attributes are reached with dots, as in `location.country`.
    pub attribute: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with; left out for `exists` and `not_exists`, a list for `in` and `not_in`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

impl Condition {
    /// Checks that the value suits the operator.
    ///
    /// # Errors
    /// A violation naming the operator and what it needs.
    pub fn check(&self) -> Result<(), Violation> {
        if self.attribute.is_empty() || self.attribute.len() > 255 {
            return Err(Violation::new(
                "attribute",
                &self.attribute,
                "an attribute name has 1 to 255 bytes",
                "for example 'location.country'",
            ));
        }
        let needs = match self.operator {
            Operator::Exists | Operator::NotExists => (self.value.is_null(), "no value"),
            Operator::In | Operator::NotIn => (
                self.value
                    .as_array()
                    .is_some_and(|list| !list.is_empty() && list.iter().all(is_scalar)),
                "a list of at least one text, number or boolean",
            ),
            Operator::GreaterThan | Operator::LessThan => (self.value.is_number(), "a number"),
            Operator::Equals | Operator::NotEquals => (is_scalar(&self.value), "a text, number or boolean"),
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => (
                self.value.as_str().is_some_and(|text| !text.is_empty()),
                "a text of at least one character",
            ),
            Operator::Regex => return self.compile_regex().map(drop),
        };
        match needs {
            (true, _) => Ok(()),
            (false, what) => Err(Violation::new(
                "value",
                &self.value,
                format!("the operator '{}' needs {what}", self.operator),
                "change the value or the operator",
            )),
        }
    }

    /// The compiled pattern of a `regex` condition. Linear in time, bounded in size.
    ///
    /// # Errors
    /// When the value is not a text, or not a regular expression within the limits.
    pub fn compile_regex(&self) -> Result<regex::Regex, Violation> {
        let violation = |rule: String| {
            Violation::new(
                "value",
                &self.value,
                rule,
                "see the syntax of the Rust regex crate, for example '^v[0-9]+$'",
            )
        };
        let pattern = self
            .value
            .as_str()
            .filter(|text| !text.is_empty() && text.len() <= REGEX_BYTES_MAX)
            .ok_or_else(|| {
                violation(format!(
                    "the operator 'regex' needs a text of 1 to {REGEX_BYTES_MAX} bytes"
                ))
            })?;
        regex::RegexBuilder::new(pattern)
            .size_limit(REGEX_COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| violation(format!("not a usable regular expression: {error}")))
    }
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

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
