//! Ratio metrics: what they have in common with means, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::effect::Contrast;
use tidegate_stats::moments::Comoments;
use tidegate_stats::ratio::{RatioMoments, cuped, delta};
use tidegate_stats::{Alternative, Refusal, mean};

const SIDE: Alternative = Alternative::TwoSided;

fn close(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-8 * want.abs().max(1e-6)
}

/// Users with numerator, denominator and both from before.
fn users() -> impl Strategy<Value = Vec<[f64; 4]>> {
    prop::collection::vec((0..9_u8, 1..9_u8, 0..9_u8, 1..9_u8), 4..60).prop_map(|users| {
        users
            .into_iter()
            .enumerate()
            // The first two make sure that something varies.
            .map(|(at, (a, b, c, d))| match at {
                0 => [9.0, 2.0, 5.0, 3.0],
                1 => [1.0, 4.0, 2.0, 5.0],
                _ => [a, b, c, d].map(f64::from),
            })
            .collect()
    })
}

fn pairs(users: &[[f64; 4]]) -> Comoments {
    let pairs: Vec<[f64; 2]> = users.iter().map(|[up, down, ..]| [*down, *up]).collect();
    Comoments::of_values(&pairs)
}

fn same(got: &Contrast, want: &Contrast) {
    for (got, want) in [
        (got.difference(SIDE, 0.05), want.difference(SIDE, 0.05)),
        (got.lift_delta(SIDE, 0.05), want.lift_delta(SIDE, 0.05)),
    ] {
        let (got, want) = (got.unwrap(), want.unwrap());
        assert!((got.estimate - want.estimate).abs() < 1e-9, "{got:?} {want:?}");
        assert!(close(got.standard_error, want.standard_error), "{got:?} {want:?}");
        assert!(close(got.df.unwrap(), want.df.unwrap()), "{got:?} {want:?}");
    }
}

proptest! {
    #[test]
    fn with_one_in_every_denominator_it_is_the_mean(control in users(), treatment in users()) {
        let ones = |users: &[[f64; 4]]| {
            let users: Vec<[f64; 4]> = users.iter().map(|[up, _, before, _]| [*up, 1.0, *before, 1.0]).collect();
            pairs(&users)
        };
        let (control, treatment) = (ones(&control), ones(&treatment));
        let got = delta(&control, &treatment).unwrap();
        same(&got.contrast, &mean::contrast(&control.y(), &treatment.y()).unwrap());
        prop_assert_eq!(got.control, control.mean_y);
    }

    #[test]
    fn a_ratio_is_the_sum_over_the_sum(control in users(), treatment in users()) {
        let got = delta(&pairs(&control), &pairs(&treatment)).unwrap();
        let sum = |users: &[[f64; 4]], at: usize| users.iter().map(|user| user[at]).sum::<f64>();
        prop_assert!(close(got.control, sum(&control, 0) / sum(&control, 1)));
        prop_assert!(close(got.treatment, sum(&treatment, 0) / sum(&treatment, 1)));
    }

    #[test]
    fn the_denominators_unit_changes_no_lift(control in users(), treatment in users(), unit in 0.01..100.0_f64) {
        let scaled = |users: &[[f64; 4]]| {
            let users: Vec<[f64; 4]> = users.iter().map(|[up, down, ..]| [*up, *down * unit, 0.0, 1.0]).collect();
            pairs(&users)
        };
        let plain = delta(&pairs(&control), &pairs(&treatment)).unwrap().contrast.lift_delta(SIDE, 0.05).unwrap();
        let other = delta(&scaled(&control), &scaled(&treatment)).unwrap().contrast.lift_delta(SIDE, 0.05).unwrap();
        prop_assert!((other.estimate - plain.estimate).abs() < 1e-9);
        prop_assert!(close(other.standard_error, plain.standard_error));
    }

    #[test]
    fn without_history_nothing_is_adjusted(control in users(), treatment in users()) {
        let plain = delta(&pairs(&control), &pairs(&treatment)).unwrap();
        for history in [[0.0, 0.0], [3.0, 2.0]] {
            let constant = |users: &[[f64; 4]]| {
                let users: Vec<[f64; 4]> = users.iter().map(|[up, down, ..]| [*up, *down, history[0], history[1]]).collect();
                RatioMoments::of_rows(&users)
            };
            let got = cuped(&constant(&control), &constant(&treatment)).unwrap();
            prop_assert_eq!(got.theta, 0.0);
            prop_assert!(close(got.variance_ratio, 1.0));
            same(&got.contrast, &plain.contrast);
        }
    }

    /// A history with another unit adjusts the same; users in two parts are the users together.
    #[test]
    fn history_adjusts_whatever_its_unit(control in users(), treatment in users(), unit in 0.01..100.0_f64) {
        let scaled: Vec<[f64; 4]> = treatment.iter().map(|[a, b, c, d]| [*a, *b, c * unit, *d]).collect();
        let scaled_control: Vec<[f64; 4]> = control.iter().map(|[a, b, c, d]| [*a, *b, c * unit, *d]).collect();
        let (first, second) = scaled.split_at(3);
        let mut parts = RatioMoments::of_rows(first);
        parts.merge(&RatioMoments::of_rows(second));
        let plain = cuped(&RatioMoments::of_rows(&control), &RatioMoments::of_rows(&treatment)).unwrap();
        let other = cuped(&RatioMoments::of_rows(&scaled_control), &parts).unwrap();
        prop_assert!((other.theta * unit - plain.theta).abs() < 1e-8, "{:?} {:?}", plain, other);
        same(&other.contrast, &plain.contrast);
    }

    #[test]
    fn one_verdict(control in users(), treatment in users()) {
        let adjusted = cuped(&RatioMoments::of_rows(&control), &RatioMoments::of_rows(&treatment)).unwrap();
        let difference = adjusted.contrast.difference(SIDE, 0.05).unwrap();
        if let Ok(lift) = adjusted.contrast.lift_fieller(SIDE, 0.05) {
            let excluded = lift.interval.lower > 0.0 || lift.interval.upper < 0.0;
            prop_assert!((difference.p.p - 0.05).abs() < 1e-7 || excluded == (difference.p.p < 0.05), "{:?}", lift);
        }
    }
}

