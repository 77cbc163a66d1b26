//! Bandits: weights against closed forms, and means of adaptive traffic against what is known of it.
#![expect(
    clippy::cast_possible_truncation,
    reason = "tests may panic, and counts are small"
)]

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use tidegate_stats::bandit::{
    ArmPrior, Batch, Contrast, NormalArm, Weighting, arm_posterior, expected_losses, expected_regret,
    thompson_normal, thompson_rates, top_two_normal, weighted_difference, weighted_mean, with_floor,
};
use tidegate_stats::bayes::{BetaPrior, compare_rates};
use tidegate_stats::distribution::normal;
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Goal, Refusal};

const fn arm(mean: f64, variance: f64) -> NormalArm {
    NormalArm { mean, variance }
}

fn near(got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * want.abs(), "{got} for {want}");
}

#[test]
fn two_arms_are_a_normal_tail() {
    for (low, high) in [
        (arm(0.0, 1.0), arm(0.5, 1.0)),
        (arm(1e9, 1e-8), arm(1e9 + 0.000_25, 1e-8)),
        (arm(-1e-9, 1e-18), arm(2e-9, 4e-20)),
        (arm(0.0, 1e-6), arm(3.0, 4.0)),
        (arm(0.0, 1.0), arm(30.0, 2.0)),
    ] {
        let sd = (low.variance + high.variance).sqrt();
        let tail = normal::sf((high.mean - low.mean) / sd);
        let found = thompson_normal(&[low, high], Goal::Increase).unwrap();
        near(found[0], tail, 1e-9);
        near(found[1], 1.0 - tail, 1e-9);
        let turned = thompson_normal(&[low, high], Goal::Decrease).unwrap();
        near(turned[1], tail, 1e-9);
        // The better of two arms is one of the first two for certain.
        for weight in top_two_normal(&[low, high], Goal::Increase).unwrap() {
            near(weight, 0.5, 1e-9);
        }
    }
}

/// Three equal arms, one of them with no say: the chance to be between the two others is by symmetry 1/3.
#[test]
fn three_equal_arms() {
    let arms = [arm(3.0, 0.01); 3];
    for weight in top_two_normal(&arms, Goal::Increase).unwrap() {
        near(weight, 1.0 / 3.0, 1e-10);
    }
    // E[max of 3] = 3 / (2 sqrt(pi)) standard deviations.
    for loss in expected_losses(&arms, Goal::Decrease).unwrap() {
        near(loss, 0.1 * 1.5 / std::f64::consts::PI.sqrt(), 1e-10);
    }
}

#[test]
fn a_hopeless_arm_keeps_its_digits() {
    // Twenty standard deviations of the difference behind one arm, far more behind none.
    let arms = [arm(0.0, 0.5), arm(20.0, 0.5), arm(-40.0, 0.5)];
    let found = thompson_normal(&arms, Goal::Increase).unwrap();
    near(found[0], normal::ln_sf(20.0).exp(), 1e-7);
    assert!(found[2] > 0.0 || normal::ln_sf(60.0) < -745.0);
    // The leader's loss: phi(20) - 20 Q(20), and nothing from the third.
    let losses = expected_losses(&arms, Goal::Increase).unwrap();
    let small = tidegate_stats::bayes::expected_losses(20.0, 1.0, Goal::Increase).unwrap();
    near(losses[1], small.choose_treatment, 1e-8);
    near(losses[0], 20.0, 1e-12);
}

/// On the way from a narrow arm to the peak between two others nothing may stop early.
#[test]
fn narrow_arms_in_between() {
    let arms = [
        arm(7929.0, 52_582.0),
        arm(-39_216.0, 0.000_67),
        arm(-45_827.0, 1673.0),
        arm(-105_800.0, 4e8),
    ];
    let found = thompson_normal(&arms, Goal::Increase).unwrap();
    let tail = normal::sf((7929.0 + 105_800.0) / (4e8_f64 + 52_582.0).sqrt());
    near(found[3], tail, 1e-9);
    near(found[0], 1.0 - tail, 1e-9);
}

