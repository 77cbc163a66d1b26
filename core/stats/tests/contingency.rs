//! Tables of counts: against counting by hand, against each other, and at the edges.

use proptest::prelude::*;
use tidegate_stats::contingency::{binomial_test, chi_squared, fisher_exact, g_test, yates};
use tidegate_stats::proportion::{Variance, z_test};
use tidegate_stats::{Alternative, Counts, PValue, Refusal};

const SIDES: [Alternative; 3] = [Alternative::TwoSided, Alternative::Greater, Alternative::Less];

const fn of(events: u64, trials: u64) -> Counts {
    Counts { events, trials }
}

fn counts(trials: std::ops::Range<u64>) -> impl Strategy<Value = Counts> {
    trials
        .prop_flat_map(|trials| (0..=trials, Just(trials)))
        .prop_map(|(events, trials)| of(events, trials))
}

#[track_caller]
fn near(got: f64, want: f64, relative: f64, absolute: f64) {
    assert!(
        (got - want).abs() <= (relative * want.abs()).max(absolute),
        "{got} for {want}"
    );
}

/// How many ways there are to choose `k` of `n`, few enough to be counted.
fn choose(n: u64, k: u64) -> u128 {
    (0..u128::from(k)).fold(1, |ways, i| ways * (u128::from(n) - i) / (i + 1))
}

/// Weights of all counts and the place of the observed one, added up as the alternative asks.
fn added(weights: &[u128], at: usize, alternative: Alternative) -> f64 {
    let observed = weights.get(at).copied().unwrap_or_default();
    let chosen: u128 = weights
        .iter()
        .enumerate()
        .filter(|(k, weight)| match alternative {
            Alternative::Greater => *k >= at,
            Alternative::Less => *k <= at,
            Alternative::TwoSided => **weight <= observed,
        })
        .map(|(_k, weight)| weight)
        .sum();
    chosen as f64 / weights.iter().sum::<u128>() as f64
}

