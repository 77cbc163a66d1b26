//! What rules would have heard: recorded numbers, and degradations put on top of them.

use crate::answer::{Script, Source};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::Timestamp;
use tidegate_model::evidence::{Counted, Evidence, Found, Samples};
use tidegate_model::key::RuleName;
use tidegate_model::policy::{self, Rule, Slo};
use tidegate_model::span::Span;
use tidegate_model::verdict::{Measurement, SequentialTest, UnknownReason};

mod counter;

pub use counter::Counter;

/// A recorded number, or why there was none.
pub type Point = Result<f64, UnknownReason>;

/// Numbers by the moment at which they were asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series(BTreeMap<Timestamp, Point>);

impl FromIterator<(Timestamp, Point)> for Series {
    fn from_iter<I: IntoIterator<Item = (Timestamp, Point)>>(points: I) -> Self {
        Self(points.into_iter().collect())
    }
}

impl Series {
    /// What was said at `at`, or less than an interval of `rule` before.
    fn at(&self, rule: &Rule, at: Timestamp) -> Point {
        let newest = self.0.range(..=at).next_back();
        match newest {
            Some((said, point)) if rule.interval.after(*said) > at => *point,
            _ => Err(UnknownReason::NoSeries),
        }
    }

    fn measured(&self, rule: &Rule, at: Timestamp) -> Measurement {
        match self.at(rule, at) {
            Ok(value) => Measurement::of(value),
            Err(reason) => Measurement::unknown(reason, ""),
        }
    }

    /// The numbers within `window` before `at`. A moment without traffic divides 0 by 0: it is no sample, and
    /// no reason to drop the others.
    fn within(&self, window: Span, at: Timestamp) -> Samples {
        let points = || self.0.range(window.before(at)..=at).map(|(_, point)| *point);
        let mut hindered = points().filter_map(Result::err);
        let why = hindered.rfind(|why| !matches!(why, UnknownReason::NoSeries | UnknownReason::Nan));
        if let Some(why) = why {
            return Samples::unknown(why, "");
        }
        let values: Vec<f64> = points().filter_map(Result::ok).collect();
        if values.is_empty() {
            let none = points().filter_map(Result::err).next_back();
            return Samples::unknown(none.unwrap_or(UnknownReason::NoSeries), "");
        }
        Samples {
            values: Ok(values),
            detail: String::new(),
        }
    }
}

/// What was recorded for a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What its source said.
    pub said: Record,
    /// The samples behind it, if it has a query that counts them.
    pub samples: Option<Series>,
}

/// What the source of a rule said: one kind for each kind of rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// One number.
    Number(Series),
    /// A number of each side, the candidate's first.
    Sides([Series; 2]),
    /// Samples of each side, the candidate's first.
    Samples([Series; 2]),
    /// Counters of each side: the candidate's errors and requests, then the baseline's.
    Counters([Vec<Counter>; 4]),
    /// The share of errors in both windows of each burn rate, and in the whole period if it is asked for.
    Burns {
        /// Long and short window.
        rates: Vec<[Series; 2]>,
        /// The whole period.
        period: Option<Series>,
    },
}

/// What a degradation does to what a rule hears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Degradation {
    /// Its number is this: the one that is compared with its threshold.
    Value(f64),
    /// The candidate's numbers are so many times as large: values, samples, errors, shares of errors.
    Factor(f64),
}

/// A degradation that is put on top of what was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// Which rule.
    pub rule: RuleName,
    /// From when on.
    pub from: Timestamp,
    /// Until when, exclusively; `None`: for ever.
    pub until: Option<Timestamp>,
    /// What it does.
    pub does: Degradation,
}

/// What rules would have heard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// What was recorded.
    pub recorded: BTreeMap<RuleName, Recorded>,
    /// What is put on top of it. Of several for one moment all count, in order.
    pub injections: Vec<Injection>,
    /// Rules that are taken as healthy, because there is no record of them.
    pub assumed: BTreeSet<RuleName>,
}

impl Source for &History {
    fn answer(&self, rule: &Rule, before: Option<SequentialTest>, at: Timestamp) -> Option<Evidence> {
        let mut evidence = match self.recorded.get(&rule.name) {
            _ if self.assumed.contains(&rule.name) => Script::of_healthy(rule).into(),
            None => Measurement::unknown(UnknownReason::NoSeries, "").into(),
            Some(recorded) => recorded.evidence(rule, before, at),
        };
        let now = self.injections.iter().filter(|injection| {
            injection.rule == rule.name
                && injection.from <= at
                && injection.until.is_none_or(|until| at < until)
        });
        for injection in now {
            match injection.does {
                Degradation::Value(value) => evidence.found = Found::Number(Measurement::of(value)),
                Degradation::Factor(factor) => degrade(&mut evidence.found, factor),
            }
        }
        Some(evidence)
    }
}

