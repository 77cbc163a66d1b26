//! What a context says about one attribute.

use crate::beginning::first_bytes;
use crate::number::Number;
use crate::user_agent::Short;
use crate::vocabulary::Constant;
use serde_json::{Map, Value};

/// The context's value of one attribute of the vocabulary: 32 bytes, two to a cache line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute<'c> {
    /// The value.
    pub(crate) seen: Seen<'c>,
    /// Which constant of the attribute it equals.
    pub(crate) constant: Constant,
    /// The first bytes of the text, if it is one, for [`Beginning`](crate::beginning::Beginning).
    pub(crate) start: u32,
}

/// A context's value of an attribute. Texts and lists stay where the context has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen<'c> {
    /// Not there, or null.
    Missing,
    Boolean(bool),
    Number(Number),
    Text(&'c str),
    /// A text that the context does not have in this form: a version made out of a user agent.
    Short(Short),
    List(&'c [Value]),
    Object(&'c Map<String, Value>),
}

impl Attribute<'_> {
    /// What a context does not have.
    pub(crate) const MISSING: Attribute<'static> = Attribute {
        seen: Seen::Missing,
        constant: Constant::OTHER,
        start: 0,
    };
}

impl<'c> Attribute<'c> {
    /// This value, which equals this constant.
    #[inline]
    pub(crate) fn new(seen: Seen<'c>, constant: Constant) -> Self {
        Self {
            seen,
            constant,
            start: seen.text().map_or(0, first_bytes),
        }
    }
}

impl<'c> Seen<'c> {
    /// What a JSON value says.
    pub(crate) fn of(value: &'c Value) -> Self {
        match value {
            Value::Bool(truth) => Self::Boolean(*truth),
            Value::Number(number) => Number::of(number).map_or(Self::Missing, Self::Number),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list),
            Value::Object(object) => Self::Object(object),
            Value::Null => Self::Missing,
        }
    }

    /// As JSON, for explanations; `None` when there is nothing.
    pub(crate) fn to_json(self) -> Option<Value> {
        match self {
            Self::Missing => None,
            Self::Boolean(truth) => Some(truth.into()),
            Self::Number(number) => Some(number.to_json()),
            Self::Text(text) => Some(text.into()),
            Self::Short(short) => Some(short.as_str().into()),
            Self::List(list) => Some(list.into()),
            Self::Object(object) => Some(object.clone().into()),
        }
    }

    /// The text, if it is one.
    #[inline]
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Short(short) => Some(short.as_str()),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[inline]
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether there is a value at all.
    #[inline]
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn two_attributes_fill_a_cache_line() {
        assert_eq!(size_of::<Attribute<'_>>(), 32);
    }

    #[test]
    fn a_value_is_told_as_it_was_given() {
        for value in [
            json!("a"),
            json!(-7),
            json!(u64::MAX),
            json!(0.5),
            json!(true),
            json!([1, "a"]),
            json!({"a": 1}),
        ] {
            assert_eq!(Seen::of(&value).to_json(), Some(value.clone()));
        }
        assert_eq!(Seen::of(&json!(null)).to_json(), None);
    }
}
