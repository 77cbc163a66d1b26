//! Two means: what the tests and intervals have in common, and what is refused.

use proptest::prelude::*;
use tidegate_stats::effect::Effect;
use tidegate_stats::mean::{lift_delta, lift_fieller, lift_log_ratio, student_t, welch_t, z_unpooled};
use tidegate_stats::moments::Moments;
use tidegate_stats::{Alternative, Refusal};

type Method = fn(&Moments, &Moments, Alternative, f64) -> Result<Effect, Refusal>;

const SIDES: [Alternative; 3] = [Alternative::TwoSided, Alternative::Greater, Alternative::Less];
const DIFFERENCES: [Method; 3] = [welch_t, student_t, z_unpooled];
const LIFTS: [Method; 3] = [lift_delta, lift_log_ratio, lift_fieller];

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-7 * want.abs().max(1e-300) || got == want
}

/// An arm whose mean is some standard errors away from that of another.
fn arms() -> impl Strategy<Value = (Moments, Moments)> {
    let size = 3_u64..100_000;
    let variance = 0.01..100.0_f64;
    (
        size.clone(),
        size,
        variance.clone(),
        variance,
        -8.0..8.0_f64,
        -40.0..40.0_f64,
    )
        .prop_map(|(n0, n1, v0, v1, apart, away)| {
            let error = (v0 / n0 as f64 + v1 / n1 as f64).sqrt();
            let baseline = away * (v0 / n0 as f64).sqrt();
            (
                Moments::of_variance(n0, baseline, v0),
                Moments::of_variance(n1, baseline + apart * error, v1),
            )
        })
}

fn alpha() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.001, 0.025, 0.05, 0.1, 0.3])
}

fn side() -> impl Strategy<Value = Alternative> {
    prop::sample::select(SIDES.to_vec())
}

fn excludes_zero(effect: &Effect) -> bool {
    effect.interval.lower > 0.0 || effect.interval.upper < 0.0
}

/// The mirror image of an arm.
fn negated(arm: &Moments) -> Moments {
    Moments {
        mean: -arm.mean,
        ..*arm
    }
}

fn other(side: Alternative) -> Alternative {
    match side {
        Alternative::Greater => Alternative::Less,
        Alternative::Less => Alternative::Greater,
        Alternative::TwoSided => Alternative::TwoSided,
    }
}