#[test]
fn history_that_foretells_the_ratio_cuts_the_variance() {
    let users = |shift: f64| -> Vec<[f64; 4]> {
        (0..200)
            .map(|user| {
                let (rate, views) = (f64::from(user % 13) / 13.0, f64::from(user % 7) + 1.0);
                let noise = f64::from(user % 3) * 0.1;
                [(rate + shift) * views + noise, views, rate * views, views]
            })
            .collect()
    };
    let adjusted = cuped(
        &RatioMoments::of_rows(&users(0.0)),
        &RatioMoments::of_rows(&users(0.1)),
    )
    .unwrap();
    assert!(adjusted.variance_ratio < 0.05, "{adjusted:?}");
    let effect = adjusted.contrast.difference(SIDE, 0.05).unwrap();
    assert!((effect.estimate - 0.1).abs() < 1e-9, "{effect:?}");
}

#[test]
fn what_is_no_ratio_is_refused() {
    let good = Comoments::of_values(&[[1.0, 2.0], [2.0, 3.0], [4.0, 3.5], [3.0, 9.0]]);
    let no_denominator = Comoments::of_values(&[[1.0, 2.0], [-1.0, 3.0]]);
    let proportional = Comoments::of_values(&[[1.0, 0.3], [2.0, 0.6], [7.0, 2.1], [9.0, 2.7]]);
    let nothing = Comoments::of_values(&[[1.0, 0.0], [2.0, 0.0], [7.0, 0.0]]);
    for (wrong, want) in [
        (no_denominator, "undefined"),
        (proportional, "variance"),
        (nothing, "variance"),
        (Comoments::default(), "few"),
        (Comoments::of_values(&[[1.0, 1.0]]), "few"),
        (Comoments { c_xy: 1e9, ..good }, "invalid"),
    ] {
        for answer in [delta(&wrong, &good), delta(&good, &wrong)] {
            let got = match answer {
                Err(Refusal::Undefined { .. }) => "undefined",
                Err(Refusal::NoVariance) => "variance",
                Err(Refusal::TooFew { .. }) => "few",
                Err(Refusal::Invalid { .. }) => "invalid",
                _ => "other",
            };
            assert_eq!(got, want, "{answer:?}");
        }
    }
}

#[test]
fn what_is_no_ratio_with_history_is_refused() {
    let good = RatioMoments::of_rows(&[[1.0, 2.0, 1.0, 3.0], [3.0, 4.0, 2.0, 2.0], [0.0, 2.0, 5.0, 6.0]]);
    let few = RatioMoments::of_rows(&[[1.0, 2.0, 1.0, 3.0]]);
    let no_denominator = RatioMoments::of_rows(&[[1.0, 0.0, 1.0, 3.0], [2.0, 0.0, 1.0, 4.0]]);
    let constant = RatioMoments::of_rows(&[[1.0, 2.0, 1.0, 3.0], [2.0, 4.0, 1.0, 4.0]]);
    let mut broken = good;
    broken.products[0][0] = -1.0;
    let mut not_finite = good;
    not_finite.means[2] = f64::NAN;
    assert!(cuped(&good, &good).is_ok());
    for wrong in [few, no_denominator, broken, not_finite, RatioMoments::default()] {
        assert!(cuped(&wrong, &good).is_err() && cuped(&good, &wrong).is_err());
    }
    assert!(cuped(&constant, &constant).is_err());
}
