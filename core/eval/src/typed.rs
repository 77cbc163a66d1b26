//! Values by type.

use crate::evaluation::Evaluation;
use crate::number::Number;
use serde_json::Value;
use std::fmt;

/// A type of values, as OpenFeature tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Float,
    /// An object or a list.
    Object,
}

/// Why an evaluation has no value of the type that was asked for. The caller uses its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// It has none at all; [`Evaluation::reason`] says why.
    #[error("the flag serves the caller's default")]
    Absent,
    /// It has one of another type.
    #[error("the value is {found}, not {wanted}")]
    Mismatch {
        /// What was asked for.
        wanted: ValueType,
        /// What there is.
        found: ValueType,
    },
}

impl ValueType {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Boolean,
            Value::String(_) => Self::String,
            Value::Number(number) if number.is_f64() => Self::Float,
            Value::Number(_) => Self::Integer,
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Object,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Boolean => "a boolean",
            Self::String => "a text",
            Self::Integer => "a whole number",
            Self::Float => "a number",
            Self::Object => "an object or list",
        })
    }
}

impl<'a> Evaluation<'a> {
    /// The value of a boolean or percentage flag.
    ///
    /// # Errors
    /// When there is no value, or one of another type.
    #[inline]
    pub fn boolean(&self) -> Result<bool, NoValue> {
        self.typed(ValueType::Boolean, Value::as_bool)
    }

    /// The value of a string flag.
    ///
    /// # Errors
    /// When there is no value, or one of another type.
    #[inline]
    pub fn string(&self) -> Result<&'a str, NoValue> {
        self.typed(ValueType::String, Value::as_str)
    }

    /// The value of a number flag that is whole and fits, `10.0` too.
    ///
    /// # Errors
    /// When there is no value, one of another type, or a number that is not whole or too large.
    pub fn integer(&self) -> Result<i64, NoValue> {
        self.typed(ValueType::Integer, |value| {
            match Number::of(value.as_number()?)? {
                Number::Whole(whole) => Some(whole),
                Number::Large(_) | Number::Float(_) => None,
            }
        })
    }

    /// The value of a number flag. Whole numbers beyond 2^53 become the nearest float.
    ///
    /// # Errors
    /// When there is no value, or one of another type.
    pub fn float(&self) -> Result<f64, NoValue> {
        self.typed(ValueType::Float, Value::as_f64)
    }

    /// The value of a json flag: an object or a list.
    ///
    /// # Errors
    /// When there is no value, or one of another type.
    pub fn object(&self) -> Result<&'a Value, NoValue> {
        self.typed(ValueType::Object, |value| {
            (value.is_object() || value.is_array()).then_some(value)
        })
    }

    #[inline]
    fn typed<T>(&self, wanted: ValueType, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T, NoValue> {
        let value = self.value().ok_or(NoValue::Absent)?;
        read(value).ok_or_else(|| NoValue::Mismatch {
            wanted,
            found: ValueType::of(value),
        })
    }
}
