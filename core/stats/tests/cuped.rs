//! CUPED: what the adjustment may and may not change, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::cuped::{Arm, PairCounts, means, proportions, with_new_users};
use tidegate_stats::effect::Contrast;
use tidegate_stats::moments::{Comoments, Moments};
use tidegate_stats::{Alternative, Refusal, mean};

const SIDES: [Alternative; 3] = [Alternative::TwoSided, Alternative::Greater, Alternative::Less];

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-9 * want.abs().max(1e-3)
}

/// An arm with its covariate: size, means, variances and correlation.
fn arm() -> impl Strategy<Value = Comoments> {
    let moments = (
        2_u64..50_000,
        -5.0..5.0_f64,
        3.0..5.0_f64,
        0.1..9.0_f64,
        0.1..9.0_f64,
    );
    (moments, -0.95..0.95_f64).prop_map(|((n, mean_x, mean_y, v_x, v_y), rho)| {
        let (x, y) = (
            Moments::of_variance(n, mean_x, v_x),
            Moments::of_variance(n, mean_y, v_y),
        );
        Comoments::of_covariance(&x, &y, rho * (v_x * v_y).sqrt()).unwrap()
    })
}

/// The same users with a metric that has `slope` times the covariate more, and a covariate in another unit.
fn changed(arm: &Comoments, slope: f64, unit: f64, origin: f64) -> Comoments {
    Comoments {
        n: arm.n,
        mean_x: unit * arm.mean_x + origin,
        mean_y: arm.mean_y + slope * arm.mean_x,
        m2_x: unit * unit * arm.m2_x,
        m2_y: arm.m2_y + 2.0 * slope * arm.c_xy + slope * slope * arm.m2_x,
        c_xy: unit * (arm.c_xy + slope * arm.m2_x),
    }
}

fn same_difference(got: &Contrast, want: &Contrast) {
    for side in SIDES {
        let (got, want) = (
            got.difference(side, 0.05).unwrap(),
            want.difference(side, 0.05).unwrap(),
        );
        assert!((got.estimate - want.estimate).abs() < 1e-9, "{got:?} {want:?}");
        assert!(close(got.standard_error, want.standard_error), "{got:?} {want:?}");
        assert!(close(got.df.unwrap(), want.df.unwrap()), "{got:?} {want:?}");
        assert!((got.p.p - want.p.p).abs() < 1e-6, "{got:?} {want:?}");
    }
}