#[test]
fn rates_have_the_chances_of_their_comparison() {
    let arms = [(3, 40), (9, 50), (4, 40)].map(|(events, trials)| Counts { events, trials });
    let weights = thompson_rates(&arms, BetaPrior::JEFFREYS, Goal::Decrease).unwrap();
    let compared = compare_rates(&arms, BetaPrior::JEFFREYS, Goal::Decrease, 0.05).unwrap();
    for (weight, arm) in weights.iter().zip(compared) {
        near(*weight, arm.chance_best, 1e-10);
    }
}

#[test]
fn floors_add_and_keep_proportions() {
    let floored = with_floor(&[0.0, 0.25, 0.75], 0.1).unwrap();
    for (got, want) in floored.iter().zip([0.1, 0.275, 0.625]) {
        near(*got, want, 1e-12);
    }
    near(expected_regret(&[0.5, 0.5], &[0.0, 4.0]).unwrap(), 2.0, 1e-15);
    assert!(with_floor(&[0.5, 0.5], 0.6).is_err());
    assert!(with_floor(&[0.5, 0.5], -0.1).is_err());
    assert!(with_floor(&[0.5, 0.5], f64::NAN).is_err());
    assert!(with_floor(&[0.5, 0.6], 0.1).is_err());
    assert!(with_floor(&[1.5, -0.5], 0.1).is_err());
    assert!(expected_regret(&[0.5, 0.5], &[1.0]).is_err());
    assert!(expected_regret(&[0.5, 0.5], &[1.0, f64::NAN]).is_err());
}

#[test]
fn arms_without_a_posterior() {
    let of = |n, variance| arm_posterior(&Moments::of_variance(n, 1.0, variance), None);
    assert!(matches!(of(0, 1.0), Err(Refusal::TooFew { .. })));
    assert!(matches!(of(1, 1.0), Err(Refusal::TooFew { .. })));
    assert_eq!(of(10, 0.0), Err(Refusal::NoVariance));
    assert!(of(10, f64::NAN).is_err());
    assert!(of(10, -1.0).is_err());
    near(of(1_000_000_000, 4.0).unwrap().variance, 4e-9, 1e-12);
    for (mean, variance) in [(f64::NAN, 1.0), (0.0, 0.0), (0.0, f64::INFINITY)] {
        let prior = ArmPrior { mean, variance };
        assert!(arm_posterior(&Moments::of_variance(9, 1.0, 1.0), Some(prior)).is_err());
        assert!(thompson_normal(&[arm(mean, variance), arm(0.0, 1.0)], Goal::Increase).is_err());
        assert!(expected_losses(&[arm(mean, variance), arm(0.0, 1.0)], Goal::Increase).is_err());
    }
    assert!(thompson_normal(&[arm(0.0, 1.0)], Goal::Increase).is_err());
    assert!(top_two_normal(&[], Goal::Increase).is_err());
    let apart = [arm(f64::MAX, 1.0), arm(f64::MIN, 1.0)];
    assert!(thompson_normal(&apart, Goal::Increase).is_err());
}

#[test]
fn batches_that_say_nothing() {
    let observed = Moments::of_variance(5, 1.0, 1.0);
    let good = Batch {
        users: 10,
        weight: 0.5,
        observed,
    };
    let mean = |batch: Batch| weighted_mean(&[good, batch], Weighting::Hajek);
    assert!(mean(good).is_ok());
    assert!(mean(Batch { users: 4, ..good }).is_err());
    assert!(
        mean(Batch {
            users: 1,
            observed: Moments::default(),
            ..good
        })
        .is_err()
    );
    for weight in [0.0, -0.5, 1.5, f64::NAN] {
        assert!(mean(Batch { weight, ..good }).is_err(), "{weight}");
    }
    let nan = Moments {
        mean: f64::NAN,
        ..observed
    };
    assert!(
        mean(Batch {
            observed: nan,
            ..good
        })
        .is_err()
    );
    assert!(weighted_mean(&[], Weighting::Hajek).is_err());
    let nobody = Batch {
        observed: Moments::default(),
        ..good
    };
    assert!(matches!(
        weighted_mean(&[nobody], Weighting::HorvitzThompson),
        Err(Refusal::TooFew { .. })
    ));
    let still = Batch {
        users: 5,
        weight: 1.0,
        observed: Moments::of_variance(5, 1.0, 0.0),
    };
    assert_eq!(
        weighted_mean(&[still], Weighting::Hajek),
        Err(Refusal::NoVariance)
    );
    let both = Contrast {
        users: 10,
        control: (0.7, observed),
        treatment: (0.7, observed),
    };
    assert!(weighted_difference(&[both], Weighting::Hajek).is_err());
}