proptest! {
    /// Fieller's interval has the verdict of Welch's test, whatever the baseline's sign, the side and alpha.
    #[test]
    fn fieller_excludes_zero_exactly_when_the_difference_is_significant((control, treatment) in arms(), side in side(), alpha in alpha()) {
        let difference = welch_t(&control, &treatment, side, alpha).unwrap();
        prop_assume!((difference.p.p - alpha).abs() > 1e-6 * alpha);
        match lift_fieller(&control, &treatment, side, alpha) {
            Ok(lift) => {
                prop_assert_eq!(excludes_zero(&lift), difference.p.p < alpha, "{:?} {:?}", lift, difference);
                prop_assert_eq!(lift.p, difference.p);
                prop_assert_eq!(lift.statistic, difference.statistic);
                let inside = lift.interval.lower <= lift.estimate && lift.estimate <= lift.interval.upper;
                prop_assert!(inside, "{:?}", lift);
            }
            Err(Refusal::Undefined { .. }) => {
                // Then the baseline itself is no more than so many of its own standard errors from 0.
                let reach = (difference.interval.upper - difference.estimate)
                    .min(difference.estimate - difference.interval.lower) / difference.standard_error;
                let error = (control.variance().unwrap() / control.n as f64).sqrt();
                prop_assert!(control.mean.abs() <= reach * error * (1.0 + 1e-9));
            }
            Err(refusal) => prop_assert!(false, "{refusal}"),
        }
    }

    /// Each end of Fieller's interval is a lift that the data are just on the edge of speaking against.
    #[test]
    fn fiellers_ends_solve_his_equation((control, treatment) in arms(), alpha in alpha()) {
        let Ok(lift) = lift_fieller(&control, &treatment, Alternative::TwoSided, alpha) else { return Ok(()) };
        let welch = welch_t(&control, &treatment, Alternative::TwoSided, alpha).unwrap();
        let critical = (welch.interval.upper - welch.estimate) / welch.standard_error;
        let (v0, v1) = (
            control.variance().unwrap() / control.n as f64,
            treatment.variance().unwrap() / treatment.n as f64,
        );
        for end in [lift.interval.lower, lift.interval.upper] {
            let multiple = if control.mean > 0.0 { 1.0 + end } else { 1.0 - end };
            let off = treatment.mean - multiple * control.mean;
            let error = (v1 + multiple * multiple * v0).sqrt();
            let scale = treatment.mean.abs() + (multiple * control.mean).abs() + critical * error;
            prop_assert!((off.abs() - critical * error).abs() <= 1e-8 * scale, "{end}: {off} {error} {critical}");
        }
    }

    #[test]
    fn an_interval_excludes_zero_exactly_when_p_is_below_alpha((control, treatment) in arms(), side in side(), alpha in alpha()) {
        for method in DIFFERENCES.into_iter().chain([lift_delta as Method, lift_log_ratio]) {
            let Ok(effect) = method(&control, &treatment, side, alpha) else { continue };
            if (effect.p.p - alpha).abs() > 1e-6 * alpha {
                prop_assert_eq!(excludes_zero(&effect), effect.p.p < alpha, "{:?}", effect);
            }
            prop_assert!((0.0..=1.0).contains(&effect.p.p) && effect.p.ln <= 0.0);
        }
    }

    #[test]
    fn exchanging_the_arms_turns_the_sign((control, treatment) in arms(), side in side(), alpha in alpha()) {
        for method in DIFFERENCES {
            let there = method(&control, &treatment, side, alpha).unwrap();
            let back = method(&treatment, &control, other(side), alpha).unwrap();
            prop_assert!(close(back.p.p, there.p.p), "{:?} {:?}", there, back);
            prop_assert!(close(back.statistic, -there.statistic));
            prop_assert!(close(back.interval.lower, -there.interval.upper));
            prop_assert!(close(back.interval.upper, -there.interval.lower));
        }
    }

    /// Less than zero all is the mirror image: a loss that halves is a gain.
    #[test]
    fn a_mirrored_metric_has_mirrored_lifts((control, treatment) in arms(), side in side(), alpha in alpha()) {
        for method in LIFTS {
            let plain = method(&control, &treatment, side, alpha);
            let mirrored = method(&negated(&control), &negated(&treatment), other(side), alpha);
            match (plain, mirrored) {
                (Ok(plain), Ok(mirrored)) => {
                    prop_assert_eq!(mirrored.estimate, -plain.estimate);
                    prop_assert_eq!(mirrored.interval.lower, -plain.interval.upper);
                    prop_assert_eq!(mirrored.p, plain.p);
                }
                (plain, mirrored) => prop_assert_eq!(plain, mirrored),
            }
        }
    }

    #[test]
    fn the_unit_of_a_metric_changes_no_lift((control, treatment) in arms(), side in side(), unit in prop::sample::select(vec![1e-9, 60.0, 1e12])) {
        let scaled = |arm: &Moments| Moments { n: arm.n, mean: arm.mean * unit, m2: arm.m2 * unit * unit };
        for method in LIFTS {
            let Ok(plain) = method(&control, &treatment, side, 0.05) else { continue };
            let other = method(&scaled(&control), &scaled(&treatment), side, 0.05).unwrap();
            prop_assert!((other.estimate - plain.estimate).abs() <= 1e-9 * (1.0 + plain.estimate.abs()));
            prop_assert!(close(other.p.p, plain.p.p) || (other.p.ln - plain.p.ln).abs() < 1e-6);
        }
    }

    #[test]
    fn less_error_means_a_wider_interval((control, treatment) in arms()) {
        for method in DIFFERENCES.into_iter().chain(LIFTS) {
            let at = |alpha| method(&control, &treatment, Alternative::TwoSided, alpha);
            if let (Ok(strict), Ok(loose)) = (at(0.01), at(0.2)) {
                // Ends may agree where rounding takes a ratio's lower end for 0, but never both.
                prop_assert!(strict.interval.lower <= loose.interval.lower, "{:?} {:?}", strict, loose);
                prop_assert!(loose.interval.upper <= strict.interval.upper, "{:?} {:?}", strict, loose);
                prop_assert_ne!(strict.interval, loose.interval);
                prop_assert!(strict.interval.lower.is_finite() && strict.interval.upper.is_finite());
                prop_assert_eq!(strict.p, loose.p);
            }
        }
    }

    #[test]
    fn the_two_sides_have_all_chance_together((control, treatment) in arms()) {
        for method in DIFFERENCES {
            let [both, greater, less] = SIDES.map(|side| method(&control, &treatment, side, 0.05).unwrap().p.p);
            prop_assert!((greater + less - 1.0).abs() < 1e-9);
            prop_assert!((both - 2.0 * greater.min(less)).abs() < 1e-9);
        }
    }
}

#[test]
fn a_baseline_that_is_known_leaves_the_lifts_interval_symmetric() {
    let control = Moments::of_variance(50, 4.0, 0.0);
    let treatment = Moments::of_variance(60, 5.0, 9.0);
    // With more error than a half, a bound lies on the other side of the estimate.
    for (side, alpha) in SIDES.into_iter().flat_map(|side| [(side, 0.05), (side, 0.8)]) {
        let delta = lift_delta(&control, &treatment, side, alpha).unwrap();
        let fieller = lift_fieller(&control, &treatment, side, alpha).unwrap();
        assert!(close(fieller.interval.lower, delta.interval.lower), "{side:?}");
        assert!(close(fieller.interval.upper, delta.interval.upper), "{side:?}");
        assert!(close(fieller.standard_error, delta.standard_error));
    }
}

