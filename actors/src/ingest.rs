//! Metric events from nodes, folded exactly once into counters by second.

use crate::measures::Measures;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use tidegate_model::Timestamp;
use tidegate_model::fleet::{NodeReport, Tally};
use tidegate_model::key::{EnvironmentKey, FlagKey, MetricName, NodeName, VariationKey};
use tidegate_model::policy::{EventAggregate, EventBase, EventSource, Minimum};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, UnknownReason};

/// How long seconds are kept: the longest window an `events` rule can look back over.
pub(crate) const EVENTS_KEPT: Span = Span::seconds(25 * 3600);

/// Most counters of one environment. More are dropped and counted: a flood of metric names must not
/// fill the memory.
const COUNTERS_MAX: usize = 50_000;

/// Event counters of one environment. Kept in memory: after a restart the windows fill anew, and
/// until then rules say so instead of guessing.
#[derive(Debug)]
pub(crate) struct Ingest {
    environment: EnvironmentKey,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last batch taken in from each node, by instance.
    batches: BTreeMap<NodeName, (String, u64)>,
    counters: BTreeMap<Counter, VecDeque<Second>>,
}

type Counter = (FlagKey, VariationKey, Option<MetricName>);

#[derive(Debug, Clone, Copy)]
struct Second {
    unix: i64,
    count: u64,
    sum: f64,
}

impl Ingest {
    pub(crate) fn new(environment: EnvironmentKey) -> Self {
        Self {
            environment,
            state: Mutex::default(),
        }
    }

    /// Folds a report's tallies, unless that batch was folded before.
    pub(crate) fn fold(&self, report: &NodeReport, now: Timestamp, measures: &Measures) {
        if report.tallies.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.batches.get(&report.node);
        if last.is_some_and(|(instance, batch)| *instance == report.instance && report.batch <= *batch) {
            measures.repeated_batches.inc();
            return;
        }
        state
            .batches
            .insert(report.node.clone(), (report.instance.clone(), report.batch));
        for tally in &report.tallies {
            if state.add(tally, now) {
                measures.count_events(&self.environment, tally);
            } else {
                measures.dropped_tallies.inc();
            }
        }
    }

    /// The number that an `events` rule looks at, for the window that ends at `now`.
    pub(crate) fn measure(
        &self,
        flag: &FlagKey,
        variation: &VariationKey,
        source: &EventSource,
        (window, minimum): (Span, Option<&Minimum>),
        now: Timestamp,
    ) -> Measurement {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |metric: Option<&MetricName>| state.total(flag, variation, metric, window, now);
        let own = total(Some(&source.metric));
        let base = match &source.per {
            EventBase::Nothing | EventBase::Second => None,
            EventBase::Exposure => Some(total(None)),
            EventBase::Metric(metric) => Some(total(Some(metric))),
        };
        // No event of the metric is zero of them, once anything at all is known to have happened.
        let silent = base.as_ref().unwrap_or(&own).is_none();
        if silent {
            let what = format!("no events of {flag}/{variation} within {window}");
            return Measurement::unknown(UnknownReason::NoSeries, what);
        }
        let own = own.unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "event counts stay far below 2^53")]
        let number = |total: Total| total.count as f64;
        let amount = match source.aggregate {
            EventAggregate::Count => number(own),
            EventAggregate::Sum => own.sum,
        };
        let divisor = match &source.per {
            EventBase::Nothing => 1.0,
            EventBase::Second => window.as_seconds(),
            EventBase::Exposure | EventBase::Metric(_) => number(base.flatten().unwrap_or_default()),
        };
        let mut measurement = Measurement::of(amount / divisor);
        if minimum.is_some() {
            measurement.samples = Ok(Some(number(base.flatten().unwrap_or(own))));
        }
        measurement
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    count: u64,
    sum: f64,
}

