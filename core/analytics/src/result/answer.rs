//! Numbers as a result holds them: each either there, or refused with a reason.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use tidegate_stats::{Interval, PValue, Refusal};

/// A number, or why there is none. As JSON it is the number itself, or `{"refused": {"kind": ..., "why": ...}}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<T> {
    /// Here it is.
    Given(T),
    /// Any number would be dishonest.
    Refused(Refusal),
}

impl<T> Answer<T> {
    /// What is given, if it is.
    pub const fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Refused(_) => None,
        }
    }

    /// Why nothing is given, if nothing is.
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Given(_) => None,
            Self::Refused(refusal) => Some(*refusal),
        }
    }

    /// The same with another form of what is given.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Given(value) => Answer::Given(change(value)),
            Self::Refused(refusal) => Answer::Refused(refusal),
        }
    }
}

impl<T> From<Result<T, Refusal>> for Answer<T> {
    fn from(result: Result<T, Refusal>) -> Self {
        match result {
            Ok(value) => Self::Given(value),
            Err(refusal) => Self::Refused(refusal),
        }
    }
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given(value) => value.serialize(serializer),
            Self::Refused(refusal) => {
                let mut whole = serializer.serialize_struct("Refused", 1)?;
                whole.serialize_field("refused", &Reason(refusal))?;
                whole.end()
            }
        }
    }
}

struct Reason<'a>(&'a Refusal);

impl Serialize for Reason<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_struct("Reason", 2)?;
        reason.serialize_field("kind", refusal_kind(self.0))?;
        reason.serialize_field("why", &self.0.to_string())?;
        reason.end()
    }
}

/// One word for a refusal, which programs may compare.
pub const fn refusal_kind(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Invalid { .. } => "invalid",
        Refusal::TooFew { .. } => "too_few",
        Refusal::NoVariance => "no_variance",
        Refusal::ZeroBaseline => "zero_baseline",
        Refusal::Undefined { .. } => "undefined",
    }
}

/// The values that the data do not speak against. An end that is open is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// The lower end.
    pub lower: Option<f64>,
    /// The upper end.
    pub upper: Option<f64>,
}

impl Bounds {
    /// Whether the value lies within, ends included.
    pub fn holds(&self, value: f64) -> bool {
        self.lower.is_none_or(|lower| lower <= value) && self.upper.is_none_or(|upper| value <= upper)
    }
}

impl From<Interval> for Bounds {
    fn from(interval: Interval) -> Self {
        let end = |end: f64| end.is_finite().then_some(end);
        Self {
            lower: end(interval.lower),
            upper: end(interval.upper),
        }
    }
}

/// A p-value with its natural logarithm, which still has its digits where the number itself underflows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Chance {
    /// From 0 to 1.
    pub p: f64,
    /// Its natural logarithm.
    pub ln: f64,
}

impl From<PValue> for Chance {
    fn from(p: PValue) -> Self {
        Self { p: p.p, ln: p.ln }
    }
}
