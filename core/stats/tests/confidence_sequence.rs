//! Always-valid tests: fair bets, coverage of laws, far tails and refusals.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::sequential::{
    AlwaysValid, BetaPrior, ConfidenceSequence, FirstLook, MixtureTest, Scale, two_proportion_e_value,
};
use tidegate_stats::{Alternative, Counts, Interval, Refusal};

fn counts(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn e_value(control: Counts, treatment: Counts, alternative: Alternative) -> f64 {
    two_proportion_e_value(control, treatment, alternative, BetaPrior::default())
        .unwrap()
        .ln_e
}

/// The mean of `exp(ln_f(z))` for a standard normal z, by Simpson's rule. The tails of a bet are heavy: they
/// need up to 200 standard errors.
fn expected(ln_f: impl Fn(f64) -> f64) -> f64 {
    let (panels, h) = (10_000_i32, 0.02);
    let weighed = (-panels..=panels).map(|i| {
        let z = f64::from(i) * h;
        let weight = if i % 2 == 0 { 2.0 } else { 4.0 };
        weight * (ln_f(z) - 0.5 * z * z).exp()
    });
    weighed.sum::<f64>() * h / 3.0 / std::f64::consts::TAU.sqrt()
}

/// A bet is fair when a stake of 1 is expected to stay 1 while the hypothesis holds.
#[test]
fn the_bets_are_fair() {
    for users in [1, 100, 5000, 100_000] {
        let of = |alternative| ConfidenceSequence::tuned(alternative, 0.05, 5000).unwrap();
        let two_sided = of(Alternative::TwoSided);
        let mean = expected(|z| two_sided.look(users, z, 1.0).unwrap().ln_e);
        assert!((mean - 1.0).abs() < 1e-9, "{users}: {mean}");
        for alternative in [Alternative::Greater, Alternative::Less] {
            let one_sided = of(alternative);
            let mean = expected(|z| one_sided.look(users, z, 1.0).unwrap().ln_e);
            assert!(mean < 1.0, "{users} {alternative:?}: {mean}");
        }
        let test = MixtureTest::new(0.03, 0.05).unwrap();
        let mean = expected(|z| {
            let error = 1.0 / (users as f64).sqrt();
            test.difference(z * error, error).unwrap().ln_e
        });
        assert!((mean - 1.0).abs() < 1e-9, "{users}: {mean}");
    }
}

fn binomial(n: u64, rate: f64) -> Vec<f64> {
    let mut chance = (1.0 - rate).powi(i32::try_from(n).unwrap());
    let chances = (0..=n).map(|k| {
        let this = chance;
        chance *= (n - k) as f64 / (k + 1) as f64 * rate / (1.0 - rate);
        this
    });
    chances.collect()
}

/// Counted out over all that can happen: the e-value of two shares is expected to be at most 1.
#[test]
fn the_e_value_of_two_shares_is_one_at_any_size() {
    let rates = [(0.01, 0.01), (0.2, 0.2), (0.5, 0.5), (0.3, 0.1), (0.9, 0.5)];
    for (n0, n1) in [(1, 1), (5, 20), (40, 40), (60, 7)] {
        for (rate0, rate1) in rates {
            let (control, treatment) = (binomial(n0, rate0), binomial(n1, rate1));
            for alternative in [Alternative::TwoSided, Alternative::Greater] {
                if alternative == Alternative::TwoSided && rate0 != rate1 {
                    continue;
                }
                let mut mean = 0.0;
                for (x0, chance0) in (0..).zip(&control) {
                    for (x1, chance1) in (0..).zip(&treatment) {
                        let ln_e = e_value(counts(x0, n0), counts(x1, n1), alternative);
                        mean += chance0 * chance1 * ln_e.exp();
                    }
                }
                assert!(
                    mean <= 1.0 + 1e-12,
                    "{n0} {n1} {rate0} {rate1} {alternative:?}: {mean}"
                );
            }
        }
    }
}

/// Every way that 2 x 40 users can turn out, looked at after each pair: the chance to ever reach 1/alpha.
#[test]
fn peeking_does_not_raise_the_error() {
    let alpha = 0.2;
    for rate in [0.05, 0.3, 0.5] {
        // The chance of each pair of counts, on ways that have not rejected yet.
        let mut ways = vec![((0_u64, 0_u64), 1.0)];
        let mut rejected = 0.0;
        for n in 1..=40 {
            let mut next = std::collections::BTreeMap::new();
            for ((x0, x1), chance) in ways {
                for (more0, more1) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let of = |more| if more == 1 { rate } else { 1.0 - rate };
                    *next.entry((x0 + more0, x1 + more1)).or_insert(0.0) += chance * of(more0) * of(more1);
                }
            }
            next.retain(|(x0, x1), chance| {
                let ln_e = e_value(counts(*x0, n), counts(*x1, n), Alternative::TwoSided);
                let rejects = ln_e >= -f64::ln(alpha);
                rejected += if rejects { *chance } else { 0.0 };
                !rejects
            });
            ways = next.into_iter().collect();
        }
        assert!(rejected <= alpha, "{rate}: {rejected}");
    }
    // And it does reject what is there.
    assert!(e_value(counts(1, 1000), counts(30, 1000), Alternative::Greater) > 5.0);
}

