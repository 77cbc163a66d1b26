//! Why there is no number.

use std::fmt;

/// Why a method gives no number where any number would be dishonest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    /// An argument is not what the method takes.
    Invalid {
        /// The argument.
        field: &'static str,
        /// What was given.
        value: f64,
        /// What it must be, readable after "must".
        rule: &'static str,
    },
    /// There is too little of something.
    TooFew {
        /// What there is too little of, in the plural.
        what: &'static str,
        /// How many there are.
        have: f64,
        /// How many there must be at least.
        need: f64,
    },
    /// Nothing varies, so nothing can be told from chance.
    NoVariance,
    /// The baseline is zero, so nothing is relative to it.
    ZeroBaseline,
    /// The method has no answer for such data, for this reason.
    Undefined {
        /// Readable after "because".
        why: &'static str,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { field, value, rule } => write!(f, "{field} is {value} and must {rule}"),
            Self::TooFew { what, have, need } => {
                write!(f, "there are {have} {what}, and at least {need} are needed")
            }
            Self::NoVariance => f.write_str("nothing varies, so nothing can be told from chance"),
            Self::ZeroBaseline => f.write_str("the baseline is zero, so nothing is relative to it"),
            Self::Undefined { why } => write!(f, "there is no answer, because {why}"),
        }
    }
}

impl std::error::Error for Refusal {}
