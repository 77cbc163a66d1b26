//! Moments as attributes and values carry them.

use crate::Timestamp;
use chrono::{DateTime, NaiveDate, NaiveTime};

/// The first second after the year 9999. Unix milliseconds of our century lie beyond it, so that they
/// are refused instead of being taken for a far future.
const UNIX_SECONDS_END: i64 = 253_402_300_800;
/// The first second of the year 0.
const UNIX_SECONDS_START: i64 = -62_167_219_200;

/// The moment that a text names: RFC 3339 with an offset, as in `2026-11-22T10:00:00Z`, or a date, which
/// stands for its first moment in UTC. Allocates nothing.
pub fn of_text(text: &str) -> Option<Timestamp> {
    if text.len() == DATE_LENGTH {
        return of_date(text);
    }
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|moment| moment.to_utc())
}

/// The moment of whole Unix seconds, in the years 0 to 9999.
pub fn of_unix_seconds(seconds: i64) -> Option<Timestamp> {
    if (UNIX_SECONDS_START..UNIX_SECONDS_END).contains(&seconds) {
        DateTime::from_timestamp(seconds, 0)
    } else {
        None
    }
}

/// The moment of Unix seconds with a fraction, in the years 0 to 9999, to the microsecond.
pub fn of_unix_time(seconds: f64) -> Option<Timestamp> {
    const MICROS: f64 = 1e6;
    // A double of this size is exact to less than a microsecond, and what is not finite is in no range.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and what is out of range is refused next"
    )]
    let whole = seconds.floor() as i64;
    let start = of_unix_seconds(whole).filter(|_| seconds.is_finite())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a second: 0 to 1,000,000"
    )]
    let micros = (seconds.fract().rem_euclid(1.0) * MICROS).round() as i64;
    start.checked_add_signed(chrono::TimeDelta::microseconds(micros))
}

const DATE_LENGTH: usize = "2026-11-22".len();

fn of_date(text: &str) -> Option<Timestamp> {
    let (year, month, day) = match text.as_bytes() {
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] => (
            digits(&[*y1, *y2, *y3, *y4])?,
            digits(&[*m1, *m2])?,
            digits(&[*d1, *d2])?,
        ),
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        Some(number * 10 + digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_name_a_moment() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2026-11-22", 1_795_305_600),
            ("2026-11-22T10:00:00Z", 1_795_341_600),
            ("2026-11-22T10:00:00.000Z", 1_795_341_600),
            ("2026-11-22T12:00:00+02:00", 1_795_341_600),
            ("2024-02-29", 1_709_164_800),
            ("0001-01-01", -62_135_596_800),
        ] {
            assert_eq!(of_text(text).map(|at| at.timestamp()), Some(seconds), "{text}");
        }
    }

    #[test]
    fn texts_that_name_none() {
        for text in [
            "",
            "now",
            "2026-11-22T10:00:00",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "22.11.2026",
            "1795305600",
            "20261122",
            "+026-11-22",
            "2026-11-22\0",
            "2026-11-2²",
            "2026-11-22T25:00:00Z",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds() {
        assert_eq!(of_unix_time(1.5).unwrap().timestamp_millis(), 1500);
        assert_eq!(of_unix_time(-0.25).unwrap().timestamp_millis(), -250);
        assert_eq!(
            of_unix_time(253_402_300_799.0).unwrap().to_rfc3339(),
            "9999-12-31T23:59:59+00:00"
        );
        for refused in [
            f64::NAN,
            f64::INFINITY,
            253_402_300_800.0,
            1_795_341_600_000.0,
            -1e300,
        ] {
            assert_eq!(of_unix_time(refused), None, "{refused}");
        }
        assert_eq!(of_unix_seconds(i64::MAX), None);
        assert_eq!(of_unix_seconds(i64::MIN), None);
    }

    proptest! {
        #[test]
        fn a_moment_is_read_as_it_was_written(seconds in UNIX_SECONDS_START..UNIX_SECONDS_END) {
            let moment = of_unix_seconds(seconds).unwrap();
            prop_assert_eq!(of_text(&moment.to_rfc3339()), Some(moment));
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let float = seconds as f64;
            prop_assert_eq!(of_unix_time(float), Some(moment));
            let date = of_text(&moment.format("%Y-%m-%d").to_string()).unwrap();
            prop_assert_eq!(date.date_naive(), moment.date_naive());
        }

        #[test]
        fn no_text_is_too_odd(text in "\\PC{0,30}|[0-9TZ:+.-]{0,30}") {
            let _ = of_text(&text);
        }
    }
}
