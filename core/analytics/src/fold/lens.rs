//! A design as folding needs it: events, arms and metrics by number, times in milliseconds.

use super::{AHEAD, LATENESS, Period};
use std::collections::BTreeMap;
use tidegate_model::Timestamp;
use tidegate_model::experiment::tally::{Fixed, MetricTally};
use tidegate_model::experiment::{Aggregation, Cap, Design, Measure, Metric, Part};
use tidegate_model::key::{ExperimentKey, MetricName, VariationKey};
use tidegate_model::span::Span;

/// A moment, in milliseconds since the earliest one that matters.
pub(super) type Moment = u64;

/// A design, compiled.
#[derive(Debug)]
pub(super) struct Lens {
    pub(super) experiment: ExperimentKey,
    pub(super) batch: u32,
    /// The arms in the order of the design.
    pub(super) arms: Vec<VariationKey>,
    /// The place of the control among them.
    pub(super) control: usize,
    /// The metrics in the order of the design.
    pub(super) metrics: Vec<Gauge>,
    /// The places of all metrics.
    pub(super) all: Vec<u16>,
    /// Attributes by which results are broken down.
    pub(super) dimensions: Vec<String>,
    /// How far back a unit's history goes, in milliseconds; 0 for none.
    pub(super) history: u64,
    /// Events that are farther apart are no repeats of each other, in milliseconds.
    pub(super) apart: u64,
    /// From when on exposures count.
    pub(super) from: Moment,
    /// From when on nothing counts.
    pub(super) stop: Moment,
    /// The earliest moment that matters, in milliseconds since 1970: the start less the history.
    base: i64,
    /// Numbers of all events that some metric looks at.
    events: BTreeMap<MetricName, u16>,
    /// For each of these events the places of the metrics that look at it.
    readers: Vec<Vec<u16>>,
}

/// One metric.
#[derive(Debug)]
pub(super) struct Gauge {
    pub(super) name: MetricName,
    pub(super) reading: Reading,
    /// How long after the exposure events count, in milliseconds.
    pub(super) window: u64,
    /// What a unit's value is cut to; known from the start, or from a walk over all units.
    pub(super) cap: Option<Fixed>,
    /// The quantile whose value the cap is.
    pub(super) cap_quantile: Option<f64>,
    /// Whether treatments are compared with the control by ranks.
    pub(super) ranks: bool,
}

/// How a unit's events become its numbers.
#[derive(Debug)]
pub(super) enum Reading {
    /// One number of one event.
    Single { event: u16, take: Take },
    /// Whether the event came in this span after the exposure, in milliseconds.
    Retention { event: u16, from: u64, to: u64 },
    /// Two numbers that belong together.
    Pair { above: (u16, Take), below: (u16, Take) },
    /// How many of these came one after the other.
    Funnel { steps: Vec<u16> },
    /// The values of all events.
    Values { event: u16, quantile: f64 },
}

/// Which number of some events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// 1 if there is any.
    Any,
    Count,
    Sum,
    Unique,
    Max,
}

impl Lens {
    pub(super) fn of(design: &Design, period: &Period) -> Self {
        let mut names: Vec<&MetricName> = design
            .metrics
            .iter()
            .flat_map(|metric| metric.measure.events())
            .collect();
        names.sort();
        names.dedup();
        let events: BTreeMap<MetricName, u16> = names.into_iter().cloned().zip(0..).collect();
        let metrics: Vec<Gauge> = design
            .metrics
            .iter()
            .map(|metric| Gauge::of(metric, &events))
            .collect();
        let mut readers = vec![Vec::new(); events.len()];
        for (place, metric) in (0_u16..).zip(&design.metrics) {
            for event in metric.measure.events() {
                let number = events.get(event).copied().unwrap_or(u16::MAX);
                if let Some(readers) = readers.get_mut(usize::from(number)) {
                    readers.push(place);
                }
            }
        }
        let history = millis(design.history);
        let from = period.from.timestamp_millis();
        let base = from.saturating_sub_unsigned(history);
        let mut lens = Self {
            experiment: design.key.clone(),
            batch: period.batch,
            arms: design.arms.iter().map(|arm| arm.variation.clone()).collect(),
            control: design
                .arms
                .iter()
                .position(|arm| arm.variation == design.control)
                .unwrap_or(usize::MAX),
            all: (0_u16..).zip(&metrics).map(|(place, _)| place).collect(),
            metrics,
            dimensions: design.dimensions.clone(),
            history,
            apart: millis(LATENESS),
            from: 0,
            stop: Moment::MAX,
            base,
            events,
            readers,
        };
        lens.from = lens.moment(from).unwrap_or(0);
        if let Some(until) = period.until {
            lens.stop = lens.moment(until.timestamp_millis()).unwrap_or(0);
        }
        lens
    }

