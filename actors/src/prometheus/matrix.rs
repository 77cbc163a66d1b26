//! Samples over time, and how far counters rose.

use super::answer::Series;
use tidegate_model::Timestamp;
use tidegate_model::evidence::Samples;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

/// A scrape may come late by this much, in seconds, before its sample counts as old.
const LATE_MAX: f64 = 10.0;
/// How often is scraped, in seconds, when one sample alone does not tell.
const USUAL_SCRAPE: f64 = 60.0;

/// The values of the one series in `series`, every `step` until `to`.
pub(super) fn samples(series: &[Series], to: Timestamp, step: Span) -> Samples {
    let one = match series {
        [] => return Samples::unknown(UnknownReason::NoSeries, "the answer is empty"),
        [one] => one,
        many => {
            let why = format!("{} series; aggregate them into one", many.len());
            return Samples::unknown(UnknownReason::ManySeries, why);
        }
    };
    if one.iter().any(|(_, value)| value.is_infinite()) {
        return Samples::unknown(UnknownReason::Inf, "");
    }
    // A moment without traffic divides 0 by 0: it is no sample, and no reason to drop the others.
    let finite: Vec<(f64, f64)> = one
        .iter()
        .copied()
        .filter(|(_, value)| value.is_finite())
        .collect();
    let Some((newest, _)) = finite.last() else {
        return Samples::unknown(UnknownReason::Nan, "");
    };
    let age = seconds(to) - newest;
    if age > 2.0 * step.as_seconds() + LATE_MAX {
        return Samples::unknown(
            UnknownReason::StaleSample,
            format!("the newest sample is {age:.0} s old"),
        );
    }
    Samples {
        values: Ok(finite.into_iter().map(|(_, value)| value).collect()),
        detail: String::new(),
    }
}

/// By how much all counters together rose after `since`, up to `until`.
///
/// A counter that falls has begun again at 0 (F8). One that was born in between counts from its first
/// sample on: nobody knows since when it had counted before. `alive` asks for one that is still scraped
/// (F6).
pub(super) fn increase(series: &[Series], since: Timestamp, until: Timestamp, alive: bool) -> Measurement {
    let (since, until) = (seconds(since), seconds(until));
    if series.iter().all(Vec::is_empty) {
        return Measurement::unknown(UnknownReason::NoSeries, "no counter matches");
    }
    if let Some(age) = stale(series, until).filter(|_| alive) {
        return Measurement::unknown(
            UnknownReason::StaleSample,
            format!("the newest sample is {age:.0} s old"),
        );
    }
    Measurement::of(series.iter().map(|one| rise(one, since, until)).sum())
}

fn rise(series: &Series, since: f64, until: f64) -> f64 {
    let mut before: Option<f64> = None;
    let mut risen = 0.0;
    for (at, value) in series.iter().copied().filter(|(at, _)| *at <= until) {
        if at > since {
            risen += match before {
                None if value.is_finite() => 0.0,
                None => value,
                Some(before) if value < before => value,
                Some(before) => value - before,
            };
        }
        before = Some(value);
    }
    risen
}

/// How old the newest sample is, if that is more than two scrapes.
fn stale(series: &[Series], until: f64) -> Option<f64> {
    let newest = series
        .iter()
        .filter_map(|one| Some((one.last()?.0, one)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let (newest, one) = newest?;
    let scrape = match one.as_slice() {
        [.., (before, _), (last, _)] => last - before,
        _ => USUAL_SCRAPE,
    };
    let age = until - newest;
    (age > 2.0 * scrape + LATE_MAX).then_some(age)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 stay far below 2^53"
)]
fn seconds(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(second, 0).unwrap()
    }

    fn check(series: &[Series], alive: bool, expected: Result<f64, UnknownReason>) {
        let found = increase(series, at(100), at(160), alive).value;
        assert_eq!(found, expected, "{series:?}");
    }

    #[test]
    fn counters_are_added_up_from_their_samples() {
        let one: Series = vec![(90.0, 5.0), (105.0, 7.0), (120.0, 7.0), (150.0, 12.0)];
        check(std::slice::from_ref(&one), true, Ok(7.0));
        let still: Series = vec![(95.0, 3.0), (155.0, 3.0)];
        check(&[one, still], true, Ok(7.0));
    }

    #[test]
    fn f08_resets_and_births() {
        check(
            &[vec![(95.0, 50.0), (110.0, 52.0), (125.0, 1.0), (140.0, 4.0)]],
            true,
            Ok(6.0),
        );
        check(&[vec![(125.0, 137.0), (140.0, 140.0)]], true, Ok(3.0));
        check(&[vec![(140.0, 137.0)]], true, Ok(0.0));
    }

    #[test]
    fn f01_no_counter_is_no_series() {
        check(&[], true, Err(UnknownReason::NoSeries));
        check(&[Vec::new()], false, Err(UnknownReason::NoSeries));
    }

    #[test]
    fn f06_counters_that_nobody_scrapes_any_more() {
        let old = vec![(60.0, 1.0), (75.0, 2.0), (101.0, 4.0)];
        check(std::slice::from_ref(&old), true, Ok(2.0));
        let older: Series = vec![(60.0, 1.0), (75.0, 2.0), (90.0, 4.0)];
        check(
            std::slice::from_ref(&older),
            true,
            Err(UnknownReason::StaleSample),
        );
        check(&[older, old], false, Ok(2.0));
    }

    #[test]
    fn f02_counters_that_are_no_numbers() {
        check(
            &[vec![(95.0, 1.0), (150.0, f64::NAN)]],
            true,
            Err(UnknownReason::Nan),
        );
        check(
            &[vec![(95.0, 1.0), (150.0, f64::INFINITY)]],
            true,
            Err(UnknownReason::Inf),
        );
        check(&[vec![(150.0, f64::NAN)]], true, Err(UnknownReason::Nan));
    }

    #[test]
    fn samples_are_those_of_one_series() {
        let read = |series: &[Series]| samples(series, at(160), Span::seconds(15)).values;
        let one: Series = vec![(130.0, 1.0), (145.0, f64::NAN), (160.0, 3.0)];
        assert_eq!(read(std::slice::from_ref(&one)), Ok(vec![1.0, 3.0]));
        assert_eq!(read(&[]), Err(UnknownReason::NoSeries));
        assert_eq!(read(&[one.clone(), one]), Err(UnknownReason::ManySeries));
        assert_eq!(read(&[vec![(160.0, f64::NAN)]]), Err(UnknownReason::Nan));
        assert_eq!(read(&[vec![(160.0, f64::INFINITY)]]), Err(UnknownReason::Inf));
        assert_eq!(read(&[vec![(100.0, 1.0)]]), Err(UnknownReason::StaleSample));
    }
}
