//! Rank statistics against their definitions: all ways to divide the values, all differences, all orders.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tidegate_stats::rank::{
    MannWhitney, Method, Pooled, RankSums, hodges_lehmann, kolmogorov_smirnov, mann_whitney, superiority,
};
use tidegate_stats::{Alternative, Refusal};

const NORMAL: Method = Method::Asymptotic { continuity: true };

fn tested(treatment: &[f64], control: &[f64], alternative: Alternative, method: Method) -> MannWhitney {
    mann_whitney(
        &Pooled::of_values(treatment, control).unwrap(),
        alternative,
        method,
    )
    .unwrap()
}

fn near(got: f64, want: f64, off: f64) {
    assert!(
        (got - want).abs() <= off * want.abs().max(1e-300),
        "{got} for {want}"
    );
}

#[test]
fn nothing_is_computed_of_nothing() {
    let few = Refusal::TooFew {
        what: "values of each side",
        have: 0.0,
        need: 1.0,
    };
    assert_eq!(Pooled::of_values(&[], &[1.0]), Err(few));
    assert_eq!(Pooled::of_values(&[1.0], &[]), Err(few));
    assert_eq!(Pooled::of_counts([(3, 0), (0, 0)]), Err(few));
    let refused = Pooled::of_values(&[f64::NAN], &[1.0]);
    assert!(
        matches!(refused, Err(Refusal::Invalid { field: "value", .. })),
        "{refused:?}"
    );
    let same = tested(&[2.0, 2.0], &[2.0], Alternative::Greater, Method::Automatic);
    assert_eq!(
        (same.p, same.u, same.superiority()),
        (Err(Refusal::NoVariance), 1.0, 0.5)
    );
    let same = Pooled::of_values(&[2.0, 2.0], &[2.0]).unwrap();
    for method in [Method::Exact, NORMAL] {
        assert_eq!(
            kolmogorov_smirnov(&same, method).unwrap().p,
            Err(Refusal::NoVariance)
        );
    }
    assert_eq!(hodges_lehmann(&[], &[1.0], 0.05).unwrap_err(), few);
    for (value, alpha) in [
        (f64::NAN, 0.05),
        (f64::INFINITY, 0.05),
        (1.0, 0.0),
        (1.0, 1.0),
        (1.0, f64::NAN),
    ] {
        let refused = hodges_lehmann(&[value, 2.0], &[1.0], alpha);
        assert!(matches!(refused, Err(Refusal::Invalid { .. })), "{refused:?}");
    }
}

#[test]
fn counting_has_an_end() {
    let many: Vec<f64> = (0..3000).map(f64::from).collect();
    let pooled = Pooled::of_values(&many, &many).unwrap();
    assert!(mann_whitney(&pooled, Alternative::TwoSided, Method::Exact).is_err());
    assert!(kolmogorov_smirnov(&pooled, Method::Exact).is_err());
    assert!(
        !mann_whitney(&pooled, Alternative::TwoSided, Method::Automatic)
            .unwrap()
            .exact
    );
    assert!(!kolmogorov_smirnov(&pooled, Method::Automatic).unwrap().exact);
}

/// A billion of each side, given as counts: 51 % against 50 % have the larger of two values.
#[test]
fn counts_stand_for_values() {
    let pooled = Pooled::of_counts([(490_000_000, 500_000_000), (510_000_000, 500_000_000)]).unwrap();
    let test = mann_whitney(&pooled, Alternative::Greater, Method::Automatic).unwrap();
    near(test.superiority(), 0.505, 1e-12);
    // The same as the z test of the two shares: z^2 = 2e9 * 0.01^2 / (4 * 0.505 * 0.495).
    let z_squared: f64 = 2e9 * 1e-4 / (4.0 * 0.505 * 0.495);
    assert!(test.p.unwrap().ln < -z_squared / 2.0);
    let few = Pooled::of_counts([(2, 1), (0, 0), (1, 4)]).unwrap();
    let values = Pooled::of_values(&[1.0, 7.0, 1.0], &[7.0, 1.0, 7.0, 7.0, 7.0]).unwrap();
    assert_eq!(few, values);
}

