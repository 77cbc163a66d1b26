//! Significance comes from one statistic: the unit in which an effect is shown never decides.

use crate::make::{ANYTIME, BOUGHT, EVEN, SPENT, design, fixed, group, mean, pairs, share, tallies};
use proptest::prelude::*;
use tidegate_analytics::result::{
    Answer, Asked, Comparison, ExperimentResult, Method, Tested, Verdict, result,
};
use tidegate_model::experiment::tally::{MetricTally, QuantileTally};
use tidegate_stats::contingency::fisher_exact;
use tidegate_stats::proportion::{Variance, z_test};
use tidegate_stats::{Alternative, Counts};

fn tests(comparison: &Comparison) -> Vec<&Tested> {
    let all = [
        &comparison.fixed,
        &comparison.group_sequential,
        &comparison.always_valid,
    ];
    all.into_iter()
        .filter_map(|one| one.as_ref().and_then(Answer::given))
        .collect()
}

/// In either unit the interval leaves 0 out exactly when the test is significant.
fn agrees(result: &ExperimentResult) -> Result<usize, TestCaseError> {
    let mut seen = 0;
    for comparison in result.metrics.iter().flat_map(|metric| &metric.comparisons) {
        for test in tests(comparison) {
            for bounds in [&test.difference, &test.lift]
                .into_iter()
                .filter_map(Answer::given)
            {
                // A bound that touches 0 to all digits is neither in nor out.
                let near = |end: Option<f64>| end.is_some_and(|end| end.abs() < 1e-9);
                if !near(bounds.lower) && !near(bounds.upper) {
                    seen += 1;
                    prop_assert_eq!(!bounds.holds(0.0), test.significant, "{:?}", comparison);
                }
            }
            prop_assert_eq!(test.significant, test.adjusted.p <= result.alpha);
            prop_assert!(test.adjusted.ln >= test.p.ln - 1e-12, "{:?}", test);
            prop_assert!(test.level <= result.alpha);
        }
    }
    Ok(seen)
}

