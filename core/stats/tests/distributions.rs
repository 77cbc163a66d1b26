//! Distributions beyond the reference vectors: arbitrary precision at large sizes, and what must hold everywhere.

use proptest::prelude::*;
use tidegate_stats::distribution::{
    beta, binomial, chi_squared, fisher, noncentral_t, normal, poisson, student,
};

fn near(got: f64, want: f64, tolerance: f64) {
    assert!(
        (got - want).abs() <= tolerance * want.abs(),
        "{got:e} for {want:e}, {:e} off",
        (got - want).abs() / want.abs()
    );
}

/// Computed with mpmath at 60 digits: the complementary error function.
#[test]
fn normal_tails_in_arbitrary_precision() {
    for (x, sf, ln_sf) in [
        (-8.2, 0.999_999_999_999_999_9, -1.2019351542735859e-16),
        (-3.0, 0.9986501019683699, -0.0013508099647481938),
        (0.5, 0.3085375387259869, -1.1759117615936185),
        (6.3, 1.4882282217623127e-10, -22.628264630450012),
        (33.4, 6.8548671967781536e-245, -562.2083888439053),
        (1e4, 0.0, -50_000_010.129_278_91),
    ] {
        near(normal::sf(x), sf, 1e-12);
        near(normal::ln_sf(x), ln_sf, 1e-13);
        near(normal::cdf(-x), sf, 1e-12);
        near(normal::ln_cdf(-x), ln_sf, 1e-13);
    }
}

/// Computed with mpmath at 40 digits, by integrating the density over the logarithm of the odds.
#[test]
fn beta_tails_of_large_shapes_in_arbitrary_precision() {
    near(beta::ln_cdf(0.4999, 5e8, 5e8), -22.786980664089356, 1e-11);
    near(beta::ln_sf(0.5002, 1e9, 1e9), -163.806212784843, 1e-11);
    near(beta::ln_cdf(0.01, 2000.0, 1.5e5), -72.94540993493918, 1e-12);
    near(beta::ln_cdf(0.3, 1500.0, 2500.0), -54.60390783935829, 1e-12);
}

/// Computed with mpmath at 40 digits, by integrating the density over the logarithm.
#[test]
fn gamma_tails_of_large_shapes_in_arbitrary_precision() {
    near(chi_squared::ln_cdf(2.0 * 9.99e8, 2e9), -504.70739622250125, 1e-11);
    near(chi_squared::ln_sf(2.0 * 1.0001e9, 2e9), -7.152433850822647, 1e-11);
    near(chi_squared::ln_sf(5000.0, 4001.0), -56.94319873458134, 1e-12);
    near(chi_squared::ln_cdf(2800.0, 4001.0), -117.04829365785848, 1e-12);
}

/// Computed with mpmath at 25 digits, by summing the integrand over the logarithm of the variance in steps of 1/150.
#[test]
fn noncentral_tails_in_arbitrary_precision() {
    near(noncentral_t::sf(9.0, 1.25, 21.5), 0.9880892383176232, 1e-12);
    near(noncentral_t::sf(7.25, 12.5, 8.0), 0.6999242138147314, 1e-12);
    near(noncentral_t::sf(18.0, 17.5, -0.25), 1.7201989822261134e-13, 1e-12);
    near(noncentral_t::sf(30.0, 200.0, 25.0), 0.002658623559736411, 1e-12);
    near(noncentral_t::sf(0.5, 1.0, 0.5), 0.5401398059234601, 1e-12);
}

#[test]
fn the_ends_of_the_support() {
    for (below, above) in [
        (beta::cdf(0.0, 2.0, 3.0), beta::sf(0.0, 2.0, 3.0)),
        (chi_squared::cdf(0.0, 3.0), chi_squared::sf(0.0, 3.0)),
        (fisher::cdf(0.0, 3.0, 4.0), fisher::sf(0.0, 3.0, 4.0)),
        (normal::cdf(f64::NEG_INFINITY), normal::sf(f64::NEG_INFINITY)),
        (
            student::cdf(f64::NEG_INFINITY, 3.0),
            student::sf(f64::NEG_INFINITY, 3.0),
        ),
        (binomial::cdf(0, 10, 1.0), binomial::sf(0, 10, 1.0)),
    ] {
        assert_eq!((below, above), (0.0, 1.0));
    }
    for (below, above) in [
        (beta::cdf(1.0, 2.0, 3.0), beta::sf(1.0, 2.0, 3.0)),
        (
            chi_squared::cdf(f64::INFINITY, 3.0),
            chi_squared::sf(f64::INFINITY, 3.0),
        ),
        (
            fisher::cdf(f64::INFINITY, 3.0, 4.0),
            fisher::sf(f64::INFINITY, 3.0, 4.0),
        ),
        (normal::cdf(f64::INFINITY), normal::sf(f64::INFINITY)),
        (student::cdf(f64::INFINITY, 3.0), student::sf(f64::INFINITY, 3.0)),
        (binomial::cdf(10, 10, 0.3), binomial::sf(10, 10, 0.3)),
        (binomial::cdf(0, 10, 0.0), binomial::sf(0, 10, 0.0)),
        (poisson::cdf(0, 0.0), poisson::sf(0, 0.0)),
    ] {
        assert_eq!((below, above), (1.0, 0.0));
    }
    assert_eq!(normal::ln_sf(f64::INFINITY), f64::NEG_INFINITY);
    assert_eq!(noncentral_t::sf(f64::INFINITY, 3.0, 1.0), 0.0);
    assert_eq!(noncentral_t::sf(f64::NEG_INFINITY, 3.0, 1.0), 1.0);
}

