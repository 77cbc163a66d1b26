//! What one rule said, look by look.

use super::{Metric, Point};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::policy::Rule;
use tidegate_model::span::Span;
use tidegate_model::verdict::{Look, Verdict};

/// So many looks are shown of each rule; of more, every second, or third, and those where the verdict turns.
const POINTS_MAX: usize = 500;

/// What one rule said so far.
#[derive(Debug, Default)]
pub(super) struct Measured {
    points: Vec<Point>,
    queries: Vec<String>,
}

impl Measured {
    /// One more look, unless it is known.
    pub(super) fn take(&mut self, look: &Look, record: u64) {
        let mut later = self.points.iter().rev().take_while(|point| point.at >= look.at);
        if later.any(|point| (point.at, point.verdict) == (look.at, look.verdict)) {
            return;
        }
        self.points.push(Point {
            at: look.at,
            value: look.value,
            verdict: look.verdict,
            record,
        });
    }

    /// What was asked for the newest look.
    pub(super) fn asked(&mut self, queries: Vec<String>) {
        self.queries = queries;
    }

    /// All of it, until a moment.
    pub(super) fn metric(mut self, rule: &Rule, until: Timestamp) -> Metric {
        self.points.sort_by_key(|point| point.at);
        let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
        for point in &self.points {
            *verdicts.entry(point.verdict.name().to_owned()).or_default() += 1;
        }
        let unknown = unknown_time(&self.points, until);
        let all = self.points.len();
        let points = thinned(self.points);
        Metric {
            rule: rule.name.clone(),
            comparison: rule.comparison,
            threshold: rule.threshold,
            clear: rule.clear,
            action: rule.action,
            dry_run: rule.dry_run,
            queries: self.queries,
            left_out: all - points.len(),
            points,
            verdicts,
            unknown,
        }
    }
}

/// For how long it was unknown, by the reason: each look stands until the next one that says something else, which the
/// journal always has.
fn unknown_time(points: &[Point], until: Timestamp) -> BTreeMap<String, Span> {
    let mut unknown: BTreeMap<String, Span> = BTreeMap::new();
    let next = points.iter().skip(1).map(|point| point.at).chain([until]);
    for (point, next) in points.iter().zip(next) {
        if let Verdict::Unknown(reason) = point.verdict {
            let time = unknown.entry(reason.name().to_owned()).or_default();
            *time = time.plus(Span::between(point.at, next));
        }
    }
    unknown
}

fn thinned(points: Vec<Point>) -> Vec<Point> {
    let stride = points.len().div_ceil(POINTS_MAX).max(1);
    let mut before = None;
    let keep = |(index, point): &(usize, Point)| {
        let turns = before.replace(point.verdict) != Some(point.verdict);
        turns || index.is_multiple_of(stride)
    };
    let kept = points.into_iter().enumerate().filter(keep);
    kept.map(|(_, point)| point).take(2 * POINTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::verdict::UnknownReason;

    fn points(verdicts: impl Iterator<Item = Verdict>) -> Vec<Point> {
        let point = |(second, verdict)| Point {
            at: Span::seconds(second).after(Timestamp::default()),
            value: None,
            verdict,
            record: 1,
        };
        (0..).zip(verdicts).map(point).collect()
    }

    #[test]
    fn of_many_looks_the_turns_are_kept() {
        let verdict = |index: usize| match index {
            3001 => Verdict::Breached,
            _ => Verdict::Healthy,
        };
        let many = points((0..5000).map(verdict));
        let kept = thinned(many);
        assert!((500..510).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().any(|point| point.verdict == Verdict::Breached));
        let wild = points((0..5000).map(|index| {
            if index % 2 == 0 {
                Verdict::Healthy
            } else {
                Verdict::Breached
            }
        }));
        assert_eq!(thinned(wild).len(), 2 * POINTS_MAX);
        let few = points((0..7).map(|_| Verdict::Healthy));
        assert_eq!(thinned(few.clone()), few);
    }

    #[test]
    fn unknown_time_runs_until_something_else_is_said() {
        let timeout = Verdict::Unknown(UnknownReason::Timeout);
        let empty = Verdict::Unknown(UnknownReason::NoSeries);
        let said = [Verdict::Healthy, timeout, timeout, Verdict::Healthy, empty];
        let until = Span::seconds(10).after(Timestamp::default());
        let times = unknown_time(&points(said.into_iter()), until);
        let expected = [("no_series", 6), ("timeout", 2)];
        let expected = expected.map(|(reason, seconds)| (reason.to_owned(), Span::seconds(seconds)));
        assert_eq!(times, BTreeMap::from(expected));
    }
}
