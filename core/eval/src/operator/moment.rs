//! Moments, compared with fixed ones and with the evaluation's.

use crate::attribute::Seen;
use crate::number::Number;
use tidegate_model::Timestamp;
use tidegate_model::condition::moment;
use tidegate_model::span::Span;

/// Where a moment has to lie.
#[derive(Debug)]
pub(crate) enum When {
    Before(Timestamp),
    After(Timestamp),
    /// Both included.
    Between(Timestamp, Timestamp),
    WithinLast(Span),
    WithinNext(Span),
    OlderThan(Span),
}

impl When {
    /// Whether the attribute is a moment and lies there, seen from the evaluation at `at`.
    pub(crate) fn holds(&self, seen: &Seen<'_>, at: Timestamp) -> bool {
        moment_of(seen).is_some_and(|moment| self.includes(moment, at))
    }

    fn includes(&self, moment: Timestamp, at: Timestamp) -> bool {
        match self {
            Self::Before(end) => moment < *end,
            Self::After(start) => moment > *start,
            Self::Between(start, end) => (*start..=*end).contains(&moment),
            Self::WithinLast(span) => (span.before(at)..=at).contains(&moment),
            Self::WithinNext(span) => (at..=span.after(at)).contains(&moment),
            Self::OlderThan(span) => moment < span.before(at),
        }
    }
}

/// The moment that an attribute names, if it names one.
fn moment_of(seen: &Seen<'_>) -> Option<Timestamp> {
    match seen {
        Seen::Text(text) => moment::of_text(text),
        Seen::Number(Number::Whole(seconds)) => moment::of_unix_seconds(*seconds),
        Seen::Number(other) => moment::of_unix_time(other.as_f64()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn at(text: &str) -> Timestamp {
        moment::of_text(text).unwrap()
    }

    fn check(when: &When, now: &str, holds: &[Value], fails: &[Value]) {
        for value in holds {
            assert!(when.holds(&Seen::of(value), at(now)), "{value} is not {when:?}");
        }
        for value in fails {
            assert!(!when.holds(&Seen::of(value), at(now)), "{value} is {when:?}");
        }
    }

    #[test]
    fn fixed_moments() {
        let (now, noon) = ("1999-01-01", at("2026-11-22T12:00:00Z"));
        check(
            &When::Before(noon),
            now,
            &[
                json!("2026-11-22"),
                json!("2026-11-22T13:59:59.999+02:00"),
                json!(0),
                json!(-1.5),
            ],
            &[
                json!("2026-11-22T12:00:00Z"),
                json!("2026-11-23"),
                json!(1_795_348_800),
            ],
        );
        check(
            &When::After(noon),
            now,
            &[
                json!("2026-11-22T12:00:00.000001Z"),
                json!(1_795_348_800.5),
                json!(1_795_348_801),
            ],
            &[
                json!("2026-11-22"),
                json!(1_795_348_800),
                json!("2026-11-22T12:00:00Z"),
            ],
        );
        check(
            &When::Between(at("2026-11-01"), noon),
            now,
            &[json!("2026-11-01"), json!("2026-11-22T12:00:00Z")],
            &[json!("2026-10-31T23:59:59Z"), json!("2026-11-22T12:00:01Z")],
        );
    }

    #[test]
    fn spans_from_now() {
        let (now, day) = ("2026-11-22T12:00:00Z", Span::seconds(24 * 3600));
        check(
            &When::WithinLast(day),
            now,
            &[
                json!("2026-11-21T12:00:00Z"),
                json!("2026-11-22"),
                json!("2026-11-22T12:00:00Z"),
            ],
            &[
                json!("2026-11-21T11:59:59Z"),
                json!("2026-11-22T12:00:01Z"),
                json!("2026-11-21"),
            ],
        );
        check(
            &When::WithinNext(day),
            now,
            &[
                json!("2026-11-22T12:00:00Z"),
                json!("2026-11-23T12:00:00Z"),
                json!("2026-11-23"),
            ],
            &[json!("2026-11-22T11:59:59Z"), json!("2026-11-23T12:00:01Z")],
        );
        check(
            &When::OlderThan(day),
            now,
            &[json!("2026-11-21T11:59:59Z"), json!("1970-01-01"), json!(0)],
            &[json!("2026-11-21T12:00:00Z"), json!("2026-11-23")],
        );
    }

    #[test]
    fn what_is_no_moment_is_nowhere() {
        let others = [
            json!(null),
            json!(true),
            json!("yesterday"),
            json!("1795348800"),
            json!(["2026-11-22"]),
            json!({"at": 0}),
            json!(1_795_348_800_000_i64),
            json!(u64::MAX),
            json!(1e300),
        ];
        for when in [
            When::Before(Timestamp::MAX_UTC),
            When::After(Timestamp::MIN_UTC),
            When::Between(Timestamp::MIN_UTC, Timestamp::MAX_UTC),
            When::OlderThan(Span::seconds(1)),
            When::WithinLast(Span::MAX),
            When::WithinNext(Span::MAX),
        ] {
            check(&when, "2026-11-22", &[], &others);
        }
    }

    proptest! {
        /// Every moment that is not in the future is either recent or old.
        #[test]
        fn recent_or_old(moment in -1000_i64..1000, now in -1000_i64..1000, seconds in 1..1000_u64) {
            let span = Span::seconds(seconds);
            let value = json!(moment);
            let now = moment::of_unix_seconds(now).unwrap();
            let holds = |when: When| when.holds(&Seen::of(&value), now);
            let future = moment::of_unix_seconds(moment).unwrap() > now;
            let kinds = [holds(When::WithinLast(span)), holds(When::OlderThan(span)), future];
            prop_assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1);
        }
    }
}
