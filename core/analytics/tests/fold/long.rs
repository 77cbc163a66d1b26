//! Folds that go on for weeks: units with many events, which are summed up, and memory that is given back.

use crate::make::{
    DAY, HOUR, MINUTE, PERIOD, Told, at, delayed, design, did, did_as, fold, later, met, observe,
};
use crate::raw;
use proptest::prelude::*;
use tidegate_analytics::fold::{LATENESS, Period, TooLongAgo};
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::LeftOut;
use tidegate_model::observation::Observation;

fn busy() -> Design {
    let metrics = [
        r#"{"name":"conversion","measure":{"kind":"conversion","event":"a"},"window":"2d"}"#,
        r#"{"name":"revenue","measure":{"kind":"revenue","event":"b"},"window":"5d"}"#,
        r#"{"name":"often","measure":{"kind":"engagement","event":"a"},"cap":{"quantile":0.8}}"#,
        r#"{"name":"stayed","measure":{"kind":"retention","event":"c","from":"3d","to":"4d"}}"#,
        r#"{"name":"unique","measure":{"kind":"custom","event":"b","aggregation":"unique"}}"#,
        r#"{"name":"max","measure":{"kind":"custom","event":"b","aggregation":"max"}}"#,
        r#"{"name":"ratio","measure":{"kind":"ratio","numerator":{"event":"a","aggregation":"count"},"denominator":{"event":"b","aggregation":"sum"}}}"#,
        r#"{"name":"funnel","measure":{"kind":"funnel","steps":["c","a","b","a","c","b","c","a"]}}"#,
        r#"{"name":"middle","measure":{"kind":"percentile","event":"b","quantile":0.9}}"#,
    ];
    design(&metrics.join(","), r#","history":"3d""#)
}

/// What three units do in two weeks, each in hundreds of events, in the order in which it is received.
fn weeks() -> impl Strategy<Value = Vec<Told>> {
    let event = (
        0..4_usize,
        0..3_usize,
        1..9_i32,
        -4 * 24 * 60..10 * 24 * 60_i64,
        0..=24 * 60_i64,
        0..8_u32,
    );
    let exposure = (0..4_usize, -12..60_i64, 0..=24_i64);
    (
        prop::collection::vec(event, 150..500),
        prop::collection::vec(exposure, 1..10),
    )
        .prop_map(|(events, exposures)| {
            let unit = |number: usize| ["u", "v", "w", "x"][number];
            let mut told = Vec::new();
            for (who, what, value, minutes, delay, again) in events {
                let event = did(
                    unit(who),
                    ["a", "b", "c"][what],
                    f64::from(value),
                    minutes * MINUTE,
                );
                told.push(delayed(event.clone(), delay * MINUTE));
                if again == 1 {
                    // The same id, told again with another time.
                    let id = format!("{} {value} {}", ["a", "b", "c"][what], minutes * MINUTE);
                    let time = (minutes + delay) * MINUTE;
                    let other = did_as(unit(who), ["a", "b", "c"][what], f64::from(value), time, &id);
                    told.push(delayed(other, (24 * 60 - delay) * MINUTE));
                }
                if again == 0 {
                    told.push(delayed(event, (24 * 60 - delay) * MINUTE));
                }
            }
            for (who, hours, delay) in exposures {
                // One of them is now and then in another arm.
                let arm = if who == 3 && hours % 5 == 0 { "mid" } else { "new" };
                told.push(delayed(met(unit(who), arm, hours * HOUR), delay * HOUR));
            }
            told.sort_by_key(|(_, received)| *received);
            told
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// In the order of receipt, and in others in which nothing is handed in later than is waited for, with looks in between.
    #[test]
    fn what_is_summed_up_is_what_the_raw_observations_say(
        told in weeks(),
        shares in prop::collection::vec(0..=1_000_i64, 40),
        looks in prop::collection::vec(any::<bool>(), 64),
    ) {
        let design = busy();
        let expected = raw::tallies(&design, &PERIOD, &told);
        let handed_in = |place: usize| {
            let (observation, received) = &told[place];
            let latest = LATENESS.after(observation.at());
            let room = (latest - *received).num_milliseconds().max(0);
            received.timestamp_millis() + room * shares[place % shares.len()] / 1_000
        };
        let mut order: Vec<usize> = (0..told.len()).collect();
        order.sort_by_key(|place| handed_in(*place));
        for order in [(0..told.len()).collect(), order] {
            let mut fold = fold(&design);
            for (count, place) in order.into_iter().enumerate() {
                if count % 16 == 0 && looks[count / 16 % looks.len()] {
                    fold.look();
                }
                observe(&mut fold, std::slice::from_ref(&told[place]));
            }
            prop_assert_eq!(fold.look(), expected.clone());
        }
    }

    /// A stop as far back as events are kept one by one, and an exclusion, whatever was summed up before.
    #[test]
    fn stops_and_exclusions_reach_what_was_summed_up(told in weeks(), back in 0..=48 * 60_i64, excluded in 0..4_usize) {
        let mut design = busy();
        let latest = told.last().unwrap().1;
        let stop = later(latest, -back * MINUTE);
        let mut fold = fold(&design);
        for (place, told) in told.iter().enumerate() {
            observe(&mut fold, std::slice::from_ref(told));
            if place % 50 == 0 {
                fold.look();
            }
        }
        let unit = ["u", "v", "w", "x"][excluded];
        // Units that were never exposed may have been forgotten; then there is nothing of them to be counted.
        let exposed = told.iter().any(|(one, _)| one.unit() == unit && matches!(one, Observation::Exposure { .. }));
        prop_assume!(exposed);
        fold.stop(stop).unwrap();
        fold.exclude([unit]);
        design.excluded.insert(unit.to_owned());
        let period = Period { until: Some(stop), ..PERIOD };
        let expected = raw::tallies(&design, &period, &told);
        let found = fold.look();
        prop_assert_eq!(found.arms, expected.arms);
        // What it did long before its exposure may have been forgotten.
        let known = |left_out: LeftOut| LeftOut { excluded: 0, duplicate: 0, ..left_out };
        prop_assert_eq!(known(found.left_out), known(expected.left_out));
        prop_assert!(found.left_out.excluded <= expected.left_out.excluded);
    }
}

/// A unit that met a second arm has nothing summed up that a stop could bring back.
#[test]
fn a_stop_before_the_second_arm_brings_a_busy_unit_back() {
    let metric = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}}"#;
    let design = design(metric, "");
    let mut told = vec![met("u", "old", 0)];
    told.extend((0..24 * 10).map(|hour| did("u", "a", 1.0, hour * HOUR)));
    told.push(met("u", "new", 10 * DAY - 36 * HOUR));
    told.sort_by_key(|(_, received)| *received);
    let mut fold = fold(&design);
    observe(&mut fold, &told);
    assert_eq!(fold.look().left_out.double_exposed, 1);
    let stop = at(10 * DAY - 40 * HOUR);
    fold.stop(stop).unwrap();
    let period = Period {
        until: Some(stop),
        ..PERIOD
    };
    let tallies = fold.look();
    assert_eq!(tallies, raw::tallies(&design, &period, &told));
    assert_eq!(crate::make::metric(&tallies, "old", "m").all().y, 200 * 1_000_000);
}

#[test]
fn a_unit_that_does_much_takes_little() {
    let metric = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}}"#;
    let design = design(metric, "");
    let mut fold = fold(&design);
    observe(&mut fold, &[met("u", "old", 0)]);
    let mut most = 0;
    for minute in 0..30 * 24 * 60 {
        observe(&mut fold, &[did("u", "a", 1.0, minute * MINUTE)]);
        most = most.max(fold.bytes());
    }
    assert_eq!(
        crate::make::metric(&fold.tallies(), "old", "m").all().y,
        43_200 * 1_000_000
    );
    // All 43,200 events would be a megabyte; those of two days, and as many until it is worth while to look, are not.
    let empty = crate::make::fold(&design).bytes();
    assert!(most - empty < 700_000, "{most}");
    // Far back nothing can be taken out any more.
    let before = fold.tallies();
    let error = fold.stop(at(DAY)).unwrap_err();
    assert!(
        matches!(error, TooLongAgo { at: asked, earliest } if asked == at(DAY) && earliest > at(20 * DAY))
    );
    assert_eq!(fold.tallies(), before);
    // What comes from there is too late.
    observe(&mut fold, &[did("u", "a", 1.0, DAY)]);
    assert_eq!(fold.tallies().left_out.late, 1);
}

