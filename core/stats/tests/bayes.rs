//! Bayesian answers, held against closed forms and against what must hold for any data.
#![expect(
    clippy::cast_possible_truncation,
    reason = "tests may panic, and counts are small"
)]

use proptest::prelude::*;
use tidegate_stats::bayes::{
    BetaPrior, EffectEstimate, EffectScale, NormalPrior, RatePosterior, compare_rates, effect_posterior,
    expected_losses, lift_posterior,
};
use tidegate_stats::moments::Moments;
use tidegate_stats::{Counts, Goal, Refusal};

const fn arm(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn near(got: f64, want: f64, relative: f64) {
    assert!((got - want).abs() <= relative * want.abs(), "{got} for {want}");
}

/// Miller's sum for P(rate b > rate a) with uniform priors, where every term is a ratio of factorials.
fn beats(a: Counts, b: Counts) -> f64 {
    let ln_factorial = |n: u64| (1..=n).map(|factor| (factor as f64).ln()).sum::<f64>();
    let ln_beta = |a: u64, b: u64| ln_factorial(a - 1) + ln_factorial(b - 1) - ln_factorial(a + b - 1);
    let (a1, b1) = (a.events + 1, a.trials - a.events + 1);
    let (a2, b2) = (b.events + 1, b.trials - b.events + 1);
    let term =
        |i: u64| ln_beta(a1 + i, b1 + b2) - ((b2 + i) as f64).ln() - ln_beta(1 + i, b2) - ln_beta(a1, b1);
    (0..a2).map(|i| term(i).exp()).sum()
}

#[test]
fn two_arms_are_millers_sum() {
    for (a, b) in [
        (arm(0, 0), arm(0, 0)),
        (arm(0, 10), arm(3, 10)),
        (arm(5, 5), arm(4, 5)),
        (arm(30, 400), arm(41, 390)),
        (arm(160, 1000), arm(95, 1000)),
    ] {
        let found = compare_rates(&[a, b], BetaPrior::UNIFORM, Goal::Increase, 0.05).unwrap();
        near(found[1].chance_best, beats(a, b), 1e-9);
        near(found[0].chance_best, beats(b, a), 1e-9);
    }
}

/// Without data and with uniform priors the best of k rates is k / (k + 1) on average, and beta(1/2, 1/2)
/// rates are as likely the best as any other.
#[test]
fn no_data_is_no_preference() {
    for arms in 2..=8_u32 {
        let none = vec![arm(0, 0); arms as usize];
        let k = f64::from(arms);
        for found in compare_rates(&none, BetaPrior::UNIFORM, Goal::Increase, 0.1).unwrap() {
            near(found.chance_best, 1.0 / k, 1e-10);
            near(found.expected_loss, k / (k + 1.0) - 0.5, 1e-10);
            near(found.rate_interval.lower, 0.05, 1e-10);
            near(found.rate_interval.upper, 0.95, 1e-10);
        }
        for found in compare_rates(&none, BetaPrior::JEFFREYS, Goal::Decrease, 0.1).unwrap() {
            near(found.chance_best, 1.0 / k, 1e-10);
        }
    }
}

/// The arcsine law: beta(1/2, 1/2) has the quantiles sin^2(pi p / 2).
#[test]
fn an_interval_of_the_arcsine_law() {
    let rate = RatePosterior::new(arm(0, 0), BetaPrior::JEFFREYS).unwrap();
    for alpha in [1e-9, 0.01, 0.5, 0.99] {
        let interval = rate.interval(alpha).unwrap();
        let sine = (std::f64::consts::PI * alpha / 4.0).sin();
        near(interval.lower, sine * sine, 1e-9);
        near(interval.upper, 1.0 - sine * sine, 1e-9);
    }
    // One event of one trial with a uniform prior: the square root of the chance.
    let rate = RatePosterior::new(arm(1, 1), BetaPrior::UNIFORM).unwrap();
    near(rate.interval(0.1).unwrap().lower, 0.05_f64.sqrt(), 1e-11);
    near(rate.interval(0.1).unwrap().upper, 0.95_f64.sqrt(), 1e-11);
}

/// At 1e9 trials a rate is normal to within 1e-4, and two arms are a normal tail.
#[test]
fn a_billion_trials() {
    let arms = [arm(10_000_000, 1_000_000_000), arm(10_005_000, 1_000_000_000)];
    let found = compare_rates(&arms, BetaPrior::UNIFORM, Goal::Increase, 0.05).unwrap();
    let sd = (0.01_f64 * 0.99 / 1e9 * 2.0).sqrt();
    near(found[0].chance_best, 0.130_606, 1e-4);
    near(found[1].expected_loss + 5e-6, found[0].expected_loss, 1e-6);
    assert!(found[1].expected_loss < sd);
    let far = [arm(10_000_000, 1_000_000_000), arm(20_000_000, 1_000_000_000)];
    let found = compare_rates(&far, BetaPrior::UNIFORM, Goal::Increase, 0.05).unwrap();
    assert!(found[0].chance_best < 1e-300, "it underflows");
    near(found[1].chance_best, 1.0, 1e-11);
    assert!(found[1].expected_loss < 1e-300);
}

/// Arms of very different sizes: the small one alone decides how sure anything is.
#[test]
fn sizes_apart_by_nine_digits() {
    let arms = [arm(1, 10), arm(100_000_000, 1_000_000_000)];
    let found = compare_rates(&arms, BetaPrior::UNIFORM, Goal::Increase, 0.05).unwrap();
    // beta(2, 10) above 0.1: 0.9^11 + 11 * 0.1 * 0.9^10.
    near(
        found[0].chance_best,
        0.9_f64.powi(11) + 1.1 * 0.9_f64.powi(10),
        1e-6,
    );
    let sum: f64 = found.iter().map(|arm| arm.chance_best).sum();
    near(sum, 1.0, 1e-10);
}

#[test]
fn what_no_rate_can_be() {
    let compare = |arms: &[Counts], prior, alpha| compare_rates(arms, prior, Goal::Increase, alpha);
    let two = [arm(1, 2), arm(1, 2)];
    let few = compare(&two[..1], BetaPrior::UNIFORM, 0.05);
    assert!(matches!(few, Err(Refusal::TooFew { what: "arms", .. })));
    let events = compare(&[arm(3, 2), arm(1, 2)], BetaPrior::UNIFORM, 0.05);
    assert!(matches!(events, Err(Refusal::Invalid { field: "events", .. })));
    for (a, b) in [(0.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        let prior = BetaPrior { a, b };
        assert!(compare(&two, prior, 0.05).is_err(), "{a} {b}");
        assert!(lift_posterior(two[0], two[1], prior, 0.05).is_err(), "{a} {b}");
    }
    for alpha in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(compare(&two, BetaPrior::UNIFORM, alpha).is_err(), "{alpha}");
        assert!(
            lift_posterior(two[0], two[1], BetaPrior::UNIFORM, alpha).is_err(),
            "{alpha}"
        );
    }
}

/// With uniform priors and no data the ratio of two rates has the distribution function r / 2 up to 1.
#[test]
fn the_lift_without_data() {
    let lift = lift_posterior(arm(0, 0), arm(0, 0), BetaPrior::UNIFORM, 0.1).unwrap();
    near(lift.interval.lower, 0.1 - 1.0, 1e-9);
    near(lift.interval.upper, 10.0 - 1.0, 1e-9);
    assert!(lift.median.abs() < 1e-9);
}

#[test]
fn effects_that_have_no_posterior() {
    let of_means = |control: Moments, treatment: Moments| {
        EffectEstimate::of_means(&control, &treatment, EffectScale::Relative)
    };
    let some = Moments::of_variance(10, 2.0, 1.0);
    let zero = Moments::of_variance(10, 0.0, 1.0);
    let still = Moments::of_variance(10, 2.0, 0.0);
    let one = Moments {
        n: 1,
        mean: 2.0,
        m2: 0.0,
    };
    let wrong = Moments {
        n: 10,
        mean: f64::NAN,
        m2: 1.0,
    };
    assert_eq!(of_means(zero, some), Err(Refusal::ZeroBaseline));
    assert_eq!(of_means(still, some), Err(Refusal::NoVariance));
    assert_eq!(of_means(some, still), Err(Refusal::NoVariance));
    assert!(matches!(of_means(some, one), Err(Refusal::TooFew { .. })));
    assert!(matches!(of_means(wrong, some), Err(Refusal::Invalid { .. })));
    let of_rates = |control, treatment| EffectEstimate::of_rates(control, treatment, EffectScale::Absolute);
    assert!(matches!(
        of_rates(arm(0, 0), arm(1, 2)),
        Err(Refusal::TooFew { .. })
    ));
    assert_eq!(of_rates(arm(0, 5), arm(1, 2)), Err(Refusal::NoVariance));
    assert!(of_rates(arm(3, 2), arm(1, 2)).is_err());
    let effect = of_means(some, some).unwrap();
    let prior = |mean, variance| {
        let scale = EffectScale::Relative;
        Some(NormalPrior {
            mean,
            variance,
            scale,
        })
    };
    for prior in [
        prior(0.0, 0.0),
        prior(f64::NAN, 1.0),
        prior(0.0, -1.0),
        prior(0.0, f64::INFINITY),
    ] {
        assert!(effect_posterior(&effect, prior, Goal::Increase, 0.05).is_err());
    }
    assert!(effect_posterior(&effect, None, Goal::Increase, 0.0).is_err());
    for (mean, sd) in [(0.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        assert!(expected_losses(mean, sd, Goal::Increase).is_err());
    }
}

/// A prior says the same in either unit.
#[test]
fn a_prior_on_the_other_scale_is_rescaled() {
    let (control, treatment) = (
        Moments::of_variance(400, -8.0, 4.0),
        Moments::of_variance(300, -7.0, 5.0),
    );
    let of = |scale| EffectEstimate::of_means(&control, &treatment, scale).unwrap();
    let relative = NormalPrior {
        mean: 0.02,
        variance: 0.01,
        scale: EffectScale::Relative,
    };
    let absolute = NormalPrior {
        mean: 0.16,
        variance: 0.64,
        scale: EffectScale::Absolute,
    };
    for scale in [EffectScale::Absolute, EffectScale::Relative] {
        let posterior = |prior| effect_posterior(&of(scale), Some(prior), Goal::Increase, 0.05).unwrap();
        near(posterior(relative).mean, posterior(absolute).mean, 1e-12);
        near(posterior(relative).sd, posterior(absolute).sd, 1e-12);
    }
}

/// Where one formula for the loss takes over from the other, and where the loss itself underflows.
#[test]
fn small_losses_keep_their_digits() {
    let less = |z: f64| expected_losses(z, 1.0, Goal::Increase).unwrap().choose_treatment;
    near(less(1.999), 0.008_513_479_762_264_812, 1e-9);
    near(less(2.0), 0.008_490_702_616_829_638, 1e-9);
    near(less(5.0), 5.346_165_533_832_815e-8, 1e-13);
    near(less(30.0), 1.631_956_734_091_401e-199, 1e-13);
    assert!(less(40.0) < 1e-300);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Chances sum to 1, losses differ as the means do, and the other goal is the other side of the rates.
    #[test]
    fn any_arms(
        shapes in prop::collection::vec((0.0..1.0_f64, 0.0..7.0_f64), 2..6),
        jeffreys in any::<bool>(),
    ) {
        let arms: Vec<Counts> = shapes
            .iter()
            .map(|(share, digits)| {
                let trials = 10.0_f64.powf(*digits);
                arm((share * 0.2 * trials) as u64, trials as u64)
            })
            .collect();
        let prior = if jeffreys { BetaPrior::JEFFREYS } else { BetaPrior::UNIFORM };
        let found = compare_rates(&arms, prior, Goal::Increase, 0.05).unwrap();
        let sum: f64 = found.iter().map(|arm| arm.chance_best).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        for arm in &found {
            prop_assert!(arm.expected_loss > 0.0 || arm.chance_best > 0.999);
            prop_assert!(arm.rate_interval.lower < arm.rate_interval.upper);
            let difference = found[0].rate_mean - arm.rate_mean;
            prop_assert!((arm.expected_loss - found[0].expected_loss - difference).abs() < 1e-12);
        }
        let flipped: Vec<Counts> = arms.iter().map(|of| arm(of.trials - of.events, of.trials)).collect();
        let turned = compare_rates(&flipped, prior, Goal::Decrease, 0.05).unwrap();
        for (arm, turned) in found.iter().zip(&turned) {
            let slack = 1e-6 * arm.chance_best.min(1e-3) + 1e-300;
            prop_assert!((arm.chance_best - turned.chance_best).abs() <= slack);
            prop_assert!((arm.expected_loss - turned.expected_loss).abs() <= 1e-9 * arm.expected_loss);
        }
        let mut moved = arms.clone();
        moved.rotate_left(1);
        let moved = compare_rates(&moved, prior, Goal::Increase, 0.05).unwrap();
        let (one, other) = (moved[0].chance_best, found[1].chance_best);
        let slack = if other > 1e-100 { 1e-8 * other } else { 1e-6 * other + 1e-300 };
        prop_assert!((one - other).abs() <= slack, "{one:e} {other:e} {arms:?}");
    }

    /// The lift of the arms exchanged is the inverse ratio, and its interval holds the chance to be best.
    #[test]
    fn any_lift(
        (a, b) in ((0.0..1.0_f64, 0.0..9.0_f64), (0.0..1.0_f64, 0.0..9.0_f64)),
        jeffreys in any::<bool>(),
    ) {
        let counts = |(share, digits): (f64, f64)| {
            let trials = 10.0_f64.powf(digits);
            arm((share * trials) as u64, trials as u64)
        };
        let (a, b) = (counts(a), counts(b));
        let prior = if jeffreys { BetaPrior::JEFFREYS } else { BetaPrior::UNIFORM };
        let there = lift_posterior(a, b, prior, 0.05).unwrap();
        let back = lift_posterior(b, a, prior, 0.05).unwrap();
        let product = |x: f64, y: f64| (1.0 + x) * (1.0 + y) - 1.0;
        prop_assert!(product(there.median, back.median).abs() < 1e-7, "{there:?} {back:?}");
        prop_assert!(product(there.interval.lower, back.interval.upper).abs() < 1e-7, "{there:?} {back:?}");
        // At the error for which an end is at no lift, the other arm is the best by half of it.
        let chance = compare_rates(&[a, b], prior, Goal::Increase, 0.05).unwrap()[0].chance_best;
        if chance > 1e-8 && chance < 0.49 {
            let edge = lift_posterior(a, b, prior, 2.0 * chance).unwrap().interval.lower;
            prop_assert!(edge.abs() < 1e-6, "{edge} at {chance}");
        }
    }

    /// Chance, losses and interval of an effect agree, and a prior draws towards itself.
    #[test]
    fn any_effect(
        (x, n) in (1..400_u64, 401..100_000_u64),
        (y, m) in (1..400_u64, 401..100_000_u64),
        (mean, sd) in (-0.5..0.5_f64, 0.001..1.0_f64),
        relative in any::<bool>(),
    ) {
        let scale = if relative { EffectScale::Relative } else { EffectScale::Absolute };
        let effect = EffectEstimate::of_rates(arm(x, n), arm(y, m), scale).unwrap();
        let prior = NormalPrior { mean, variance: sd * sd, scale };
        let up = effect_posterior(&effect, Some(prior), Goal::Increase, 0.05).unwrap();
        let down = effect_posterior(&effect, Some(prior), Goal::Decrease, 0.05).unwrap();
        prop_assert!((up.chance_to_win + down.chance_to_win - 1.0).abs() < 1e-12);
        prop_assert_eq!(up.losses.choose_control.to_bits(), down.losses.choose_treatment.to_bits());
        let gain = up.losses.choose_control - up.losses.choose_treatment;
        prop_assert!((gain - up.mean).abs() <= 1e-12 * up.sd.max(up.mean.abs()));
        prop_assert_eq!(up.interval.lower > 0.0, up.chance_to_win > 0.975);
        let (low, high) = (mean.min(effect.estimate), mean.max(effect.estimate));
        prop_assert!(up.mean >= low - 1e-12 && up.mean <= high + 1e-12);
        prop_assert!(up.sd < effect.standard_error && up.sd < sd);
        let flat = effect_posterior(&effect, None, Goal::Increase, 0.05).unwrap();
        prop_assert_eq!(flat.mean.to_bits(), effect.estimate.to_bits());
    }
}
