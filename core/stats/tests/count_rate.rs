//! Rates of events per exposure: what must hold whatever the counts, and where there is no answer.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::count_rate::{EventCount, exact_interval, exact_test, ratio, score_interval, score_test};
use tidegate_stats::{Alternative, Refusal};

const fn arm(events: u64, exposure: f64) -> EventCount {
    EventCount { events, exposure }
}

fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs(), "{got} for {want}");
}

const SIDES: [Alternative; 3] = [Alternative::Greater, Alternative::Less, Alternative::TwoSided];

#[test]
fn nothing_that_happened_says_nothing() {
    for side in SIDES {
        let none = Err(Refusal::TooFew {
            what: "events",
            have: 0.0,
            need: 1.0,
        });
        assert_eq!(exact_test(arm(0, 10.0), arm(0, 10.0), 1.0, side), none);
        assert!(score_test(arm(0, 10.0), arm(0, 10.0), 1.0, side).is_err());
        assert!(exact_interval(arm(0, 10.0), arm(0, 10.0), 0.05, side).is_err());
        assert!(score_interval(arm(0, 10.0), arm(0, 10.0), 0.05, side).is_err());
    }
    assert_eq!(ratio(arm(3, 10.0), arm(0, 10.0)), Err(Refusal::ZeroBaseline));
}

#[test]
fn arguments_that_are_refused() {
    let good = arm(5, 10.0);
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for (treatment, control) in [(arm(5, wrong), good), (good, arm(5, wrong))] {
            assert!(
                exact_test(treatment, control, 1.0, Alternative::Greater).is_err(),
                "{wrong}"
            );
            assert!(
                score_test(treatment, control, 1.0, Alternative::Greater).is_err(),
                "{wrong}"
            );
            assert!(
                exact_interval(treatment, control, 0.05, Alternative::TwoSided).is_err(),
                "{wrong}"
            );
            assert!(
                score_interval(treatment, control, 0.05, Alternative::TwoSided).is_err(),
                "{wrong}"
            );
            assert!(ratio(treatment, control).is_err(), "{wrong}");
        }
        assert!(
            exact_test(good, good, wrong, Alternative::Less).is_err(),
            "{wrong}"
        );
        assert!(
            score_test(good, good, wrong, Alternative::Less).is_err(),
            "{wrong}"
        );
    }
    for wrong in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(
            exact_interval(good, good, wrong, Alternative::TwoSided).is_err(),
            "{wrong}"
        );
        assert!(
            score_interval(good, good, wrong, Alternative::Less).is_err(),
            "{wrong}"
        );
    }
    assert!(exact_interval(good, good, 0.5, Alternative::Less).is_err());
}

#[test]
fn an_arm_without_events_bounds_one_end() {
    for interval in [exact_interval, score_interval] {
        let of_none = interval(arm(6, 55.0), arm(0, 50.0), 0.05, Alternative::TwoSided).expect("events");
        assert_eq!(of_none.upper, f64::INFINITY);
        assert!(of_none.lower > 1.0);
        let to_none = interval(arm(0, 55.0), arm(6, 50.0), 0.05, Alternative::TwoSided).expect("events");
        assert_eq!(to_none.lower, 0.0);
        assert!(to_none.upper < 1.0);
    }
}

/// Twice the rate of a thousand million events is evidence that no number holds.
#[test]
fn counts_of_any_size_keep_their_evidence() {
    let (treatment, control) = (arm(2_000_000_000, 1e9), arm(1_000_000_000, 1e9));
    let exact = exact_test(treatment, control, 1.0, Alternative::Greater).expect("events");
    // The deviance of 2/3 from 1/2 among 3e9 events, and a factor of the size of its root.
    let deviance = 3e9 * (2.0 / 3.0 * (4.0_f64 / 3.0).ln() + 1.0 / 3.0 * (2.0_f64 / 3.0).ln());
    assert_eq!(exact.p, 0.0);
    near(exact.ln, -deviance, 1e-6);
    let score = score_test(treatment, control, 1.0, Alternative::TwoSided).expect("events");
    near(score.z, 1e9 / 3e9_f64.sqrt(), 1e-12);
    near(score.p.ln, -score.z * score.z / 2.0, 1e-6);
    let interval = exact_interval(treatment, control, 0.05, Alternative::TwoSided).expect("events");
    near(
        interval.lower,
        2.0 * (-1.959_964 * (1.5e-9_f64).sqrt()).exp(),
        1e-8,
    );
}