const THREE: [(&str, f64); 3] = [("old", 50.0), ("new", 30.0), ("newer", 20.0)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn one_verdict_for_shares(
        units in prop::array::uniform3(1_u64..6_000),
        rates in prop::array::uniform3(0.0..1.0_f64),
        which in 0_usize..3,
    ) {
        let discipline = [ANYTIME.to_owned(), fixed(100), group(100)][which].clone();
        let design = design(&THREE, BOUGHT, &discipline);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a share of a small number")]
        let arm = |at: usize| share((units[at] as f64 * rates[at]) as u64, units[at]);
        let tallies = tallies(&[
            ("old", units[0], &[("bought", arm(0))]),
            ("new", units[1], &[("bought", arm(1))]),
            ("newer", units[2], &[("bought", arm(2))]),
        ]);
        agrees(&result(&design, &tallies, &Asked::default()))?;
    }

    #[test]
    fn one_verdict_for_means(
        low in 0.0..3.0_f64,
        high in 3.0..20.0_f64,
        counts in prop::array::uniform4(2_u64..3_000),
        which in 0_usize..3,
    ) {
        let discipline = [ANYTIME.to_owned(), fixed(100), group(100)][which].clone();
        let design = design(&EVEN, SPENT, &discipline);
        let [a, b, c, d] = counts;
        let tallies = tallies(&[
            ("old", a + b, &[("spent", mean(&[(low, a), (high, b)]))]),
            ("new", c + d, &[("spent", mean(&[(low, c), (high, d)]))]),
        ]);
        let seen = agrees(&result(&design, &tallies, &Asked::default()))?;
        prop_assert!(seen > 0);
    }

    /// Below ten events only the exact test is honest, and its intervals belong to it.
    #[test]
    fn one_verdict_for_few_events(
        events in (0_u64..8, 0_u64..8),
        units in (8_u64..400, 8_u64..400),
    ) {
        let design = design(&EVEN, BOUGHT, &fixed(10));
        let tallies = tallies(&[
            ("old", units.0, &[("bought", share(events.0, units.0))]),
            ("new", units.1, &[("bought", share(events.1, units.1))]),
        ]);
        let result = result(&design, &tallies, &Asked::default());
        agrees(&result)?;
        let comparison = &result.metrics[0].comparisons[0];
        if comparison.method == Method::FisherExact
            && let Some(Answer::Given(test)) = &comparison.fixed
        {
            let counts = |events, trials| Counts { events, trials };
            let (control, treatment) = (counts(events.0, units.0), counts(events.1, units.1));
            let p = fisher_exact(control, treatment, Alternative::TwoSided).unwrap();
            prop_assert!((test.p.ln - p.ln).abs() < 1e-12);
            let estimate = comparison.difference.given().map(|difference| difference.estimate);
            let bounds = test.difference.given().unwrap();
            let inside = |estimate: f64| {
                bounds.lower.unwrap() <= estimate + 1e-12 && estimate <= bounds.upper.unwrap() + 1e-12
            };
            prop_assert!(estimate.is_none_or(inside), "{:?}", test);
        }
    }

    /// Whichever arm is called the control: the same p-values, the difference turned around.
    #[test]
    fn arms_can_be_exchanged(events in (30_u64..900, 30_u64..900), units in (1_000_u64..5_000, 1_000_u64..5_000)) {
        let there = design(&EVEN, BOUGHT, ANYTIME);
        let back = design(&[EVEN[1], EVEN[0]], BOUGHT, ANYTIME);
        let tallies = tallies(&[
            ("old", units.0, &[("bought", share(events.0, units.0))]),
            ("new", units.1, &[("bought", share(events.1, units.1))]),
        ]);
        let of = |design| result(design, &tallies, &Asked::default()).metrics.remove(0).comparisons.remove(0);
        let (there, back) = (of(&there), of(&back));
        for (one, other) in tests(&there).into_iter().zip(tests(&back)) {
            prop_assert!((one.p.ln - other.p.ln).abs() <= 1e-9 * one.p.ln.abs());
            let (one, other) = (one.difference.given().unwrap(), other.difference.given().unwrap());
            let sum = one.lower.unwrap() + other.upper.unwrap();
            prop_assert!(sum.abs() < 1e-9, "{one:?} {other:?}");
        }
    }
}

/// What peers show as two verdicts (gbstats: 0.0315 for the difference, 0.079 for the lift) is one.
#[test]
fn open_bandit_has_one_verdict() {
    let design = design(&EVEN, BOUGHT, &fixed(20_000));
    let tallies = tallies(&[
        ("old", 10_000, &[("bought", share(46, 10_000))]),
        ("new", 10_000, &[("bought", share(69, 10_000))]),
    ]);
    let result = result(&design, &tallies, &Asked::default());
    let comparison = &result.metrics[0].comparisons[0];
    let test = comparison.fixed.as_ref().unwrap().given().unwrap();
    let counts = |events| Counts {
        events,
        trials: 10_000,
    };
    let want = z_test(counts(46), counts(69), Variance::Pooled, Alternative::TwoSided).unwrap();
    assert!(
        (test.p.p - want.p.p).abs() < 1e-15 && (test.p.p - 0.0315).abs() < 1e-4,
        "{test:?}"
    );
    assert!(test.significant && comparison.verdict == Verdict::Better);
    assert!(test.lift.given().unwrap().lower.unwrap() > 0.0, "{test:?}");
    assert!((comparison.lift.given().unwrap().estimate - 0.5).abs() < 1e-12);
}

