//! How an attribute is compared.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Writes the enum, the list of all and the names from one table, so that they cannot disagree.
macro_rules! operators {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $name:literal,)+) => {
        /// How an attribute is compared. A missing attribute, and one of a type that the operator
        /// cannot compare, fails every operator but the negative ones: `not_equals`, `not_in`,
        /// `not_exists` (missing only), `none_of` and `not_in_network`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Operator {
            $($(#[doc = $meaning])+ #[serde(rename = $name)] $variant,)+
        }

        impl Operator {
            /// All operators, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The operator's name in definitions.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

operators! {
    /// Same JSON type and same value.
    Equals = "equals",
    /// Not `equals`.
    NotEquals = "not_equals",
    /// Both numbers, the attribute larger.
    GreaterThan = "greater_than",
    /// Both numbers, the attribute larger or the same.
    GreaterOrEqual = "greater_or_equal",
    /// Both numbers, the attribute smaller.
    LessThan = "less_than",
    /// Both numbers, the attribute smaller or the same.
    LessOrEqual = "less_or_equal",
    /// Between two bounds, both included: a number between numbers, or a moment between moments.
    Between = "between",
    /// The attribute is text that has the value inside it, or a list of which one element is the value.
    Contains = "contains",
    /// The attribute is text that starts with the value.
    StartsWith = "starts_with",
    /// The attribute is text that ends with the value.
    EndsWith = "ends_with",
    /// The attribute equals one of the listed values.
    In = "in",
    /// Not `in`.
    NotIn = "not_in",
    /// `equals` for texts, upper and lower case being the same.
    EqualsIgnoreCase = "equals_ignore_case",
    /// `contains`, upper and lower case being the same.
    ContainsIgnoreCase = "contains_ignore_case",
    /// `starts_with`, upper and lower case being the same.
    StartsWithIgnoreCase = "starts_with_ignore_case",
    /// `ends_with`, upper and lower case being the same.
    EndsWithIgnoreCase = "ends_with_ignore_case",
    /// `in` for texts, upper and lower case being the same.
    InIgnoreCase = "in_ignore_case",
    /// The attribute is a list of which at least one element equals one of the listed values.
    AnyOf = "any_of",
    /// The attribute is a list among whose elements is every one of the listed values.
    AllOf = "all_of",
    /// Not `any_of`.
    NoneOf = "none_of",
    /// The attribute is text in which the regular expression is found.
    Regex = "regex",
    /// The attribute is a version inside the range.
    Semver = "semver",
    /// The attribute is a moment before the value.
    Before = "before",
    /// The attribute is a moment after the value.
    After = "after",
    /// The attribute is a moment, not later than the evaluation and at most the span before it.
    WithinLast = "within_last",
    /// The attribute is a moment, not earlier than the evaluation and at most the span after it.
    WithinNext = "within_next",
    /// The attribute is a moment more than the span before the evaluation.
    OlderThan = "older_than",
    /// The attribute is an IP address in one of the networks.
    InNetwork = "in_network",
    /// Not `in_network`.
    NotInNetwork = "not_in_network",
    /// The place whose `latitude` and `longitude` lie below the attribute is inside the circle.
    WithinDistance = "within_distance",
    /// The attribute is present and not null.
    Exists = "exists",
    /// Not `exists`.
    NotExists = "not_exists",
}

impl Operator {
    /// Whether it holds exactly when another operator fails, and so for missing attributes too.
    #[inline]
    pub fn is_negative(self) -> bool {
        matches!(
            self,
            Self::NotEquals | Self::NotIn | Self::NoneOf | Self::NotInNetwork | Self::NotExists
        )
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_written() {
        for operator in Operator::ALL {
            assert_eq!(serde_json::to_value(operator).unwrap(), operator.name());
        }
    }
}
