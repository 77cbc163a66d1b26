//! Percentiles by their definitions, and what must hold whatever the values are.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::Refusal;
use tidegate_stats::distribution::binomial;
use tidegate_stats::quantile::{
    Arm, ClusterSums, ClusteredArm, Definition, Degrees, Scale, Sorted, bounds, difference,
    difference_clustered, fewest_units, order_statistics, sample,
};

const ALL: [Definition; 8] = [
    Definition::InverseDistribution,
    Definition::AveragedInverse,
    Definition::LinearDistribution,
    Definition::Hazen,
    Definition::Weibull,
    Definition::Modes,
    Definition::Medians,
    Definition::Normal,
];

fn sorted(values: &[f64]) -> Sorted {
    Sorted::of(values.to_vec()).unwrap()
}

fn arm(n: u64, share: f64, value: f64, reach: f64) -> Arm {
    Arm {
        n,
        bounds_n: n,
        share,
        value,
        lower: value - reach,
        upper: value + reach,
    }
}

#[test]
fn what_has_no_quantile_is_refused() {
    assert!(matches!(Sorted::of(Vec::new()), Err(Refusal::TooFew { .. })));
    for value in [f64::NAN, f64::INFINITY] {
        assert!(matches!(
            Sorted::of(vec![1.0, value]),
            Err(Refusal::Invalid { field: "value", .. })
        ));
    }
    let one = sorted(&[3.0]);
    for p in [-0.1, 1.1, f64::NAN] {
        assert!(matches!(
            sample(&one, p, Definition::Modes),
            Err(Refusal::Invalid { field: "p", .. })
        ));
    }
    for definition in ALL {
        for p in [0.0, 0.3, 1.0] {
            assert_eq!(sample(&one, p, definition), Ok(3.0));
        }
    }
    assert!(matches!(
        order_statistics(0, 0.5, 0.05),
        Err(Refusal::TooFew { .. })
    ));
    for (p, alpha) in [(0.0, 0.05), (1.0, 0.05), (f64::NAN, 0.05), (0.5, 0.0), (0.5, 1.0)] {
        assert!(matches!(
            order_statistics(10, p, alpha),
            Err(Refusal::Invalid { .. })
        ));
    }
}

/// 0.7 of 10 is 7 however it is rounded, and 0.07 of 100, too.
#[test]
fn rounding_takes_no_step() {
    let values: Vec<f64> = (1..=1000).map(f64::from).collect();
    for n in [10, 100, 1000] {
        for k in 1..n {
            let p = k as f64 / n as f64;
            let some = sorted(&values[..n]);
            assert_eq!(
                sample(&some, p, Definition::InverseDistribution),
                Ok(k as f64),
                "{k} of {n}"
            );
            assert_eq!(
                sample(&some, p, Definition::AveragedInverse),
                Ok(k as f64 + 0.5),
                "{k} of {n}"
            );
        }
    }
}

/// Few values have no upper end for a high percentile: 0.9^n must be at most 2.5 %.
#[test]
fn an_end_that_is_missing_is_missing() {
    for (n, there) in [(34, false), (35, false), (36, true)] {
        let places = order_statistics(n, 0.9, 0.05).unwrap();
        assert_eq!(places.upper.is_some(), there, "{n}: {places:?}");
        assert!(places.lower.is_some() && places.coverage >= 0.95);
    }
    let bounds = bounds(&sorted(&[5.0, 1.0, 3.0]), 0.5, 0.05).unwrap();
    assert_eq!((bounds.lower, bounds.upper, bounds.coverage), (None, None, 1.0));
}

/// The median of a billion: 500 million -+ 1.96 sqrt(1e9) / 2.
#[test]
fn places_among_a_billion() {
    let places = order_statistics(1_000_000_000, 0.5, 0.05).unwrap();
    let (lower, upper) = (places.lower.unwrap(), places.upper.unwrap());
    assert!(
        lower.abs_diff(499_969_010) < 3 && upper.abs_diff(500_030_991) < 3,
        "{places:?}"
    );
}