#[test]
fn quantiles_of_certainty_are_the_ends_of_the_support() {
    assert_eq!(
        (normal::isf(0.0), normal::isf(1.0)),
        (f64::INFINITY, f64::NEG_INFINITY)
    );
    assert_eq!(
        (student::isf(0.0, 5.0), student::isf(1.0, 5.0)),
        (f64::INFINITY, f64::NEG_INFINITY)
    );
    assert_eq!((beta::ppf(0.0, 2.0, 3.0), beta::ppf(1.0, 2.0, 3.0)), (0.0, 1.0));
    assert_eq!(
        (chi_squared::isf(0.0, 5.0), chi_squared::isf(1.0, 5.0)),
        (f64::INFINITY, 0.0)
    );
    assert_eq!(
        (fisher::isf(0.0, 5.0, 6.0), fisher::isf(1.0, 5.0, 6.0)),
        (f64::INFINITY, 0.0)
    );
}

#[test]
fn what_is_no_distribution_has_no_chances() {
    for wrong in [-1.0, 0.0, f64::NAN] {
        assert!(student::sf(1.0, wrong).is_nan(), "{wrong}");
        assert!(chi_squared::sf(1.0, wrong).is_nan(), "{wrong}");
        assert!(fisher::sf(1.0, wrong, 3.0).is_nan(), "{wrong}");
        assert!(beta::cdf(0.5, 1.0, wrong).is_nan(), "{wrong}");
        assert!(beta::ppf(0.5, wrong, 1.0).is_nan(), "{wrong}");
        assert!(noncentral_t::sf(1.0, wrong, 1.0).is_nan(), "{wrong}");
    }
    for wrong in [-0.1, 1.1, f64::NAN] {
        assert!(normal::isf(wrong).is_nan(), "{wrong}");
        assert!(student::isf(wrong, 4.0).is_nan(), "{wrong}");
        assert!(chi_squared::isf(wrong, 4.0).is_nan(), "{wrong}");
        assert!(beta::isf(wrong, 4.0, 5.0).is_nan(), "{wrong}");
        assert!(binomial::cdf(3, 10, wrong).is_nan(), "{wrong}");
        assert!(binomial::ln_pmf(3, 10, wrong).is_nan(), "{wrong}");
    }
    assert!(poisson::sf(3, -1.0).is_nan());
    assert!(poisson::ln_pmf(3, f64::INFINITY).is_nan());
}

#[test]
fn chances_of_single_counts() {
    near(
        binomial::ln_pmf(3, 10, 0.2).exp(),
        120.0 * 0.008 * 0.8_f64.powi(7),
        1e-13,
    );
    near(binomial::ln_pmf(0, 10, 0.2), 10.0 * 0.8_f64.ln(), 1e-13);
    near(binomial::ln_pmf(10, 10, 0.2), 10.0 * 0.2_f64.ln(), 1e-13);
    assert_eq!(binomial::ln_pmf(11, 10, 0.2), f64::NEG_INFINITY);
    assert_eq!(binomial::ln_pmf(0, 0, 0.2), 0.0);
    assert_eq!(
        (binomial::ln_pmf(0, 5, 0.0), binomial::ln_pmf(5, 5, 1.0)),
        (0.0, 0.0)
    );
    assert_eq!(binomial::ln_pmf(2, 5, 0.0), f64::NEG_INFINITY);
    near(
        poisson::ln_pmf(4, 2.5).exp(),
        2.5_f64.powi(4) / 24.0 * (-2.5_f64).exp(),
        1e-13,
    );
    assert_eq!(poisson::ln_pmf(0, 2.5), -2.5);
    assert_eq!(
        (poisson::ln_pmf(0, 0.0), poisson::ln_pmf(1, 0.0)),
        (0.0, f64::NEG_INFINITY)
    );
}

/// The tails are found in different ways below and above a shape of 1000, and must still differ by one chance.
#[test]
fn neighbouring_counts_differ_by_one_chance() {
    for k in [3, 500, 997, 998, 999, 1000, 1001, 5000] {
        for shift in [0.9, 0.97, 1.0, 1.03, 1.1] {
            let mean = (f64::from(u32::try_from(k).expect("small")) + 1.0) * shift;
            let one = poisson::ln_pmf(k, mean).exp();
            near(poisson::cdf(k - 1, mean) + one, poisson::cdf(k, mean), 1e-12);
            near(poisson::sf(k, mean) + one, poisson::sf(k - 1, mean), 1e-12);
            let (n, p) = (40_000, mean / 40_000.0);
            let one = binomial::ln_pmf(k, n, p).exp();
            near(binomial::cdf(k - 1, n, p) + one, binomial::cdf(k, n, p), 1e-11);
            near(binomial::sf(k, n, p) + one, binomial::sf(k - 1, n, p), 1e-11);
        }
    }
}

