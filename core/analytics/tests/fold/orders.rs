//! Any order, any portions, stops and exclusions at any time: the tallies are those that a recomputation finds.

use crate::make::{
    DAY, HOUR, MINUTE, PERIOD, Told, at, delayed, design, did_as, fold, folded, met_as, observe,
};
use crate::raw;
use proptest::prelude::*;
use tidegate_analytics::fold::{Fold, Period};
use tidegate_model::experiment::Design;

/// Every measure, with windows, caps, ranks and a breakdown.
fn everything(more: &str) -> Design {
    let metrics = [
        r#"{"name":"conversion","measure":{"kind":"conversion","event":"a"},"window":"1d"}"#,
        r#"{"name":"revenue","ranks":true,"measure":{"kind":"revenue","event":"b"}}"#,
        r#"{"name":"capped","measure":{"kind":"revenue","event":"b"},"cap":{"at":3},"window":"2d"}"#,
        r#"{"name":"cut","ranks":true,"measure":{"kind":"revenue","event":"b"},"cap":{"quantile":0.75}}"#,
        r#"{"name":"often","measure":{"kind":"engagement","event":"a"},"cap":{"quantile":0.9}}"#,
        r#"{"name":"stayed","measure":{"kind":"retention","event":"c","from":"1d","to":"2d"}}"#,
        r#"{"name":"average","measure":{"kind":"custom","event":"b","aggregation":"average"}}"#,
        r#"{"name":"unique","measure":{"kind":"custom","event":"b","aggregation":"unique"}}"#,
        r#"{"name":"max","ranks":true,"measure":{"kind":"custom","event":"b","aggregation":"max"},"window":"36h"}"#,
        r#"{"name":"ratio","measure":{"kind":"ratio","numerator":{"event":"a","aggregation":"count"},"denominator":{"event":"b","aggregation":"sum"}}}"#,
        r#"{"name":"funnel","measure":{"kind":"funnel","steps":["c","a","b","a"]},"window":"3d"}"#,
        r#"{"name":"short","measure":{"kind":"funnel","steps":["b","a"]}}"#,
        r#"{"name":"middle","measure":{"kind":"percentile","event":"b","quantile":0.5}}"#,
    ];
    let more = format!(r#","history":"1d","dimensions":["country"]{more}"#);
    design(&metrics.join(","), &more)
}

const UNITS: [&str; 5] = ["u", "v", "w", "x", "y"];

fn time() -> impl Strategy<Value = i64> {
    // Few different ones, so that there are many at once, and on every edge.
    (-60..100_i64, prop_oneof![4 => Just(0), 1 => -1..=1_i64])
        .prop_map(|(hours, millis)| hours * HOUR + millis)
}

fn delay() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..=DAY,
        1 => Just(0), 1 => Just(DAY), 1 => Just(DAY + 1), 1 => Just(-5 * MINUTE), 1 => Just(-5 * MINUTE - 1),
    ]
}

fn exposure() -> impl Strategy<Value = Told> {
    let arm = prop_oneof![12 => Just(None), 2 => Just(Some("mid")), 1 => Just(Some("ghost"))];
    let country = prop_oneof![Just(None), Just(Some("de")), Just(Some("fr"))];
    (0..UNITS.len(), arm, time(), country, delay()).prop_map(|(unit, arm, time, country, delay)| {
        // Most units stay in one arm.
        let arm = arm.unwrap_or(["old", "new"][unit % 2]);
        let country: Vec<(&str, &str)> = country.map(|country| ("country", country)).into_iter().collect();
        delayed(met_as(UNITS[unit], arm, time, &country), delay)
    })
}

fn event() -> impl Strategy<Value = Told> {
    let name = prop_oneof![4 => Just("a"), 4 => Just("b"), 3 => Just("c"), 1 => Just("z")];
    let value = prop_oneof![
        6 => (1..6_i32).prop_map(f64::from),
        1 => Just(0.0), 1 => Just(-2.5), 1 => Just(1e9), 1 => Just(0.1), 1 => Just(f64::NAN), 1 => Just(2e9),
    ];
    (0..UNITS.len(), name, value, time(), 0..40_u32, delay()).prop_map(
        |(unit, name, value, time, id, delay)| {
            delayed(did_as(UNITS[unit], name, value, time, &id.to_string()), delay)
        },
    )
}

/// So few that no unit has events to sum up.
fn some() -> impl Strategy<Value = Vec<Told>> {
    let told = prop::collection::vec(prop_oneof![1 => exposure(), 4 => event()], 0..70);
    // Some of them come twice.
    (told, any::<prop::sample::Index>(), 0..10_usize).prop_map(|(mut told, from, count)| {
        if !told.is_empty() {
            let from = from.index(told.len());
            let again: Vec<Told> = told[from..].iter().take(count).cloned().collect();
            told.extend(again);
        }
        let mut of_units = std::collections::BTreeMap::new();
        told.retain(|(observation, _)| {
            let count: &mut u32 = of_units.entry(observation.unit().to_owned()).or_default();
            *count += 1;
            *count < 32
        });
        told
    })
}

fn with_order() -> impl Strategy<Value = (Vec<Told>, Vec<Told>)> {
    some().prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_order_gives_what_the_raw_observations_say((told, shuffled) in with_order()) {
        let design = everything("");
        let expected = raw::tallies(&design, &PERIOD, &told);
        prop_assert_eq!(folded(&design, &told), expected.clone());
        prop_assert_eq!(folded(&design, &shuffled), expected);
    }

    /// Whatever is read in between, whatever is stopped and excluded when: as if it had been so from the start.
    #[test]
    fn stops_and_exclusions_come_at_any_time(
        (told, shuffled) in with_order(),
        stop in time(),
        stop_place in any::<prop::sample::Index>(),
        exclude_place in any::<prop::sample::Index>(),
        excluded in 0..UNITS.len(),
    ) {
        let known = everything(&format!(r#","excluded":["{}"]"#, UNITS[excluded]));
        let period = Period { until: Some(at(stop)), ..PERIOD };
        let expected = raw::tallies(&known, &period, &told);
        let mut from_the_start = Fold::new(&known, period);
        observe(&mut from_the_start, &told);
        prop_assert_eq!(from_the_start.look(), expected.clone());

        let mut fold = fold(&everything(""));
        let (stopped, exclusion) = (stop_place.index(told.len() + 1), exclude_place.index(told.len() + 1));
        for (place, told) in shuffled.iter().enumerate() {
            if place == stopped {
                fold.stop(at(stop)).unwrap();
            }
            if place == exclusion {
                fold.exclude([UNITS[excluded]]);
            }
            observe(&mut fold, std::slice::from_ref(told));
        }
        fold.stop(at(stop)).unwrap();
        fold.exclude([UNITS[excluded]]);
        prop_assert_eq!(fold.look(), expected);
    }

    /// What comes again changes nothing but the count of what came again.
    #[test]
    fn replays_change_nothing(told in some()) {
        let design = everything("");
        let once = folded(&design, &told);
        let again = folded(&design, &[told.clone(), told].concat());
        prop_assert_eq!(&again.arms, &once.arms);
        prop_assert_eq!(&again.breakdown, &once.breakdown);
        prop_assert_eq!(again.left_out.double_exposed, once.left_out.double_exposed);
        prop_assert!(again.left_out.duplicate >= once.left_out.duplicate);
    }
}
