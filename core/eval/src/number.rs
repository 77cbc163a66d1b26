//! Numbers of which `10` and `10.0` are the same one.

use std::cmp::Ordering;
use std::fmt;

/// A JSON number, compared by what it is worth and not by how it is spelled. Exact: whole numbers do
/// not pass through floating point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// Without a fraction and inside ±2^127, however it was spelled.
    Whole(i128),
    /// The bits of any other finite `f64`.
    Float(u64),
}

impl Number {
    /// The number that was written in JSON.
    pub(crate) fn of(json: &serde_json::Number) -> Option<Self> {
        /// 2^127: the first `f64` that does not fit into an `i128`.
        const WHOLE_END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
        if let Some(whole) = json.as_i128() {
            return Some(Self::Whole(whole));
        }
        let float = json.as_f64().filter(|float| float.is_finite())?;
        if float.fract() == 0.0 && float.abs() < WHOLE_END {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and in range: checked above"
            )]
            let whole = float as i128;
            return Some(Self::Whole(whole));
        }
        Some(Self::Float(float.to_bits()))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Whole(left), Self::Whole(right)) => left.cmp(&right),
            (Self::Float(left), Self::Float(right)) => f64::from_bits(left).total_cmp(&f64::from_bits(right)),
            (Self::Whole(whole), Self::Float(float)) => whole_to_float(whole, f64::from_bits(float)),
            (Self::Float(float), Self::Whole(whole)) => {
                whole_to_float(whole, f64::from_bits(float)).reverse()
            }
        }
    }
}

/// How a whole number stands to a float that has a fraction or lies outside ±2^127. Never equal, and
/// so it is enough to look at the whole number below the float.
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
    /// Whole numbers as digits, others in the shortest form that reads back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Float(bits) => match serde_json::Number::from_f64(f64::from_bits(*bits)) {
                Some(json) => json.fmt(f),
                None => f64::from_bits(*bits).fmt(f),
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