#[test]
fn too_few_units_have_no_percentile() {
    // z^2 is 3.8415.
    assert!((fewest_units(0.99) - 380.304).abs() < 0.01 && (fewest_units(0.5) - 3.8415).abs() < 1e-3);
    assert!((fewest_units(0.01) - fewest_units(0.99)).abs() < 1e-6);
    let many: Vec<f64> = (0..381).map(f64::from).collect();
    assert!(Arm::of(&sorted(&many), 0.99).is_ok());
    let few = Refusal::TooFew {
        what: "values for this quantile",
        have: 380.0,
        need: 381.0,
    };
    assert_eq!(Arm::of(&sorted(&many[1..]), 0.99), Err(few));
    let (few_there, enough) = (arm(380, 0.99, 5.0, 1.0), arm(381, 0.99, 5.0, 1.0));
    assert!(difference(&enough, &enough, Scale::Absolute, 0.05).is_ok());
    for (treatment, control) in [(few_there, enough), (enough, few_there)] {
        assert_eq!(difference(&treatment, &control, Scale::Absolute, 0.05), Err(few));
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let good = arm(1000, 0.5, 100.0, 3.0);
    let with = |change: fn(&mut Arm)| {
        let mut arm = good;
        change(&mut arm);
        arm
    };
    let invalid = |why: Refusal, of: &str| matches!(why, Refusal::Invalid { field, .. } if field == of);
    let cases = [
        (with(|arm| arm.upper = arm.lower), "no variance"),
        (with(|arm| arm.upper = arm.lower - 1.0), "upper"),
        (with(|arm| arm.value = f64::NAN), "quantile"),
        (with(|arm| arm.lower = f64::NEG_INFINITY), "lower"),
        (with(|arm| arm.share = 0.6), "share"),
        (with(|arm| arm.share = f64::NAN), "share"),
        (with(|arm| arm.value = 0.0), "zero baseline"),
        (with(|arm| arm.n = 0), "too few"),
    ];
    for (control, expected) in &cases {
        for scale in [Scale::Absolute, Scale::Relative] {
            let refusal = difference(&good, control, scale, 0.05).unwrap_err();
            let as_expected = match *expected {
                "no variance" => refusal == Refusal::NoVariance,
                "zero baseline" => refusal == Refusal::ZeroBaseline,
                "too few" => matches!(refusal, Refusal::TooFew { .. }),
                field => invalid(refusal, field),
            };
            assert!(as_expected, "{control:?}: {refusal}");
        }
    }
    assert!(difference(&good, &good, Scale::Absolute, 0.0).is_err());
    assert!(difference(&good, &good, Scale::Absolute, f64::NAN).is_err());
}

#[test]
fn clusters_that_cannot_vary_are_refused() {
    let quantile = arm(1000, 0.5, 100.0, 3.0);
    let clustered = |clusters: &[(u64, u64)]| {
        let mut sums = ClusterSums::default();
        for (below, events) in clusters {
            sums.add(*below, *events);
        }
        ClusteredArm { quantile, sums }
    };
    let compare =
        |arm: &ClusteredArm| difference_clustered(arm, arm, Scale::Absolute, 0.05, Degrees::Clusters);
    assert_eq!(
        compare(&clustered(&[(1, 2), (2, 4), (3, 6)])),
        Err(Refusal::NoVariance)
    );
    assert!(matches!(
        compare(&clustered(&[(1, 2)])),
        Err(Refusal::TooFew { what: "clusters", .. })
    ));
    assert!(matches!(
        compare(&clustered(&[(0, 0), (0, 0)])),
        Err(Refusal::TooFew { what: "events", .. })
    ));
    let mut broken = clustered(&[(1, 2), (1, 4)]);
    broken.sums.below_squared = f64::NAN;
    assert!(matches!(compare(&broken), Err(Refusal::Invalid { .. })));
    let fine = compare(&clustered(&[(1, 2), (2, 3), (1, 4)])).unwrap();
    assert!((fine.df - 4.0).abs() < 1e-9, "{fine:?}");
}

/// One event a cluster, half of them below: the same as no clusters, but for n - 1 in the place of n.
#[test]
fn clusters_of_one_are_independent() {
    let quantile = arm(1000, 0.5, 100.0, 3.0);
    let mut sums = ClusterSums::default();
    (0..1000).for_each(|place| sums.add(place % 2, 1));
    let clustered = ClusteredArm { quantile, sums };
    for degrees in [Degrees::Clusters, Degrees::Events] {
        let by_clusters =
            difference_clustered(&clustered, &clustered, Scale::Relative, 0.05, degrees).unwrap();
        let alone = difference(&quantile, &quantile, Scale::Relative, 0.05).unwrap();
        let ratio = (by_clusters.standard_error / alone.standard_error).powi(2);
        assert!((ratio - 1000.0 / 999.0).abs() < 1e-9, "{ratio}");
    }
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![-1e6..1e6_f64, (0..5_u8).prop_map(f64::from)], 1..60)
}

