//! Every measure: what units did, and what it comes to.

use crate::make::{DAY, HOUR, MINUTE, design, did, fold, folded, met, metric, observe};
use tidegate_model::experiment::tally::Sums;

/// Sums of whole numbers `(x, y)`.
fn sums(of: &[(i128, i128)]) -> Sums {
    let million = 1_000_000;
    of.iter().fold(Sums::NONE, |sums, (x, y)| {
        sums.plus(&Sums {
            n: 1,
            y: y * million,
            yy: y * y * million * million,
            x: x * million,
            xx: x * x * million * million,
            xy: x * y * million * million,
        })
    })
}

/// One unit in the arm new, exposed an hour after the start, does these things: event, value, time since its exposure.
/// The metric's sums of it, known or new.
#[track_caller]
fn check(measure: &str, did_so: &[(&str, f64, i64)], known: &[(i128, i128)], new: &[(i128, i128)]) {
    let design = design(&format!(r#"{{"name":"m",{measure}}}"#), "");
    let mut told = vec![met("u", "new", HOUR)];
    told.extend(
        did_so
            .iter()
            .map(|(event, value, since)| did("u", event, *value, HOUR + since)),
    );
    let orders = [told.clone(), told.iter().rev().cloned().collect()];
    for told in orders {
        let tallies = folded(&design, &told);
        let tally = metric(&tallies, "new", "m");
        assert_eq!(
            (tally.known, tally.new),
            (sums(known), sums(new)),
            "{measure} {did_so:?}"
        );
        assert_eq!(
            tally.active,
            known.iter().chain(new).filter(|one| one.1 != 0).count() as u64
        );
        assert_eq!(tallies.arms["new"].units, 1);
        for other in ["old", "mid"] {
            assert_eq!(metric(&tallies, other, "m").all(), Sums::NONE);
        }
    }
}

#[test]
fn measures_of_one_event() {
    let conversion = r#""measure":{"kind":"conversion","event":"a"}"#;
    let revenue = r#""measure":{"kind":"revenue","event":"a"}"#;
    let engagement = r#""measure":{"kind":"engagement","event":"a"}"#;
    let custom = |aggregation: &str| {
        format!(r#""measure":{{"kind":"custom","event":"a","aggregation":"{aggregation}"}}"#)
    };
    let (unique, max) = (custom("unique"), custom("max"));
    let did_so: &[(&str, f64, i64)] = &[
        ("a", 3.0, 0),
        ("a", 5.0, MINUTE),
        ("a", 3.0, DAY),
        ("z", 9.0, MINUTE),
    ];
    for (measure, y) in [
        (conversion, 1),
        (revenue, 11),
        (engagement, 3),
        (&custom("sum"), 11),
        (&custom("count"), 3),
        (&unique, 2),
        (&max, 5),
    ] {
        check(measure, did_so, &[], &[(0, y)]);
        // Before the exposure it is history.
        let before: &[(&str, f64, i64)] = &[("a", 2.0, -1), ("a", 7.0, -DAY)];
        let x = match y {
            11 => 9,
            5 => 7,
            1 => 1,
            _ => 2,
        };
        check(measure, &[before, did_so].concat(), &[(x, y)], &[]);
    }
    for measure in [conversion, revenue, engagement, &unique] {
        check(measure, &[], &[], &[(0, 0)]);
    }
    check(&max, &[], &[], &[]);
    check(&max, &[("a", -4.0, 1), ("a", -9.0, 2)], &[], &[(0, -4)]);
}

#[test]
fn what_counts_lies_in_the_window() {
    let window = r#""measure":{"kind":"revenue","event":"a"},"window":"1d""#;
    for (since, known, new) in [
        (0, vec![], vec![(0, 1)]),
        (DAY - 1, vec![], vec![(0, 1)]),
        (DAY, vec![], vec![(0, 0)]),
        (-1, vec![(1, 0)], vec![]),
        (-14 * DAY, vec![(1, 0)], vec![]),
        (-14 * DAY - 1, vec![], vec![(0, 0)]),
    ] {
        check(window, &[("a", 1.0, since)], &known, &new);
    }
    let retention = r#""measure":{"kind":"retention","event":"a","from":"7d","to":"8d"}"#;
    for (since, known, new) in [
        (7 * DAY - 1, vec![], vec![(0, 0)]),
        (7 * DAY, vec![], vec![(0, 1)]),
        (8 * DAY - 1, vec![], vec![(0, 1)]),
        (8 * DAY, vec![], vec![(0, 0)]),
        (-DAY, vec![(1, 0)], vec![]),
    ] {
        check(retention, &[("a", 1.0, since)], &known, &new);
    }
}

#[test]
fn caps_cut_what_is_above_them() {
    let capped = r#""measure":{"kind":"revenue","event":"a"},"cap":{"at":10}"#;
    check(capped, &[("a", 7.0, 1), ("a", 8.0, 2)], &[], &[(0, 10)]);
    check(capped, &[("a", -70.0, 1)], &[], &[(0, -70)]);
    check(capped, &[("a", 11.0, -1), ("a", 9.0, 2)], &[(10, 9)], &[]);
}

#[test]
fn pairs_are_known_of_all() {
    let average = r#""measure":{"kind":"custom","event":"a","aggregation":"average"}"#;
    check(
        average,
        &[("a", 7.0, 1), ("a", 8.0, 2), ("a", 100.0, -1)],
        &[(2, 15)],
        &[],
    );
    check(average, &[], &[(0, 0)], &[]);
    let ratio = r#""measure":{"kind":"ratio","numerator":{"event":"errors","aggregation":"count"},"denominator":{"event":"asked","aggregation":"sum"}}"#;
    check(
        ratio,
        &[("errors", 9.0, 1), ("asked", 3.0, 1), ("asked", 4.0, 2)],
        &[(7, 1)],
        &[],
    );
    let same = r#""measure":{"kind":"ratio","numerator":{"event":"a","aggregation":"sum"},"denominator":{"event":"a","aggregation":"count"}}"#;
    check(same, &[("a", 9.0, 1), ("a", 3.0, 1)], &[(2, 12)], &[]);
}

#[test]
fn funnels_go_on_in_their_order() {
    let design = design(
        r#"{"name":"m","measure":{"kind":"funnel","steps":["see","add","see","buy"]},"window":"1h"}"#,
        "",
    );
    for (did_so, reached) in [
        (&[][..], 0),
        (&[("add", 1), ("buy", 2)], 0),
        (&[("see", 0)], 1),
        (&[("see", 1), ("buy", 2), ("add", 3), ("buy", 4)], 2),
        (&[("see", 1), ("add", 2), ("see", 3), ("buy", 4), ("buy", 5)], 4),
        // What happened in one millisecond has no order.
        (&[("see", 1), ("add", 1), ("buy", 1)], 2),
        (&[("buy", 2), ("see", 1), ("add", 1), ("see", 2)], 4),
        // Out of the window.
        (&[("see", 1), ("add", HOUR - 1), ("see", HOUR)], 2),
        (&[("see", -1), ("add", 1)], 0),
    ] {
        let mut told = vec![met("u", "new", 0)];
        told.extend(did_so.iter().map(|(event, since)| did("u", event, 1.0, *since)));
        let tallies = folded(&design, &told);
        let tally = metric(&tallies, "new", "m");
        let expected: Vec<u64> = (0..4).map(|step| u64::from(step < reached)).collect();
        assert_eq!(tally.steps, expected, "{did_so:?}");
        assert_eq!(tally.all().y, if reached == 4 { 1_000_000 } else { 0 });
    }
}

#[test]
fn a_cap_at_a_quantile_is_found_in_all_arms_together() {
    let design = design(
        r#"{"name":"m","measure":{"kind":"revenue","event":"a"},"cap":{"quantile":0.9}}"#,
        "",
    );
    let mut told = Vec::new();
    for number in 0..40 {
        let (unit, arm) = (format!("u{number}"), ["old", "new"][number % 2]);
        told.push(met(&unit, arm, 0));
        if number < 10 {
            // 1 to 10, the largest of them by a thousand: nine tenths of those that spend are not above 9.
            let value = if number == 9 { 1e6 } else { number as f64 + 1.0 };
            told.push(did(&unit, "a", value, 1));
        }
    }
    let mut fold = fold(&design);
    observe(&mut fold, &told);
    let before = fold.tallies();
    assert_eq!(
        metric(&before, "new", "m").all().y,
        (2 + 4 + 6 + 8 + 1_000_000) * 1_000_000
    );
    let after = fold.look();
    assert_eq!(
        metric(&after, "new", "m").all().y,
        (2 + 4 + 6 + 8 + 9) * 1_000_000
    );
    assert_eq!(
        metric(&after, "old", "m").all().y,
        (1 + 3 + 5 + 7 + 9) * 1_000_000
    );
    // From one look to the next, the cap stays.
    observe(&mut fold, &[did("u10", "a", 50.0, 2)]);
    assert_eq!(
        metric(&fold.tallies(), "old", "m").all().y,
        (1 + 3 + 5 + 7 + 9 + 9) * 1_000_000
    );
    assert!(fold.walks());
}

#[test]
fn percentiles_are_of_events_and_counted_by_units() {
    let design = design(
        r#"{"name":"m","measure":{"kind":"percentile","event":"a","quantile":0.5}}"#,
        "",
    );
    let mut told = Vec::new();
    // Three units with 1 to 15, four to six events each; and one without.
    for (unit, values) in [("u", 1..5_i64), ("v", 5..10), ("w", 10..16), ("x", 16..16)] {
        told.push(met(unit, "mid", 0));
        told.extend(values.map(|value| did(unit, "a", value as f64, value)));
    }
    let tallies = folded(&design, &told);
    let quantile = metric(&tallies, "mid", "m").quantile.unwrap();
    assert_eq!((quantile.events, quantile.clusters), (15, 3));
    assert_eq!(
        (quantile.value, quantile.lower < 8.0, quantile.upper > 8.0),
        (8.0, true, true)
    );
    assert_eq!(quantile.below, 4 + 4);
    assert_eq!(quantile.below_squared, 16 + 16);
    assert_eq!(quantile.events_squared, 16 + 25 + 36);
    assert_eq!(quantile.below_events, 4 * 4 + 4 * 5);
    assert_eq!(metric(&tallies, "mid", "m").all(), Sums::NONE);
    assert_eq!(metric(&tallies, "old", "m").quantile, None);
    assert_eq!(tallies.arms["mid"].units, 4);
}

/// Whether a unit has a history is the same whatever it does after its exposure.
#[test]
fn a_history_is_what_happened_before() {
    let metrics = r#"{"name":"m","measure":{"kind":"conversion","event":"a"}},{"name":"n","measure":{"kind":"revenue","event":"b"}}"#;
    let design = design(metrics, "");
    for (did_so, known) in [
        (vec![], 0),
        (vec![did("u", "a", 1.0, HOUR), did("u", "b", 1.0, 5 * DAY)], 0),
        (vec![did("u", "z", 1.0, -HOUR)], 0),
        // One event is a history for all metrics: a unit that was there and bought nothing is not new.
        (vec![did("u", "a", 1.0, HOUR - 1)], 1),
        (vec![did("u", "b", 1.0, -13 * DAY)], 1),
        (vec![did("u", "b", 1.0, -14 * DAY)], 0),
    ] {
        let told = [vec![met("u", "old", HOUR)], did_so].concat();
        let tallies = folded(&design, &told);
        for name in ["m", "n"] {
            let tally = metric(&tallies, "old", name);
            assert_eq!(
                (tally.known.n, tally.new.n),
                (known, 1 - known),
                "{name} {told:?}"
            );
        }
    }
    let none = self::design(metrics, r#","history":"0s""#);
    let tallies = folded(&none, &[met("u", "old", HOUR), did("u", "a", 1.0, 1)]);
    assert_eq!(metric(&tallies, "old", "m").known, Sums::NONE);
}