/// With 1e9 users all is normal: the mixture of one share is `sqrt(2 / (pi n))` of the likelihood at one half.
#[test]
fn a_billion_users_leave_all_digits() {
    let half = counts(500_000_000, 1_000_000_000);
    let found = e_value(half, half, Alternative::TwoSided);
    let wanted = (2.0 / (std::f64::consts::PI * 1e9)).ln();
    assert!((found - wanted).abs() < 1e-8, "{found} {wanted}");
    // One user more is a likelihood ratio of (1 / n) and no more.
    let more = counts(500_000_001, 1_000_000_000);
    let moved = e_value(half, more, Alternative::Greater) - found;
    assert!(moved > 0.0 && moved < 1e-8, "{moved}");
    let most = counts(u64::MAX / 4, u64::MAX / 2);
    assert!(e_value(most, most, Alternative::TwoSided).is_finite());
}

proptest! {
    /// Zero is left out of the interval exactly when the p-value is below alpha.
    #[test]
    fn the_interval_and_the_p_value_agree(
        users in 1..10_000_000_u64,
        estimate in -1.0..1.0_f64,
        ln_error in -9.0..1.0_f64,
        alpha in 0.001..0.4_f64,
        tuned_for in 1..1_000_000_u64,
        sides in prop_oneof![
            Just(Alternative::Greater), Just(Alternative::Less), Just(Alternative::TwoSided)
        ],
    ) {
        let sequence = ConfidenceSequence::tuned(sides, alpha, tuned_for).unwrap();
        let look = sequence.look(users, estimate, ln_error.exp()).unwrap();
        let holds = look.interval.lower <= 0.0 && look.interval.upper >= 0.0;
        prop_assert!((look.p.ln - alpha.ln()).abs() < 1e-9 || holds == (look.p.p > alpha), "{look:?}");
        prop_assert!(look.p.ln <= 0.0 && look.half_width > 0.0);
        // In the mirror it is the same.
        let other = match sides {
            Alternative::Greater => Alternative::Less,
            Alternative::Less => Alternative::Greater,
            Alternative::TwoSided => Alternative::TwoSided,
        };
        let mirrored = ConfidenceSequence::tuned(other, alpha, tuned_for).unwrap()
            .look(users, -estimate, ln_error.exp()).unwrap();
        prop_assert_eq!(mirrored.p, look.p);
        prop_assert_eq!(mirrored.interval.lower, -look.interval.upper);
    }

    /// The same for the mixture test.
    #[test]
    fn the_mixture_test_agrees_with_its_interval(
        difference in -1.0..1.0_f64, error in 0.001..1.0_f64, tau in 0.001..1.0_f64, alpha in 0.001..0.5_f64,
    ) {
        let look = MixtureTest::new(tau, alpha).unwrap().difference(difference, error).unwrap();
        let holds = look.interval.lower <= 0.0 && look.interval.upper >= 0.0;
        prop_assert!((look.p.ln - alpha.ln()).abs() < 1e-9 || holds == (look.p.p > alpha), "{look:?}");
    }

    /// Exchanged arms say the opposite.
    #[test]
    fn the_arms_can_be_exchanged(
        n0 in 1..3000_u64, n1 in 1..3000_u64, share0 in 0..=1000_u64, share1 in 0..=1000_u64,
    ) {
        let arm = |n: u64, share: u64| counts(n * share / 1000, n);
        let (control, treatment) = (arm(n0, share0), arm(n1, share1));
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
        for (one, other) in [
            (Alternative::Greater, Alternative::Less),
            (Alternative::TwoSided, Alternative::TwoSided),
        ] {
            prop_assert!(close(e_value(control, treatment, one), e_value(treatment, control, other)));
        }
        let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, 0.05, 1000).unwrap();
        for scale in [Scale::Difference, Scale::LogRatio] {
            let one = sequence.proportions(control, treatment, scale);
            let other = sequence.proportions(treatment, control, scale);
            if let (Ok(one), Ok(other)) = (one, other) {
                prop_assert!(close(one.p.ln, other.p.ln));
                prop_assert!(close(one.interval.lower, -other.interval.upper));
            }
        }
    }

    /// The e-value of a design with few users is that of the gamma functions themselves.
    #[test]
    fn the_e_value_is_its_definition(
        n0 in 1..2000_u64, n1 in 1..2000_u64, share0 in 0..=1000_u64, share1 in 0..=1000_u64,
        a in 0.1..5.0_f64, b in 0.1..5.0_f64,
    ) {
        use statrs::function::gamma::ln_gamma;
        let arm = |n: u64, share: u64| counts(n * share / 1000, n);
        let (control, treatment) = (arm(n0, share0), arm(n1, share1));
        let floats = |arm: Counts| (arm.events as f64, arm.trials as f64);
        let ((x0, n0), (x1, n1)) = (floats(control), floats(treatment));
        let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
        let mixed = |x: f64, n: f64| ln_beta(x + a, n - x + b) - ln_beta(a, b);
        let part = |x: f64, p: f64| if x > 0.0 { x * p.ln() } else { 0.0 };
        let at = |x: f64, n: f64, p: f64| part(x, p) + part(n - x, 1.0 - p);
        let common = (x0 + x1) / (n0 + n1);
        let wanted = mixed(x0, n0) + mixed(x1, n1) - at(x0, n0, common) - at(x1, n1, common);
        let prior = BetaPrior { a, b };
        let found = two_proportion_e_value(control, treatment, Alternative::TwoSided, prior).unwrap();
        prop_assert!((found.ln_e - wanted).abs() < 1e-8 * wanted.abs().max(1.0), "{} {wanted}", found.ln_e);
    }
}

