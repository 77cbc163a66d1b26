//! From exact sums to moments, and what history and funnels make of them.

use crate::make::{ANYTIME, BOUGHT, EVEN, SPENT, design, pairs, share, tallies, values};
use proptest::prelude::*;
use tidegate_analytics::result::{Asked, Method, result};
use tidegate_analytics::sufficient::{MetricMoments as _, SumsMoments as _};
use tidegate_model::experiment::tally::{Fixed, MetricTally, Sums};
use tidegate_stats::moments::Comoments;

proptest! {
    #[test]
    fn sums_are_the_moments_of_the_values(rows in prop::collection::vec((-1e4..1e4_f64, -1e4..1e4_f64), 2..60)) {
        let mut sums = Sums::default();
        let mut rounded = Vec::new();
        for (x, y) in &rows {
            sums = sums.plus(&pairs(&[(*x, *y, 1)]));
            rounded.push([Fixed::of(*x).unwrap().millionths(), Fixed::of(*y).unwrap().millionths()]);
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 10^10")]
        let rows: Vec<[f64; 2]> = rounded.iter().map(|row| row.map(|one| one as f64 / 1e6)).collect();
        let (got, want) = (sums.comoments().unwrap(), Comoments::of_values(&rows));
        let near = |got: f64, want: f64, scale: f64| (got - want).abs() <= 1e-12 * scale;
        prop_assert_eq!(got.n, want.n);
        prop_assert!(near(got.mean_y, want.mean_y, 1e4) && near(got.mean_x, want.mean_x, 1e4));
        prop_assert!(near(got.m2_y, want.m2_y, want.m2_y) && near(got.m2_x, want.m2_x, want.m2_x));
        prop_assert!(near(got.c_xy, want.c_xy, want.m2_x + want.m2_y));
        let tally = MetricTally { known: sums, new: sums, ..MetricTally::default() };
        prop_assert_eq!(tally.all().n, 2 * want.n);
        prop_assert!(near(tally.moments().unwrap().mean, want.mean_y, 1e4));
    }

    #[test]
    fn only_zeros_and_ones_are_counts(ones in 0_u64..50, zeros in 0_u64..50, other in prop::option::of(2.0..9.0_f64)) {
        let mut rows = vec![(1.0, ones), (0.0, zeros)];
        rows.extend(other.map(|other| (other, 1)));
        let tally = MetricTally { new: values(&rows), ..MetricTally::default() };
        match (tally.counts(), other) {
            (Ok(counts), None) => {
                prop_assert_eq!((counts.events, counts.trials), (ones, ones + zeros));
            }
            (Err(_), Some(_)) => {}
            (got, _) => prop_assert!(false, "{:?}", got),
        }
    }
}

/// History is used once 100 units of each arm have one; it makes the interval narrower and moves nothing on average.
#[test]
fn history_sharpens() {
    let arm = |known: u64, more: f64| MetricTally {
        known: pairs(&[
            (2.0, 2.5 + more, known / 2),
            (6.0, 6.0 + more, known / 4),
            (6.0, 5.0 + more, known - known / 2 - known / 4),
        ]),
        new: values(&[(1.0 + more, 300), (7.0 + more, 200)]),
        active: 500 + known,
        ..MetricTally::default()
    };
    let mut widths = Vec::new();
    for (known, method) in [(99, Method::WelchT), (100, Method::Cuped), (2_000, Method::Cuped)] {
        let with = design(&EVEN, SPENT, ANYTIME);
        let mut without = with.clone();
        without.history = serde_json::from_str("\"0s\"").unwrap();
        let tallies = tallies(&[
            ("old", 500 + known, &[("spent", arm(known, 0.0))]),
            ("new", 500 + known, &[("spent", arm(known, 0.5))]),
        ]);
        let of = |design| {
            result(design, &tallies, &Asked::default())
                .metrics
                .remove(0)
                .comparisons
                .remove(0)
        };
        let (with, without) = (of(&with), of(&without));
        assert_eq!(with.method, method, "{known}");
        assert_eq!(without.method, Method::WelchT);
        let effect = |of: &tidegate_analytics::result::Comparison| of.difference.given().unwrap().clone();
        assert!(
            (effect(&with).estimate - 0.5).abs() < 1e-12 && (effect(&without).estimate - 0.5).abs() < 1e-12
        );
        widths.push(effect(&with).standard_error / effect(&without).standard_error);
        if let Some(history) = with.history {
            assert!(history.variance_ratio < 1.0 && history.theta > 0.5, "{history:?}");
        }
    }
    assert_eq!(widths[0], 1.0);
    assert!(widths[1] < 1.0 && widths[2] < 0.8, "{widths:?}");
}

#[test]
fn funnels_show_their_steps() {
    let metric = r#"{"name":"funnel","measure":{"kind":"funnel","steps":["seen","put","paid"]}}"#;
    let arm = |steps: [u64; 3]| MetricTally {
        steps: steps.to_vec(),
        ..share(steps[2], 1_000)
    };
    let tallies = tallies(&[
        ("old", 1_000, &[("funnel", arm([600, 300, 100]))]),
        ("new", 1_000, &[("funnel", arm([600, 0, 0]))]),
    ]);
    let result = result(&design(&EVEN, metric, ANYTIME), &tallies, &Asked::default());
    let [old, new] = result.metrics[0].arms.as_slice() else {
        panic!("two arms");
    };
    let shares = |arm: &tidegate_analytics::result::ArmResult| -> Vec<(Option<f64>, Option<f64>)> {
        let steps = arm.steps.iter();
        steps
            .map(|step| (step.of_all.given().copied(), step.of_previous.given().copied()))
            .collect()
    };
    let some = |all: f64, previous: f64| (Some(all), Some(previous));
    assert_eq!(
        shares(old),
        [some(0.6, 0.6), some(0.3, 0.5), some(0.1, 1.0 / 3.0)]
    );
    assert_eq!(shares(new), [some(0.6, 0.6), some(0.0, 0.0), (Some(0.0), None)]);
    assert_eq!(old.events, Some(100));
}

/// The control is shown first wherever the design has it, and tests are tuned for the arms they compare.
#[test]
fn the_order_of_arms_changes_nothing() {
    let mut there = design(&EVEN, BOUGHT, ANYTIME);
    let tallies = tallies(&[
        ("old", 1_000, &[("bought", share(100, 1_000))]),
        ("new", 1_000, &[("bought", share(150, 1_000))]),
    ]);
    let one = result(&there, &tallies, &Asked::default());
    there.arms.reverse();
    let mut other = result(&there, &tallies, &Asked::default());
    assert_eq!(other.metrics[0].arms[0].arm, there.control);
    other.sample_ratio = one.sample_ratio.clone();
    assert_eq!(one, other);
}