fn row(counts: Counts) -> [u64; 2] {
    [counts.events, counts.trials - counts.events]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn fisher_is_counting_all_tables(control in counts(1..40), treatment in counts(1..40)) {
        let events = control.events + treatment.events;
        let low = events.saturating_sub(control.trials);
        let high = events.min(treatment.trials);
        let weights: Vec<u128> = (low..=high)
            .map(|k| choose(treatment.trials, k) * choose(control.trials, events - k))
            .collect();
        let at = usize::try_from(treatment.events - low).unwrap();
        for side in SIDES {
            let p = fisher_exact(control, treatment, side).unwrap();
            near(p.p, added(&weights, at, side), 1e-11, 0.0);
            near(p.ln, p.p.ln(), 1e-9, 1e-12);
        }
    }

    #[test]
    fn the_binomial_test_is_counting_all_tosses(tosses in counts(1..60)) {
        let weights: Vec<u128> = (0..=tosses.trials).map(|k| choose(tosses.trials, k)).collect();
        let at = usize::try_from(tosses.events).unwrap();
        for side in SIDES {
            let p = binomial_test(tosses, 0.5, side).unwrap();
            near(p.p, added(&weights, at, side), 1e-11, 0.0);
        }
    }

    #[test]
    fn exchanged_arms_exchange_the_sides(control in counts(1..5_000), treatment in counts(1..5_000)) {
        let same = |there: PValue, back: PValue| near(there.ln, back.ln, 1e-9, 1e-9);
        let there = |side| fisher_exact(control, treatment, side).unwrap();
        let back = |side| fisher_exact(treatment, control, side).unwrap();
        same(there(Alternative::Greater), back(Alternative::Less));
        same(there(Alternative::Less), back(Alternative::Greater));
        same(there(Alternative::TwoSided), back(Alternative::TwoSided));
    }

    #[test]
    fn a_p_value_is_a_chance(control in counts(1..5_000), treatment in counts(1..5_000), share in 0.001..0.999) {
        let one_sided = |p: fn(Alternative, Counts, Counts, f64) -> PValue| {
            let [two, greater, less] = SIDES.map(|side| p(side, control, treatment, share));
            for p in [two, greater, less] {
                assert!((0.0..=1.0).contains(&p.p) && p.ln <= 0.0 && !p.ln.is_nan());
            }
            // Together they count the observed outcome twice.
            assert!(greater.p + less.p >= 1.0 - 1e-9);
            assert!(two.ln >= greater.ln.min(less.ln) - 1e-9);
        };
        one_sided(|side, control, treatment, _share| fisher_exact(control, treatment, side).unwrap());
        one_sided(|side, counts, _other, share| binomial_test(counts, share, side).unwrap());
    }

    /// Without correction the test of a table of two arms is the pooled z test.
    #[test]
    fn chi_squared_of_two_arms_is_z_squared(
        control in counts(1..1_000_000_000),
        treatment in counts(1..1_000_000_000),
    ) {
        let table = [row(treatment), row(control)];
        match z_test(control, treatment, Variance::Pooled, Alternative::TwoSided) {
            Err(refusal) => prop_assert_eq!(chi_squared(&table), Err(refusal)),
            Ok(test) => {
                let plain = chi_squared(&table).unwrap();
                near(plain.statistic, test.z * test.z, 1e-9, 1e-12);
                prop_assert_eq!(plain.df, 1.0);
                let corrected = yates(control, treatment).unwrap();
                prop_assert!(corrected.statistic <= plain.statistic);
                prop_assert!(corrected.p.ln >= plain.p.ln);
            }
        }
    }

    #[test]
    fn tables_may_be_turned_and_shuffled(table in prop::collection::vec(prop::array::uniform3(1..9_000_u64), 2..6)) {
        let turned: Vec<Vec<u64>> = (0..3).map(|column| table.iter().map(|row| row[column]).collect()).collect();
        let mut shuffled = table.clone();
        shuffled.reverse();
        let plain = [chi_squared(&table).unwrap(), g_test(&table).unwrap()];
        for other in [
            [chi_squared(&turned).unwrap(), g_test(&turned).unwrap()],
            [chi_squared(&shuffled).unwrap(), g_test(&shuffled).unwrap()],
        ] {
            for (plain, other) in plain.iter().zip(other) {
                near(other.statistic, plain.statistic, 1e-11, 1e-12);
                prop_assert_eq!(other.df, plain.df);
            }
        }
    }

    /// The likelihood ratio by its textbook formula, where that has enough digits.
    #[test]
    fn g_is_twice_the_log_likelihood_ratio(table in prop::collection::vec(prop::array::uniform2(0..40_u64), 2..5)) {
        let Ok(found) = g_test(&table) else { return Ok(()) };
        let all: u64 = table.iter().flatten().sum();
        let mut sum = 0.0;
        for row in &table {
            for (column, n) in row.iter().enumerate() {
                let of_row = row.iter().sum::<u64>() as f64;
                let of_column = table.iter().map(|row| row[column]).sum::<u64>() as f64;
                if *n > 0 {
                    sum += *n as f64 * (*n as f64 * all as f64 / (of_row * of_column)).ln();
                }
            }
        }
        near(found.statistic, 2.0 * sum, 1e-9, 1e-11);
    }
}

/// Computed from whole numbers alone, and rounded at the end.
#[test]
fn logarithms_of_far_tails() {
    const MEGA: u64 = 1_000_000;
    for (control, treatment, two_sided, greater, less) in [
        (
            of(10, MEGA),
            of(300, MEGA),
            -172.055_129_966_490_68,
            -172.748_277_147_050_63,
            0.0,
        ),
        (
            of(40, 1000),
            of(0, 1000),
            -27.430_624_623_011_44,
            0.0,
            -28.123_771_803_571_385,
        ),
        (
            of(12, 1000 * MEGA),
            of(31, 1000 * MEGA),
            -5.221_065_225_550_496,
            -5.914_212_406_110_441,
            -9.574_385_940_907_357e-4,
        ),
        (of(0, 3), of(5, 1000 * MEGA), 0.0, -1.500_000_000_75e-8, 0.0),
    ] {
        let p = |side| fisher_exact(control, treatment, side).unwrap().ln;
        near(p(Alternative::TwoSided), two_sided, 1e-9, 1e-15);
        near(p(Alternative::Greater), greater, 1e-9, 1e-15);
        near(p(Alternative::Less), less, 1e-9, 1e-15);
    }
    for (counts, share, two_sided, greater) in [
        (
            of(1500, 2000),
            0.5,
            -264.409_036_246_964_29,
            -265.102_183_427_524_2,
        ),
        (of(0, 2000), 0.5, -1_385.601_213_939_330_7, 0.0),
        (
            of(900, 2000),
            0.25,
            -191.113_086_315_560_49,
            -191.337_379_390_319_96,
        ),
    ] {
        let p = |side| binomial_test(counts, share, side).unwrap().ln;
        near(p(Alternative::TwoSided), two_sided, 1e-11, 0.0);
        near(p(Alternative::Greater), greater, 1e-11, 1e-15);
    }
}