/// The chance of the most extreme of all ways, told from their number alone.
#[test]
fn extreme_chances_are_counted_out() {
    let low: Vec<f64> = (0..20).map(f64::from).collect();
    let high: Vec<f64> = (20..40).map(f64::from).collect();
    let ways = 137_846_528_820.0;
    let test = tested(&high, &low, Alternative::Greater, Method::Automatic);
    assert!(test.exact);
    near(test.p.unwrap().p, 1.0 / ways, 1e-13);
    near(test.p.unwrap().ln, -f64::ln(ways), 1e-13);
    near(
        tested(&high, &low, Alternative::Less, Method::Exact).p.unwrap().p,
        1.0,
        1e-15,
    );
    let apart = kolmogorov_smirnov(&Pooled::of_values(&high, &low).unwrap(), Method::Automatic).unwrap();
    assert_eq!((apart.d, apart.exact), (1.0, true));
    near(apart.p.unwrap().p, 2.0 / ways, 1e-12);
}

/// Brunner and Munzel's own example, with the numbers of scipy 1.17.1.
#[test]
fn superiority_of_pain_scores() {
    let control = [1., 2., 1., 1., 1., 1., 1., 1., 1., 1., 2., 4., 1., 1.];
    let treatment = [3., 3., 4., 3., 1., 2., 3., 1., 1., 5., 4.];
    let pooled = Pooled::of_values(&treatment, &control).unwrap();
    let said = superiority(&pooled, 0.05).unwrap();
    near(said.estimate, 0.788_961_038_961_039, 1e-12);
    near(said.t, 3.137_467_482_302_950_5, 1e-12);
    near(said.df, 17.682_841_979_481_548, 1e-12);
    near(said.p.p, 0.005_786_208_666_151_538, 1e-7);
    near(said.interval.lower, 0.595_217, 1e-6);
    near(said.interval.upper, 0.982_705, 1e-6);
    let apart = Pooled::of_values(&[5.0, 6.0], &[1.0, 2.0, 3.0]).unwrap();
    assert_eq!(superiority(&apart, 0.05), Err(Refusal::NoVariance));
    let one = Pooled::of_values(&[5.0], &[1.0, 7.0, 3.0]).unwrap();
    assert!(matches!(superiority(&one, 0.05), Err(Refusal::TooFew { .. })));
    assert!(superiority(&pooled, 1.0).is_err());
}

/// With 3 against 3 even the most extreme order has the chance 0.1: nothing can be left out at 5 %.
#[test]
fn few_values_bound_no_shift() {
    let (treatment, control) = ([4.0, 5.0, 7.0], [1.0, 2.0, 4.5]);
    let shift = hodges_lehmann(&treatment, &control, 0.05).unwrap();
    assert_eq!((shift.estimate, shift.exact), (3.0, true));
    assert!(matches!(shift.interval, Err(Refusal::Undefined { .. })));
    let shift = hodges_lehmann(&treatment, &control, 0.2)
        .unwrap()
        .interval
        .unwrap();
    assert_eq!((shift.lower, shift.upper), (-0.5, 6.0));
}

/// All ways to give as many of the pooled values to the treatment, and what `statistic` says of each.
fn of_all_ways(treatment: &[f64], control: &[f64], statistic: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
    let all: Vec<f64> = treatment.iter().chain(control).copied().collect();
    (0..1_u32 << all.len())
        .filter(|drawn| drawn.count_ones() as usize == treatment.len())
        .map(|drawn| {
            let (treatment, control): (Vec<_>, Vec<_>) =
                all.iter().enumerate().partition(|(at, _)| drawn >> at & 1 == 1);
            let values =
                |side: Vec<(usize, &f64)>| side.into_iter().map(|(_, value)| *value).collect::<Vec<_>>();
            statistic(&values(treatment), &values(control))
        })
        .collect()
}

fn share(all: &[f64], which: impl Fn(f64) -> bool) -> f64 {
    all.iter().filter(|value| which(**value)).count() as f64 / all.len() as f64
}

