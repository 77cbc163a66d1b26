//! Scores: how much speaks for a context being in a segment.

use crate::condition::Predicate;
use crate::invalid::Violation;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Most parts of one score.
const PARTS_MAX: usize = 1000;

/// Contexts whose score reaches a threshold are in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Score {
    /// What speaks for and against. A context's score is the sum of the weights of the parts that hold.
    pub parts: Vec<ScorePart>,
    /// The lowest score that is in.
    pub at_least: Points,
}

/// One thing that speaks for a context, or against it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScorePart {
    /// When it counts.
    pub when: Predicate,
    /// How much it counts; negative speaks against.
    pub weight: Points,
}

/// An amount of score, exact to a millionth.
///
/// An integer, because a sum of binary fractions depends on their order: three times 0.1 and 0.3 must be
/// the same score on every machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Points(i64);

impl Points {
    /// Millionths in one point.
    const UNIT: f64 = 1e6;
    /// Largest amount either way, so that a sum of [`PARTS_MAX`] weights is exact.
    const NUMBER_MAX: f64 = 1e6;

    /// This number of points.
    ///
    /// # Errors
    /// When the number is not finite, beyond a million either way, or finer than a millionth.
    pub fn of_number(number: f64) -> Result<Self, Violation> {
        let millionths = (number * Self::UNIT).round();
        let in_range = number.abs() <= Self::NUMBER_MAX;
        // Compared as numbers: what a decimal of six places is read as must come out of the round trip.
        #[expect(
            clippy::float_cmp,
            reason = "both are the binary number nearest to the same decimal"
        )]
        let exact = millionths / Self::UNIT == number;
        if !in_range || !exact {
            return Err(Violation::new(
                "weight",
                number,
                "a score counts from -1000000 to 1000000, exact to a millionth",
                "write at most six decimals, for example 2.5",
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked above: a whole number within a million million"
        )]
        let millionths = millionths as i64;
        Ok(Self(millionths))
    }

    /// An amount of millionths; sums of weights may lie beyond what one weight may be.
    pub fn of_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// Millionths of a point.
    pub fn millionths(self) -> i64 {
        self.0
    }

    /// The number of points.
    pub fn number(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "sums lie within 1e15, far below 2^53")]
        let millionths = self.0 as f64;
        millionths / Self::UNIT
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Whole numbers are written as integers, so that what was read comes out the same.
        let whole = self.0 / 1_000_000;
        if whole * 1_000_000 == self.0 {
            serializer.serialize_i64(whole)
        } else {
            serializer.serialize_f64(self.number())
        }
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_number(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

crate::schema::number!(Points, "points, -1000000 to 1000000, exact to a millionth");

impl Score {
    /// Everything wrong with it, each with its path inside the score.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.parts.is_empty() || self.parts.len() > PARTS_MAX {
            found.push(Violation::new(
                "parts",
                self.parts.len(),
                format!("a score has 1 to {PARTS_MAX} parts"),
                r#"for example [{"when": {"attribute": "visits", "operator": "greater_than", "value": 10}, "weight": 2}]"#,
            ));
        }
        for (i, part) in self.parts.iter().enumerate() {
            let inside = part.when.violations().into_iter();
            found.extend(inside.map(|one| one.inside(&format!("parts[{i}].when"))));
        }
        let highest: i64 = self.parts.iter().map(|part| part.weight.0.max(0)).sum();
        let lowest: i64 = self.parts.iter().map(|part| part.weight.0.min(0)).sum();
        if self.at_least.0 > highest || self.at_least.0 <= lowest {
            let everybody = self.at_least.0 <= lowest;
            let (lowest, highest) = (Points(lowest), Points(highest));
            found.push(Violation::new(
                "atLeast",
                self.at_least,
                format!(
                    "scores of these parts lie between {lowest} and {highest}, so that {} is in",
                    if everybody { "everybody" } else { "nobody" }
                ),
                format!("a threshold above {lowest} and at most {highest}"),
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_exact_and_round_trip() {
        for text in [
            "0",
            "2",
            "-3",
            "0.1",
            "2.5",
            "0.100001",
            "-1000000",
            "999999.999999",
        ] {
            let points: Points = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&points).unwrap(), text);
        }
        let tenth = Points::of_number(0.1).unwrap().millionths();
        assert_eq!(3 * tenth, Points::of_number(0.3).unwrap().millionths());
        for bad in [
            f64::NAN,
            f64::INFINITY,
            1e300,
            1_000_000.5,
            0.000_000_1,
            1.0 / 3.0,
        ] {
            assert!(Points::of_number(bad).is_err(), "{bad}");
        }
    }
}