proptest! {
    #[test]
    fn what_the_covariate_explains_is_taken_off(control in arm(), treatment in arm(), slope in -3.0..3.0_f64) {
        let plain = means(&control, &treatment).unwrap();
        let more = means(&changed(&control, slope, 1.0, 0.0), &changed(&treatment, slope, 1.0, 0.0)).unwrap();
        prop_assert!((more.theta - plain.theta - slope).abs() < 1e-9);
        same_difference(&more.contrast, &plain.contrast);
    }

    #[test]
    fn the_covariates_unit_does_not_matter(control in arm(), treatment in arm(), unit in 0.01..100.0_f64, origin in -9.0..9.0_f64) {
        let plain = means(&control, &treatment).unwrap();
        let other = means(&changed(&control, 0.0, unit, origin), &changed(&treatment, 0.0, unit, origin)).unwrap();
        prop_assert!(close(other.theta * unit, plain.theta));
        same_difference(&other.contrast, &plain.contrast);
        prop_assert!(close(other.variance_ratio, plain.variance_ratio));
    }

    #[test]
    fn without_a_covariate_it_is_welch(control in arm(), treatment in arm()) {
        let none = |arm: &Comoments| Comoments { mean_x: 7.0, m2_x: 0.0, c_xy: 0.0, ..*arm };
        let adjusted = means(&none(&control), &none(&treatment)).unwrap();
        prop_assert_eq!((adjusted.theta, adjusted.variance_ratio), (0.0, 1.0));
        same_difference(&adjusted.contrast, &mean::contrast(&control.y(), &treatment.y()).unwrap());
    }

    /// In every unit of display: Fieller's interval of the adjusted lift has the verdict of the adjusted difference.
    #[test]
    fn one_verdict(control in arm(), treatment in arm()) {
        let adjusted = means(&control, &treatment).unwrap();
        for side in SIDES {
            let difference = adjusted.contrast.difference(side, 0.05).unwrap();
            let Ok(lift) = adjusted.contrast.lift_fieller(side, 0.05) else { continue };
            if (difference.p.p - 0.05).abs() > 1e-7 {
                let excluded = lift.interval.lower > 0.0 || lift.interval.upper < 0.0;
                prop_assert_eq!(excluded, difference.p.p < 0.05, "{:?} {:?}", lift, difference);
            }
            prop_assert!(lift.interval.lower <= lift.estimate && lift.estimate <= lift.interval.upper, "{:?}", lift);
        }
    }

    /// Each end is a lift that the data are just on the edge of speaking against.
    #[test]
    fn fiellers_ends_solve_his_equation(control in arm(), treatment in arm(), alpha in prop::sample::select(vec![0.01, 0.05, 0.3])) {
        let both = means(&control, &treatment).unwrap().contrast;
        let Ok(lift) = both.lift_fieller(Alternative::TwoSided, alpha) else { return Ok(()) };
        let difference = both.difference(Alternative::TwoSided, alpha).unwrap();
        let critical = (difference.interval.upper - difference.estimate) / difference.standard_error;
        for end in [lift.interval.lower, lift.interval.upper] {
            // Baselines here are positive.
            let multiple = 1.0 + end;
            let off = both.difference - end * both.baseline;
            let error = (both.treatment_variance + multiple * multiple * both.baseline_variance
                - 2.0 * multiple * both.adjustment_covariance + both.adjustment_variance).sqrt();
            let scale = both.difference.abs() + (end * both.baseline).abs() + critical * error;
            prop_assert!((off.abs() - critical * error).abs() <= 1e-8 * scale, "{end}: {off} {error} {critical}");
        }
    }

    #[test]
    fn returning_users_alone_are_not_stratified(control in arm(), treatment in arm()) {
        let only = |returning: &Comoments| Arm { returning: *returning, new: Moments::default() };
        let got = with_new_users(&only(&control), &only(&treatment)).unwrap();
        prop_assert_eq!(got, means(&control, &treatment).unwrap());
    }

    #[test]
    fn new_users_alone_are_not_adjusted(control in arm(), treatment in arm()) {
        let only = |arm: &Comoments| Arm { returning: Comoments::default(), new: arm.y() };
        let got = with_new_users(&only(&control), &only(&treatment)).unwrap();
        prop_assert_eq!((got.theta, got.variance_ratio), (0.0, 1.0));
        prop_assert_eq!(got.contrast, mean::contrast(&control.y(), &treatment.y()).unwrap());
    }

    /// The difference is that of the strata by their shares, and so is its variance.
    #[test]
    fn strata_are_put_together_by_their_shares(c in arm(), t in arm(), c_new in arm(), t_new in arm()) {
        let got = with_new_users(
            &Arm { returning: c, new: c_new.y() },
            &Arm { returning: t, new: t_new.y() },
        ).unwrap();
        let (returning, new) = (
            means(&c, &t).unwrap().contrast.difference(Alternative::TwoSided, 0.05).unwrap(),
            mean::welch_t(&c_new.y(), &t_new.y(), Alternative::TwoSided, 0.05).unwrap(),
        );
        let users = (c.n + t.n + c_new.n + t_new.n) as f64;
        let (a, b) = ((c.n + t.n) as f64 / users, (c_new.n + t_new.n) as f64 / users);
        let effect = got.contrast.difference(Alternative::TwoSided, 0.05).unwrap();
        prop_assert!((effect.estimate - a * returning.estimate - b * new.estimate).abs() < 1e-9);
        let variance = (a * returning.standard_error).powi(2) + (b * new.standard_error).powi(2);
        prop_assert!(close(effect.standard_error, variance.sqrt()));
        let parts = (a * returning.standard_error).powi(4) / returning.df.unwrap()
            + (b * new.standard_error).powi(4) / new.df.unwrap();
        prop_assert!(close(effect.df.unwrap(), variance * variance / parts), "{:?}", effect);
    }
}

