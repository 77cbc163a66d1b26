//! Designs and tallies for the tests.

use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::{ArmTally, MetricTally, Sums, Tallies};

/// A design with these arms, the first one the control, and the metrics and the discipline as JSON.
pub(crate) fn design(arms: &[(&str, f64)], metrics: &str, discipline: &str) -> Design {
    let control = arms[0].0;
    let arms: Vec<String> = arms
        .iter()
        .map(|(arm, weight)| format!(r#"{{"variation":"{arm}","weight":{weight}}}"#))
        .collect();
    let text = format!(
        r#"{{"key":"checkout","hypothesis":"it sells more","flag":"checkout","control":"{control}",
        "arms":[{}],"metrics":[{metrics}],"discipline":{discipline}}}"#,
        arms.join(",")
    );
    let design: Design = serde_json::from_str(&text).unwrap();
    design.checked().unwrap()
}

pub(crate) const EVEN: [(&str, f64); 2] = [("old", 50.0), ("new", 50.0)];
pub(crate) const ANYTIME: &str = r#"{"kind":"always_valid","tunedFor":10000}"#;
pub(crate) const BOUGHT: &str = r#"{"name":"bought","measure":{"kind":"conversion","event":"bought"}}"#;
pub(crate) const SPENT: &str = r#"{"name":"spent","measure":{"kind":"revenue","event":"bought"}}"#;

pub(crate) fn fixed(units: u64) -> String {
    format!(r#"{{"kind":"fixed","units":{units}}}"#)
}

pub(crate) fn group(units: u64) -> String {
    format!(r#"{{"kind":"group_sequential","units":{units}}}"#)
}

/// So many of these units have the event.
pub(crate) fn share(events: u64, units: u64) -> MetricTally {
    MetricTally {
        new: values(&[(1.0, events), (0.0, units - events)]),
        active: events,
        ..MetricTally::default()
    }
}

/// Values and how often each comes.
pub(crate) fn values(values: &[(f64, u64)]) -> Sums {
    pairs(
        &values
            .iter()
            .map(|(y, times)| (0.0, *y, *times))
            .collect::<Vec<_>>(),
    )
}

/// What goes with a value, the value, and how often both come.
pub(crate) fn pairs(pairs: &[(f64, f64, u64)]) -> Sums {
    let mut sums = Sums::default();
    for (x, y, times) in pairs {
        let millionths = |value: f64| {
            tidegate_model::experiment::tally::Fixed::of(value)
                .unwrap()
                .millionths()
        };
        let (x, y) = (i128::from(millionths(*x)), i128::from(millionths(*y)));
        let n = i128::from(*times);
        sums = sums.plus(&Sums {
            n: *times,
            y: n * y,
            yy: n * y * y,
            x: n * x,
            xx: n * x * x,
            xy: n * x * y,
        });
    }
    sums
}

pub(crate) fn mean(of: &[(f64, u64)]) -> MetricTally {
    MetricTally {
        new: values(of),
        active: of.iter().filter(|(y, _)| *y != 0.0).map(|one| one.1).sum(),
        ..MetricTally::default()
    }
}

/// Arms by name: their units, and their metrics by name.
pub(crate) fn tallies(arms: &[(&str, u64, &[(&str, MetricTally)])]) -> Tallies {
    let mut tallies = Tallies::default();
    for (arm, units, metrics) in arms {
        let metrics = metrics
            .iter()
            .map(|(name, tally)| (name.parse().unwrap(), tally.clone()));
        let tally = ArmTally {
            units: *units,
            metrics: metrics.collect(),
        };
        tallies.arms.insert(arm.parse().unwrap(), tally);
    }
    tallies
}
