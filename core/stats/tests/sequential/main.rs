//! The sequential test of two rates: laws, rates of error, and how soon it finds what is there.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod draws;

use draws::Draws;
use proptest::prelude::*;
use tidegate_stats::Counts;
use tidegate_stats::sequential::RateRatioTest;

fn counts(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

#[test]
fn only_what_can_be_tested_is() {
    for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(RateRatioTest::new(wrong), None, "{wrong}");
    }
    assert_eq!(RateRatioTest::resume(1.0, vec![0.0]), None);
    assert_eq!(RateRatioTest::resume(1.0, vec![f64::NAN; 18]), None);
}

#[test]
fn it_begins_with_a_stake_of_one() {
    let test = RateRatioTest::new(1.0).unwrap();
    assert!(test.ln_e().abs() < 1e-12);
    assert_eq!(test.p_value(), 1.0);
}

#[test]
fn one_side_alone_is_evidence_of_nothing() {
    let mut test = RateRatioTest::new(1.0).unwrap();
    test.observe(counts(500, 1000), counts(0, 0));
    test.observe(counts(0, 0), counts(0, 1000));
    assert_eq!(test, RateRatioTest::new(1.0).unwrap());
}

/// No event at all, among however many trials, says nothing of a ratio.
#[test]
fn no_events_are_evidence_of_nothing() {
    let mut test = RateRatioTest::new(1.0).unwrap();
    test.observe(counts(0, 1_000_000), counts(0, 1_000_000));
    assert!(test.ln_e().abs() < 1e-12);
}

/// Far beyond what a plain number could hold.
#[test]
fn extreme_evidence_keeps_its_digits() {
    let mut test = RateRatioTest::new(1.0).unwrap();
    for _ in 0..1000 {
        test.observe(counts(5_000_000, 10_000_000), counts(10_000, 10_000_000));
    }
    assert!(test.ln_e() > 1e9 && test.ln_e().is_finite());
    assert_eq!(test.p_value(), f64::MIN_POSITIVE);
    let mut test = RateRatioTest::new(1.0).unwrap();
    for _ in 0..1000 {
        test.observe(counts(10_000, 10_000_000), counts(5_000_000, 10_000_000));
    }
    assert!(test.ln_e() < -1e8 && test.ln_e().is_finite());
    assert_eq!(test.p_value(), 1.0);
}

/// The expected factor of one look under the hypothesis, by adding up every possible outcome of
/// independent trials: at most 1.
#[test]
fn a_look_is_expected_to_gain_nothing() {
    let binomial = |n: u64, p: f64| -> Vec<f64> {
        let mut chances = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; chances.len() + 1];
            for (k, chance) in chances.iter().enumerate() {
                next[k] += chance * (1.0 - p);
                next[k + 1] += chance * p;
            }
            chances = next;
        }
        chances
    };
    for ratio in [0.5, 1.0, 1.3, 2.0] {
        for (n1, n0) in [(1, 1), (3, 40), (40, 3), (25, 25)] {
            for p0 in [0.001, 0.02, 0.2, 0.45] {
                for share in [0.2, 0.9, 1.0] {
                    let p1 = ratio * p0 * share;
                    let (treatment, control) = (binomial(n1, p1), binomial(n0, p0));
                    let mut expected = 0.0;
                    for (x1, chance1) in treatment.iter().enumerate() {
                        for (x0, chance0) in control.iter().enumerate() {
                            let mut test = RateRatioTest::new(ratio).unwrap();
                            test.observe(counts(x1 as u64, n1), counts(x0 as u64, n0));
                            expected += chance1 * chance0 * test.ln_e().exp();
                        }
                    }
                    assert!(
                        expected <= 1.0 + 1e-9,
                        "{expected} for {ratio} {n1} {n0} {p0} {share}"
                    );
                }
            }
        }
    }
}

/// A tight hypothesis of rare events is expected to gain nearly nothing, but not to lose: no power is
/// given away.
#[test]
fn the_bound_is_tight_for_rare_events() {
    let (n, rate) = (2000_u64, 0.002_f64);
    let poisson = |k: u64| {
        let mean = n as f64 * rate;
        (0..k).fold((-mean).exp(), |chance, step| chance * mean / (step + 1) as f64)
    };
    let mut expected = 0.0;
    for x1 in 0..60 {
        for x0 in 0..60 {
            let mut test = RateRatioTest::new(1.0).unwrap();
            test.observe(counts(x1, n), counts(x0, n));
            expected += poisson(x1) * poisson(x0) * test.ln_e().exp();
        }
    }
    assert!((expected - 1.0).abs() < 1e-3, "{expected}");
}

