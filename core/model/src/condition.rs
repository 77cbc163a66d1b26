//! What can be asked about a context: conditions, and their nesting into predicates.

pub mod circle;
pub mod moment;

mod network;
mod operator;
mod predicate;
mod question;
mod versions;

pub use operator::Operator;
pub use predicate::Predicate;
pub use question::Question;
pub use versions::VersionRange;

use crate::invalid::Violation;
use serde::Serialize;
use serde_json::Value;

/// Deepest nesting of `all`, `any` and `not`.
pub const PREDICATE_DEPTH_MAX: usize = 16;
/// Longest regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 4096;
/// Largest compiled regular expression, in bytes (faults.md F67).
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Most values of an `all_of`: which of them have been seen fits into one word.
pub const ALL_OF_MAX: usize = 64;
/// Longest name of an attribute, in bytes.
pub const ATTRIBUTE_BYTES_MAX: usize = 255;

/// One question about one attribute.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Attribute name; nested attributes are reached with dots, as in `location.country`.
    pub attribute: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with; what it has to be depends on the operator (docs/evaluation.md).
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

impl Condition {
    /// Checks the name of the attribute, and that the value suits the operator.
    ///
    /// # Errors
    /// A violation naming the operator and what it needs.
    pub fn check(&self) -> Result<(), Violation> {
        let asked = match self.operator {
            Operator::WithinDistance => circle::longitude_of(&self.attribute).len(),
            _ => self.attribute.len(),
        };
        if self.attribute.is_empty() || asked > ATTRIBUTE_BYTES_MAX {
            return Err(Violation::new(
                "attribute",
                &self.attribute,
                format!("an attribute name has 1 to {ATTRIBUTE_BYTES_MAX} bytes"),
                "for example 'location.country'",
            ));
        }
        self.question().map(drop)
    }
}
