//! Shares of the units, exact to a thousandth of a percent.

use crate::invalid::Violation;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A share of all units in hundred-thousandths: 0 is nobody, [`Share::TOTAL`] is everybody.
///
/// Integers, because a share decides who is in: 10 % must be the same 10 % on every machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u32);

impl Share {
    /// The number of parts that make up everybody.
    pub const TOTAL: u32 = 100_000;
    /// Nobody.
    pub const ZERO: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(Self::TOTAL);

    /// A share of `parts` hundred-thousandths.
    ///
    /// # Errors
    /// When `parts` is more than [`Share::TOTAL`].
    pub fn of_parts(parts: u32) -> Result<Self, Violation> {
        if parts > Self::TOTAL {
            return Err(out_of_range(format!("{parts}/{}", Self::TOTAL)));
        }
        Ok(Self(parts))
    }

    /// A share of `percent` per cent, rounded to a thousandth of a percent.
    ///
    /// # Errors
    /// When `percent` is not a number from 0 to 100, or finer than a thousandth of a percent.
    pub fn of_percent(percent: f64) -> Result<Self, Violation> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(out_of_range(percent));
        }
        let parts = (percent * 1000.0).round();
        if (percent * 1000.0 - parts).abs() > 1e-6 {
            return Err(Violation::new(
                "percentage",
                percent,
                "a percentage is exact to a thousandth of a percent",
                "write at most three decimals, for example 0.125",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above: a whole number from 0 to 100,000"
        )]
        let parts = parts as u32;
        Ok(Self(parts))
    }

    /// Hundred-thousandths, 0 to 100,000.
    pub fn parts(self) -> u32 {
        self.0
    }

    /// Per cent, 0 to 100.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// Whether a unit in `bucket` (0 to 99,999) is inside this share.
    ///
    /// Raising a share moves nobody out: the buckets inside are always the first ones.
    pub fn contains(self, bucket: u32) -> bool {
        bucket < self.0
    }
}

fn out_of_range(value: impl fmt::Display) -> Violation {
    Violation::new(
        "percentage",
        value,
        "a percentage lies between 0 and 100",
        "for example 1, 12.5 or 100",
    )
}

impl fmt::Display for Share {
    /// For example `1 %`, `12.5 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} %", self.percent()))
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole percentages are written as integers, so that what was read comes out the same.
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u32(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.percent())
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_percent(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

crate::schema::number!(Share, "per cent, 0 to 100, exact to a thousandth");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        for (percent, parts) in [
            (0.0, 0),
            (0.001, 1),
            (1.0, 1000),
            (12.5, 12_500),
            (33.333, 33_333),
            (100.0, 100_000),
        ] {
            assert_eq!(Share::of_percent(percent).unwrap().parts(), parts);
        }
        for bad in [-0.1, 100.001, f64::NAN, f64::INFINITY, 0.0001] {
            assert!(Share::of_percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_round_trips() {
        for text in ["0", "1", "12.5", "0.001", "100"] {
            let share: Share = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&share).unwrap(), text);
        }
    }
}