#[test]
fn a_few_new_users_do_not_stop_the_adjustment() {
    let rows = |shift: f64| -> Vec<[f64; 2]> {
        (0..40)
            .map(|user| {
                let x = f64::from(user % 11);
                [x, 2.0 * x + f64::from(user % 5) + shift]
            })
            .collect()
    };
    let control = Arm {
        returning: Comoments::of_values(&rows(0.0)),
        new: Moments::of_values(&[4.0]),
    };
    let treatment = Arm {
        returning: Comoments::of_values(&rows(1.0)),
        new: Moments::of_values(&[]),
    };
    let adjusted = with_new_users(&control, &treatment).unwrap();
    assert!(adjusted.variance_ratio < 0.2, "{adjusted:?}");
    // Few returning ones do.
    let mostly_new = |new: &[f64]| Arm {
        returning: Comoments::of_values(&[[1.0, 2.0]]),
        new: Moments::of_values(new),
    };
    let adjusted = with_new_users(&mostly_new(&[1.0, 3.0]), &mostly_new(&[2.0, 5.0, 6.0])).unwrap();
    assert_eq!((adjusted.theta, adjusted.variance_ratio), (0.0, 1.0));
    let (control, treatment) = (
        Moments::of_values(&[2.0, 1.0, 3.0]),
        Moments::of_values(&[2.0, 2.0, 5.0, 6.0]),
    );
    same_difference(&adjusted.contrast, &mean::contrast(&control, &treatment).unwrap());
}

#[test]
fn shares_of_a_thousand_million_users() {
    let arm = |events| PairCounts {
        trials: 1_000_000_000,
        before: 100_000_000,
        events,
        both: 50_000_000,
    };
    let adjusted = proportions(&arm(100_000_000), &arm(100_050_000)).unwrap();
    // Both have p (1 - p) = 0.09, and share 0.05 - 0.01.
    assert!((adjusted.theta - 0.04 / 0.09).abs() < 1e-4, "{adjusted:?}");
    let cut = 1.0 - (0.04 / 0.09_f64).powi(2);
    assert!((adjusted.variance_ratio - cut).abs() < 1e-4);
    let effect = adjusted.contrast.difference(Alternative::TwoSided, 0.05).unwrap();
    let error = (2.0 * 0.09 * cut / 1e9).sqrt();
    assert!((effect.standard_error / error - 1.0).abs() < 1e-3, "{effect:?}");
}

#[test]
fn what_cannot_be_adjusted_is_refused() {
    let good = Comoments::of_values(&[[1.0, 2.0], [2.0, 3.0], [4.0, 3.5], [3.0, 9.0]]);
    let wrong = [
        Comoments::default(),
        Comoments::of_values(&[[1.0, 2.0]]),
        Comoments { c_xy: 1e6, ..good },
        Comoments { m2_y: -1.0, ..good },
        Comoments {
            mean_x: f64::NAN,
            ..good
        },
        Comoments {
            c_xy: f64::NAN,
            ..good
        },
    ];
    for arm in &wrong {
        for (control, treatment) in [(arm, &good), (&good, arm)] {
            let answer = means(control, treatment);
            assert!(
                matches!(answer, Err(Refusal::TooFew { .. } | Refusal::Invalid { .. })),
                "{answer:?}"
            );
        }
    }
    // A metric that the covariate explains entirely varies no more.
    let exact = Comoments::of_values(&[[1.0, 2.0], [2.0, 4.0], [4.0, 8.0], [0.3, 0.6]]);
    let adjusted = means(&exact, &exact).unwrap();
    assert_eq!(
        adjusted.contrast.difference(Alternative::TwoSided, 0.05),
        Err(Refusal::NoVariance)
    );
    let constant = Comoments::of_values(&[[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]);
    assert_eq!(means(&constant, &constant), Err(Refusal::NoVariance));
}

#[test]
fn users_that_cannot_be_counted_so_are_refused() {
    let good = PairCounts {
        trials: 10,
        before: 4,
        events: 5,
        both: 2,
    };
    assert!(proportions(&good, &good).is_ok());
    for (trials, before, events, both) in [
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (10, 11, 5, 2),
        (10, 4, 11, 2),
        (10, 4, 5, 5),
        (10, 8, 7, 2),
    ] {
        let wrong = PairCounts {
            trials,
            before,
            events,
            both,
        };
        let answer = proportions(&good, &wrong);
        assert!(
            matches!(answer, Err(Refusal::TooFew { .. } | Refusal::Invalid { .. })),
            "{wrong:?}: {answer:?}"
        );
    }
    let nobody = PairCounts {
        trials: 10,
        before: 4,
        events: 0,
        both: 0,
    };
    assert_eq!(proportions(&nobody, &nobody), Err(Refusal::NoVariance));
}
