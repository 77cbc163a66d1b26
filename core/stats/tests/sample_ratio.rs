//! Sample ratio mismatch: what must hold whatever the numbers, and where there is no answer.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::Refusal;
use tidegate_stats::sample_ratio::{chi_squared, sequential};

fn near(got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance * want.abs().max(1.0),
        "{got} for {want}"
    );
}

/// What GrowthBook counts as a degree of freedom is none: 0.32, not 0.61.
#[test]
fn an_arm_without_weight_does_not_count() {
    let with = chi_squared(&[5000, 5100, 0], &[0.5, 0.5, 0.0]).expect("two arms");
    let without = chi_squared(&[5000, 5100], &[0.5, 0.5]).expect("two arms");
    assert_eq!(with, without);
    assert!((with.p.p - 0.3197).abs() < 1e-4, "{}", with.p.p);
    let look = sequential(&[5000, 0, 5100], &[1.0, 0.0, 1.0], 100.0).expect("two arms");
    assert_eq!(
        look,
        sequential(&[5000, 5100], &[1.0, 1.0], 100.0).expect("two arms")
    );
}

#[test]
fn arguments_that_are_refused() {
    for (observed, weights) in [
        (&[10, 12][..], &[1.0][..]),
        (&[10, 12], &[1.0, 1.0, 1.0]),
        (&[10, 12], &[1.0, -1.0]),
        (&[10, 12], &[1.0, f64::NAN]),
        (&[10, 12], &[1.0, f64::INFINITY]),
        (&[10, 12], &[f64::MAX, f64::MAX]),
        (&[10, 12], &[1.0, 0.0]),
        (&[10, 0], &[1.0, 0.0]),
        (&[10, 11, 1], &[0.5, 0.5, 0.0]),
        (&[0, 0], &[1.0, 1.0]),
        (&[], &[]),
    ] {
        assert!(
            chi_squared(observed, weights).is_err(),
            "{observed:?} {weights:?}"
        );
        assert!(
            sequential(observed, weights, 10.0).is_err(),
            "{observed:?} {weights:?}"
        );
    }
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(sequential(&[10, 12], &[1.0, 1.0], wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        chi_squared(&[10, 11, 1], &[0.5, 0.5, 0.0]),
        Err(Refusal::Invalid {
            field: "observed",
            value: 1.0,
            rule: "be 0 in an arm that has no weight"
        })
    );
}

/// Two thousand million users, divided 50.1 to 49.9: evidence that no number holds.
#[test]
fn any_number_of_users_keeps_its_evidence() {
    let observed = [1_002_000_000, 998_000_000];
    let test = chi_squared(&observed, &[1.0, 1.0]).expect("two arms");
    near(test.chi2, 8000.0, 1e-9);
    assert_eq!(test.p.p, 0.0);
    near(
        test.p.ln,
        -4000.0 - 0.5 * (8000.0 * std::f64::consts::FRAC_PI_2).ln(),
        1e-7,
    );
    // The deviance, and half the logarithm of how much narrower the posterior is than the prior.
    let look = sequential(&observed, &[1.0, 1.0], 1000.0).expect("two arms");
    near(look.ln_e, 4000.0 - 0.5 * 2e6_f64.ln(), 1e-3);
    // Equal arms: the same without the deviance, and no digit of the factorials is in it.
    let even = sequential(&[1_000_000_000, 1_000_000_000], &[1.0, 1.0], 2.0).expect("two arms");
    // A uniform prior gives each division the chance 1 / (n + 1); evenly, binomial chances give 1 / sqrt(pi n / 2).
    near(
        even.ln_e,
        -(2e9 + 1.0_f64).ln() + 0.5 * (std::f64::consts::PI * 1e9).ln(),
        1e-9,
    );
}

/// The chance that a user falls into each arm after those before, multiplied user by user.
fn user_by_user(arms: &[usize], weights: &[f64], concentration: f64) -> f64 {
    let total: f64 = weights.iter().sum();
    let mut seen = vec![0.0; weights.len()];
    let mut ln_e = 0.0;
    for (before, arm) in arms.iter().enumerate() {
        let share = weights[*arm] / total;
        let so_far = f64::from(u32::try_from(before).expect("few"));
        ln_e += ((concentration * share + seen[*arm]) / (concentration + so_far) / share).ln();
        seen[*arm] += 1.0;
    }
    ln_e
}

proptest! {
    #[test]
    fn the_sequential_test_bets_on_each_user(
        arms in proptest::collection::vec(0_usize..3, 1..80),
        weights in proptest::collection::vec(0.1..5.0, 3),
        concentration in 0.1..500.0,
    ) {
        let observed = [0, 1, 2].map(|arm| arms.iter().filter(|one| **one == arm).count() as u64);
        let look = sequential(&observed, &weights, concentration).expect("arms");
        near(look.ln_e, user_by_user(&arms, &weights, concentration), 1e-10);
        prop_assert!((look.p.ln + look.ln_e.max(0.0)).abs() < 1e-12);
    }

    #[test]
    fn neither_the_scale_of_weights_nor_the_order_of_arms_matters(
        a in 1_u64..10_000, b in 1_u64..10_000, c in 1_u64..10_000, w in 0.1..9.0, scale in 0.01..100.0,
    ) {
        let one = chi_squared(&[a, b, c], &[1.0, w, 2.0]).expect("arms");
        let other = chi_squared(&[c, a, b], &[2.0 * scale, scale, w * scale]).expect("arms");
        near(one.chi2, other.chi2, 1e-11);
        near(one.p.ln, other.p.ln, 1e-11);
        // Three arms leave two degrees of freedom, whose tail is exponential.
        near(one.p.ln, -one.chi2 / 2.0, 1e-11);
        let one = sequential(&[a, b, c], &[1.0, w, 2.0], 50.0).expect("arms");
        let other = sequential(&[c, a, b], &[2.0 * scale, scale, w * scale], 50.0).expect("arms");
        near(one.ln_e, other.ln_e, 1e-10);
    }

    #[test]
    fn users_as_the_weights_say_are_no_mismatch(n in 1_u64..1_000_000_000, k in 1_u64..20) {
        let weights = [1.0, f64::from(u32::try_from(k).expect("small"))];
        let test = chi_squared(&[n, n * k], &weights).expect("arms");
        prop_assert!(test.chi2 < 1e-6 && test.p.p > 0.999);
        prop_assert!(sequential(&[n, n * k], &weights, 100.0).expect("arms").ln_e < 0.0);
    }
}