/// All outcomes that are not likelier than the observed one, one by one.
fn by_counting(events: u64, total: u64, share: f64) -> f64 {
    let n = i32::try_from(total).expect("few");
    let mut chances = vec![(1.0 - share).powi(n)];
    for i in 0..n {
        let (done, left) = (f64::from(i + 1), f64::from(n - i));
        chances.push(chances[chances.len() - 1] * left / done * share / (1.0 - share));
    }
    let observed = chances[usize::try_from(events).expect("few")];
    chances
        .iter()
        .filter(|chance| **chance <= observed * (1.0 + 1e-7))
        .sum()
}

fn any_arm() -> impl Strategy<Value = EventCount> {
    (0_u64..200, 0.1..50.0).prop_map(|(events, exposure)| arm(events, exposure))
}

proptest! {
    #[test]
    fn the_two_sided_test_counts_what_is_not_likelier(x in 0_u64..25, y in 0_u64..25, t in 0.2..5.0) {
        prop_assume!(x + y > 0);
        let exact = exact_test(arm(x, t), arm(y, 1.0), 1.0, Alternative::TwoSided).expect("events");
        near(exact.p, by_counting(x, x + y, t / (1.0 + t)), 1e-10);
        prop_assert!((exact.ln - exact.p.ln()).abs() < 1e-10);
    }

    #[test]
    fn exchanged_arms_turn_the_answer(one in any_arm(), other in any_arm(), null in 0.3..3.0) {
        prop_assume!(one.events + other.events > 0);
        for test in [exact_test, |a, b, r, s| score_test(a, b, r, s).map(|test| test.p)] {
            let greater = test(one, other, null, Alternative::Greater).expect("events");
            let less = test(other, one, 1.0 / null, Alternative::Less).expect("events");
            near(greater.ln, less.ln, 1e-8);
            let both = test(one, other, null, Alternative::TwoSided).expect("events");
            let turned = test(other, one, 1.0 / null, Alternative::TwoSided).expect("events");
            prop_assert!((both.p - turned.p).abs() < 1e-8);
        }
        for interval in [exact_interval, score_interval] {
            let range = interval(one, other, 0.1, Alternative::TwoSided).expect("events");
            let turned = interval(other, one, 0.1, Alternative::TwoSided).expect("events");
            prop_assert!((range.lower * turned.upper - 1.0).abs() < 1e-8 || range.lower == 0.0);
            if let Ok(ratio) = ratio(one, other) {
                prop_assert!(range.lower <= ratio && ratio <= range.upper);
            }
        }
    }

    /// Each end of an interval is the ratio at which the test of its side has just the error of that side.
    #[test]
    fn intervals_invert_their_tests(one in any_arm(), other in any_arm(), alpha in 0.001..0.4) {
        prop_assume!(one.events > 0 && other.events > 0);
        let exact = exact_interval(one, other, alpha, Alternative::TwoSided).expect("events");
        let p = exact_test(one, other, exact.lower, Alternative::Greater).expect("events");
        near(p.p, alpha / 2.0, 1e-8);
        let p = exact_test(one, other, exact.upper, Alternative::Less).expect("events");
        near(p.p, alpha / 2.0, 1e-8);
        let score = score_interval(one, other, alpha, Alternative::TwoSided).expect("events");
        for end in [score.lower, score.upper] {
            near(score_test(one, other, end, Alternative::TwoSided).expect("events").p.p, alpha, 1e-8);
        }
        let bound = score_interval(one, other, alpha / 2.0, Alternative::Greater).expect("events");
        near(bound.lower, score.lower, 1e-12);
        prop_assert_eq!(bound.upper, f64::INFINITY);
        let bound = exact_interval(one, other, alpha / 2.0, Alternative::Less).expect("events");
        near(bound.upper, exact.upper, 1e-12);
        prop_assert_eq!(bound.lower, 0.0);
    }
}
