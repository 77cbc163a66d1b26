//! Intervals in several units that belong to one test: they leave "no difference" out together, or not at all.

use proptest::prelude::*;
use tidegate_stats::contingency::{exact_interval, fisher_exact};
use tidegate_stats::distribution::student;
use tidegate_stats::effect::Contrast;
use tidegate_stats::moments::Moments;
use tidegate_stats::proportion::{self, DifferenceMethod, Variance, ratio_score, z_test};
use tidegate_stats::quantile::{
    Arm, ClusterSums, ClusteredArm, Degrees, Scale, contrast_clustered, difference_clustered,
};
use tidegate_stats::sequential::ConfidenceSequence;
use tidegate_stats::{Alternative, Counts, Interval, Refusal, mean};

fn counts(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn holds(interval: &Interval, value: f64) -> bool {
    interval.lower <= value && value <= interval.upper
}

fn near(got: f64, want: f64, tolerance: f64) -> bool {
    (got - want).abs() <= tolerance * want.abs().max(1e-9)
}

/// Koopman's own example (1984, table 1): 36 of 40 and 16 of 80, 95 %: 2.94 to 7.15.
#[test]
fn the_ratio_of_koopman() {
    let interval = ratio_score(counts(16, 80), counts(36, 40), 0.05).unwrap();
    assert!(
        (interval.lower - 2.94).abs() < 0.005 && (interval.upper - 7.15).abs() < 0.005,
        "{interval:?}"
    );
}

#[test]
fn ratios_at_the_edges() {
    let none = ratio_score(counts(30, 100), counts(0, 100), 0.05).unwrap();
    assert!(
        none.lower == 0.0 && none.upper > 0.0 && none.upper < 0.2,
        "{none:?}"
    );
    let all = ratio_score(counts(50, 100), counts(100, 100), 0.05).unwrap();
    assert!(
        all.lower > 1.0 && all.upper > 2.0 && all.upper.is_finite(),
        "{all:?}"
    );
    let billion = ratio_score(
        counts(500_000_000, 1_000_000_000),
        counts(500_100_000, 1_000_000_000),
        0.05,
    );
    let billion = billion.unwrap();
    assert!(
        near(f64::midpoint(billion.lower, billion.upper), 1.0002, 1e-7),
        "{billion:?}"
    );
    assert_eq!(
        ratio_score(counts(0, 100), counts(5, 100), 0.05),
        Err(Refusal::ZeroBaseline)
    );
    assert_eq!(
        ratio_score(counts(9, 9), counts(7, 7), 0.05),
        Err(Refusal::NoVariance)
    );
    assert!(ratio_score(counts(3, 9), counts(3, 7), 1.0).is_err());
    assert!(ratio_score(counts(3, 2), counts(3, 7), 0.05).is_err());
}

proptest! {
    #[test]
    fn score_intervals_agree_with_the_pooled_z(
        c in 1_u64..400, t in 0_u64..400, rest_c in 0_u64..2_000, rest_t in 1_u64..2_000, alpha in 0.001..0.3_f64,
    ) {
        let (control, treatment) = (counts(c, c + rest_c), counts(t, t + rest_t));
        let z = z_test(control, treatment, Variance::Pooled, Alternative::TwoSided).unwrap();
        prop_assume!((z.p.p - alpha).abs() > 1e-9);
        let ratio = ratio_score(control, treatment, alpha).unwrap();
        let difference = proportion::difference(control, treatment, DifferenceMethod::Score, alpha).unwrap();
        prop_assert_eq!(!holds(&ratio, 1.0), z.p.p < alpha, "{:?} {:?}", ratio, z);
        prop_assert_eq!(!holds(&difference.interval, 0.0), z.p.p < alpha);
        let estimate = proportion::risk_ratio(control, treatment, alpha).unwrap().estimate;
        prop_assert!(ratio.lower <= estimate && estimate <= ratio.upper);
        // Exchanged arms have the reciprocal ends.
        if t > 0 {
            let back = ratio_score(treatment, control, alpha).unwrap();
            prop_assert!(near(back.lower, ratio.upper.recip(), 1e-9), "{:?} {:?}", back, ratio);
            prop_assert!(near(back.upper, ratio.lower.recip(), 1e-9), "{:?} {:?}", back, ratio);
        }
    }

    #[test]
    fn exact_intervals_agree_with_fishers_test(
        c in 0_u64..12, t in 0_u64..12, rest_c in 0_u64..60, rest_t in 0_u64..60, alpha in 0.001..0.3_f64,
    ) {
        let (control, treatment) = (counts(c, c + rest_c), counts(t, t + rest_t));
        let Ok((lower, upper)) = exact_interval(control, treatment, alpha) else {
            let (all, none) = (rest_c + rest_t == 0, c + t == 0);
            prop_assert!(all || none || c + rest_c == 0 || t + rest_t == 0, "{:?} {:?}", control, treatment);
            return Ok(());
        };
        let p = fisher_exact(control, treatment, Alternative::TwoSided).unwrap().p;
        let difference = Interval {
            lower: lower.treatment - lower.control,
            upper: upper.treatment - upper.control,
        };
        prop_assert!(difference.lower <= difference.upper);
        // Equal shares are at an end when the p-value is that of alpha or jumps there.
        let touches = difference.lower.abs() < 1e-9 || difference.upper.abs() < 1e-9;
        prop_assert!(touches || holds(&difference, 0.0) == (p >= alpha), "{} {:?}", p, difference);
        let rate = |counts: Counts| {
            f64::from(u32::try_from(counts.events).unwrap()) / f64::from(u32::try_from(counts.trials).unwrap())
        };
        let estimate = rate(treatment) - rate(control);
        prop_assert!(difference.lower <= estimate + 1e-9 && estimate <= difference.upper + 1e-9);
        // The events of both arms stay what they were.
        for shares in [lower, upper] {
            let events = |share: f64, of: Counts| share * f64::from(u32::try_from(of.trials).unwrap());
            let all = events(shares.control, control) + events(shares.treatment, treatment);
            prop_assert!(near(all, f64::from(u32::try_from(c + t).unwrap()), 1e-9));
        }
    }

    #[test]
    fn contrasts_have_one_verdict_at_any_critical_value(
        means in (-50.0..50.0_f64, -50.0..50.0_f64), spread in (0.1..30.0_f64, 0.1..30.0_f64),
        n in (3_u64..500, 3_u64..500), critical in 0.1..6.0_f64, lift in -0.9..2.0_f64,
    ) {
        let arm = |n, mean, sd: f64| Moments::of_variance(n, mean, sd * sd);
        let contrast = mean::contrast(&arm(n.0, means.0, spread.0), &arm(n.1, means.1, spread.1)).unwrap();
        let t = contrast.difference / contrast.variance().sqrt();
        prop_assume!((t.abs() - critical).abs() > 1e-9);
        let difference = contrast.within(critical).unwrap();
        prop_assert_eq!(!holds(&difference, 0.0), t.abs() > critical);
        // The same numbers as the methods with an alpha of their own.
        let alpha = 2.0 * student::sf(critical, contrast.df());
        let effect = contrast.difference(Alternative::TwoSided, alpha).unwrap();
        prop_assert!(near(effect.interval.lower, difference.lower, 1e-6));
        let Ok(lifts) = contrast.lift_within(critical) else {
            // The baseline itself is not far enough from 0.
            prop_assert!(contrast.baseline.abs() <= critical * contrast.baseline_variance.sqrt());
            return Ok(());
        };
        prop_assert_eq!(!holds(&lifts, 0.0), t.abs() > critical);
        // A lift is inside exactly when the data are not far from a control that is lifted by it.
        let against = contrast.against(lift).unwrap();
        let distance = against.estimate.abs() / against.standard_error;
        prop_assume!((distance - critical).abs() > 1e-6);
        prop_assert_eq!(holds(&lifts, lift), distance < critical, "{:?} {} {}", lifts, lift, distance);
        let observed = contrast.difference / contrast.baseline.abs();
        prop_assert!(contrast.against(observed).unwrap().estimate.abs() < 1e-9);
    }

    #[test]
    fn a_sequence_at_another_level_has_the_same_evidence(
        z in -8.0..8.0_f64, users in 10_u64..1_000_000, alpha in 0.001..0.2_f64, level in 0.0001..0.2_f64,
        one_sided in any::<bool>(),
    ) {
        let side = if one_sided { Alternative::Greater } else { Alternative::TwoSided };
        let sequence = ConfidenceSequence::tuned(side, alpha, 5_000).unwrap();
        let other = sequence.at_level(level).unwrap();
        let (one, two) = (sequence.look(users, z, 1.0).unwrap(), other.look(users, z, 1.0).unwrap());
        prop_assert_eq!(one.ln_e, two.ln_e);
        prop_assert!(near(other.reach(users).unwrap(), two.half_width, 1e-12));
        prop_assume!((two.p.p - level).abs() > 1e-9);
        let beyond = if one_sided { z } else { z.abs() };
        prop_assert_eq!(beyond > other.reach(users).unwrap(), two.p.p < level, "{:?}", two);
    }
}

#[test]
fn critical_values_must_be_numbers() {
    let arm = |mean| Moments::of_variance(50, mean, 4.0);
    let contrast: Contrast = mean::contrast(&arm(5.0), &arm(6.0)).unwrap();
    for critical in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            contrast.within(critical),
            Err(Refusal::Invalid {
                field: "critical",
                ..
            })
        ));
        assert!(contrast.lift_within(critical).is_err());
    }
    let from_zero = mean::contrast(&arm(0.0), &arm(6.0)).unwrap();
    assert_eq!(from_zero.lift_within(1.0), Err(Refusal::ZeroBaseline));
    assert_eq!(from_zero.against(0.1), Err(Refusal::ZeroBaseline));
    assert!(
        ConfidenceSequence::tuned(Alternative::Greater, 0.05, 100)
            .unwrap()
            .at_level(0.5)
            .is_err()
    );
    assert!(
        ConfidenceSequence::tuned(Alternative::Less, 0.05, 100)
            .unwrap()
            .reach(0)
            .is_err()
    );
}

