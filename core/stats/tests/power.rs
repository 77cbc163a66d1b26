//! Chances to see what is there, held against counting and against draws.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a chance times 2^53 fits into 64 bits"
)]

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use tidegate_stats::Counts;
use tidegate_stats::power::{Side, above, apart, sequential, smallest};
use tidegate_stats::sequential::RateRatioTest;

/// Draws of a binomial number by its definition.
struct Draws(ChaCha8Rng);

impl Draws {
    fn events(&mut self, trials: u32, rate: f64) -> u32 {
        let limit = (rate * (1_u64 << 53) as f64) as u64;
        (0..trials)
            .map(|_| u32::from((self.0.next_u64() >> 11) < limit))
            .sum()
    }
}

#[test]
fn few_trials_are_counted_out() {
    let check = |trials: f64, rate: f64, bound: f64, expected: f64| {
        let found = above(trials, rate, bound);
        assert!(
            (found - expected).abs() < 1e-12,
            "{trials} {rate} {bound}: {found}"
        );
    };
    check(1.0, 0.25, 0.5, 0.25);
    check(2.0, 0.5, 0.5, 0.25);
    check(2.0, 0.5, 0.49, 0.75);
    // 3 of 10 are 30 %, and not more than that.
    check(10.0, 0.5, 0.3, 1.0 - 176.0 / 1024.0);
    check(0.0, 1.0, 0.0, 0.0);
    check(10.0, 0.0, 0.0, 0.0);
    check(10.0, 1.0, 0.9, 1.0);
    check(10.0, 0.5, 1.0, 0.0);
}

/// Where counting ends and the normal distribution begins, both say the same.
#[test]
fn the_two_ways_of_counting_meet() {
    for rate in [0.001, 0.01, 0.2] {
        let (few, many) = (499.9 / rate, 500.1 / rate);
        for times in [0.95, 1.0, 1.05] {
            let (few, many) = (above(few, rate, rate * times), above(many, rate, rate * times));
            assert!((few - many).abs() < 0.03, "{rate} {times}: {few} {many}");
        }
    }
}

/// The size of a classical test of two proportions: 10 % against 12 % at 2.5 % one-sided and a power of
/// 80 % takes 3,841 a side (the pooled test; the unpooled one that is used here takes two fewer).
#[test]
fn two_sides_are_told_apart_as_tables_say() {
    let chance = |trials: f64| {
        let critical = 1.959_964 * (2.0 * 0.11 * 0.89 / trials).sqrt();
        let side = |rate: f64| Side { trials, rate };
        apart(side(0.12), side(0.10), 1.0, critical)
    };
    assert!((chance(3841.0) - 0.8).abs() < 0.001, "{}", chance(3841.0));
    let nobody = Side {
        trials: 0.0,
        rate: 0.1,
    };
    let many = Side {
        trials: 1e6,
        rate: 0.9,
    };
    assert_eq!(
        (apart(many, nobody, 1.0, 0.0), apart(nobody, many, 1.0, 0.0)),
        (0.0, 0.0)
    );
}

/// The rate that is said to be seen is seen by the test itself, and not by a hair more often than it must.
#[test]
fn the_sequential_test_sees_what_it_is_said_to_see() {
    const ROUNDS: u32 = 500;
    for (treatment, control, usual, alpha) in [(2_000, 18_000, 0.01, 0.01), (5_000, 5_000, 0.02, 0.005)] {
        let side = |trials: u32, rate: f64| Side {
            trials: f64::from(trials),
            rate,
        };
        let chance = |rate: f64| sequential(side(treatment, rate), side(control, usual), 1.0, alpha);
        let rate = smallest(usual, 0.8, chance).unwrap();
        let mut draws = Draws(ChaCha8Rng::seed_from_u64(7));
        let mut seen = 0;
        for _ in 0..ROUNDS {
            let mut test = RateRatioTest::new(1.0).unwrap();
            let counts = |events: u32, trials: u32| Counts {
                events: events.into(),
                trials: trials.into(),
            };
            let events = (draws.events(treatment, rate), draws.events(control, usual));
            test.observe(counts(events.0, treatment), counts(events.1, control));
            seen += u32::from(test.p_value() <= alpha);
        }
        let share = f64::from(seen) / f64::from(ROUNDS);
        assert!((0.77..0.97).contains(&share), "{rate}: {share}");
    }
}

#[test]
fn what_nothing_shows_is_not_found() {
    assert_eq!(smallest(0.1, 0.8, |_| 0.5), None);
    assert_eq!(smallest(0.1, 0.8, |_| 0.9), Some(0.1));
    let found = smallest(0.1, 0.8, |rate| if rate >= 0.25 { 1.0 } else { 0.0 }).unwrap();
    assert!((found - 0.25).abs() < 1e-12, "{found}");
}

proptest! {
    /// More of it is never seen less often.
    #[test]
    fn chances_rise_with_the_rate(
        trials in 1.0..200_000.0_f64, control in 1.0..200_000.0_f64, usual in 0.0..0.5_f64,
        rate in 0.0..0.99_f64, rise in 0.0..0.01_f64, bound in 0.0..1.0_f64,
    ) {
        let side = |rate: f64| Side { trials, rate };
        let base = Side { trials: control, rate: usual };
        for chance in [
            &(|rate| above(trials, rate, bound)) as &dyn Fn(f64) -> f64,
            &|rate| sequential(side(rate.max(usual)), base, 1.0, 0.01),
        ] {
            let (low, high) = (chance(rate), chance(rate + rise));
            prop_assert!((0.0..=1.0).contains(&low) && high >= low - 1e-3, "{low} {high}");
        }
        let (low, high) = (apart(side(rate), base, 1.0, 0.0), apart(side(rate + rise), base, 1.0, 0.0));
        prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
    }
}