/// A share and its complement are the same experiment: what is good changes its side, and nothing else.
#[test]
fn what_is_good_decides_the_side() {
    let tallies = tallies(&[
        ("old", 5_000, &[("bought", share(500, 5_000))]),
        ("new", 5_000, &[("bought", share(700, 5_000))]),
    ]);
    let less = BOUGHT.replace("\"measure\"", r#""goal":"decrease","measure""#);
    for (metric, want) in [(BOUGHT, Verdict::Better), (less.as_str(), Verdict::Worse)] {
        let design = design(&EVEN, metric, ANYTIME);
        let result = result(&design, &tallies, &Asked::default());
        assert_eq!(result.metrics[0].comparisons[0].verdict, want);
        let chance = result.metrics[0].comparisons[0]
            .belief
            .flat
            .given()
            .unwrap()
            .chance;
        assert_eq!(chance > 0.5, want == Verdict::Better);
        let best = &result.metrics[0].best.given().unwrap()[1];
        assert_eq!(best.chance > 0.5, want == Verdict::Better);
    }
}

/// Equivalence is shown by an interval inside of the margins, and a lift beyond them is a finding too.
#[test]
fn the_same_to_within_a_margin() {
    let metric = BOUGHT.replace("\"measure\"", r#""goal":"maintain","margin":0.05,"measure""#);
    for (events, units, want) in [
        (500_500, 1_000_000, Verdict::Equivalent),
        (540_000, 1_000_000, Verdict::Different),
        (505, 1_000, Verdict::Undecided),
    ] {
        for discipline in [ANYTIME.to_owned(), fixed(1_000), group(1_000)] {
            let design = design(&EVEN, &metric, &discipline);
            let tallies = tallies(&[
                ("old", units, &[("bought", share(units / 2, units))]),
                ("new", units, &[("bought", share(events, units))]),
            ]);
            let result = result(&design, &tallies, &Asked::default());
            let comparison = &result.metrics[0].comparisons[0];
            assert_eq!(comparison.verdict, want, "{discipline} {comparison:?}");
            for test in tests(comparison) {
                let lift = test.lift.given().unwrap();
                let inside = lift.lower.unwrap() > -0.05 && lift.upper.unwrap() < 0.05;
                assert_eq!(inside, test.significant, "{test:?}");
            }
        }
    }
}

/// Ratios and percentiles are compared by one statistic too.
#[test]
fn ratios_and_percentiles() {
    let metrics = r#"
        {"name":"rate","measure":{"kind":"ratio","numerator":{"event":"error","aggregation":"count"},
            "denominator":{"event":"call","aggregation":"count"}},"goal":"decrease"},
        {"name":"slow","measure":{"kind":"percentile","event":"took","quantile":0.9},"goal":"decrease"}"#;
    let design = design(&EVEN, metrics, &fixed(1_000));
    let rate = |bad: f64| MetricTally {
        known: pairs(&[(4.0, 1.0, 300), (6.0, bad, 300), (2.0, 0.0, 400)]),
        ..MetricTally::default()
    };
    let slow = |value: f64| MetricTally {
        quantile: Some(QuantileTally {
            events: 5_000,
            value,
            lower: value - 2.0,
            upper: value + 3.0,
            clusters: 1_000,
            below: 4_500,
            below_squared: 21_000,
            events_squared: 25_000,
            below_events: 22_500,
        }),
        ..MetricTally::default()
    };
    let tallies = tallies(&[
        ("old", 1_000, &[("rate", rate(2.0)), ("slow", slow(200.0))]),
        ("new", 1_000, &[("rate", rate(1.0)), ("slow", slow(150.0))]),
    ]);
    let result = result(&design, &tallies, &Asked::default());
    assert!(agrees(&result).unwrap() >= 8, "two units, two metrics, two rules");
    let [rate, slow] = result.metrics.as_slice() else {
        panic!("two metrics");
    };
    let value = |of: usize| *rate.arms[of].value.given().unwrap();
    assert!((value(0) - 900.0 / 3_800.0).abs() < 1e-12 && (value(1) - 600.0 / 3_800.0).abs() < 1e-12);
    for metric in [rate, slow] {
        assert_eq!(metric.comparisons[0].verdict, Verdict::Better, "{metric:?}");
    }
    assert_eq!(slow.arms[0].events, Some(5_000));
    let lift = slow.comparisons[0].lift.given().unwrap();
    assert!((lift.estimate + 0.25).abs() < 1e-12, "{lift:?}");
}