/// Exact even where the arms are so uneven that thousands of events are few.
#[test]
fn exact_intervals_of_very_uneven_arms() {
    let (lower, upper) = exact_interval(counts(40_000, 10_000_000), counts(9, 1_000), 0.05).unwrap();
    assert!(
        lower.treatment > 0.004 && lower.treatment < 0.005,
        "9 where 4 are expected: {lower:?}"
    );
    assert!(upper.treatment > 0.012 && upper.treatment < 0.025, "{upper:?}");
    assert!(exact_interval(counts(0, 10), counts(0, 10), 0.05).is_err());
    assert!(exact_interval(counts(1, 10), counts(1, 10), 0.0).is_err());
}

/// One contrast for clustered quantiles: its difference is that of the method with a unit.
#[test]
fn clustered_quantiles_as_a_contrast() {
    let arm = |value: f64, clusters: u64| ClusteredArm {
        quantile: Arm {
            n: 5_000,
            bounds_n: 5_000,
            share: 0.9,
            value,
            lower: value - 2.0,
            upper: value + 3.0,
        },
        sums: ClusterSums {
            clusters,
            below: 4_500.0,
            below_squared: 21_000.0,
            events: 5_000.0,
            events_squared: 25_000.0,
            below_events: 22_500.0,
        },
    };
    let (control, treatment) = (arm(200.0, 1_000), arm(190.0, 900));
    let contrast = contrast_clustered(&control, &treatment).unwrap();
    let want = difference_clustered(&treatment, &control, Scale::Absolute, 0.05, Degrees::Clusters).unwrap();
    let got = contrast.difference(Alternative::TwoSided, 0.05).unwrap();
    assert!(near(got.p.p, want.p.p, 1e-12) && near(got.standard_error, want.standard_error, 1e-12));
    let mut other = treatment;
    other.quantile.share = 0.5;
    assert!(contrast_clustered(&control, &other).is_err());
}
