//! The text of a number that serves as a unit, written without allocating.

use crate::number::Number;
use std::fmt::{self, Write as _};

/// The one text of a number: `7` and `7.0` are one value, so they are one unit.
pub(crate) struct UnitText {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl UnitText {
    /// The longest are the 39 digits and the sign of a whole number below 2^127.
    const BYTES_MAX: usize = 40;

    /// The text of a number.
    pub(crate) fn of_number(number: Number) -> Self {
        let mut text = Self {
            bytes: [0; Self::BYTES_MAX],
            length: 0,
        };
        // Every number fits, and a text that could not be written would be no unit.
        if write!(text, "{number}").is_err() {
            text.length = 0;
        }
        text
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Write for UnitText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(number: Number) {
        assert_eq!(UnitText::of_number(number).as_str(), number.to_string());
    }

    #[test]
    fn the_longest_numbers_fit() {
        for float in [
            -170_141_183_460_469_200_000_000_000_000_000_000_000.0,
            f64::MIN,
            -f64::MIN_POSITIVE,
            -2.225_073_858_507_201e-308,
            -0.1,
        ] {
            check(Number::of_float(float).unwrap());
        }
        check(Number::Whole(i64::MIN));
        check(Number::Large(u64::MAX));
    }

    proptest! {
        #[test]
        fn every_number_fits(float in any::<f64>(), whole in any::<i64>()) {
            check(Number::Whole(whole));
            Number::of_float(float).into_iter().for_each(check);
        }
    }
}