/// The tuning makes the sequence tightest where it says, and valid bounds are wider than one look's.
#[test]
fn the_tuning_pays_where_it_is_made_for() {
    let width = |tuned_for, users| {
        ConfidenceSequence::tuned(Alternative::TwoSided, 0.05, tuned_for)
            .unwrap()
            .look(users, 0.0, 1.0)
            .unwrap()
            .half_width
    };
    for users in [100, 5000, 1_000_000] {
        let tuned = width(users, users);
        assert!(
            tuned < width(users / 3, users) && tuned < width(users * 3, users),
            "{users}"
        );
        assert!(tuned > 1.96 && tuned < 3.1, "{tuned}");
    }
    let of = |sides| {
        ConfidenceSequence::tuned(sides, 0.05, 5000)
            .unwrap()
            .look(5000, 0.0, 1.0)
            .unwrap()
    };
    assert!(of(Alternative::Greater).half_width < of(Alternative::TwoSided).half_width);
    assert_eq!(of(Alternative::Greater).interval.upper, f64::INFINITY);
    assert_eq!(of(Alternative::Less).interval.lower, f64::NEG_INFINITY);
}

/// Looks together: the p-value never rises and the interval never widens.
#[test]
fn looks_together_never_take_back() {
    let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, 0.05, 5000).unwrap();
    let mut together = AlwaysValid::default();
    let (mut p, mut interval) = (together.p, together.interval.unwrap());
    assert_eq!(
        (p.p, interval.lower, interval.upper),
        (1.0, f64::NEG_INFINITY, f64::INFINITY)
    );
    for (n, estimate) in (1_u32..).zip([0.3, 0.1, 0.25, 0.4, 0.2, 0.3]) {
        let error = 1.0 / f64::from(n * 100).sqrt();
        let look = sequence.look(u64::from(n) * 100, estimate, error).unwrap();
        together.observe(&look);
        let now: Interval = together.interval.unwrap();
        assert!(together.p.ln <= p.ln && together.p.ln <= look.p.ln);
        assert!(now.lower >= interval.lower && now.upper <= interval.upper);
        assert!(now.lower >= look.interval.lower && now.upper <= look.interval.upper);
        (p, interval) = (together.p, now);
    }
    // An effect that turned around is compatible with no one effect, and stays so.
    together.observe(&sequence.look(1_000_000, -3.0, 0.001).unwrap());
    assert_eq!(together.interval, None);
    together.observe(&sequence.look(1_000_100, 0.0, 10.0).unwrap());
    assert_eq!(together.interval, None);
}