#[test]
fn with_much_data_all_lifts_agree() {
    let control = Moments::of_variance(1_000_000_000, 1.0, 4.0);
    let treatment = Moments::of_variance(1_000_000_000, 1.0002, 4.1);
    let [delta, log, fieller] =
        LIFTS.map(|method| method(&control, &treatment, Alternative::TwoSided, 0.05).unwrap());
    for other in [log, fieller] {
        assert!((other.interval.lower - delta.interval.lower).abs() < 1e-7);
        assert!((other.interval.upper - delta.interval.upper).abs() < 1e-7);
        assert!((other.standard_error - delta.standard_error).abs() < 1e-12);
    }
}

#[test]
fn equal_arms_are_no_evidence() {
    let arm = Moments::of_variance(1_000, 10.0, 25.0);
    for method in DIFFERENCES.into_iter().chain(LIFTS) {
        let effect = method(&arm, &arm, Alternative::TwoSided, 0.05).unwrap();
        assert_eq!((effect.estimate, effect.statistic, effect.p.p), (0.0, 0.0, 1.0));
        assert!(!excludes_zero(&effect));
    }
}

#[test]
fn a_margin_moves_the_hypothesis() {
    let control = Moments::of_variance(400, 10.0, 25.0);
    let treatment = Moments::of_variance(500, 10.4, 27.0);
    let shifted = Moments {
        mean: 10.9,
        ..treatment
    };
    let effect = welch_t(&control, &treatment, Alternative::Greater, 0.025).unwrap();
    let moved = welch_t(&control, &shifted, Alternative::Greater, 0.025).unwrap();
    assert!(close(effect.p_against(-0.5, Alternative::Greater).p, moved.p.p));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let good = Moments::of_variance(100, 10.0, 4.0);
    let wrong = [
        (Moments::default(), "empty"),
        (Moments::of_values(&[3.0]), "one value"),
        (Moments::of_variance(100, f64::NAN, 4.0), "no mean"),
        (Moments::of_variance(100, f64::INFINITY, 4.0), "infinite mean"),
        (Moments::of_variance(100, 10.0, -4.0), "negative variance"),
        (Moments::of_variance(100, 10.0, f64::NAN), "no variance"),
    ];
    for method in DIFFERENCES.into_iter().chain(LIFTS) {
        for (arm, what) in &wrong {
            for (control, treatment) in [(arm, &good), (&good, arm)] {
                let answer = method(control, treatment, Alternative::TwoSided, 0.05);
                assert!(
                    matches!(answer, Err(Refusal::TooFew { .. } | Refusal::Invalid { .. })),
                    "{what}: {answer:?}"
                );
            }
        }
        for alpha in [0.0, 1.0, -0.1, f64::NAN] {
            let answer = method(&good, &good, Alternative::TwoSided, alpha);
            assert!(matches!(answer, Err(Refusal::Invalid { field: "alpha", .. })));
        }
        let (constant, higher) = (Moments::of_values(&[0.1; 30]), Moments::of_variance(30, 0.2, 0.0));
        for treatment in [&constant, &higher] {
            let answer = method(&constant, treatment, Alternative::TwoSided, 0.05);
            assert_eq!(answer, Err(Refusal::NoVariance));
        }
        // A variance that is only rounding of values this large.
        let rounded = Moments::of_variance(30, 1e9, 1e-14);
        let answer = method(&rounded, &rounded, Alternative::TwoSided, 0.05);
        assert_eq!(answer, Err(Refusal::NoVariance));
    }
}

#[test]
fn lifts_need_a_baseline() {
    let zero = Moments::of_variance(100, 0.0, 4.0);
    let noisy = Moments::of_variance(100, 0.3, 4.0);
    let good = Moments::of_variance(100, 10.0, 4.0);
    let negative = Moments::of_variance(100, -10.0, 4.0);
    let side = Alternative::TwoSided;
    for method in LIFTS {
        assert_eq!(method(&zero, &good, side, 0.05), Err(Refusal::ZeroBaseline));
    }
    for treatment in [&negative, &zero] {
        let answer = lift_log_ratio(&good, treatment, side, 0.05);
        assert!(matches!(answer, Err(Refusal::Undefined { .. })), "{answer:?}");
        assert!(lift_fieller(&good, treatment, side, 0.05).is_ok());
    }
    let near_zero = Moments::of_variance(3, 5e-4, 0.01);
    let answer = lift_log_ratio(&near_zero, &near_zero, side, 0.01);
    assert!(matches!(answer, Err(Refusal::Undefined { .. })), "{answer:?}");
    // 1.5 standard errors from zero: told from it at 20 %, and not at 5 %.
    let answer = lift_fieller(&noisy, &good, side, 0.05);
    assert!(matches!(answer, Err(Refusal::Undefined { .. })), "{answer:?}");
    assert!(lift_fieller(&noisy, &good, side, 0.2).is_ok());
}