#[test]
fn units_that_never_come_are_forgotten() {
    let metric = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}}"#;
    let design = design(metric, r#","history":"3d""#);
    let mut fold = fold(&design);
    for unit in 0..10_000 {
        observe(&mut fold, &[did(&format!("u{unit}"), "a", 1.0, unit)]);
    }
    observe(&mut fold, &[met("u7", "old", HOUR)]);
    fold.look();
    let (units, bytes) = (fold.participants(), fold.bytes());
    assert_eq!(units, 10_000);
    // So long after the events that no exposure can come of which they are the history.
    observe(&mut fold, &[did("v", "a", 1.0, 4 * DAY + MINUTE)]);
    let tallies = fold.look();
    assert_eq!(fold.participants(), 2);
    assert!(fold.bytes() < bytes / 4, "{} of {bytes}", fold.bytes());
    assert_eq!(crate::make::metric(&tallies, "old", "m").known.n, 1);
    // They are found as before.
    observe(
        &mut fold,
        &[
            did("u7", "a", 2.0, 4 * DAY + MINUTE),
            met("v", "old", 4 * DAY + 2 * MINUTE),
        ],
    );
    let tally = crate::make::metric(&fold.tallies(), "old", "m").clone();
    assert_eq!(
        (tally.known.n, tally.known.y, tally.known.x),
        (2, 2_000_000, 2_000_000)
    );
}