    /// A time in milliseconds since 1970; `None` before the earliest one that matters.
    pub(super) fn moment(&self, at: i64) -> Option<Moment> {
        Moment::try_from(at.saturating_sub(self.base)).ok()
    }

    /// As a time.
    pub(super) fn time(&self, moment: Moment) -> Timestamp {
        let millis = self.base.saturating_add_unsigned(moment);
        Timestamp::from_timestamp_millis(millis).unwrap_or(Timestamp::MAX_UTC)
    }

    /// Nothing that was received before matters.
    pub(super) fn reaches_back(&self) -> Timestamp {
        AHEAD.before(self.time(0))
    }

    pub(super) fn event(&self, name: &MetricName) -> Option<u16> {
        self.events.get(name).copied()
    }

    /// The places of the metrics that look at an event.
    pub(super) fn readers(&self, event: u16) -> &[u16] {
        self.readers.get(usize::from(event)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn arm(&self, key: &VariationKey) -> Option<u8> {
        (0..)
            .zip(&self.arms)
            .find_map(|(number, arm)| (arm == key).then_some(number))
    }
}

impl Gauge {
    fn of(metric: &Metric, events: &BTreeMap<MetricName, u16>) -> Self {
        // Every event of a metric is in the table, which was made of them.
        let number = |event: &MetricName| events.get(event).copied().unwrap_or(u16::MAX);
        let part = |part: &Part| (number(&part.event), take(part.aggregation));
        let single = |event: &MetricName, take: Take| Reading::Single {
            event: number(event),
            take,
        };
        let reading = match &metric.measure {
            Measure::Conversion { event } => single(event, Take::Any),
            Measure::Revenue { event } => single(event, Take::Sum),
            Measure::Engagement { event } => single(event, Take::Count),
            Measure::Retention { event, from, to } => Reading::Retention {
                event: number(event),
                from: millis(*from),
                to: millis(*to),
            },
            Measure::Custom {
                event,
                aggregation: Aggregation::Average,
            } => Reading::Pair {
                above: (number(event), Take::Sum),
                below: (number(event), Take::Count),
            },
            Measure::Custom { event, aggregation } => single(event, take(*aggregation)),
            Measure::Ratio {
                numerator,
                denominator,
            } => Reading::Pair {
                above: part(numerator),
                below: part(denominator),
            },
            Measure::Funnel { steps } => Reading::Funnel {
                steps: steps.iter().map(number).collect(),
            },
            Measure::Percentile { event, quantile } => Reading::Values {
                event: number(event),
                quantile: *quantile,
            },
        };
        let (cap, cap_quantile) = match metric.cap {
            Some(Cap::At(at)) => (Fixed::of(at).ok(), None),
            Some(Cap::Quantile(quantile)) => (None, Some(quantile)),
            None => (None, None),
        };
        Self {
            name: metric.name.clone(),
            reading,
            window: metric.window.map_or(u64::MAX, millis),
            cap,
            cap_quantile,
            ranks: metric.ranks,
        }
    }

    /// Whether two numbers of a unit belong together, instead of one and its history.
    pub(super) fn is_pair(&self) -> bool {
        matches!(self.reading, Reading::Pair { .. })
    }

    /// The percentile that it is, if it is one.
    pub(super) fn percentile(&self) -> Option<f64> {
        match self.reading {
            Reading::Values { quantile, .. } => Some(quantile),
            _ => None,
        }
    }

    /// The tally of nobody.
    pub(super) fn empty(&self) -> MetricTally {
        let steps = match &self.reading {
            Reading::Funnel { steps } => steps.len(),
            _ => 0,
        };
        MetricTally {
            steps: vec![0; steps],
            ..MetricTally::NOBODY
        }
    }
}

fn take(aggregation: Aggregation) -> Take {
    match aggregation {
        Aggregation::Sum | Aggregation::Average => Take::Sum,
        Aggregation::Count => Take::Count,
        Aggregation::Unique => Take::Unique,
        Aggregation::Max => Take::Max,
    }
}

pub(super) fn millis(span: Span) -> u64 {
    u64::try_from(span.duration().as_millis()).unwrap_or(u64::MAX)
}