/// All traffic to one arm is an ordinary sample.
#[test]
fn a_weight_of_one_is_the_plain_mean() {
    let batch = Batch {
        users: 40,
        weight: 1.0,
        observed: Moments::of_variance(40, 7.0, 9.0),
    };
    for weighting in [Weighting::HorvitzThompson, Weighting::Hajek] {
        let mean = weighted_mean(&[batch], weighting).unwrap();
        near(mean.estimate, 7.0, 1e-15);
        near(mean.variance, 9.0 / 40.0, 1e-14);
        near(
            mean.interval(0.05).unwrap().upper,
            7.0 + 1.959_963_984_540_054 * 0.225_f64.sqrt(),
            1e-12,
        );
        assert!(mean.interval(0.0).is_err());
    }
}

/// The variance from sums is the sample variance of what each user counts for, user by user.
#[test]
fn sums_are_users_one_by_one() {
    let (values, users, weight) = ([1.0, 4.0, 2.5], 8_u64, 0.3);
    let mean = values.iter().sum::<f64>() / 3.0;
    let m2 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let batch = Batch {
        users,
        weight,
        observed: Moments { n: 3, mean, m2 },
    };
    let check = |weighting, centre: f64, total: f64| {
        let each = |index: u64| {
            values
                .get(index as usize)
                .map_or(0.0, |value| (value - centre) / weight)
        };
        let n = users as f64;
        let middle = (0..users).map(each).sum::<f64>() / n;
        let squares: f64 = (0..users).map(|index| (each(index) - middle).powi(2)).sum();
        let found = weighted_mean(&[batch], weighting).unwrap();
        near(found.variance, squares / (n - 1.0) * n / total / total, 1e-12);
    };
    check(Weighting::HorvitzThompson, 0.0, 8.0);
    check(Weighting::Hajek, mean, 3.0 / weight);
}

struct Draws(ChaCha8Rng);

impl Draws {
    fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn events(&mut self, trials: u64, rate: f64) -> u64 {
        (0..trials).map(|_| u64::from(self.share() < rate)).sum()
    }
}

fn shares(counts: Counts) -> Moments {
    let (x, n) = (counts.events as f64, counts.trials as f64);
    let rate = if counts.trials > 0 { x / n } else { 0.0 };
    Moments {
        n: counts.trials,
        mean: rate,
        m2: x * (1.0 - rate),
    }
}

