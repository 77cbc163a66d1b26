//! Tests against a margin: how they hang together with intervals, and the edges.

use proptest::prelude::*;
use tidegate_stats::margin::{
    LiftMethod, ProportionMethod, equivalence_of_means, equivalence_of_proportions, noninferiority_of_lift,
    noninferiority_of_means, noninferiority_of_proportions,
};
use tidegate_stats::moments::Moments;
use tidegate_stats::proportion::{DifferenceMethod, difference};
use tidegate_stats::{Counts, Goal, Refusal};

const METHODS: [ProportionMethod; 2] = [ProportionMethod::Score, ProportionMethod::Wald];
const GOALS: [Goal; 2] = [Goal::Increase, Goal::Decrease];

const fn of(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![2..60_u64, 2..100_000_u64]
        .prop_flat_map(|trials| (1..trials, Just(trials)))
        .prop_map(|(events, trials)| of(events, trials))
}

fn means() -> impl Strategy<Value = Moments> {
    (2..3_000_u64, 0.1..50.0, 0.01..400.0)
        .prop_map(|(n, mean, variance)| Moments::of_variance(n, mean, variance))
}

fn scaled(arm: Moments, times: f64) -> Moments {
    Moments {
        n: arm.n,
        mean: arm.mean * times,
        m2: arm.m2 * times * times,
    }
}

