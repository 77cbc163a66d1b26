//! Everything that an experiment says at one moment.
#![expect(clippy::unwrap_used, reason = "a test that has not what it needs fails")]

use serde_json::{Value, json};
use tidegate_analytics::findings::{breakdown, course, findings, traffic};
use tidegate_analytics::result::Look;
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::experiment::tally::{ArmTally, Fixed, MetricTally, Sums, Tallies};
use tidegate_model::experiment::{ExperimentChange as C, ExperimentState, Outcome};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

fn running(discipline: &Value) -> ExperimentState {
    let design = serde_json::from_value(json!({
        "key": "e", "hypothesis": "h", "flag": "f", "control": "off", "traffic": 50, "dimensions": ["country"],
        "arms": [{ "variation": "off", "weight": 50 }, { "variation": "on", "weight": 50 }],
        "metrics": [{ "name": "bought", "measure": { "kind": "conversion", "event": "bought" } }],
        "discipline": discipline,
    }));
    let designed = C::Designed {
        design: Box::new(design.unwrap()),
        by: Author::Tidegate,
    };
    let state = ExperimentState::apply(None, &designed, at(0)).unwrap();
    ExperimentState::apply(Some(state), &C::Started, at(0)).unwrap()
}

fn bought(off: (u64, u64), on: (u64, u64)) -> Tallies {
    let one = i128::from(Fixed::ONE.millionths());
    let mut tallies = Tallies::default();
    for (arm, (n, events)) in [("off", off), ("on", on)] {
        let y = i128::from(events);
        let new = Sums {
            n,
            y: y * one,
            yy: y * one * one,
            ..Sums::NONE
        };
        let metric = MetricTally {
            new,
            active: events,
            ..MetricTally::NOBODY
        };
        let tally = ArmTally {
            units: n,
            metrics: [("bought".parse().unwrap(), metric)].into(),
        };
        tallies.arms.insert(arm.parse().unwrap(), tally);
    }
    tallies
}

fn looked(state: ExperimentState, tallies: &Tallies, seconds: i64) -> ExperimentState {
    let look = C::Looked {
        units: tallies.units(),
        tallies: Box::new(tallies.clone()),
    };
    ExperimentState::apply(Some(state), &look, at(seconds)).unwrap()
}

fn group() -> Value {
    json!({ "kind": "group_sequential", "units": 10_000, "looks": 5 })
}

#[test]
fn the_last_look_that_counted_is_the_headline() {
    let then = bought((1_000, 100), (1_000, 130));
    let state = looked(running(&group()), &then, 10);
    let now = bought((1_500, 150), (1_500, 150));
    let found = findings(&state, std::slice::from_ref(&now));
    assert_eq!(found.headline.look.units(), 2_000);
    assert!(found.headline.look.counts());
    assert_eq!(found.now.unwrap().look.units(), 3_000);
    let found = findings(&state, &[bought((2_000, 200), (2_000, 200))]);
    assert_eq!(
        (found.headline.look.units(), found.now),
        (4_000, None),
        "the next one has come"
    );
    let early = findings(&running(&group()), std::slice::from_ref(&now));
    assert_eq!((early.headline.look.units(), early.now), (3_000, None));
    let any = findings(&running(&json!({ "kind": "always_valid" })), &[now]);
    assert_eq!(
        (any.headline.look.units(), any.now, any.bandit),
        (3_000, None, None)
    );
}

#[test]
fn after_the_look_at_the_planned_end_none_counts() {
    let then = bought((1_400, 140), (1_400, 140));
    let state = looked(running(&group()), &then, 100);
    let stopped = C::Stopped {
        outcome: Outcome::Revert,
        as_planned: true,
        by: Author::Tidegate,
        why: "over".to_owned(),
    };
    let state = ExperimentState::apply(Some(state), &stopped, at(100)).unwrap();
    let late = bought((1_450, 145), (1_450, 200));
    let found = findings(&state, &[late]);
    assert_eq!(found.headline.look.units(), 2_800);
    assert!(
        matches!(
            found.headline.look,
            Look::Interim {
                last: true,
                number: 1,
                ..
            }
        ),
        "{:?}",
        found.headline.look
    );
    assert!(matches!(
        found.now.unwrap().look,
        Look::Again {
            first: 2_800,
            units: 2_900
        }
    ));
}

#[test]
fn each_part_stands_for_itself() {
    let mut tallies = bought((2_000, 200), (2_000, 300));
    let (de, fr) = (
        bought((1_000, 100), (1_000, 200)),
        bought((1_000, 100), (1_000, 100)),
    );
    let values = [("DE".to_owned(), de.arms), ("FR".to_owned(), fr.arms)];
    tallies.breakdown.insert("country".to_owned(), values.into());
    let state = running(&group());
    let found = breakdown(&state.design, &tallies, "country");
    let lift = |value: &str| {
        found.values[value][0].comparisons[0]
            .difference
            .given()
            .unwrap()
            .estimate
    };
    assert!((lift("DE") - 0.1).abs() < 1e-12 && lift("FR").abs() < 1e-12);
    assert!(breakdown(&state.design, &tallies, "browser").values.is_empty());
}

#[test]
fn what_is_known_so_far_only_narrows() {
    let design = running(&group()).design;
    let all: Vec<Tallies> = (1..=8)
        .map(|k| bought((500 * k, 50 * k), (500 * k, 60 * k)))
        .collect();
    let moments: Vec<_> = (1..)
        .zip(&all)
        .map(|(second, tallies)| (at(second), tallies))
        .collect();
    let found = course(&design, &moments);
    let points = &found["bought"]["on"];
    assert_eq!(points.len(), 8);
    for pair in points.windows(2) {
        let (one, other) = (pair[0].so_far.unwrap(), pair[1].so_far.unwrap());
        assert!(other.lower >= one.lower && other.upper <= one.upper, "{pair:?}");
        assert!(pair[1].units > pair[0].units);
    }
    let (first, last) = (points[0].so_far.unwrap(), points[7].so_far.unwrap());
    assert!(last.upper.unwrap() - last.lower.unwrap() < (first.upper.unwrap() - first.lower.unwrap()) / 2.0);
}

#[test]
fn traffic_is_told_as_if_everybody_took_part() {
    let state = running(&group());
    let tallies = [bought((1_000, 100), (1_000, 130))];
    let found = traffic(&state, &tallies, at(2 * 86_400)).unwrap();
    assert!(
        (found.units_a_day - 2_000.0).abs() < 1e-9,
        "half of them take part, for two days"
    );
    let baseline = found.metrics.values().next().unwrap();
    assert!((baseline.value - 0.1).abs() < 1e-12);
    assert!(traffic(&state, &tallies, at(0)).is_none(), "no time has passed");
    assert!(
        traffic(&state, &[Tallies::default()], at(86_400)).is_none(),
        "nobody was met"
    );
}
