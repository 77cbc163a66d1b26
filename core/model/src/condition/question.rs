//! What a condition asks, with its value read as the operator needs it.

use super::circle::Circle;
use super::versions::VersionRange;
use super::{ALL_OF_MAX, Condition, Operator, REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX, moment, network};
use crate::Timestamp;
use crate::invalid::Violation;
use crate::span::Span;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Number, Value};

/// What a condition asks of an attribute: the operator and the value in one. A negative operator
/// ([`Operator::is_negative`]) asks the same as its positive one, and holds when that fails.
#[derive(Debug, Clone)]
pub enum Question<'a> {
    /// Is it there?
    Exists,
    /// Is it this text, number or boolean?
    Equals(&'a Value),
    /// Is it one of these texts, numbers or booleans?
    In(&'a [Value]),
    /// Has the list one of these texts, numbers or booleans?
    AnyOf(&'a [Value]),
    /// Has the list all of these texts, numbers or booleans?
    AllOf(&'a [Value]),
    /// Is it a larger number?
    GreaterThan(&'a Number),
    /// Is it no smaller a number?
    GreaterOrEqual(&'a Number),
    /// Is it a smaller number?
    LessThan(&'a Number),
    /// Is it no larger a number?
    LessOrEqual(&'a Number),
    /// Is it a number from the first to the second?
    Between(&'a Number, &'a Number),
    /// Is this text in it?
    Contains(&'a str),
    /// Does it start with this text?
    StartsWith(&'a str),
    /// Does it end with this text?
    EndsWith(&'a str),
    /// Is it this text in any case?
    EqualsIgnoreCase(&'a str),
    /// Is this text in it, in any case?
    ContainsIgnoreCase(&'a str),
    /// Does it start with this text, in any case?
    StartsWithIgnoreCase(&'a str),
    /// Does it end with this text, in any case?
    EndsWithIgnoreCase(&'a str),
    /// Is it one of these texts, in any case?
    InIgnoreCase(Vec<&'a str>),
    /// Is the expression found in it?
    Regex(regex::Regex),
    /// Is it one of these versions?
    Semver(VersionRange),
    /// Is it an earlier moment?
    Before(Timestamp),
    /// Is it a later moment?
    After(Timestamp),
    /// Is it a moment from the first to the second?
    BetweenMoments(Timestamp, Timestamp),
    /// Is it a moment at most this long ago?
    WithinLast(Span),
    /// Is it a moment at most this far ahead?
    WithinNext(Span),
    /// Is it a moment longer ago?
    OlderThan(Span),
    /// Is it an address in one of these networks?
    InNetwork(Vec<IpNet>),
    /// Is the place inside?
    WithinDistance(Circle),
}

impl Condition {
    /// What it asks.
    ///
    /// # Errors
    /// A violation naming the operator and what value it needs.
    pub fn question(&self) -> Result<Question<'_>, Violation> {
        Ok(match self.operator {
            Operator::Equals | Operator::NotEquals => Question::Equals(self.scalar()?),
            Operator::GreaterThan => Question::GreaterThan(self.number()?),
            Operator::GreaterOrEqual => Question::GreaterOrEqual(self.number()?),
            Operator::LessThan => Question::LessThan(self.number()?),
            Operator::LessOrEqual => Question::LessOrEqual(self.number()?),
            Operator::Between => self.bounds()?,
            Operator::Contains => Question::Contains(self.text()?),
            Operator::StartsWith => Question::StartsWith(self.text()?),
            Operator::EndsWith => Question::EndsWith(self.text()?),
            Operator::In | Operator::NotIn => Question::In(self.scalars()?),
            Operator::EqualsIgnoreCase => Question::EqualsIgnoreCase(self.text()?),
            Operator::ContainsIgnoreCase => Question::ContainsIgnoreCase(self.text()?),
            Operator::StartsWithIgnoreCase => Question::StartsWithIgnoreCase(self.text()?),
            Operator::EndsWithIgnoreCase => Question::EndsWithIgnoreCase(self.text()?),
            Operator::InIgnoreCase => Question::InIgnoreCase(self.texts()?),
            Operator::AnyOf | Operator::NoneOf => Question::AnyOf(self.scalars()?),
            Operator::AllOf => Question::AllOf(self.few_scalars()?),
            Operator::Regex => Question::Regex(self.pattern()?),
            Operator::Semver => Question::Semver(self.versions()?),
            Operator::Before => Question::Before(self.moment(&self.value)?),
            Operator::After => Question::After(self.moment(&self.value)?),
            Operator::WithinLast => Question::WithinLast(self.span()?),
            Operator::WithinNext => Question::WithinNext(self.span()?),
            Operator::OlderThan => Question::OlderThan(self.span()?),
            Operator::InNetwork | Operator::NotInNetwork => Question::InNetwork(self.networks()?),
            Operator::WithinDistance => Question::WithinDistance(self.circle()?),
            Operator::Exists | Operator::NotExists if self.value.is_null() => Question::Exists,
            Operator::Exists | Operator::NotExists => return Err(self.needs("no value")),
        })
    }

    fn scalar(&self) -> Result<&Value, Violation> {
        let scalar = Some(&self.value).filter(|value| is_scalar(value));
        scalar.ok_or_else(|| self.needs("a text, number or boolean"))
    }

    fn number(&self) -> Result<&Number, Violation> {
        self.value.as_number().ok_or_else(|| self.needs("a number"))
    }

    fn text(&self) -> Result<&str, Violation> {
        let text = self.value.as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| self.needs("a text of at least one character"))
    }

    fn texts(&self) -> Result<Vec<&str>, Violation> {
        let list = self.value.as_array().filter(|list| !list.is_empty());
        let texts = list.and_then(|list| list.iter().map(Value::as_str).collect());
        texts.ok_or_else(|| self.needs("a list of at least one text"))
    }

    fn scalars(&self) -> Result<&[Value], Violation> {
        let list = self.value.as_array();
        let suits = list.filter(|list| !list.is_empty() && list.iter().all(is_scalar));
        let list = suits.ok_or_else(|| self.needs("a list of at least one text, number or boolean"))?;
        Ok(list)
    }

    fn few_scalars(&self) -> Result<&[Value], Violation> {
        let list = self.scalars()?;
        if list.len() > ALL_OF_MAX {
            return Err(self.needs(&format!("a list of at most {ALL_OF_MAX} values")));
        }
        Ok(list)
    }

    fn versions(&self) -> Result<VersionRange, Violation> {
        let text = self.value.as_str();
        let text =
            text.ok_or_else(|| self.needs("a range of versions as text, for example '>=1.2.0, <2'"))?;
        VersionRange::parse(text)
    }

    fn needs(&self, what: &str) -> Violation {
        Violation::new(
            "value",
            &self.value,
            format!("the operator '{}' needs {what}", self.operator),
            "change the value or the operator",
        )
    }

    fn bounds(&self) -> Result<Question<'_>, Violation> {
        let needs = || self.needs("a list of two bounds, both numbers or both moments, the lower one first");
        let (question, ordered) = match self.value.as_array().map(Vec::as_slice) {
            Some([Value::Number(low), Value::Number(high)]) => {
                (Question::Between(low, high), low.as_f64() <= high.as_f64())
            }
            Some([low @ Value::String(_), high @ Value::String(_)]) => {
                let (low, high) = (self.moment(low)?, self.moment(high)?);
                (Question::BetweenMoments(low, high), low <= high)
            }
            _ => return Err(needs()),
        };
        if ordered { Ok(question) } else { Err(needs()) }
    }

    fn moment(&self, value: &Value) -> Result<Timestamp, Violation> {
        let moment = match value {
            Value::String(text) => moment::of_text(text),
            Value::Number(number) => match number.as_i64() {
                Some(seconds) => moment::of_unix_seconds(seconds),
                None => number.as_f64().and_then(moment::of_unix_time),
            },
            _ => None,
        };
        moment.ok_or_else(|| {
            self.needs(
                "a date like '2026-11-22', a moment like '2026-11-22T10:00:00Z', or Unix seconds (not milliseconds)",
            )
        })
    }

    fn span(&self) -> Result<Span, Violation> {
        let span = self.value.as_str().and_then(|text| text.parse().ok());
        span.filter(|span: &Span| !span.is_zero()).ok_or_else(|| {
            self.needs("a length of time above zero and up to ten years, for example '30d' or '1h 30m'")
        })
    }

    fn networks(&self) -> Result<Vec<IpNet>, Violation> {
        let one_or_more = match &self.value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let needs = || self.needs("a network like '10.0.0.0/8', or a list of at least one");
        if one_or_more.is_empty() {
            return Err(needs());
        }
        let each = one_or_more.iter().map(|one| one.as_str().ok_or_else(needs));
        each.map(|text| text.and_then(network::parse)).collect()
    }

    fn circle(&self) -> Result<Circle, Violation> {
        let circle = Circle::deserialize(&self.value).ok().filter(Circle::is_sound);
        circle.ok_or_else(|| {
            self.needs(
                r#"{"latitude": -90 to 90, "longitude": -180 to 180, "kilometres": above 0 and up to 20016}"#,
            )
        })
    }

    /// The compiled pattern of a `regex` condition. Linear in time, bounded in size.
    fn pattern(&self) -> Result<regex::Regex, Violation> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(operator: &str, value: &Value) -> Result<(), String> {
        let operator = serde_json::from_value(json!(operator)).unwrap();
        let condition = Condition {
            attribute: "x".into(),
            operator,
            value: value.clone(),
        };
        condition.check().map_err(|violation| violation.to_string())
    }

    #[test]
    fn values_that_suit() {
        for (operator, value) in [
            ("greater_or_equal", json!(1.5)),
            ("less_or_equal", json!(-1)),
            ("between", json!([1, 1])),
            ("between", json!([-0.5, 1])),
            ("between", json!(["2026-01-01", "2026-12-31T23:59:59Z"])),
            ("any_of", json!(["a", 1, true])),
            ("all_of", json!(["a"])),
            ("none_of", json!(["a"])),
            ("in_ignore_case", json!(["Ä"])),
            ("equals_ignore_case", json!("Ä")),
            ("semver", json!(">=1.2, <2 || ^3")),
            ("before", json!("2026-11-22")),
            ("after", json!(1_795_305_600)),
            ("after", json!(1_795_305_600.5)),
            ("within_last", json!("30d")),
            ("older_than", json!("1h 30m")),
            ("in_network", json!("10.0.0.0/8")),
            ("not_in_network", json!(["10.0.0.0/8", "::1"])),
            (
                "within_distance",
                json!({"latitude": 48.85, "longitude": 2.35, "kilometres": 50}),
            ),
        ] {
            check(operator, &value).unwrap();
        }
    }

    #[test]
    fn values_that_do_not() {
        let long: Vec<usize> = (0..=ALL_OF_MAX).collect();
        for (operator, value, says) in [
            ("greater_or_equal", json!("1"), "needs a number"),
            ("between", json!([2, 1]), "the lower one first"),
            ("between", json!([1]), "two bounds"),
            (
                "between",
                json!([1, "2026-01-01"]),
                "both numbers or both moments",
            ),
            ("between", json!(["a", "b"]), "a date like"),
            ("any_of", json!("a"), "a list of at least one"),
            ("all_of", json!([]), "a list of at least one"),
            ("all_of", json!(long), "at most 64 values"),
            ("none_of", json!([[1]]), "a list of at least one"),
            ("in_ignore_case", json!(["a", 1]), "a list of at least one text"),
            ("contains_ignore_case", json!(""), "at least one character"),
            ("semver", json!(1.2), "a range of versions as text"),
            ("semver", json!("1.2"), "'=1.2' for this version only"),
            ("before", json!("tomorrow"), "a date like"),
            ("before", json!(1_795_305_600_000_i64), "not milliseconds"),
            ("after", json!(null), "a date like"),
            ("within_last", json!("0s"), "above zero"),
            ("within_next", json!(30), "for example '30d'"),
            ("older_than", json!("20y"), "up to ten years"),
            ("in_network", json!([]), "at least one"),
            ("in_network", json!(["10.0.0.0/8", 5]), "a network like"),
            ("not_in_network", json!("10.0.0.1/8"), "write '10.0.0.0/8'"),
            (
                "within_distance",
                json!({"latitude": 91, "longitude": 0, "kilometres": 1}),
                "-90 to 90",
            ),
            (
                "within_distance",
                json!({"latitude": 0, "longitude": 0, "kilometres": 0}),
                "above 0",
            ),
            (
                "within_distance",
                json!({"latitude": 0, "longitude": 0, "miles": 1}),
                "kilometres",
            ),
            ("within_distance", json!(5), "latitude"),
        ] {
            let error = check(operator, &value).unwrap_err();
            assert!(error.contains(says), "{operator} {value}: {error}");
        }
    }
}