/// Two equal arms under Thompson sampling, while the rate of everybody climbs: the plain mean of an arm is
/// off by its share of late traffic, the weighted one is right, and its interval holds what it says.
#[test]
fn adaptive_traffic_is_reported_without_bias() {
    const ROUNDS: u32 = 300;
    const RATES: [f64; 4] = [0.1, 0.2, 0.3, 0.4];
    let mut draws = Draws(ChaCha8Rng::seed_from_u64(11));
    let (mut errors, mut squares, mut covered, mut gaps_covered) = (0.0, 0.0, 0, 0);
    let mut plain = 0.0;
    for _ in 0..ROUNDS {
        let mut seen = [Counts::default(); 2];
        let mut weights = vec![0.5, 0.5];
        let mut batches = Vec::new();
        for rate in RATES {
            let users = 200;
            let first = draws.events(users, weights[0]);
            let mut observed = [Moments::default(); 2];
            for (index, trials) in [first, users - first].into_iter().enumerate() {
                let events = draws.events(trials, rate);
                seen[index].events += events;
                seen[index].trials += trials;
                observed[index] = shares(Counts { events, trials });
            }
            batches.push(Contrast {
                users,
                control: (weights[0], observed[0]),
                treatment: (weights[1], observed[1]),
            });
            let chances = thompson_rates(&seen, BetaPrior::UNIFORM, Goal::Increase).unwrap();
            weights = with_floor(&chances, 0.1).unwrap();
        }
        let control: Vec<Batch> = batches
            .iter()
            .map(|batch| Batch {
                users: batch.users,
                weight: batch.control.0,
                observed: batch.control.1,
            })
            .collect();
        let found = weighted_mean(&control, Weighting::HorvitzThompson).unwrap();
        errors += found.estimate - 0.25;
        squares += (found.estimate - 0.25).powi(2);
        plain += (seen[0].events as f64 / seen[0].trials as f64 - 0.25).powi(2);
        let hajek = weighted_mean(&control, Weighting::Hajek).unwrap();
        let interval = hajek.interval(0.05).unwrap();
        covered += i32::from(interval.lower < 0.25 && interval.upper > 0.25);
        let gap = weighted_difference(&batches, Weighting::Hajek)
            .unwrap()
            .interval(0.05)
            .unwrap();
        gaps_covered += i32::from(gap.lower < 0.0 && gap.upper > 0.0);
    }
    let rounds = f64::from(ROUNDS);
    let error = (squares / rounds / rounds).sqrt();
    assert!(
        (errors / rounds).abs() < 3.5 * error,
        "{} +- {error}",
        errors / rounds
    );
    for covered in [covered, gaps_covered] {
        let covered = f64::from(covered) / rounds;
        assert!(covered > 0.91, "{covered}");
    }
    // The test can tell: the plain mean is far off, being a mean over other days.
    assert!(plain / rounds > 4e-4, "{}", plain / rounds);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_arms(
        arms in prop::collection::vec((-3.0..3.0_f64, -10.0..1.0_f64), 2..6),
        shift in -1e3..1e3_f64,
    ) {
        let of = |shift: f64| -> Vec<NormalArm> {
            arms.iter().map(|(mean, digits)| arm(mean + shift, 10.0_f64.powf(*digits))).collect()
        };
        let chances = thompson_normal(&of(0.0), Goal::Increase).unwrap();
        prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let weights = top_two_normal(&of(0.0), Goal::Increase).unwrap();
        prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let moved = thompson_normal(&of(shift), Goal::Increase).unwrap();
        for (chance, moved) in chances.iter().zip(moved) {
            prop_assert!((chance - moved).abs() < 1e-9);
        }
        let losses = expected_losses(&of(0.0), Goal::Increase).unwrap();
        for (loss, (mean, _)) in losses.iter().zip(&arms) {
            prop_assert!(*loss >= 0.0);
            prop_assert!((loss - losses[0] - (arms[0].0 - mean)).abs() < 1e-12);
        }
        // The best chance is never far from the least loss: an arm with a loss of nothing is the best.
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert!(chances.iter().copied().fold(0.0, f64::max) >= 1.0 / arms.len() as f64 - 1e-9);
        prop_assert!(expected_regret(&with_floor(&chances, 0.01).unwrap(), &losses).unwrap() >= least - 1e-9);
    }

    /// Merged batches of one weight say nearly what they say apart.
    #[test]
    fn batches_of_one_weight_can_be_merged(
        (n, m) in (20..400_u64, 20..400_u64),
        (mean, other) in (0.0..5.0_f64, 0.0..5.0_f64),
        weight in 0.05..0.9_f64,
    ) {
        let batch = |n: u64, mean: f64| Batch {
            users: (n as f64 / weight).ceil() as u64,
            weight,
            observed: Moments::of_variance(n, mean, 1.0),
        };
        let (a, b) = (batch(n, mean), batch(m, other));
        let (x, y) = (n as f64, m as f64);
        let pooled = (x * mean + y * other) / (x + y);
        let found = weighted_mean(&[a, b], Weighting::Hajek).unwrap();
        prop_assert!((found.estimate - pooled).abs() < 1e-12 * pooled.max(1.0));
    }
}