struct Trial {
    rates: (f64, f64),
    trials: (u64, u64),
    looks: usize,
    alpha: f64,
}

impl Trial {
    /// The look, from 1, at which each of `runs` tests rejects.
    fn stops(&self, runs: usize, seed: u64) -> Vec<Option<usize>> {
        let mut draws = Draws::new(seed);
        let treatment = draws::binomial(self.trials.0, self.rates.0);
        let control = draws::binomial(self.trials.1, self.rates.1);
        (0..runs)
            .map(|_| {
                let mut test = RateRatioTest::new(1.0).unwrap();
                (1..=self.looks).find(|_| {
                    let x1 = draws.from(&treatment);
                    let x0 = draws.from(&control);
                    test.observe(counts(x1, self.trials.0), counts(x0, self.trials.1));
                    test.p_value() <= self.alpha
                })
            })
            .collect()
    }
}

fn share_stopped(stops: &[Option<usize>]) -> f64 {
    stops.iter().flatten().count() as f64 / stops.len() as f64
}

#[test]
fn false_alarms_stay_within_alpha_over_fifty_looks() {
    for (rate, trials) in [
        (0.01, (200, 1800)),
        (0.01, (200, 200)),
        (0.001, (200, 200)),
        (0.1, (50, 950)),
    ] {
        let trial = Trial {
            rates: (rate, rate),
            trials,
            looks: 50,
            alpha: 0.05,
        };
        let wrong = share_stopped(&trial.stops(2000, 7));
        assert!(wrong <= 0.05, "{wrong} at {rate} {trials:?}");
        let better = Trial {
            rates: (rate / 2.0, rate),
            ..trial
        };
        assert!(share_stopped(&better.stops(500, 8)) <= 0.01);
    }
}

/// Rare errors (canary): tenfold rates are always found, within these sizes.
#[test]
fn tenfold_rates_are_found_early() {
    for (rate, most) in [(0.001, 1400.0), (0.005, 480.0)] {
        let trial = Trial {
            rates: (rate * 10.0, rate),
            trials: (200, 200),
            looks: 50,
            alpha: 0.05,
        };
        let stops = trial.stops(2000, 9);
        assert_eq!(share_stopped(&stops), 1.0, "{rate}");
        let mean = stops.iter().flatten().sum::<usize>() as f64 * 200.0 / stops.len() as f64;
        assert!(mean <= most, "{mean} at {rate}");
    }
}

proptest! {
    #[test]
    fn it_goes_on_where_it_was(looks in prop::collection::vec((0..20_u64, 1..500_u64, 0..20_u64, 1..500_u64), 1..20), cut in 0..20_usize) {
        let mut straight = RateRatioTest::new(1.2).unwrap();
        let mut resumed = RateRatioTest::new(1.2).unwrap();
        for (at, (x1, n1, x0, n0)) in looks.into_iter().enumerate() {
            if at == cut {
                resumed = RateRatioTest::resume(1.2, resumed.ln_bets().to_vec()).unwrap();
            }
            straight.observe(counts(x1, n1), counts(x0, n0));
            resumed.observe(counts(x1, n1), counts(x0, n0));
        }
        prop_assert_eq!(straight, resumed);
    }

    /// While the shares of traffic stay, it does not matter into how many looks the counts are cut.
    #[test]
    fn looks_add_up(cuts in prop::collection::vec((0..9_u64, 0..9_u64), 1..12), factor in 1..9_u64) {
        let mut cut = RateRatioTest::new(1.0).unwrap();
        let mut whole = (counts(0, 0), counts(0, 0));
        for (x1, x0) in cuts {
            cut.observe(counts(x1, 100), counts(x0, 100 * factor));
            whole.0.events += x1;
            whole.0.trials += 100;
            whole.1.events += x0;
            whole.1.trials += 100 * factor;
        }
        let mut at_once = RateRatioTest::new(1.0).unwrap();
        at_once.observe(whole.0, whole.1);
        prop_assert!((cut.ln_e() - at_once.ln_e()).abs() < 1e-9);
    }

    /// More events of the treatment are more evidence, more events of the control less.
    #[test]
    fn evidence_points_the_right_way(x1 in 0..50_u64, x0 in 0..50_u64, n1 in 100..1000_u64, n0 in 100..1000_u64) {
        let e = |x1, x0| {
            let mut test = RateRatioTest::new(1.0).unwrap();
            test.observe(counts(x1, n1), counts(x0, n0));
            test.ln_e()
        };
        prop_assert!(e(x1 + 1, x0) > e(x1, x0));
        prop_assert!(e(x1, x0 + 1) < e(x1, x0));
    }
}
