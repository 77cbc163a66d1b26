//! Experiments by the values of a dimension, and what is planned with the traffic that they had.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that has not what it needs fails"
)]

use std::collections::BTreeMap;
use tidegate_analytics::findings::{Breakdown, breakdown, traffic};
use tidegate_analytics::foreign::WithinStrata;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::experiment::tally::{ArmTally, MetricTally, Sums, Tallies};
use tidegate_model::experiment::{Design, ExperimentChange, ExperimentState};
use tidegate_stats::Refusal;

const SHARE: &str = r#"{"name":"m","measure":{"kind":"conversion","event":"a"}}"#;
const MEAN: &str = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}}"#;

fn design(metric: &str, more: &str) -> Design {
    let text = format!(
        r#"{{"key":"checkout","hypothesis":"it sells more","flag":"checkout","control":"old",
        "arms":[{{"variation":"old","weight":50}},{{"variation":"new","weight":50}}],
        "metrics":[{metric}],"dimensions":["country"]{more}}}"#
    );
    let design: Design = serde_json::from_str(&text).unwrap();
    design.checked().unwrap()
}

/// So many units of an arm with this value each.
fn arm(values: &[(i128, u64)]) -> ArmTally {
    let mut sums = Sums::default();
    for (value, units) in values {
        let (y, n) = (value * 1_000_000, i128::from(*units));
        sums = sums.plus(&Sums {
            n: *units,
            y: n * y,
            yy: n * y * y,
            ..Sums::NONE
        });
    }
    let tally = MetricTally {
        new: sums,
        ..MetricTally::default()
    };
    ArmTally {
        units: sums.n,
        metrics: BTreeMap::from([("m".parse().unwrap(), tally)]),
    }
}

/// A value of the dimension with what old and new did there.
type Place<'a> = (&'a str, &'a [(i128, u64)], &'a [(i128, u64)]);