impl Recorded {
    fn evidence(&self, rule: &Rule, before: Option<SequentialTest>, at: Timestamp) -> Evidence {
        let found = match &self.said {
            Record::Number(series) => Found::Number(series.measured(rule, at)),
            Record::Sides([candidate, baseline]) => Found::Sides {
                candidate: candidate.measured(rule, at),
                baseline: baseline.measured(rule, at),
            },
            Record::Samples([candidate, baseline]) => Found::Samples {
                candidate: candidate.within(rule.window, at),
                baseline: baseline.within(rule.window, at),
            },
            Record::Counters([errors, requests, base_errors, base_requests]) => {
                let since = before.as_ref().map(|before| before.until);
                let counted = |errors: &[Counter], requests: &[Counter]| Counted {
                    errors: counter::increase(errors, since, at, None),
                    requests: counter::increase(requests, since, at, Some(rule.interval)),
                };
                Found::Counts {
                    candidate: counted(errors, requests),
                    baseline: counted(base_errors, base_requests),
                    before,
                }
            }
            Record::Burns { rates, period } => Found::Burns {
                rates: rates
                    .iter()
                    .map(|[long, short]| (long.measured(rule, at), short.measured(rule, at)))
                    .collect(),
                period: period.as_ref().map(|period| period.measured(rule, at)),
            },
        };
        Evidence {
            found,
            samples: match &self.samples {
                Some(samples) => samples.at(rule, at).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// Multiplies what the candidate said. Shares of errors, and errors of requests, stay shares.
fn degrade(found: &mut Found, factor: f64) {
    let times = |measurement: &mut Measurement, most: f64| {
        measurement.value = measurement.value.map(|value| (value * factor).min(most));
    };
    match found {
        Found::Number(measurement) => times(measurement, f64::INFINITY),
        Found::Sides { candidate, .. } => times(candidate, f64::INFINITY),
        Found::Samples { candidate, .. } => {
            for value in candidate.values.iter_mut().flatten() {
                *value *= factor;
            }
        }
        // Only what is kept of a look has this, and history is asked anew.
        Found::Ranked(_) => {}
        Found::Counts { candidate, .. } => {
            let requests = candidate.requests.value.unwrap_or(f64::INFINITY);
            times(&mut candidate.errors, requests);
        }
        Found::Burns { rates, .. } => {
            for (long, short) in rates {
                times(long, 1.0);
                times(short, 1.0);
            }
        }
    }
}

/// What has to be recorded to replay a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// One number of each of these expressions at each look.
    Numbers(Vec<&'a str>),
    /// Numbers of these expressions, this long before the first look already, and this far apart.
    Samples([&'a str; 2], Span, Span),
    /// Every series of these selectors at each look.
    Counters([&'a str; 4]),
    /// Nothing: it is made of other rules.
    Nothing,
    /// What no Prometheus has.
    Elsewhere,
}

/// What has to be recorded to replay `rule`, besides the samples that its minimum counts.
#[must_use]
pub fn wanted(rule: &Rule) -> Wanted<'_> {
    match &rule.source {
        policy::Source::Query(promql) => Wanted::Numbers(vec![promql]),
        policy::Source::Sides(sides) => Wanted::Numbers(vec![&sides.candidate, &sides.baseline]),
        policy::Source::Ranks(ranks) => {
            Wanted::Samples([&ranks.candidate, &ranks.baseline], rule.window, ranks.step)
        }
        policy::Source::Sequential(source) => Wanted::Counters([
            &source.candidate.errors,
            &source.candidate.requests,
            &source.baseline.errors,
            &source.baseline.requests,
        ]),
        policy::Source::Slo(slo) => Wanted::Numbers(ratios(slo)),
        policy::Source::Score(_) => Wanted::Nothing,
        policy::Source::Events(_) => Wanted::Elsewhere,
    }
}

fn ratios(slo: &Slo) -> Vec<&str> {
    let burning = slo.burn_rates.iter();
    let burning = burning.flat_map(|rate| [rate.long.query.as_str(), rate.short.query.as_str()]);
    let period = slo.budget.as_ref().map(|budget| budget.period.query.as_str());
    burning.chain(period).collect()
}

impl Record {
    /// The record of `rule` made of the numbers of the expressions that were [`wanted`], in their order.
    #[must_use]
    pub fn of_numbers(rule: &Rule, mut numbers: Vec<Series>) -> Option<Self> {
        match &rule.source {
            policy::Source::Query(_) => numbers.pop().map(Self::Number),
            policy::Source::Sides(_) => numbers.try_into().ok().map(Self::Sides),
            policy::Source::Slo(slo) => {
                let period = slo.budget.as_ref().and_then(|_| numbers.pop());
                let mut numbers = numbers.into_iter();
                let mut rates = Vec::new();
                while let (Some(long), Some(short)) = (numbers.next(), numbers.next()) {
                    rates.push([long, short]);
                }
                (rates.len() == slo.burn_rates.len()).then_some(Self::Burns { rates, period })
            }
            _ => None,
        }
    }
}