fn any_chance() -> impl Strategy<Value = f64> {
    prop_oneof![0.001..0.999, (-250.0..-1.0).prop_map(|e: f64| 10.0_f64.powf(e))]
}

fn any_shape() -> impl Strategy<Value = f64> {
    (-1.5..6.0).prop_map(|e: f64| 10.0_f64.powf(e))
}

proptest! {
    #[test]
    fn the_tails_add_up(z in -8.0..8.0, a in any_shape(), b in any_shape()) {
        let distance: f64 = z * (1.0 / a + 1.0 / b).sqrt();
        let odds = a / b * distance.clamp(-30.0, 30.0).exp();
        let x = odds / (1.0 + odds);
        near(beta::cdf(x, a, b) + beta::sf(x, a, b), 1.0, 1e-13);
        near(chi_squared::cdf(odds, a) + chi_squared::sf(odds, a), 1.0, 1e-13);
        near(student::cdf(z, a) + student::sf(z, a), 1.0, 1e-13);
        near(fisher::cdf(odds, a, b) + fisher::sf(odds, a, b), 1.0, 1e-13);
        near(normal::cdf(z) + normal::sf(z), 1.0, 1e-13);
    }

    #[test]
    fn quantiles_invert_chances(p in any_chance(), a in any_shape(), b in any_shape()) {
        near(normal::ln_sf(normal::isf(p)), p.ln(), 1e-12);
        near(normal::ln_cdf(normal::ppf(p)), p.ln(), 1e-12);
        near(student::ln_sf(student::isf(p, a.max(1.0)), a.max(1.0)), p.ln(), 1e-9);
        near(chi_squared::ln_sf(chi_squared::isf(p, a), a), p.ln(), 1e-9);
        let x = chi_squared::ppf(p, a);
        // The quantile itself may underflow.
        if x > f64::MIN_POSITIVE {
            near(chi_squared::ln_cdf(x, a), p.ln(), 1e-9);
        }
        let x = beta::ppf(p, a, b);
        if x > f64::MIN_POSITIVE && x < 0.9 {
            near(beta::ln_cdf(x, a, b), p.ln(), 1e-8);
        }
        let x = fisher::isf(p, a, b);
        if x > f64::MIN_POSITIVE && x < f64::MAX {
            near(fisher::ln_sf(x, a, b), p.ln(), 1e-8);
        }
    }

    #[test]
    fn more_is_rarer(x in -30.0..30.0, further in 0.001..5.0, df in 1.0..1e6, nc in -4.0..4.0) {
        let next = x + further;
        prop_assert!(normal::ln_sf(next) < normal::ln_sf(x));
        prop_assert!(student::ln_sf(next, df) < student::ln_sf(x, df) || student::ln_sf(x, df) > -1e-15);
        prop_assert!(noncentral_t::sf(next, df, nc) <= noncentral_t::sf(x, df, nc) + 1e-14);
        prop_assert!(noncentral_t::sf(x, df, nc + 0.1) >= noncentral_t::sf(x, df, nc) - 1e-14);
    }

    #[test]
    fn distributions_that_are_one_another(x in 0.01..40.0, df in 1.0..1e5, other in 1.0..1e5) {
        // The square of Student's t is Fisher's F with one degree of freedom.
        near(student::ln_sf(x, df) + std::f64::consts::LN_2, fisher::ln_sf(x * x, 1.0, df), 1e-11);
        near(fisher::ln_sf(x, df, other), fisher::ln_cdf(1.0 / x, other, df), 1e-9);
        near(chi_squared::ln_sf(x, 2.0), -x / 2.0, 1e-12);
        near(chi_squared::ln_sf(x * x, 1.0), normal::ln_sf(x) + std::f64::consts::LN_2, 1e-11);
        if student::sf(x, df) > f64::MIN_POSITIVE {
            near(noncentral_t::sf(x, df, 0.0), student::sf(x, df), 1e-10);
        }
        near(student::ln_sf(x, 1e15), normal::ln_sf(x), 1e-9);
        near(noncentral_t::sf(x / 10.0, f64::INFINITY, 1.0), normal::sf(x / 10.0 - 1.0), 1e-14);
    }

    #[test]
    fn sums_of_single_counts(n in 1_u64..60, p in 0.01..0.99, mean in 0.01..30.0) {
        let (mut of_trials, mut of_events) = (0.0, 0.0);
        for k in 0..=n {
            of_trials += binomial::ln_pmf(k, n, p).exp();
            of_events += poisson::ln_pmf(k, mean).exp();
            near(binomial::cdf(k, n, p), of_trials, 1e-12);
            near(poisson::cdf(k, mean), of_events, 1e-12);
            if k < n {
                near(binomial::ln_sf(k, n, p), binomial::ln_cdf(n - k - 1, n, 1.0 - p), 1e-9);
            }
        }
    }
}
