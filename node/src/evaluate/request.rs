//! What a batch asks for.

use crate::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use tidegate_model::flag::FlagType;
use tidegate_model::invalid::Violation;

/// Most contexts in one batch.
const CONTEXTS_MAX: usize = 1000;

/// Most flags that one batch names.
const FLAGS_MAX: usize = 1000;

/// Most answers of a batch that names its flags.
const ANSWERS_MAX: usize = 50_000;

/// Most contexts of a batch that asks for all flags, and most answers of one that asks why.
const EXPENSIVE_MAX: usize = 100;

const EXAMPLE: &str = r#"for example {"contexts": [{"targetingKey": "user-1"}], "flags": ["new-checkout"]}"#;

/// A batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch<'b> {
    /// Whom to evaluate for. Read one by one, so that one that is wrong spoils no other.
    #[serde(borrow)]
    pub(super) contexts: Vec<&'b RawValue>,
    /// Which flags; all that the caller sees if left out.
    #[serde(borrow, default)]
    pub(super) flags: Option<Vec<Asked<'b>>>,
    /// Whether to say why.
    #[serde(default)]
    pub(super) explain: bool,
}

/// A flag that is asked for.
#[derive(Debug)]
pub(super) struct Asked<'b> {
    /// Its name.
    pub(super) key: Cow<'b, str>,
    /// The type that the caller can use; any if left out.
    pub(super) kind: Option<ValueKind>,
}

/// A flag as it is written: its name, or its name and type.
#[derive(Deserialize)]
#[serde(untagged)]
enum AskedText<'b> {
    Key(#[serde(borrow)] Cow<'b, str>),
    Typed(#[serde(borrow)] Typed<'b>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed<'b> {
    #[serde(borrow)]
    key: Cow<'b, str>,
    #[serde(rename = "type", default)]
    kind: Option<ValueKind>,
}

impl<'de: 'b, 'b> Deserialize<'de> for Asked<'b> {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = AskedText::deserialize(json).map_err(|_| {
            let rule =
                "a flag is its key, or an object of 'key' and 'type' (boolean, string, number or json)";
            serde::de::Error::custom(rule)
        })?;
        Ok(match text {
            AskedText::Key(key) => Self { key, kind: None },
            AskedText::Typed(Typed { key, kind }) => Self { key, kind },
        })
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ValueKind {
    Boolean,
    String,
    Number,
    Json,
}

impl ValueKind {
    /// The type of the values of such a flag.
    pub(super) fn of(flag: FlagType) -> Self {
        match flag {
            FlagType::Boolean | FlagType::Percentage => Self::Boolean,
            FlagType::String => Self::String,
            FlagType::Number => Self::Number,
            FlagType::Json => Self::Json,
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Number => "number",
            Self::Json => "json",
        })
    }
}

impl<'b> Batch<'b> {
    /// The batch that a body asks for.
    ///
    /// # Errors
    /// When it cannot be read, or asks for more than one request may.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, Problem> {
        let batch: Self = serde_json::from_slice(body).map_err(|error| {
            let detail = format!("the body cannot be read: {error}; {EXAMPLE}");
            Problem::new(Kind::MalformedBody, detail)
        })?;
        let violations = batch.violations();
        if violations.is_empty() {
            return Ok(batch);
        }
        let detail = "the batch asks for too much, or for nothing; nothing was evaluated";
        Err(Problem::new(Kind::Invalid, detail).with_violations(violations))
    }

    fn violations(&self) -> Vec<Violation> {
        let contexts = self.contexts.len();
        let flags = self.flags.as_ref().map(Vec::len);
        let mut found = Vec::new();
        let mut check = |field: &str, value: usize, most: usize, rule: &str| {
            if value > most {
                let rule = format!("{rule}: at most {most}");
                found.push(Violation::new(field, value, rule, "send several requests"));
            }
        };
        check("contexts", contexts, CONTEXTS_MAX, "contexts of a batch");
        check("flags", flags.unwrap_or_default(), FLAGS_MAX, "flags of a batch");
        let answers = contexts.saturating_mul(flags.unwrap_or(1));
        match (flags, self.explain) {
            (Some(_), false) => check("contexts", answers, ANSWERS_MAX, "answers (flags times contexts)"),
            (Some(_), true) => check("explain", answers, EXPENSIVE_MAX, "answers with explanation"),
            (None, false) => check(
                "contexts",
                contexts,
                EXPENSIVE_MAX,
                "contexts when all flags are asked for",
            ),
            (None, true) => check("explain", contexts, 1, "contexts when all flags are explained"),
        }
        if contexts == 0 || flags == Some(0) {
            let field = if contexts == 0 { "contexts" } else { "flags" };
            found.push(Violation::new(field, 0, "a batch asks for something", EXAMPLE));
        }
        found
    }
}