fn u(treatment: &[f64], control: &[f64]) -> f64 {
    let of = |a: &f64| {
        let of = |b: &f64| {
            if a > b {
                1.0
            } else if a < b {
                0.0
            } else {
                0.5
            }
        };
        control.iter().map(of).sum::<f64>()
    };
    treatment.iter().map(of).sum()
}

/// The largest distance of the distribution functions, in pairs, so that it is whole.
fn distance(treatment: &[f64], control: &[f64]) -> f64 {
    let up_to = |values: &[f64], bound: f64| values.iter().filter(|value| **value <= bound).count() as f64;
    let at = |bound: &f64| {
        let of_treatment = up_to(treatment, *bound) * control.len() as f64;
        (of_treatment - up_to(control, *bound) * treatment.len() as f64).abs()
    };
    treatment.iter().chain(control).map(at).fold(0.0, f64::max)
}

/// Few different values, so that there are many ties.
fn tied(most: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..6_u8).prop_map(f64::from), 1..=most)
}

/// Different values, of which the first so many are the treatment.
fn untied(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    let order = Just((0..2 * most).collect::<Vec<_>>()).prop_shuffle();
    (order, 1..most, 1..most).prop_map(|(order, treatment, control)| {
        let mut values = order.into_iter().map(|value| value as f64 - 3.25);
        let treatment = values.by_ref().take(treatment).collect();
        (treatment, values.take(control).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exact_is_counting(treatment in tied(5), control in tied(6)) {
        let ways = of_all_ways(&treatment, &control, u);
        let observed = u(&treatment, &control);
        for (alternative, want) in [
            (Alternative::Greater, share(&ways, |u| u >= observed)),
            (Alternative::Less, share(&ways, |u| u <= observed)),
        ] {
            let got = tested(&treatment, &control, alternative, Method::Exact);
            prop_assert_eq!(got.u, observed);
            if let Ok(p) = got.p {
                prop_assert!((p.p - want).abs() < 1e-12, "{} {}", p.p, want);
                prop_assert!((p.ln.exp() - want).abs() < 1e-12);
            }
        }
        let ways = of_all_ways(&treatment, &control, distance);
        let observed = distance(&treatment, &control);
        let pooled = Pooled::of_values(&treatment, &control).unwrap();
        let got = kolmogorov_smirnov(&pooled, Method::Exact).unwrap();
        prop_assert!((got.d * (treatment.len() * control.len()) as f64 - observed).abs() < 1e-9);
        if let Ok(p) = got.p {
            let want = share(&ways, |distance| distance >= observed);
            prop_assert!((p.p - want).abs() < 1e-12, "{} {}", p.p, want);
        }
    }

    #[test]
    fn sides_mirror_each_other(treatment in tied(40), control in tied(40)) {
        let ours = tested(&treatment, &control, Alternative::Greater, Method::Automatic);
        let theirs = tested(&control, &treatment, Alternative::Less, Method::Automatic);
        prop_assert!((ours.superiority() + theirs.superiority() - 1.0).abs() < 1e-12);
        prop_assert!((ours.cliffs_delta() + theirs.cliffs_delta()).abs() < 1e-12);
        match (ours.p, theirs.p) {
            (Ok(ours), Ok(theirs)) => prop_assert!((ours.ln - theirs.ln).abs() < 1e-9),
            (ours, theirs) => prop_assert_eq!(ours, theirs),
        }
        let pooled = Pooled::of_values(&treatment, &control).unwrap();
        let turned = Pooled::of_values(&control, &treatment).unwrap();
        let distances = [&pooled, &turned].map(|pooled| kolmogorov_smirnov(pooled, Method::Automatic).unwrap());
        prop_assert_eq!(distances[0].d, distances[1].d);
        if let (Ok(ours), Ok(theirs)) = (superiority(&pooled, 0.1), superiority(&turned, 0.1)) {
            prop_assert!((ours.t + theirs.t).abs() < 1e-9);
            prop_assert!((ours.interval.lower + theirs.interval.upper - 1.0).abs() < 1e-9);
            let left_out = ours.interval.lower > 0.5 || ours.interval.upper < 0.5;
            prop_assert!(left_out == (ours.p.p < 0.1) || (ours.p.p - 0.1).abs() < 1e-6);
        }
    }

    /// Where no values are tied the ways come from a product of polynomials.
    #[test]
    fn exact_is_counting_without_ties((treatment, control) in untied(6)) {
        let ways = of_all_ways(&treatment, &control, u);
        let observed = u(&treatment, &control);
        let want = share(&ways, |u| u >= observed);
        let got = tested(&treatment, &control, Alternative::Greater, Method::Exact).p.unwrap();
        prop_assert!((got.p - want).abs() < 1e-12, "{} {}", got.p, want);
    }

    /// The interval is made of the shifts that the test keeps.
    #[test]
    fn a_shift_is_kept_when_the_test_keeps_it((treatment, control) in untied(12), level in 1..40_u8) {
        let alpha = f64::from(level) / 100.0 + 0.0003;
        let mut differences: Vec<f64> =
            treatment.iter().flat_map(|a| control.iter().map(move |b| a - b)).collect();
        differences.sort_by(f64::total_cmp);
        let shift = hodges_lehmann(&treatment, &control, alpha).unwrap();
        let middle = differences.len() / 2;
        let median = (differences[middle] + differences[(differences.len() - 1) / 2]) / 2.0;
        prop_assert_eq!(shift.estimate, median);
        let p = tested(&treatment, &control, Alternative::TwoSided, Method::Exact).p.unwrap();
        let left_out = shift.interval.is_ok_and(|kept| kept.lower > 0.0 || kept.upper < 0.0);
        prop_assert_eq!(left_out, p.p < alpha);
    }

    /// A shift moves the shift and nothing else.
    #[test]
    fn a_shift_is_found(values in prop::collection::vec(-1e3..1e3_f64, 40), by in -1e3..1e3_f64) {
        let (treatment, control) = values.split_at(20);
        let moved: Vec<f64> = treatment.iter().map(|value| value + by).collect();
        let (here, there) =
            (hodges_lehmann(treatment, control, 0.05).unwrap(), hodges_lehmann(&moved, control, 0.05).unwrap());
        prop_assert!((there.estimate - here.estimate - by).abs() < 1e-9);
        let (here, there) = (here.interval.unwrap(), there.interval.unwrap());
        prop_assert!((there.lower - here.lower - by).abs() < 1e-9 && here.lower < here.upper);
        prop_assert!((there.upper - here.upper - by).abs() < 1e-9);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Around the size from which the limits are used, both say nearly the same.
    #[test]
    fn methods_meet(treatment in prop::collection::vec(0.0..1.0, 20), control in prop::collection::vec(0.0..1.0, 20)) {
        let by = |method| tested(&treatment, &control, Alternative::Greater, method).p.unwrap().p;
        let (exact, normal) = (by(Method::Exact), by(NORMAL));
        prop_assert!((exact - normal).abs() < 0.003, "{exact} {normal}");
    }

    /// The limit is some way off for as few as these, and always on the side of no difference.
    #[test]
    fn the_limit_of_distances_is_careful(
        treatment in prop::collection::vec(0.0..1.0, 90), control in prop::collection::vec(0.0..1.1, 110),
    ) {
        let pooled = Pooled::of_values(&treatment, &control).unwrap();
        let by = |method| kolmogorov_smirnov(&pooled, method).unwrap().p.unwrap().p;
        let (exact, limit) = (by(Method::Exact), by(NORMAL));
        prop_assert!((exact - limit).abs() < 0.08 && limit > exact - 1e-3, "{exact} {limit}");
    }
}

/// The limiting distribution at both of its series, at its tabled quantiles (Smirnov 1948).
#[test]
fn the_limit_of_distances() {
    for (d, below) in [
        (1170, 0.5),
        (1731, 0.9),
        (1921, 0.95),
        (2302, 0.99),
        (2757, 0.999),
    ] {
        // Distribution functions of a million values each that are apart by d.
        let pooled = Pooled::of_counts([(1_000_000 - d, 1_000_000), (d, 0)]).unwrap();
        let x = d as f64 / 1e6 * 5e5_f64.sqrt();
        let got = kolmogorov_smirnov(&pooled, NORMAL).unwrap().p.unwrap();
        let terms = (1..200).map(|k| {
            let k = f64::from(k);
            let sign = if k % 2.0 == 1.0 { 2.0 } else { -2.0 };
            sign * (-2.0 * k * k * x * x).exp()
        });
        near(got.p, terms.sum(), 1e-9);
        assert!((1.0 - got.p - below).abs() < 5e-4, "{d}: {}", 1.0 - got.p);
        near(got.ln.exp(), got.p, 1e-12);
    }
    // Where the number underflows its logarithm is what there is.
    let far = Pooled::of_counts([(0, 1_000_000), (1_000_000, 0)]).unwrap();
    let p = kolmogorov_smirnov(&far, NORMAL).unwrap().p.unwrap();
    assert_eq!(p.p, 0.0);
    near(p.ln, 2.0_f64.ln() - 1e6, 1e-12);
}

proptest! {
    /// Sums say what the values say.
    #[test]
    fn sums_stand_for_values(treatment in tied(40), control in tied(40)) {
        let pooled = Pooled::of_values(&treatment, &control).unwrap();
        let mut sums = RankSums::default();
        let of = |values: &[f64], value: f64| values.iter().filter(|one| **one == value).count() as u64;
        for value in (0..6_u8).map(f64::from) {
            sums.add(of(&treatment, value), of(&control, value));
        }
        prop_assert_eq!(sums.estimate().unwrap(), u(&treatment, &control) / (treatment.len() * control.len()) as f64);
        for alternative in [Alternative::Less, Alternative::Greater, Alternative::TwoSided] {
            let method = Method::Asymptotic { continuity: true };
            let wanted = mann_whitney(&pooled, alternative, method).unwrap().p;
            match (sums.mann_whitney(alternative), wanted) {
                (Ok(found), Ok(wanted)) => prop_assert!((found.ln - wanted.ln).abs() < 1e-9, "{found:?} {wanted:?}"),
                (found, wanted) => prop_assert_eq!(found, wanted),
            }
        }
        match (sums.superiority(0.1), superiority(&pooled, 0.1)) {
            (Ok(found), Ok(wanted)) => {
                prop_assert!((found.standard_error - wanted.standard_error).abs() < 1e-12);
                prop_assert!((found.df / wanted.df - 1.0).abs() < 1e-9);
                prop_assert!((found.interval.lower - wanted.interval.lower).abs() < 1e-9);
                prop_assert!((found.interval.upper - wanted.interval.upper).abs() < 1e-9);
                prop_assert!((found.p.ln - wanted.p.ln).abs() < 1e-6 * wanted.p.ln.abs().max(1.0));
            }
            (found, wanted) => prop_assert_eq!(found, wanted),
        }
    }
}

/// As many as a control plane can hold: nothing overflows. Of an empty side nothing is said.
#[test]
fn sums_hold_all_units() {
    let mut sums = RankSums::default();
    sums.add(490_000_000, 500_000_000);
    sums.add(510_000_000, 500_000_000);
    near(sums.estimate().unwrap(), 0.505, 1e-12);
    let said = sums.superiority(0.05).unwrap();
    // The difference of two shares, halved: 0.51 and 0.5 of a thousand million.
    near(
        said.standard_error,
        ((0.51 * 0.49 + 0.25) / 1e9_f64).sqrt() / 2.0,
        1e-8,
    );
    let mut empty = RankSums::default();
    empty.add(0, 3);
    assert!(matches!(empty.estimate(), Err(Refusal::TooFew { .. })));
    assert!(matches!(
        empty.mann_whitney(Alternative::Less),
        Err(Refusal::TooFew { .. })
    ));
    assert!(matches!(empty.superiority(0.05), Err(Refusal::TooFew { .. })));
    sums.twice_u = u128::MAX;
    assert!(matches!(sums.superiority(0.05), Err(Refusal::Invalid { .. })));
}
