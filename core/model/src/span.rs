//! Lengths of time as people write them: `90s`, `15m`, `1h 30m`, `10d`.

use crate::Timestamp;
use crate::invalid::Violation;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr, time::Duration};

/// A length of time, zero to [`Span::MAX`], written like `15m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);
    /// Ten years. Longer ones are slips of the finger, and would leave the calendar when added.
    pub const MAX: Self = Self(Duration::from_secs(10 * 366 * 24 * 3600));

    /// A span of whole seconds, at most [`Span::MAX`].
    pub const fn seconds(seconds: u64) -> Self {
        let duration = Duration::from_secs(seconds);
        if duration.as_secs() > Self::MAX.0.as_secs() {
            Self::MAX
        } else {
            Self(duration)
        }
    }

    /// A span of whole milliseconds, at most [`Span::MAX`].
    pub const fn millis(millis: u64) -> Self {
        let duration = Duration::from_millis(millis);
        if duration.as_secs() >= Self::MAX.0.as_secs() {
            Self::MAX
        } else {
            Self(duration)
        }
    }

    /// As a standard duration.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In seconds.
    pub fn as_seconds(self) -> f64 {
        self.0.as_secs_f64()
    }

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The time that has passed from `start` to `end`; zero if `end` is not after `start`.
    pub fn between(start: Timestamp, end: Timestamp) -> Self {
        Self((end - start).to_std().unwrap_or_default()).min(Self::MAX)
    }

    /// The moment this much later than `start`.
    pub fn after(self, start: Timestamp) -> Timestamp {
        self.delta()
            .and_then(|delta| start.checked_add_signed(delta))
            .unwrap_or(Timestamp::MAX_UTC)
    }

    /// The moment this much before `end`.
    pub fn before(self, end: Timestamp) -> Timestamp {
        self.delta()
            .and_then(|delta| end.checked_sub_signed(delta))
            .unwrap_or(Timestamp::MIN_UTC)
    }

    /// `factor` times as long, at most [`Span::MAX`].
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor)).min(Self::MAX)
    }

    /// Both one after the other, at most [`Span::MAX`].
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).min(Self::MAX)
    }

    /// As exact as people want to read it: milliseconds below ten seconds, else seconds.
    #[must_use]
    pub fn rounded(self) -> Self {
        let millis = (self.0.as_micros() + 500) / 1000;
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        if millis < 10_000 {
            Self::millis(millis)
        } else {
            Self::seconds((millis + 500) / 1000)
        }
    }

    /// In the form Prometheus reads as a range: one unit, exact, for example `90s` or `1500ms`.
    pub fn promql(self) -> String {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1000) {
            format!("{}s", millis / 1000)
        } else {
            format!("{millis}ms")
        }
    }

    fn delta(self) -> Option<chrono::TimeDelta> {
        chrono::TimeDelta::from_std(self.0).ok()
    }
}

impl FromStr for Span {
    type Err = Violation;
    fn from_str(text: &str) -> Result<Self, Violation> {
        let fix = "write a number and a unit, for example 90s, 15m, 1h 30m or 10d";
        let duration = humantime::parse_duration(text)
            .map_err(|error| Violation::new("duration", text, format!("not a duration: {error}"), fix))?;
        if duration > Self::MAX.0 {
            return Err(Violation::new(
                "duration",
                text,
                "a duration is at most ten years",
                fix,
            ));
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&humantime::format_duration(self.0).to_string())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

crate::schema::text!(Span, "a length of time, for example 90s, 15m, 1h 30m");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_round_trip() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h 30m", 5400), ("10d", 864_000)] {
            assert_eq!(text.parse::<Span>().unwrap(), Span::seconds(seconds));
            let again: Span = Span::seconds(seconds).to_string().parse().unwrap();
            assert_eq!(again, Span::seconds(seconds));
        }
        for bad in ["", "15", "m", "-5m", "1 fortnight", "99999999999y"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert_eq!(Span::millis(1500).promql(), "1500ms");
        assert_eq!(Span::seconds(300).promql(), "300s");
    }

    #[test]
    fn people_are_spared_the_nanoseconds() {
        let check = |nanos: u64, text: &str| {
            assert_eq!(Span(Duration::from_nanos(nanos)).rounded().to_string(), text);
        };
        check(0, "0s");
        check(499_000, "0s");
        check(6_123_456, "6ms");
        check(1_038_084_599, "1s 38ms");
        check(23_994_913_243, "24s");
        check(90_400_000_000, "1m 30s");
    }

    #[test]
    fn time_that_runs_backwards_is_no_time() {
        let noon = Timestamp::default();
        assert_eq!(Span::between(Span::seconds(5).after(noon), noon), Span::ZERO);
        assert_eq!(
            Span::between(noon, Span::seconds(5).after(noon)),
            Span::seconds(5)
        );
    }
}
