//! Numbers of several dealings, put together.

use proptest::prelude::*;
use tidegate_model::experiment::tally::{ArmTally, LeftOut, MetricTally, QuantileTally, Sums, Tallies};

fn metric(n: u64, y: i128) -> MetricTally {
    MetricTally {
        known: Sums {
            n,
            y,
            yy: y * y,
            x: 2 * y,
            xx: 4 * y * y,
            xy: 2 * y * y,
        },
        new: Sums {
            n: n / 2,
            y: -y,
            ..Sums::NONE
        },
        active: n / 3,
        steps: (0..n % 4).collect(),
        quantile: None,
        ranks: None,
    }
}

fn one(arm: &str, units: u64, y: i128) -> Tallies {
    let tally = ArmTally {
        units,
        metrics: [("bought".parse().unwrap(), metric(units, y))].into(),
    };
    let arms: std::collections::BTreeMap<_, _> = [(arm.parse().unwrap(), tally)].into();
    Tallies {
        breakdown: [("country".to_owned(), [("DE".to_owned(), arms.clone())].into())].into(),
        arms,
        left_out: LeftOut {
            late: units,
            double_exposed: 1,
            ..LeftOut::default()
        },
    }
}

#[test]
fn of_nothing_nothing_and_of_one_itself_with_its_percentile() {
    assert_eq!(Tallies::together(&[]), Tallies::default());
    let mut alone = one("on", 9, 5);
    let quantile = QuantileTally {
        events: 3,
        value: 1.0,
        lower: 0.5,
        upper: 2.0,
        clusters: 2,
        below: 2,
        below_squared: 4,
        events_squared: 5,
        below_events: 4,
    };
    let arm = alone.arms.values_mut().next().unwrap();
    arm.metrics.values_mut().next().unwrap().quantile = Some(quantile);
    assert_eq!(Tallies::together(std::slice::from_ref(&alone)), alone);
    let both = Tallies::together(&[alone.clone(), alone]);
    let metric = both
        .arms
        .values()
        .next()
        .unwrap()
        .metrics
        .values()
        .next()
        .unwrap();
    assert_eq!(metric.quantile, None, "of several there is no percentile");
}

#[test]
fn everything_adds_up() {
    let both = Tallies::together(&[one("on", 9, 5), one("on", 6, -2), one("off", 7, 1)]);
    assert_eq!(both.units(), 22);
    let on = &both.arms["on"];
    let sums = on.metrics["bought"].clone();
    assert_eq!(
        (on.units, sums.known.n, sums.known.y, sums.known.yy),
        (15, 15, 3, 29)
    );
    assert_eq!((sums.new.n, sums.new.y, sums.active), (7, -3, 5));
    assert_eq!(sums.steps, [0, 1], "9 % 4 = 1 step and 6 % 4 = 2 steps");
    assert_eq!((both.left_out.late, both.left_out.double_exposed), (22, 3));
    assert_eq!(both.breakdown["country"]["DE"], both.arms, "dimensions too");
    let told: u64 = both.left_out.causes().iter().map(|(_, many)| many).sum();
    assert_eq!(told, 25, "each cause has its words");
}

#[test]
fn counts_do_not_wrap_around() {
    let huge = one("on", u64::MAX, 1);
    assert_eq!(Tallies::together(&[huge.clone(), huge]).units(), u64::MAX);
}

#[test]
fn large_numbers_come_back_from_json() {
    let mut large = one("on", u64::MAX / 4, 1);
    let sums = large
        .arms
        .values_mut()
        .next()
        .unwrap()
        .metrics
        .values_mut()
        .next()
        .unwrap();
    (sums.known.yy, sums.known.xy) = (i128::MAX, i128::MIN);
    let text = serde_json::to_string(&large).unwrap();
    assert_eq!(serde_json::from_str::<Tallies>(&text).unwrap(), large);
}

fn any() -> impl Strategy<Value = Tallies> {
    (
        prop_oneof![Just("off"), Just("on"), Just("other")],
        0_u64..1_000,
        -1_000_i128..1_000,
    )
        .prop_map(|(arm, units, y)| one(arm, units, y))
}

proptest! {
    #[test]
    fn in_any_order_and_grouping_it_is_the_same(all in prop::collection::vec(any(), 1..6), cut in 0_usize..6) {
        let whole = Tallies::together(&all);
        let mut backwards = all.clone();
        backwards.reverse();
        prop_assert_eq!(&Tallies::together(&backwards), &whole);
        let (left, right) = all.split_at(cut.min(all.len()));
        let halves: Vec<Tallies> = [left, right].into_iter().filter(|half| !half.is_empty()).map(Tallies::together).collect();
        prop_assert_eq!(Tallies::together(&halves), whole);
    }
}