#[test]
fn far_tails_keep_their_digits() {
    for sides in [Alternative::Greater, Alternative::TwoSided] {
        let look = ConfidenceSequence::tuned(sides, 0.05, 5000)
            .unwrap()
            .look(5000, 1e4, 1.0)
            .unwrap();
        assert!(
            look.p.p == 0.0 && look.p.ln < -4e7 && look.p.ln.is_finite(),
            "{look:?}"
        );
        assert!((look.ln_e + look.p.ln).abs() < 1e-6);
    }
    // A one-sided test sees nothing on the other side.
    let look = ConfidenceSequence::tuned(Alternative::Greater, 0.05, 5000)
        .unwrap()
        .look(5000, -9.0, 1.0)
        .unwrap();
    assert_eq!((look.p.p, look.ln_e), (1.0, f64::NEG_INFINITY));
}

#[test]
fn nonsense_is_refused() {
    let invalid = |refusal: Refusal, name| matches!(refusal, Refusal::Invalid { field, .. } if field == name);
    for alpha in [0.0, -0.1, 1.0, f64::NAN] {
        for sides in [Alternative::TwoSided, Alternative::Less] {
            let refused = ConfidenceSequence::tuned(sides, alpha, 5000).unwrap_err();
            assert!(invalid(refused, "alpha"), "{alpha}");
        }
        assert!(invalid(MixtureTest::new(0.1, alpha).unwrap_err(), "alpha"));
    }
    assert!(ConfidenceSequence::tuned(Alternative::Greater, 0.5, 5000).is_err());
    assert!(ConfidenceSequence::tuned(Alternative::TwoSided, 0.5, 0).is_err());
    for tau in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(invalid(MixtureTest::new(tau, 0.05).unwrap_err(), "tau"));
    }
    let sequence = ConfidenceSequence::tuned(Alternative::TwoSided, 0.05, 5000).unwrap();
    assert!(matches!(sequence.look(0, 1.0, 1.0), Err(Refusal::TooFew { .. })));
    assert_eq!(sequence.look(10, 1.0, 0.0), Err(Refusal::NoVariance));
    for (estimate, error) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (1.0, -1.0),
        (1.0, f64::NAN),
    ] {
        assert!(sequence.look(10, estimate, error).is_err());
        assert!(
            MixtureTest::new(0.1, 0.05)
                .unwrap()
                .difference(estimate, error)
                .is_err()
        );
    }
    let scales = [Scale::Difference, Scale::Lift, Scale::LogRatio];
    for scale in scales {
        let of = |control, treatment| sequence.proportions(control, treatment, scale);
        assert!(matches!(
            of(counts(0, 0), counts(1, 9)),
            Err(Refusal::TooFew { .. })
        ));
        assert!(invalid(of(counts(1, 9), counts(10, 9)).unwrap_err(), "events"));
        assert_eq!(of(counts(0, 9), counts(0, 9)), Err(Refusal::NoVariance));
        assert_eq!(of(counts(9, 9), counts(9, 9)), Err(Refusal::NoVariance));
        let zero_baseline = of(counts(0, 9), counts(3, 9));
        assert_eq!(zero_baseline.is_ok(), scale == Scale::Difference);
    }
    assert!(
        sequence
            .proportions(counts(3, 9), counts(0, 9), Scale::LogRatio)
            .is_err()
    );
    let e_value = |prior| two_proportion_e_value(counts(1, 9), counts(1, 9), Alternative::TwoSided, prior);
    for shape in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(e_value(BetaPrior { a: shape, b: 1.0 }).is_err());
        assert!(e_value(BetaPrior { a: 1.0, b: shape }).is_err());
    }
    let more = two_proportion_e_value(
        counts(9, 1),
        counts(1, 9),
        Alternative::Less,
        BetaPrior::default(),
    );
    assert!(invalid(more.unwrap_err(), "events"));
    // No data is no evidence.
    let none = two_proportion_e_value(
        counts(0, 0),
        counts(0, 0),
        Alternative::TwoSided,
        BetaPrior::default(),
    );
    assert!(none.unwrap().ln_e.abs() < 1e-12);
}

#[test]
fn the_first_look_waits() {
    assert!(FirstLook::PROPORTION.reached(100, 20).is_ok());
    assert!(FirstLook::PROPORTION.reached(99, 20).is_err());
    assert!(FirstLook::MEAN.reached(100, 29).is_err());
}
