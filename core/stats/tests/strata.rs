//! Strata: what one stratum says alone, what changes nothing, and the edges.

use proptest::prelude::*;
use tidegate_stats::moments::Moments;
use tidegate_stats::proportion::{Variance, odds_ratio, z_test};
use tidegate_stats::strata::{Stratum, mantel_haenszel, post_stratified};
use tidegate_stats::{Alternative, Counts, Refusal};

const fn of(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn counts() -> impl Strategy<Value = Counts> {
    prop_oneof![2..60_u64, 2..1_000_000_000_u64]
        .prop_flat_map(|trials| (1..trials, Just(trials)))
        .prop_map(|(events, trials)| of(events, trials))
}

fn means() -> impl Strategy<Value = Moments> {
    (2..3_000_u64, 0.1..50.0, 0.01..400.0)
        .prop_map(|(n, mean, variance)| Moments::of_variance(n, mean, variance))
}

fn stratum<T: std::fmt::Debug>(arm: fn() -> BoxedStrategy<T>) -> impl Strategy<Value = Stratum<T>> {
    (arm(), arm()).prop_map(|(control, treatment)| Stratum { control, treatment })
}

fn tables() -> impl Strategy<Value = Vec<Stratum<Counts>>> {
    prop::collection::vec(stratum(|| counts().boxed()), 1..6)
}

fn values() -> impl Strategy<Value = Vec<Stratum<Moments>>> {
    prop::collection::vec(stratum(|| means().boxed()), 1..6)
}

const fn exchanged<T: Copy>(stratum: &Stratum<T>) -> Stratum<T> {
    Stratum {
        control: stratum.treatment,
        treatment: stratum.control,
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

    /// A single stratum is the pooled z test but for the variance of a sample, and Woolf's odds ratio.
    #[test]
    fn one_stratum_is_a_plain_comparison(control in counts(), treatment in counts()) {
        let found = mantel_haenszel(&[Stratum { control, treatment }], 0.05).unwrap();
        let plain = z_test(control, treatment, Variance::Pooled, Alternative::TwoSided).unwrap();
        let n = (control.trials + treatment.trials) as f64;
        near(found.z, plain.z * ((n - 1.0) / n).sqrt(), 1e-6, 1e-6);
        near(found.chi_squared, found.z * found.z, 1e-15, 0.0);
        let (odds, plain) = (found.odds_ratio.unwrap(), odds_ratio(control, treatment, 0.05).unwrap());
        near(odds.estimate, plain.estimate, 1e-12, 0.0);
        near(odds.interval.lower, plain.interval.unwrap().lower, 1e-9, 0.0);
        near(odds.interval.upper, plain.interval.unwrap().upper, 1e-9, 0.0);
    }

    #[test]
    fn exchanged_arms_invert_the_odds(strata in tables()) {
        let there = mantel_haenszel(&strata, 0.05).unwrap();
        let back = mantel_haenszel(&strata.iter().map(exchanged).collect::<Vec<_>>(), 0.05).unwrap();
        near(there.z, -back.z, 1e-9, 1e-9);
        let (there, back) = (there.odds_ratio.unwrap(), back.odds_ratio.unwrap());
        near(there.estimate * back.estimate, 1.0, 1e-9, 0.0);
        near(there.interval.lower * back.interval.upper, 1.0, 1e-9, 0.0);
    }

    #[test]
    fn strata_that_say_nothing_change_nothing(strata in tables(), n in 1..1_000_u64) {
        let plain = mantel_haenszel(&strata, 0.05).unwrap();
        let mut more = strata;
        more.insert(0, Stratum { control: of(0, 0), treatment: of(n, n) });
        more.push(Stratum { control: of(n / 2, n), treatment: of(0, 0) });
        more.push(Stratum { control: of(0, n), treatment: of(0, 2 * n) });
        more.push(Stratum { control: of(n, n), treatment: of(n, n) });
        prop_assert_eq!(mantel_haenszel(&more, 0.05), Ok(plain));
    }

    /// What a stratum has in common is in both arms, and out of the comparison.
    #[test]
    fn a_shift_of_a_whole_stratum_changes_nothing(strata in values(), shift in -100.0..100.0) {
        let plain = post_stratified(&strata, 0.05).unwrap().difference;
        let mut moved = strata;
        moved[0].control.mean += shift;
        moved[0].treatment.mean += shift;
        let moved = post_stratified(&moved, 0.05).unwrap().difference;
        near(moved.estimate, plain.estimate, 1e-9, 1e-9);
        near(moved.standard_error, plain.standard_error, 1e-9, 0.0);
    }

    #[test]
    fn exchanged_arms_change_the_sign(strata in values()) {
        let there = post_stratified(&strata, 0.05).unwrap().difference;
        let back = post_stratified(&strata.iter().map(exchanged).collect::<Vec<_>>(), 0.05).unwrap().difference;
        near(there.estimate, -back.estimate, 1e-12, 1e-12);
        near(there.standard_error, back.standard_error, 1e-12, 0.0);
        near(there.p.ln, back.p.ln, 1e-9, 1e-9);
        prop_assert_eq!(there.interval.lower > 0.0 || there.interval.upper < 0.0, there.p.p < 0.05);
    }

    #[test]
    fn one_stratum_is_two_means(control in means(), treatment in means()) {
        let found = post_stratified(&[Stratum { control, treatment }], 0.05).unwrap();
        let squared = |arm: Moments| arm.variance().unwrap() / arm.n as f64;
        let (c, t) = (squared(control), squared(treatment));
        near(found.difference.estimate, treatment.mean - control.mean, 1e-12, 1e-14);
        near(found.difference.standard_error, (c + t).sqrt(), 1e-12, 0.0);
        let lift = found.lift.unwrap();
        let ratio = treatment.mean / control.mean;
        near(lift.estimate, ratio - 1.0, 1e-9, 1e-12);
        near(lift.standard_error, (t + ratio * ratio * c).sqrt() / control.mean, 1e-9, 0.0);
        prop_assert_eq!(lift.p, found.difference.p);
    }
}

/// Which stratum a user is from is a draw too: effects of 0 and 2 in halves of 40 users vary by 1.
#[test]
fn the_shares_of_the_strata_are_a_sample() {
    let still = |mean| Moments::of_variance(10, mean, 0.0);
    let strata = [3.0, 5.0].map(|mean| Stratum {
        control: still(3.0),
        treatment: still(mean),
    });
    let found = post_stratified(&strata, 0.05).unwrap().difference;
    near(found.estimate, 1.0, 1e-12, 0.0);
    near(found.standard_error, (1.0_f64 / 40.0).sqrt(), 1e-12, 0.0);
}

/// The treatment wins within each stratum, and loses when they are thrown together (Simpson 1951).
#[test]
fn strata_undo_the_paradox() {
    let strata = [
        Stratum {
            control: of(234, 270),
            treatment: of(81, 87),
        },
        Stratum {
            control: of(55, 80),
            treatment: of(192, 263),
        },
    ];
    let together = z_test(
        of(289, 350),
        of(273, 350),
        Variance::Pooled,
        Alternative::TwoSided,
    )
    .unwrap();
    let found = mantel_haenszel(&strata, 0.05).unwrap();
    assert!(together.z < 0.0 && found.z > 0.0);
    assert!(found.odds_ratio.unwrap().estimate > 1.0);
}

#[test]
fn odds_without_end_have_no_ratio_but_a_test() {
    let strata = [Stratum {
        control: of(0, 50),
        treatment: of(12, 50),
    }];
    let found = mantel_haenszel(&strata, 0.05).unwrap();
    assert!(found.z > 3.0 && found.p.p < 0.001);
    assert!(matches!(found.odds_ratio, Err(Refusal::Undefined { .. })));
}

#[test]
fn what_says_nothing_is_refused() {
    let nothing = Stratum {
        control: of(0, 9),
        treatment: of(0, 7),
    };
    let empty = Stratum {
        control: of(0, 0),
        treatment: of(3, 7),
    };
    for strata in [&[][..], &[nothing][..], &[empty][..], &[nothing, empty][..]] {
        assert_eq!(mantel_haenszel(strata, 0.05), Err(Refusal::NoVariance));
    }
    let fine = Stratum {
        control: of(1, 9),
        treatment: of(3, 7),
    };
    let wrong = Stratum {
        control: of(10, 9),
        treatment: of(3, 7),
    };
    assert!(mantel_haenszel(&[fine], 1.0).is_err());
    assert!(mantel_haenszel(&[fine, wrong], 0.05).is_err());

    let arm = |n, mean, variance| Moments::of_variance(n, mean, variance);
    let of = |control, treatment| Stratum { control, treatment };
    let (fine, still) = (arm(9, 1.0, 2.0), arm(9, 1.0, 0.0));
    assert_eq!(
        post_stratified(&[of(still, still)], 0.05),
        Err(Refusal::NoVariance)
    );
    assert!(matches!(
        post_stratified(&[], 0.05),
        Err(Refusal::TooFew { what: "strata", .. })
    ));
    assert!(post_stratified(&[of(fine, fine)], f64::NAN).is_err());
    for wrong in [
        arm(0, 1.0, 1.0),
        arm(1, 1.0, 1.0),
        arm(9, f64::NAN, 1.0),
        arm(9, 1.0, -1.0),
        arm(9, 1.0, f64::INFINITY),
    ] {
        assert!(
            post_stratified(&[of(fine, fine), of(fine, wrong)], 0.05).is_err(),
            "{wrong:?}"
        );
    }
    let zero = post_stratified(&[of(arm(9, 0.0, 1.0), fine)], 0.05).unwrap();
    assert_eq!(zero.lift, Err(Refusal::ZeroBaseline));
}