#[track_caller]
fn near(got: f64, want: f64, relative: f64, absolute: f64) {
    assert!(
        (got - want).abs() <= (relative * want.abs()).max(absolute),
        "{got} for {want}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is good for one arm is bad for the other.
    #[test]
    fn exchanged_arms_exchange_the_goals(control in counts(), treatment in counts(), margin in 0.0..0.9) {
        for method in METHODS {
            let up = noninferiority_of_proportions(control, treatment, margin, Goal::Increase, method).unwrap();
            let down = noninferiority_of_proportions(treatment, control, margin, Goal::Decrease, method).unwrap();
            near(up.z, -down.z, 1e-9, 1e-12);
            near(up.p.ln, down.p.ln, 1e-7, 1e-12);
        }
    }

    #[test]
    fn more_margin_is_more_evidence(control in counts(), treatment in counts(), margin in 0.0..0.4) {
        for (method, goal) in METHODS.into_iter().flat_map(|method| GOALS.map(|goal| (method, goal))) {
            let z = |margin| noninferiority_of_proportions(control, treatment, margin, goal, method).unwrap().z;
            let (less, more) = (z(margin), z(margin + 0.1));
            match goal {
                Goal::Increase => prop_assert!(more > less, "{} {}", less, more),
                Goal::Decrease => prop_assert!(more < less, "{} {}", less, more),
            }
        }
    }

    /// Two one-sided tests at alpha reject just when the interval at 2 alpha lies within the margins.
    #[test]
    fn equivalence_is_an_interval_within_the_margins(
        control in counts(), treatment in counts(), margin in 0.01..0.5,
    ) {
        for (method, interval) in
            [(ProportionMethod::Score, DifferenceMethod::Score), (ProportionMethod::Wald, DifferenceMethod::Wald)]
        {
            let found = equivalence_of_proportions(control, treatment, margin, method).unwrap();
            prop_assert_eq!(found.p.ln, found.lower.p.ln.max(found.upper.p.ln));
            let range = difference(control, treatment, interval, 0.1).unwrap().interval;
            let inside = (range.lower + margin).min(margin - range.upper);
            if inside.abs() > 1e-6 {
                prop_assert_eq!(inside > 0.0, found.p.p < 0.05);
            }
        }
    }

    #[test]
    fn a_bound_excludes_the_margin_just_when_the_test_rejects(
        control in means(), treatment in means(), margin in 0.0..0.5,
    ) {
        for goal in GOALS {
            let tests = [
                noninferiority_of_means(control, treatment, margin, goal, 0.05),
                noninferiority_of_lift(control, treatment, margin, goal, 0.05, LiftMethod::Delta),
                noninferiority_of_lift(control, treatment, margin, goal, 0.05, LiftMethod::LogRatio),
            ];
            for test in tests {
                let test = test.unwrap();
                let inside = match goal {
                    Goal::Increase => test.bound + margin,
                    Goal::Decrease => margin - test.bound,
                };
                if (test.p.p - 0.05).abs() > 1e-6 {
                    prop_assert_eq!(inside > 0.0, test.p.p < 0.05);
                }
            }
        }
    }

    /// A lift does not know the unit.
    #[test]
    fn lifts_are_the_same_in_every_unit(control in means(), treatment in means(), unit in 1e-6..1e6) {
        for method in [LiftMethod::Delta, LiftMethod::LogRatio] {
            let test = |times| {
                let (control, treatment) = (scaled(control, times), scaled(treatment, times));
                noninferiority_of_lift(control, treatment, 0.05, Goal::Increase, 0.025, method).unwrap()
            };
            let (plain, other) = (test(1.0), test(unit));
            near(other.t, plain.t, 1e-9, 1e-9);
            near(other.df, plain.df, 1e-9, 0.0);
            near(other.bound, plain.bound, 1e-9, 1e-9);
        }
    }

    #[test]
    fn equivalence_of_means_takes_the_weaker_side(control in means(), treatment in means(), margin in 0.1..9.0) {
        let found = equivalence_of_means(control, treatment, margin).unwrap();
        let up = noninferiority_of_means(control, treatment, margin, Goal::Increase, 0.05).unwrap();
        let down = noninferiority_of_means(control, treatment, margin, Goal::Decrease, 0.05).unwrap();
        prop_assert_eq!(found.p.ln, up.p.ln.max(down.p.ln));
        let least = f64::from(u32::try_from(control.n.min(treatment.n)).unwrap()) - 1.0;
        let most = f64::from(u32::try_from(control.n + treatment.n).unwrap()) - 2.0;
        prop_assert!(found.df >= least * (1.0 - 1e-12) && found.df <= most * (1.0 + 1e-12));
    }
}

/// Computed with 60 digits from the definition.
#[test]
fn score_tests_of_rare_counts() {
    let giga = 1_000_000_000;
    for (control, treatment, margin, goal, z) in [
        (
            of(12, giga),
            of(31, giga),
            1e-8,
            Goal::Increase,
            4.145_939_189_452_535,
        ),
        (
            of(10, 100),
            of(9, 100),
            0.05,
            Goal::Decrease,
            -1.409_160_107_433_594,
        ),
        (
            of(0, 100),
            of(0, 100),
            0.05,
            Goal::Increase,
            2.294_157_338_705_618,
        ),
    ] {
        let found =
            noninferiority_of_proportions(control, treatment, margin, goal, ProportionMethod::Score).unwrap();
        near(found.z, z, 1e-9, 0.0);
    }
}

#[test]
fn without_variance_there_is_no_number() {
    let test = |control, treatment, margin, method| {
        noninferiority_of_proportions(control, treatment, margin, Goal::Increase, method)
    };
    for (control, treatment) in [(of(0, 50), of(0, 60)), (of(50, 50), of(60, 60))] {
        assert_eq!(
            test(control, treatment, 0.1, ProportionMethod::Wald),
            Err(Refusal::NoVariance)
        );
        assert_eq!(
            test(control, treatment, 0.0, ProportionMethod::Score),
            Err(Refusal::NoVariance)
        );
        // At a margin the likeliest rates vary, though the counts do not.
        assert!(test(control, treatment, 0.1, ProportionMethod::Score).is_ok());
    }
    let still = Moments::of_variance(30, 5.0, 0.0);
    assert_eq!(equivalence_of_means(still, still, 1.0), Err(Refusal::NoVariance));
    let zero = Moments::of_variance(30, 0.0, 1.0);
    let below = Moments::of_variance(30, -2.0, 1.0);
    for (control, method, refusal) in [
        (zero, LiftMethod::Delta, Some(Refusal::ZeroBaseline)),
        (zero, LiftMethod::LogRatio, Some(Refusal::ZeroBaseline)),
        (below, LiftMethod::Delta, None),
    ] {
        let found = noninferiority_of_lift(control, below, 0.1, Goal::Increase, 0.05, method);
        assert_eq!(found.err(), refusal);
    }
    let found = noninferiority_of_lift(below, below, 0.1, Goal::Increase, 0.05, LiftMethod::LogRatio);
    assert!(matches!(found, Err(Refusal::Undefined { .. })));
}

/// The noise of the baseline counts as often as the treatment is a multiple of it.
#[test]
fn a_noisy_baseline_makes_the_lift_uncertain() {
    let (control, still) = (
        Moments::of_variance(100, 2.0, 9.0),
        Moments::of_variance(100, 6.0, 0.0),
    );
    let test = |control, treatment, method| {
        noninferiority_of_lift(control, treatment, 0.1, Goal::Increase, 0.05, method).unwrap()
    };
    near(
        test(control, still, LiftMethod::Delta).standard_error,
        0.45,
        1e-12,
        0.0,
    );
    near(
        test(control, still, LiftMethod::LogRatio).standard_error,
        0.15,
        1e-12,
        0.0,
    );
    let (still, treatment) = (
        Moments::of_variance(100, 2.0, 0.0),
        Moments::of_variance(100, 6.0, 9.0),
    );
    near(
        test(still, treatment, LiftMethod::Delta).standard_error,
        0.15,
        1e-12,
        0.0,
    );
    near(
        test(still, treatment, LiftMethod::LogRatio).standard_error,
        0.05,
        1e-12,
        0.0,
    );
}

/// A loss of 2 that shrinks to 1 is a lift of half of it, not a fall.
#[test]
fn a_negative_baseline_keeps_the_direction() {
    let (control, treatment) = (
        Moments::of_variance(99, -2.0, 1.0),
        Moments::of_variance(99, -1.0, 1.0),
    );
    let found =
        noninferiority_of_lift(control, treatment, 0.1, Goal::Increase, 0.05, LiftMethod::Delta).unwrap();
    near(found.estimate, 0.5, 1e-12, 0.0);
    assert!(found.t > 0.0 && found.bound < 0.5);
}

#[test]
fn what_is_no_input_is_refused() {
    let (fine, arm) = (of(3, 9), Moments::of_variance(9, 1.0, 1.0));
    let score = ProportionMethod::Score;
    for margin in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert!(noninferiority_of_proportions(fine, fine, margin, Goal::Increase, score).is_err());
        assert!(noninferiority_of_lift(arm, arm, margin, Goal::Increase, 0.05, LiftMethod::Delta).is_err());
    }
    for margin in [-0.1, 0.0, f64::NAN, f64::INFINITY] {
        assert!(equivalence_of_proportions(fine, fine, margin, score).is_err());
        assert!(equivalence_of_means(arm, arm, margin).is_err());
    }
    for alpha in [0.0, 1.0, f64::NAN] {
        assert!(noninferiority_of_means(arm, arm, 0.1, Goal::Increase, alpha).is_err());
    }
    for (n, mean, variance) in [
        (0, 1.0, 1.0),
        (1, 1.0, 1.0),
        (9, f64::NAN, 1.0),
        (9, f64::INFINITY, 1.0),
        (9, 1.0, -1.0),
        (9, 1.0, f64::NAN),
        (9, 1.0, f64::INFINITY),
    ] {
        let wrong = Moments::of_variance(n, mean, variance);
        assert!(equivalence_of_means(wrong, arm, 0.1).is_err(), "{wrong:?}");
        assert!(
            noninferiority_of_means(arm, wrong, 0.1, Goal::Decrease, 0.05).is_err(),
            "{wrong:?}"
        );
    }
    assert!(equivalence_of_proportions(of(4, 3), fine, 0.1, score).is_err());
    assert!(equivalence_of_proportions(fine, of(0, 0), 0.1, score).is_err());
}
