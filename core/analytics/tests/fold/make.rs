//! Designs and observations for the tests.

use std::collections::BTreeMap;
use tidegate_analytics::fold::{Fold, Period};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::{MetricTally, Tallies};
use tidegate_model::observation::Observation;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// So many milliseconds after the start.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(1_767_225_600_000 + millis).unwrap()
}

/// So many milliseconds later.
pub(crate) fn later(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(time.timestamp_millis() + millis).unwrap()
}

/// What is told of a unit, and when it is received.
pub(crate) type Told = (Observation, Timestamp);

/// An experiment with the arms old, mid and new. `more` are further fields, each with a comma before it.
pub(crate) fn design(metrics: &str, more: &str) -> Design {
    let text = format!(
        r#"{{"key":"checkout","hypothesis":"it sells more","flag":"checkout","control":"old",
        "arms":[{{"variation":"old","weight":40}},{{"variation":"mid","weight":30}},{{"variation":"new","weight":30}}],
        "metrics":[{metrics}]{more}}}"#
    );
    let design: Design = serde_json::from_str(&text).unwrap();
    design.checked().unwrap()
}

pub(crate) const PERIOD: Period = Period {
    from: Timestamp::from_timestamp_millis(1_767_225_600_000).unwrap(),
    until: None,
    batch: 0,
};

pub(crate) fn fold(design: &Design) -> Fold {
    Fold::new(design, PERIOD)
}

/// An exposure that is received at once.
pub(crate) fn met(unit: &str, arm: &str, millis: i64) -> Told {
    met_as(unit, arm, millis, &[])
}

pub(crate) fn met_as(unit: &str, arm: &str, millis: i64, dimensions: &[(&str, &str)]) -> Told {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let exposure = Observation::Exposure {
        experiment: "checkout".parse().unwrap(),
        batch: 0,
        unit: unit.to_owned(),
        arm: arm.parse().unwrap(),
        at: at(millis),
        dimensions: dimensions.collect::<BTreeMap<_, _>>(),
    };
    (exposure, at(millis))
}

/// An event that is received at once; its id says all of it.
pub(crate) fn did(unit: &str, metric: &str, value: f64, millis: i64) -> Told {
    did_as(unit, metric, value, millis, &format!("{metric} {value} {millis}"))
}

pub(crate) fn did_as(unit: &str, metric: &str, value: f64, millis: i64, id: &str) -> Told {
    let event = Observation::Event {
        unit: unit.to_owned(),
        metric: metric.parse().unwrap(),
        value,
        at: at(millis),
        id: id.to_owned(),
    };
    (event, at(millis))
}

/// The same, received so much later.
pub(crate) fn delayed((observation, received): Told, millis: i64) -> Told {
    (observation, later(received, millis))
}

pub(crate) fn observe(fold: &mut Fold, told: &[Told]) {
    for (observation, received) in told {
        fold.observe(observation, *received);
    }
}

/// The tallies of these observations, in this order.
pub(crate) fn folded(design: &Design, told: &[Told]) -> Tallies {
    let mut fold = fold(design);
    observe(&mut fold, told);
    fold.look()
}

pub(crate) fn metric<'a>(tallies: &'a Tallies, arm: &str, metric: &str) -> &'a MetricTally {
    &tallies.arms[arm].metrics[metric]
}