impl State {
    fn add(&mut self, tally: &Tally, now: Timestamp) -> bool {
        let key = (tally.flag.clone(), tally.variation.clone(), tally.metric.clone());
        if !self.counters.contains_key(&key) && self.counters.len() >= COUNTERS_MAX {
            return false;
        }
        let seconds = self.counters.entry(key).or_default();
        let unix = now.timestamp();
        match seconds.back_mut() {
            Some(newest) if newest.unix == unix => {
                newest.count += tally.count;
                newest.sum += tally.sum;
            }
            _ => seconds.push_back(Second {
                unix,
                count: tally.count,
                sum: tally.sum,
            }),
        }
        let oldest = EVENTS_KEPT.before(now).timestamp();
        while seconds.front().is_some_and(|second| second.unix < oldest) {
            seconds.pop_front();
        }
        true
    }

    /// `None` when nothing was counted inside the window.
    fn total(
        &self,
        flag: &FlagKey,
        variation: &VariationKey,
        metric: Option<&MetricName>,
        window: Span,
        now: Timestamp,
    ) -> Option<Total> {
        let key = (flag.clone(), variation.clone(), metric.cloned());
        let from = window.before(now).timestamp();
        let inside = self
            .counters
            .get(&key)?
            .iter()
            .rev()
            .take_while(|second| second.unix >= from);
        inside.fold(None, |total: Option<Total>, second| {
            let total = total.unwrap_or_default();
            Some(Total {
                count: total.count + second.count,
                sum: total.sum + second.sum,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(instance: &str, batch: u64, metric: Option<&str>, count: u64, sum: f64) -> NodeReport {
        NodeReport {
            node: NodeName::new("n1").unwrap(),
            instance: instance.to_owned(),
            batch,
            serving: None,
            health: None,
            via: Vec::new(),
            tallies: vec![Tally {
                flag: FlagKey::new("f").unwrap(),
                variation: VariationKey::new("on").unwrap(),
                metric: metric.map(|name| MetricName::new(name).unwrap()),
                count,
                sum,
            }],
        }
    }

    struct Fixture {
        ingest: Ingest,
        measures: Measures,
        now: Timestamp,
    }

    impl Fixture {
        fn new() -> Self {
            let environment = EnvironmentKey::new("production").unwrap();
            Self {
                ingest: Ingest::new(environment),
                measures: Measures::new().unwrap(),
                now: Timestamp::default(),
            }
        }

        fn fold(&self, report: NodeReport, second: u64) {
            self.ingest
                .fold(&report, Span::seconds(second).after(self.now), &self.measures);
        }

        fn measure(
            &self,
            aggregate: EventAggregate,
            per: EventBase,
            second: u64,
        ) -> Result<f64, UnknownReason> {
            let source = EventSource {
                metric: MetricName::new("failed").unwrap(),
                aggregate,
                per,
            };
            let (flag, variation) = (FlagKey::new("f").unwrap(), VariationKey::new("on").unwrap());
            let at = Span::seconds(second).after(self.now);
            self.ingest
                .measure(&flag, &variation, &source, (Span::seconds(10), None), at)
                .value
        }
    }

    #[test]
    fn repeated_batches_count_once() {
        let fixture = Fixture::new();
        for _ in 0..3 {
            fixture.fold(report("a", 1, Some("failed"), 4, 8.0), 100);
        }
        fixture.fold(report("a", 2, Some("failed"), 1, 2.0), 101);
        fixture.fold(report("b", 1, Some("failed"), 1, 2.0), 102);
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Nothing, 103),
            Ok(6.0)
        );
        assert_eq!(
            fixture.measure(EventAggregate::Sum, EventBase::Nothing, 103),
            Ok(12.0)
        );
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Second, 103),
            Ok(0.6)
        );
    }

    #[test]
    fn f01_silence_is_no_series_but_no_failures_among_exposures_is_zero() {
        let fixture = Fixture::new();
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Exposure, 5),
            Err(UnknownReason::NoSeries)
        );
        fixture.fold(report("a", 1, None, 50, 0.0), 100);
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Exposure, 103),
            Ok(0.0)
        );
        fixture.fold(report("a", 2, Some("failed"), 5, 5.0), 102);
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Exposure, 103),
            Ok(0.1)
        );
        assert_eq!(
            fixture.measure(EventAggregate::Count, EventBase::Exposure, 200),
            Err(UnknownReason::NoSeries)
        );
    }
}