/// Equal arms, so the two-sided test counts both sides alike.
#[test]
fn ties_do_not_depend_on_rounding() {
    for (n, x, y) in [
        (1000, 40, 62),
        (100_000, 1200, 1400),
        (1_000_000, 480_123, 481_999),
    ] {
        let two = fisher_exact(of(x, n), of(y, n), Alternative::TwoSided).unwrap();
        let one = fisher_exact(of(x, n), of(y, n), Alternative::Greater).unwrap();
        near(two.p, 2.0 * one.p, 1e-9, 0.0);
        let two = binomial_test(of(x, n), 0.5, Alternative::TwoSided).unwrap();
        let one = binomial_test(of(x, n), 0.5, Alternative::Less).unwrap();
        near(two.ln, one.ln + std::f64::consts::LN_2, 1e-9, 0.0);
    }
}

/// A chance of exactly 1 is one where no other table was possible, or none was likelier.
#[test]
fn a_single_possible_table_is_no_evidence() {
    for (control, treatment) in [
        (of(0, 10), of(0, 12)),
        (of(10, 10), of(12, 12)),
        (of(0, 1), of(0, 1_000_000_000)),
    ] {
        for side in SIDES {
            assert_eq!(fisher_exact(control, treatment, side), Ok(PValue::new(1.0, 0.0)));
        }
    }
    let alike = fisher_exact(of(20, 40), of(20, 40), Alternative::TwoSided);
    assert_eq!(alike, Ok(PValue::new(1.0, 0.0)));
}

/// What is closer to the expected count than half a count is not pushed past it.
#[test]
fn the_correction_never_turns_a_difference_around() {
    for (control, treatment) in [
        (of(20, 40), of(20, 40)),
        (of(10, 21), of(10, 20)),
        (of(1, 3), of(1, 2)),
    ] {
        let found = yates(control, treatment).unwrap();
        assert_eq!((found.statistic, found.p), (0.0, PValue::new(1.0, 0.0)));
    }
    assert!(yates(of(10, 100), of(20, 100)).unwrap().statistic > 3.0);
}

#[test]
fn what_is_no_table_is_refused() {
    let too_few = |what| {
        Err(Refusal::TooFew {
            what,
            have: 1.0,
            need: 2.0,
        })
    };
    assert_eq!(chi_squared(&[[3, 4]]), too_few("rows"));
    assert_eq!(chi_squared(&[[3], [4]]), too_few("columns"));
    assert_eq!(chi_squared(&[[3, 0], [4, 0]]), Err(Refusal::NoVariance));
    let invalid = |found: Result<_, Refusal>| matches!(found, Err(Refusal::Invalid { .. }));
    assert!(invalid(g_test(&[vec![3, 4], vec![5]])));
    assert!(invalid(g_test(&[[u64::MAX, 4], [5, 6]])));
    assert!(matches!(
        g_test(&[[0, 0], [5, 6]]),
        Err(Refusal::TooFew { have: 0.0, .. })
    ));
    let side = Alternative::TwoSided;
    assert!(yates(of(3, 2), of(1, 2)).is_err());
    assert!(fisher_exact(of(3, 2), of(1, 2), side).is_err());
    assert!(fisher_exact(of(0, 0), of(1, 2), side).is_err());
    assert!(fisher_exact(of(1, u64::MAX), of(1, 2), side).is_err());
    for share in [0.0, 1.0, -0.5, f64::NAN] {
        assert!(binomial_test(of(1, 2), share, side).is_err());
    }
}