fn tallies(places: &[Place<'_>]) -> Tallies {
    let mut all = Tallies::default();
    let countries = all.breakdown.entry("country".to_owned()).or_default();
    for (country, old, new) in places {
        for (name, values) in [("old", old), ("new", new)] {
            let tally = arm(values);
            let whole = all.arms.entry(name.parse().unwrap()).or_default();
            *whole = whole.plus(&tally);
            let country = countries.entry((*country).to_owned()).or_default();
            country.insert(name.parse().unwrap(), tally);
        }
    }
    all
}

fn one(found: &Breakdown) -> &WithinStrata {
    &found.adjusted[0].comparisons[0]
}

fn near(got: f64, want: f64) {
    assert!(
        (got - want).abs() < 1e-12 * want.abs().max(1.0),
        "{got} for {want}"
    );
}

/// The arms have got the two countries in another proportion: it looks as if the treatment were worse, and it is better
/// in both.
#[test]
fn a_dimension_takes_out_what_the_proportions_make() {
    let counted = tallies(&[
        ("de", &[(1, 400), (0, 400)], &[(1, 120), (0, 80)]),
        ("jp", &[(1, 20), (0, 180)], &[(1, 160), (0, 640)]),
    ]);
    let found = breakdown(&design(SHARE, ""), &counted, "country");
    assert_eq!(found.values.keys().collect::<Vec<_>>(), ["de", "jp"]);
    let adjusted = one(&found);
    let difference = adjusted.difference.given().unwrap();
    // Both countries are half of all units; 0.6 less 0.5, and 0.2 less 0.1.
    near(difference.estimate, 0.1);
    near(adjusted.lift.given().unwrap().estimate, 0.1 / 0.3);
    // The variances of the four means, each weighed by a half; the differences do not vary between the countries.
    let squared = |share: f64, n: f64| share * (1.0 - share) / (n - 1.0);
    let within = [
        squared(0.5, 800.0),
        squared(0.6, 200.0),
        squared(0.1, 200.0),
        squared(0.2, 800.0),
    ];
    let variance = within.iter().sum::<f64>() / 4.0;
    near(difference.standard_error, variance.sqrt());
    let interval = difference.interval.given().unwrap();
    near(
        interval.upper.unwrap() - difference.estimate,
        1.959_963_984_540_054 * difference.standard_error,
    );
    assert!(adjusted.p.given().unwrap().p < 0.01);
    assert!(adjusted.mantel_haenszel.as_ref().unwrap().given().unwrap().p < 1e-4);
    assert_eq!((adjusted.strata, adjusted.merged), (2, 0));
    let plain = tidegate_analytics::result::result(
        &design(SHARE, ""),
        &counted,
        &tidegate_analytics::result::Asked::default(),
    );
    let plain = plain.metrics[0].comparisons[0].difference.given().unwrap();
    near(plain.estimate, 0.28 - 0.42);
    let json = serde_json::to_value(&found).unwrap();
    near(
        json["adjusted"][0]["comparisons"][0]["difference"]["estimate"]
            .as_f64()
            .unwrap(),
        0.1,
    );
    assert!(json["values"]["jp"].is_array());
}

/// Values with one unit in an arm are one stratum together, or none when even that is too small.
#[test]
fn small_values_are_put_together() {
    let counted = tallies(&[
        ("de", &[(2, 50), (4, 50)], &[(3, 50), (5, 50)]),
        ("fr", &[(1, 1)], &[(7, 30), (8, 1)]),
        ("jp", &[(3, 1)], &[(6, 10)]),
    ]);
    let found = breakdown(&design(MEAN, ""), &counted, "country");
    let adjusted = one(&found);
    assert_eq!((adjusted.strata, adjusted.merged), (2, 2));
    assert_eq!(adjusted.mantel_haenszel, None);
    let rest = (30.0 * 7.0 + 8.0 + 60.0) / 41.0 - 2.0;
    near(
        adjusted.difference.given().unwrap().estimate,
        (200.0 + 43.0 * rest) / 243.0,
    );
    let alone = tallies(&[("fr", &[(1, 1)], &[(7, 30)])]);
    let found = breakdown(&design(MEAN, ""), &alone, "country");
    assert!(matches!(
        one(&found).difference.refusal(),
        Some(Refusal::TooFew { what: "strata", .. })
    ));
}

#[test]
fn what_cannot_be_adjusted_is_refused() {
    let counted = tallies(&[("de", &[(2, 50), (4, 50)], &[(3, 50), (5, 50)])]);
    let undefined = |metric: &str, more: &str| {
        let found = breakdown(&design(metric, more), &counted, "country");
        let adjusted = one(&found);
        let refusal = adjusted.difference.refusal().unwrap();
        assert_eq!(
            (adjusted.lift.refusal(), adjusted.p.refusal()),
            (Some(refusal), Some(refusal))
        );
        assert!(matches!(refusal, Refusal::Undefined { .. }), "{refusal}");
        refusal.to_string()
    };
    let average = r#"{"name":"m","measure":{"kind":"custom","event":"a","aggregation":"average"}}"#;
    assert!(undefined(average, "").contains("shares and means"));
    let percentile = r#"{"name":"m","measure":{"kind":"percentile","event":"a","quantile":0.5}}"#;
    assert!(undefined(percentile, "").contains("shares and means"));
    assert!(undefined(MEAN, r#","bandit":{"metric":"m"}"#).contains("dealings"));
    // Nothing varies, and nobody was there.
    let same = tallies(&[("de", &[(2, 50)], &[(2, 50)])]);
    let found = breakdown(&design(MEAN, ""), &same, "country");
    assert_eq!(one(&found).difference.refusal(), Some(Refusal::NoVariance));
    let found = breakdown(&design(MEAN, ""), &Tallies::default(), "country");
    assert!(found.values.is_empty());
    assert!(matches!(
        one(&found).difference.refusal(),
        Some(Refusal::TooFew { .. })
    ));
}

const HOUR: i64 = 3_600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

/// Of hours no days are made: one who starts in the evening would see half a day's traffic.
#[test]
fn traffic_needs_a_day() {
    let by = Author::Tidegate;
    let designed = ExperimentChange::Designed {
        design: Box::new(design(MEAN, "")),
        by,
    };
    let state = ExperimentState::apply(None, &designed, at(0)).unwrap();
    let state = ExperimentState::apply(Some(state), &ExperimentChange::Started, at(HOUR)).unwrap();
    let counted = tallies(&[("de", &[(2, 50), (4, 50)], &[(3, 50), (5, 50)])]);
    let after = |seconds: i64| traffic(&state, std::slice::from_ref(&counted), at(HOUR + seconds));
    assert_eq!(after(24 * HOUR - 1), None);
    near(after(24 * HOUR).unwrap().units_a_day, 200.0);
    near(after(96 * HOUR).unwrap().units_a_day, 50.0);
    assert_eq!(traffic(&state, &[Tallies::default()], at(96 * HOUR)), None);
}