proptest! {
    #[test]
    fn quantiles_rise_and_follow_the_unit(values in values(), p in 0.0..1.0_f64, more in 0.0..1.0_f64, by in 0.1..9.0_f64) {
        let here = sorted(&values);
        let there = sorted(&values.iter().map(|value| value * by - 7.0).collect::<Vec<_>>());
        let last = here.values().len() - 1;
        for definition in ALL {
            let low = sample(&here, p.min(more), definition).unwrap();
            let high = sample(&here, p.max(more), definition).unwrap();
            let slack = 1e-9 * (1.0 + low.abs() + high.abs());
            prop_assert!(low <= high + slack, "{:?}", definition);
            prop_assert!(low >= here.values()[0] && high <= here.values()[last] + slack);
            let moved = sample(&there, p.min(more), definition).unwrap();
            prop_assert!((moved - (low * by - 7.0)).abs() < 1e-8 * (1.0 + moved.abs()));
        }
        // The definition itself: the smallest value that at least the share p does not exceed.
        let first = sample(&here, p, Definition::InverseDistribution).unwrap();
        let n = values.len() as f64;
        let up_to = |bound: f64| values.iter().filter(|value| **value <= bound).count() as f64 / n;
        let below = values.iter().filter(|value| **value < first).count() as f64 / n;
        prop_assert!(up_to(first) >= p - 1e-12 && (below < p + 1e-12 || below == 0.0));
    }

    /// The ends cover as often as they must, and the next ones inside would not.
    #[test]
    fn places_are_the_narrowest_that_cover(n in 1..400_u64, p in 0.02..0.98_f64, alpha in 0.001..0.5_f64) {
        let places = order_statistics(n, p, alpha).unwrap();
        prop_assert!(places.coverage >= 1.0 - alpha - 1e-9, "{:?}", places);
        if let Some(lower) = places.lower {
            prop_assert!((1..=n).contains(&lower));
            prop_assert!(binomial::cdf(lower, n, p) >= alpha / 2.0 - 1e-9);
        } else {
            prop_assert!(binomial::cdf(0, n, p) >= alpha / 2.0 - 1e-9);
        }
        if let Some(upper) = places.upper {
            prop_assert!((1..=n).contains(&upper) && places.lower.is_none_or(|lower| lower < upper));
            prop_assert!(upper < 2 || binomial::sf(upper - 2, n, p) > alpha / 2.0 - 1e-9);
        } else {
            prop_assert!(binomial::sf(n - 1, n, p) > alpha / 2.0 - 1e-9);
        }
    }

    #[test]
    fn differences_turn_with_the_arms(
        values in (-50.0..50.0_f64, -50.0..50.0_f64), reach in (0.5..20.0_f64, 0.5..20.0_f64),
        n in (20..5000_u64, 20..5000_u64), alpha in 0.001..0.5_f64,
    ) {
        let (one, other) = (arm(n.0, 0.5, values.0, reach.0), arm(n.1, 0.5, values.1, reach.1));
        let ours = difference(&one, &other, Scale::Absolute, alpha).unwrap();
        let theirs = difference(&other, &one, Scale::Absolute, alpha).unwrap();
        prop_assert!((ours.estimate + theirs.estimate).abs() < 1e-12);
        prop_assert!((ours.interval.lower + theirs.interval.upper).abs() < 1e-9);
        prop_assert_eq!(ours.p, theirs.p);
        for scale in [Scale::Absolute, Scale::Relative] {
            let said = difference(&one, &other, scale, alpha).unwrap();
            let left_out = said.interval.lower > 0.0 || said.interval.upper < 0.0;
            prop_assert!(left_out == (said.p.p < alpha) || (said.p.p - alpha).abs() < 1e-5);
            // A larger quantile is a positive difference below zero, too.
            prop_assert!(said.estimate * (values.0 - values.1) >= 0.0);
        }
    }
}
