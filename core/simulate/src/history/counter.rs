//! Counters of the past, and how far they rose.

use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

/// How long a counter that is not scraped any more is still known: as long as Prometheus lets a sample stand
/// for now.
const KNOWN_FOR: Span = Span::seconds(300);

/// One counter, by the moments at which it was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counter(BTreeMap<Timestamp, f64>);

impl FromIterator<(Timestamp, f64)> for Counter {
    fn from_iter<I: IntoIterator<Item = (Timestamp, f64)>>(points: I) -> Self {
        Self(points.into_iter().collect())
    }
}

impl Extend<(Timestamp, f64)> for Counter {
    fn extend<I: IntoIterator<Item = (Timestamp, f64)>>(&mut self, points: I) {
        self.0.extend(points);
    }
}

/// By how much all counters together rose after `since`, up to `until`; unknown without a `since`. `alive`
/// asks for one that was still there so long before.
pub(super) fn increase(
    counters: &[Counter],
    since: Option<Timestamp>,
    until: Timestamp,
    alive: Option<Span>,
) -> Measurement {
    let Some(since) = since else {
        return Measurement::unknown(UnknownReason::WindowOverlapsStage, "");
    };
    let newest = counters
        .iter()
        .filter_map(|counter| counter.0.range(..=until).next_back());
    let newest = newest.map(|(at, _)| *at).max();
    let Some(newest) = newest.filter(|newest| KNOWN_FOR.after(*newest) >= since) else {
        return Measurement::unknown(UnknownReason::NoSeries, "no counter matches");
    };
    if alive.is_some_and(|alive| alive.after(newest) <= until) {
        return Measurement::unknown(UnknownReason::StaleSample, "");
    }
    Measurement::of(counters.iter().map(|counter| counter.rise(since, until)).sum())
}

impl Counter {
    /// By how much it rose. One that falls has begun again at 0; one that was born in between counts from
    /// its first number on.
    fn rise(&self, since: Timestamp, until: Timestamp) -> f64 {
        let base = self.0.range(..=since).next_back();
        let base = base.filter(|(at, _)| KNOWN_FOR.after(**at) >= since);
        let mut before = base.map(|(_, value)| *value);
        let mut risen = 0.0;
        let after = self.0.range(since..=until).filter(|(at, _)| **at > since);
        for (_, value) in after {
            risen += match before {
                None => 0.0,
                Some(before) if *value < before => *value,
                Some(before) => *value - before,
            };
            before = Some(*value);
        }
        risen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Span::seconds(seconds).after(Timestamp::UNIX_EPOCH)
    }

    fn counter(points: &[(u64, f64)]) -> Counter {
        points
            .iter()
            .map(|(seconds, value)| (at(*seconds), *value))
            .collect()
    }

    #[test]
    fn counters_rise_begin_again_and_are_born() {
        let check = |counters: &[Counter], since: u64, until: u64, expected: Result<f64, UnknownReason>| {
            let alive = Some(Span::seconds(60));
            let said = increase(counters, Some(at(since)), at(until), alive);
            assert_eq!(said.value, expected, "{counters:?} from {since} to {until}");
        };
        let steady = counter(&[(0, 5.0), (60, 7.0), (120, 12.0)]);
        let fallen = counter(&[(0, 100.0), (60, 3.0), (120, 4.0)]);
        let born = counter(&[(60, 50.0), (120, 51.0)]);
        check(std::slice::from_ref(&steady), 0, 60, Ok(2.0));
        check(std::slice::from_ref(&steady), 60, 120, Ok(5.0));
        check(std::slice::from_ref(&fallen), 0, 120, Ok(4.0));
        check(std::slice::from_ref(&born), 0, 120, Ok(1.0));
        check(&[steady.clone(), fallen, born], 0, 120, Ok(12.0));
        check(&[], 0, 120, Err(UnknownReason::NoSeries));
        check(
            std::slice::from_ref(&steady),
            120,
            190,
            Err(UnknownReason::StaleSample),
        );
        check(
            std::slice::from_ref(&steady),
            900,
            960,
            Err(UnknownReason::NoSeries),
        );
        assert_eq!(
            increase(&[steady], None, at(60), None).value,
            Err(UnknownReason::WindowOverlapsStage)
        );
    }
}
