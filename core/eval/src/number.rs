//! Numbers of which `10` and `10.0` are the same one.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number, compared by what it is worth and not by how it is spelled. Exact: whole numbers do
/// not pass through floating point. Each number has one form, so that equal forms are equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// Without a fraction and inside `i64`, however it was spelled.
    Whole(i64),
    /// Without a fraction, above `i64` and inside `u64`.
    Large(u64),
    /// The bits of any other finite `f64`.
    Float(u64),
}

impl Number {
    /// The number that was written in JSON.
    pub(crate) fn of(json: &serde_json::Number) -> Option<Self> {
        if let Some(whole) = json.as_i64() {
            return Some(Self::Whole(whole));
        }
        match json.as_u64() {
            Some(large) => Some(Self::Large(large)),
            None => Self::of_float(json.as_f64()?),
        }
    }

    /// A floating-point number; `None` when it is infinite or not a number.
    pub(crate) fn of_float(float: f64) -> Option<Self> {
        /// 2^63 and 2^64: the first whole numbers that do not fit.
        const WHOLE_END: f64 = 9_223_372_036_854_775_808.0;
        const LARGE_END: f64 = 18_446_744_073_709_551_616.0;
        if !float.is_finite() {
            return None;
        }
        if float.fract() != 0.0 || !(-WHOLE_END..LARGE_END).contains(&float) {
            return Some(Self::Float(float.to_bits()));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range: checked above"
        )]
        let number = if float < WHOLE_END {
            Self::Whole(float as i64)
        } else {
            Self::Large(float as u64)
        };
        Some(number)
    }

    /// As JSON.
    pub(crate) fn to_json(self) -> serde_json::Value {
        match self {
            Self::Whole(whole) => whole.into(),
            Self::Large(large) => large.into(),
            Self::Float(bits) => f64::from_bits(bits).into(),
        }
    }

    /// The nearest `f64`.
    pub(crate) fn as_f64(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the nearest one is what is asked for")]
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Large(large) => large as f64,
            Self::Float(bits) => f64::from_bits(bits),
        }
    }

    /// The whole number, or the float that is none inside ±2^64.
    fn split(self) -> Result<i128, f64> {
        match self {
            Self::Whole(whole) => Ok(i128::from(whole)),
            Self::Large(large) => Ok(i128::from(large)),
            Self::Float(bits) => Err(f64::from_bits(bits)),
        }
    }

    fn cmp_mixed(self, other: Self) -> Ordering {
        match (self.split(), other.split()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Err(left), Err(right)) => left.total_cmp(&right),
            (Ok(whole), Err(float)) => whole_to_float(whole, float),
            (Err(float), Ok(whole)) => whole_to_float(whole, float).reverse(),
        }
    }
}

impl PartialOrd for Number {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Whole(left), Self::Whole(right)) => left.cmp(&right),
            (left, right) => left.cmp_mixed(right),
        }
    }
}

/// How a whole number stands to a float that has a fraction or lies outside the whole ones. Never
/// equal, and so it is enough to look at the whole number below the float.
fn whole_to_float(whole: i128, float: f64) -> Ordering {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, which keeps the order for floats out of range"
    )]
    let below = float.floor() as i128;
    if whole <= below {
        Ordering::Less
    } else {
        Ordering::Greater
    }
}

impl fmt::Display for Number {
    /// Whole numbers as digits up to 2^127, others in the shortest form that reads back as the same
    /// number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// 2^127: the first `f64` that does not fit into an `i128`.
        const DIGITS_END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
        match self.split() {
            Ok(whole) => whole.fmt(f),
            Err(float) if float.fract() == 0.0 && float.abs() < DIGITS_END => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "whole and in range: checked above"
                )]
                let whole = float as i128;
                whole.fmt(f)
            }
            Err(float) => match serde_json::Number::from_f64(float) {
                Some(json) => json.fmt(f),
                None => float.fmt(f),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(json: &str) -> Number {
        Number::of(&serde_json::from_str(json).unwrap()).unwrap()
    }

    fn check(left: &str, expected: Ordering, right: &str) {
        let (left, right) = (number(left), number(right));
        assert_eq!(left.cmp(&right), expected, "{left} {right}");
        assert_eq!(right.cmp(&left), expected.reverse(), "{right} {left}");
        assert_eq!(left == right, expected == Ordering::Equal, "{left} {right}");
    }

    #[test]
    fn numbers_are_worth_what_they_say() {
        check("10", Ordering::Equal, "10.0");
        check("10", Ordering::Equal, "1e1");
        check("0", Ordering::Equal, "-0.0");
        check("10", Ordering::Less, "10.5");
        check("-10", Ordering::Greater, "-10.5");
        check("0.1", Ordering::Less, "0.2");
        check("-1e300", Ordering::Less, "-9223372036854775808");
        check("18446744073709551615", Ordering::Less, "1e300");
        check("18446744073709551615", Ordering::Less, "1.8446744073709552e19");
        check("9007199254740993", Ordering::Greater, "9007199254740992.0");
        check("9223372036854775808", Ordering::Equal, "9223372036854775808.0");
        check("9223372036854775807", Ordering::Less, "9223372036854775808.0");
        check("-9223372036854775808", Ordering::Equal, "-9223372036854775808.0");
        check(
            "-9223372036854775808",
            Ordering::Greater,
            "-9223372036854777856.0",
        );
    }

    #[test]
    fn a_number_has_one_text() {
        for (json, text) in [
            ("7", "7"),
            ("7.0", "7"),
            ("-0.0", "0"),
            ("0.1", "0.1"),
            ("1e2", "100"),
            ("1e-7", "1e-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e20", "100000000000000000000"),
            ("-1e20", "-100000000000000000000"),
            ("1e300", "1e+300"),
        ] {
            assert_eq!(number(json).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_and_floats_have_one_order(whole in any::<i32>(), float in any::<f64>()) {
            prop_assume!(float.is_finite());
            let left = number(&whole.to_string());
            let right = Number::of(&serde_json::Number::from_f64(float).unwrap()).unwrap();
            prop_assert_eq!(left.cmp(&right), f64::from(whole).partial_cmp(&float).unwrap());
        }
    }
}
