//! Proportions: what must hold whatever was counted, and the edges.

use proptest::prelude::*;
use tidegate_stats::margin::{ProportionMethod, noninferiority_of_proportions};
use tidegate_stats::proportion::{
    DifferenceMethod, IntervalMethod, TestMethod, Variance, delta_difference, delta_lift, difference,
    interval, odds_ratio, risk_ratio, test, z_test,
};
use tidegate_stats::{Alternative, Counts, Goal, Interval, Refusal};

const DIFFERENCES: [DifferenceMethod; 5] = [
    DifferenceMethod::Newcombe,
    DifferenceMethod::MiettinenNurminen,
    DifferenceMethod::Score,
    DifferenceMethod::AgrestiCaffo,
    DifferenceMethod::Wald,
];
const SINGLES: [IntervalMethod; 4] = [
    IntervalMethod::Wilson,
    IntervalMethod::ClopperPearson,
    IntervalMethod::Jeffreys,
    IntervalMethod::AgrestiCoull,
];
const VARIANCES: [Variance; 2] = [Variance::Pooled, Variance::Unpooled];

const fn of(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

/// Those that did not have the event.
const fn others(counts: Counts) -> Counts {
    of(counts.trials - counts.events, counts.trials)
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![1..60_u64, 1..5_000_u64, 1..1_000_000_000_u64]
        .prop_flat_map(|trials| {
            let rare = 0..=trials.min(40);
            (
                prop_oneof![0..=trials, rare.clone(), rare.prop_map(move |x| trials - x)],
                Just(trials),
            )
        })
        .prop_map(|(events, trials)| of(events, trials))
}

#[track_caller]
fn near(got: f64, want: f64, relative: f64, absolute: f64) {
    assert!(
        (got - want).abs() <= (relative * want.abs()).max(absolute),
        "{got} for {want}"
    );
}

fn mirrored(interval: Interval) -> Interval {
    Interval {
        lower: -interval.upper,
        upper: -interval.lower,
    }
}

#[track_caller]
fn alike(got: Interval, want: Interval) {
    near(got.lower, want.lower, 1e-9, 1e-15);
    near(got.upper, want.upper, 1e-9, 1e-15);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn exchanged_arms_change_the_sign(control in counts(), treatment in counts()) {
        for variance in VARIANCES {
            let there = z_test(control, treatment, variance, Alternative::Greater);
            let back = z_test(treatment, control, variance, Alternative::Less);
            match (there, back) {
                (Ok(there), Ok(back)) => {
                    prop_assert_eq!(there.estimate, -back.estimate);
                    near(there.z, -back.z, 1e-12, 0.0);
                    near(there.p.ln, back.p.ln, 1e-9, 1e-12);
                }
                (there, back) => prop_assert_eq!(there, back),
            }
        }
        for method in DIFFERENCES {
            let there = difference(control, treatment, method, 0.05).unwrap();
            let back = difference(treatment, control, method, 0.05).unwrap();
            alike(there.interval, mirrored(back.interval));
        }
    }

    #[test]
    fn events_and_non_events_mirror_each_other(control in counts(), treatment in counts()) {
        for method in DIFFERENCES {
            let events = difference(control, treatment, method, 0.05).unwrap();
            let without = difference(others(control), others(treatment), method, 0.05).unwrap();
            alike(events.interval, mirrored(without.interval));
        }
        for method in [IntervalMethod::Wilson, IntervalMethod::AgrestiCoull] {
            let events = interval(control, method, 0.05).unwrap();
            let without = interval(others(control), method, 0.05).unwrap();
            near(events.lower, 1.0 - without.upper, 0.0, 1e-15);
            near(events.upper, 1.0 - without.lower, 0.0, 1e-15);
        }
    }

    #[test]
    fn an_interval_holds_the_estimate_and_shrinks_with_its_level(control in counts(), treatment in counts()) {
        for method in DIFFERENCES {
            let wide = difference(control, treatment, method, 0.01).unwrap();
            let narrow = difference(control, treatment, method, 0.2).unwrap();
            prop_assert!(wide.interval.lower <= narrow.interval.lower);
            prop_assert!(wide.interval.upper >= narrow.interval.upper);
            if method != DifferenceMethod::AgrestiCaffo {
                prop_assert!(narrow.interval.lower <= narrow.estimate + 1e-16);
                prop_assert!(narrow.interval.upper >= narrow.estimate - 1e-16);
            }
            if !matches!(method, DifferenceMethod::AgrestiCaffo | DifferenceMethod::Wald) {
                prop_assert!(wide.interval.lower >= -1.0 - 1e-15 && wide.interval.upper <= 1.0 + 1e-15);
                prop_assert!(narrow.interval.lower < narrow.interval.upper);
            }
        }
        let rate = control.events as f64 / control.trials as f64;
        for method in [IntervalMethod::Wilson, IntervalMethod::AgrestiCoull] {
            let wide = interval(control, method, 0.01).unwrap();
            let narrow = interval(control, method, 0.2).unwrap();
            prop_assert!(0.0 <= wide.lower && wide.lower <= narrow.lower);
            prop_assert!(wide.upper <= 1.0 && wide.upper >= narrow.upper);
            prop_assert!(narrow.lower <= rate + 1e-16 && narrow.upper >= rate - 1e-16);
        }
    }

    /// At a difference of 0 the score test is the pooled z test, and the Wald test the unpooled one.
    #[test]
    fn an_interval_excludes_zero_just_when_its_test_rejects(control in counts(), treatment in counts()) {
        let pairs = [
            (Variance::Pooled, DifferenceMethod::Score),
            (Variance::Unpooled, DifferenceMethod::Wald),
        ];
        for (variance, method) in pairs {
            let Ok(test) = z_test(control, treatment, variance, Alternative::TwoSided) else { continue };
            for alpha in [0.5, 0.05, 1e-4] {
                let found = difference(control, treatment, method, alpha).unwrap().interval;
                if (test.p.p - alpha).abs() > 1e-6 * alpha {
                    prop_assert_eq!(found.lower > 0.0 || found.upper < 0.0, test.p.p < alpha);
                }
            }
        }
    }

    /// The limits of the score interval are just not rejected by the test that has them as its margin.
    #[test]
    fn score_limits_are_where_the_test_turns(control in counts(), treatment in counts()) {
        let found = difference(control, treatment, DifferenceMethod::Score, 0.05).unwrap();
        for (limit, goal) in [(found.interval.lower, Goal::Increase), (found.interval.upper, Goal::Decrease)] {
            let margin = match goal { Goal::Increase => -limit, Goal::Decrease => limit };
            // Rounding moves the limit by 1e-16, which must be little beside its distance.
            let exact = (limit - found.estimate).abs() > 1e-9 && limit.abs() < 1.0 - 1e-9;
            if margin >= 0.0 && exact {
                let method = ProportionMethod::Score;
                let test = noninferiority_of_proportions(control, treatment, margin, goal, method).unwrap();
                near(test.z.abs(), 1.959_963_984_540_054, 1e-6, 0.0);
            }
        }
    }

    #[test]
    fn the_ratio_of_exchanged_arms_is_the_inverse(control in counts(), treatment in counts()) {
        for ratio in [risk_ratio, odds_ratio] {
            let there = ratio(control, treatment, 0.05);
            let back = ratio(treatment, control, 0.05);
            let (Ok(there), Ok(back)) = (there, back) else { continue };
            near(there.estimate * back.estimate, 1.0, 1e-12, 0.0);
            let (there, back) = (there.interval.unwrap(), back.interval.unwrap());
            near(there.lower * back.upper, 1.0, 1e-9, 0.0);
            near(there.upper * back.lower, 1.0, 1e-9, 0.0);
        }
    }

    #[test]
    fn a_ratio_is_refused_just_where_it_has_no_value(control in counts(), treatment in counts()) {
        match risk_ratio(control, treatment, 0.05) {
            Err(refusal) => {
                prop_assert_eq!(refusal, Refusal::ZeroBaseline);
                prop_assert_eq!(control.events, 0);
            }
            Ok(ratio) => {
                prop_assert!(control.events > 0);
                prop_assert_eq!(ratio.interval.is_err(), treatment.events == 0);
                prop_assert_eq!(ratio.estimate == 0.0, treatment.events == 0);
            }
        }
    }
}

/// Computed with 60 digits from the definition: the roots of the cubic, the likeliest of them, and bisection.
#[test]
fn score_intervals_of_rare_and_extreme_counts() {
    const GIGA: u64 = 1_000_000_000;
    let table = [
        (
            of(12, GIGA),
            of(31, GIGA),
            6.445_881_970_580_941e-9,
            3.313_422_894_450_181e-8,
        ),
        (
            of(GIGA - 12, GIGA),
            of(GIGA - 31, GIGA),
            -3.313_422_894_450_181e-8,
            -6.445_881_970_580_941e-9,
        ),
        (
            of(0, 100),
            of(7, 100),
            0.031_732_685_497_955_38,
            0.137_495_147_390_735,
        ),
        (
            of(0, 50),
            of(0, 60),
            -0.071_347_599_133_358_73,
            0.060_171_852_142_089_87,
        ),
        (
            of(80, 80),
            of(75, 80),
            -0.138_101_487_672_744_2,
            -0.015_261_246_669_334_07,
        ),
        (of(0, 1), of(1, 1), -0.315_239_544_986_693_9, 1.0),
        (
            of(3, 7),
            of(999_999, 1_000_000),
            0.250_457_364_519_883_4,
            0.841_779_144_758_544_8,
        ),
    ];
    for (control, treatment, lower, upper) in table {
        let found = difference(control, treatment, DifferenceMethod::Score, 0.05)
            .unwrap()
            .interval;
        near(found.lower, lower, 1e-9, 0.0);
        near(found.upper, upper, 1e-9, 0.0);
    }
    let sampled = [
        (
            of(12, GIGA),
            of(31, GIGA),
            6.445_881_967_365_47e-9,
            3.313_422_894_845_117e-8,
        ),
        (
            of(0, 50),
            of(0, 60),
            -0.071_955_064_986_579_66,
            0.060_690_384_245_895_37,
        ),
        (of(0, 1), of(1, 1), -0.586_901_371_245_525_2, 1.0),
    ];
    for (control, treatment, lower, upper) in sampled {
        let method = DifferenceMethod::MiettinenNurminen;
        let found = difference(control, treatment, method, 0.05).unwrap().interval;
        near(found.lower, lower, 1e-9, 0.0);
        near(found.upper, upper, 1e-9, 0.0);
    }
}

#[test]
fn the_test_is_exact_where_little_is_expected() {
    let alternative = Alternative::TwoSided;
    for (control, treatment, method) in [
        (of(10, 100), of(20, 100), TestMethod::PooledZ),
        (of(4, 1000), of(5, 1000), TestMethod::FisherExact),
        (of(5, 1000), of(5, 1000), TestMethod::PooledZ),
        (of(995, 1000), of(996, 1000), TestMethod::FisherExact),
        (of(50_000, 100_000), of(3, 9), TestMethod::FisherExact),
        (of(50_000, 100_000), of(6, 12), TestMethod::PooledZ),
    ] {
        assert_eq!(
            test(control, treatment, alternative).unwrap().method,
            method,
            "{control:?}"
        );
    }
    for (control, treatment) in [(of(0, 50), of(0, 60)), (of(50, 50), of(60, 60))] {
        assert_eq!(test(control, treatment, alternative), Err(Refusal::NoVariance));
    }
}

#[test]
fn a_z_test_without_variance_is_refused() {
    let alternative = Alternative::Greater;
    for (control, treatment, pooled, unpooled) in [
        (of(0, 50), of(0, 60), false, false),
        (of(50, 50), of(60, 60), false, false),
        (of(0, 1), of(1, 1), true, false),
        (
            of(0, 1_000_000_000),
            of(1_000_000_000, 1_000_000_000),
            true,
            false,
        ),
        (of(0, 50), of(1, 60), true, true),
    ] {
        for (variance, answers) in [(Variance::Pooled, pooled), (Variance::Unpooled, unpooled)] {
            let found = z_test(control, treatment, variance, alternative);
            assert_eq!(found.is_ok(), answers, "{control:?} {treatment:?} {variance:?}");
            if !answers {
                assert_eq!(found, Err(Refusal::NoVariance));
            }
        }
    }
}

/// Two shares that agree in nine digits: their difference has all of its own.
#[test]
fn differences_of_huge_counts_keep_their_digits() {
    let n = 3_000_000_000_000_000_000;
    let found = z_test(
        of(n / 3, n),
        of(n / 3 + 3, n),
        Variance::Pooled,
        Alternative::TwoSided,
    )
    .unwrap();
    near(found.estimate, 1e-18, 1e-15, 0.0);
}

#[test]
fn a_far_tail_has_its_logarithm() {
    let (control, treatment) = (of(100_000, 1_000_000), of(150_000, 1_000_000));
    let found = z_test(control, treatment, Variance::Pooled, Alternative::TwoSided).unwrap();
    assert!(found.z > 100.0 && found.p.p == 0.0);
    // The leading term of Mills' ratio, which is off by less than 1/z^2.
    let z = found.z;
    let tail = -z * z / 2.0 - (z * (std::f64::consts::PI / 2.0).sqrt()).ln();
    near(found.p.ln, tail, 1e-7, 0.0);
}

#[test]
fn one_arm_that_does_not_vary_says_nothing_about_its_variance() {
    for (control, treatment) in [
        (of(7, 100), of(0, 100)),
        (of(80, 80), of(75, 80)),
        (of(1, 1), of(1, 1)),
    ] {
        assert_eq!(
            delta_difference(control, treatment, 0.05),
            Err(Refusal::NoVariance)
        );
        assert_eq!(delta_lift(control, treatment, 0.05), Err(Refusal::NoVariance));
    }
    let (control, treatment) = (of(0, 100), of(7, 100));
    assert_eq!(
        delta_difference(control, treatment, 0.05),
        Err(Refusal::NoVariance)
    );
    assert_eq!(delta_lift(control, treatment, 0.05), Err(Refusal::ZeroBaseline));
}

#[test]
fn what_is_no_input_is_refused() {
    let fine = of(1, 3);
    let invalid = |refusal: Refusal, name: &str| match refusal {
        Refusal::Invalid { field, .. } => assert_eq!(field, name),
        other => panic!("{other}"),
    };
    for wrong in [0.0, 1.0, -0.1, 2.0, f64::NAN, f64::INFINITY] {
        for method in DIFFERENCES {
            invalid(difference(fine, fine, method, wrong).unwrap_err(), "alpha");
        }
        for method in SINGLES {
            invalid(interval(fine, method, wrong).unwrap_err(), "alpha");
        }
        invalid(risk_ratio(fine, fine, wrong).unwrap_err(), "alpha");
        invalid(odds_ratio(fine, fine, wrong).unwrap_err(), "alpha");
        invalid(delta_lift(fine, fine, wrong).unwrap_err(), "alpha");
    }
    for (control, treatment) in [(of(4, 3), fine), (fine, of(4, 3))] {
        let alternative = Alternative::Less;
        invalid(
            difference(control, treatment, DifferenceMethod::Newcombe, 0.05).unwrap_err(),
            "events",
        );
        invalid(
            z_test(control, treatment, Variance::Pooled, alternative).unwrap_err(),
            "events",
        );
        invalid(test(control, treatment, alternative).unwrap_err(), "events");
        invalid(risk_ratio(control, treatment, 0.05).unwrap_err(), "events");
    }
    let none = Refusal::TooFew {
        what: "trials",
        have: 0.0,
        need: 1.0,
    };
    for (control, treatment) in [(of(0, 0), fine), (fine, of(0, 0))] {
        let found = difference(control, treatment, DifferenceMethod::Score, 0.05);
        assert_eq!(found, Err(none));
        assert_eq!(odds_ratio(control, treatment, 0.05), Err(none));
    }
    assert_eq!(interval(of(0, 0), IntervalMethod::Wilson, 0.05), Err(none));
}

#[test]
fn limits_at_the_ends_are_the_ends() {
    for trials in [1, 10, 1_000_000_000] {
        for method in [
            IntervalMethod::Wilson,
            IntervalMethod::ClopperPearson,
            IntervalMethod::AgrestiCoull,
        ] {
            let none = interval(of(0, trials), method, 0.05).unwrap();
            let all = interval(of(trials, trials), method, 0.05).unwrap();
            assert_eq!((none.lower, all.upper), (0.0, 1.0));
            assert!(none.upper > 0.0 && all.lower < 1.0);
        }
    }
    // With no events the exact limit has a closed form.
    let found = interval(of(0, 1000), IntervalMethod::ClopperPearson, 0.05).unwrap();
    near(found.upper, -(0.025_f64.ln() / 1000.0).exp_m1(), 1e-9, 0.0);
}
