//! Where a number would be dishonest there is none.

use crate::make::{ANYTIME, BOUGHT, EVEN, SPENT, design, fixed, group, mean, share, tallies, values};
use tidegate_analytics::result::{Answer, Asked, Method, Verdict, refusal_kind, result};
use tidegate_analytics::sufficient::MetricMoments as _;
use tidegate_model::experiment::tally::{MetricTally, Tallies};

fn kinds(metric: &str, old: &MetricTally, new: &MetricTally, discipline: &str) -> [String; 4] {
    let design = design(&EVEN, metric, discipline);
    let name = design.metrics[0].name.as_str();
    let tallies = tallies(&[
        ("old", old.all().n, &[(name, old.clone())]),
        ("new", new.all().n, &[(name, new.clone())]),
    ]);
    let result = result(&design, &tallies, &Asked::default());
    let comparison = &result.metrics[0].comparisons[0];
    let kind = |refusal: Option<tidegate_stats::Refusal>| {
        refusal.map_or_else(|| "given".to_owned(), |refusal| refusal_kind(&refusal).to_owned())
    };
    let test = |one: &Option<Answer<_>>| kind(one.as_ref().and_then(Answer::refusal));
    [
        test(&comparison.fixed),
        test(&comparison.always_valid),
        kind(comparison.difference.refusal()),
        kind(comparison.lift.refusal()),
    ]
}

#[test]
fn what_cannot_be_said_is_refused() {
    let spent = |y: f64, n: u64| mean(&[(y, n)]);
    let some = mean(&[(0.0, 150), (3.0, 50)]);
    for (name, metric, old, new, want) in [
        (
            "nobody",
            BOUGHT,
            share(0, 0),
            share(0, 0),
            ["too_few", "given", "too_few", "too_few"],
        ),
        (
            "one unit",
            BOUGHT,
            share(0, 1),
            share(1, 1),
            ["given", "given", "too_few", "too_few"],
        ),
        (
            "no event at all",
            BOUGHT,
            share(0, 1_000),
            share(0, 1_000),
            ["no_variance", "given", "given", "zero_baseline"],
        ),
        (
            "all of them",
            BOUGHT,
            share(900, 900),
            share(900, 900),
            ["no_variance", "given", "given", "given"],
        ),
        (
            "none in the control",
            BOUGHT,
            share(0, 1_000),
            share(30, 1_000),
            ["given", "given", "given", "zero_baseline"],
        ),
        (
            "constant",
            SPENT,
            spent(2.0, 300),
            spent(2.0, 300),
            ["no_variance", "no_variance", "given", "given"],
        ),
        (
            "zero",
            SPENT,
            spent(0.0, 300),
            some.clone(),
            ["given", "too_few", "given", "zero_baseline"],
        ),
        (
            "one value",
            SPENT,
            some.clone(),
            spent(4.0, 1),
            ["too_few", "too_few", "too_few", "too_few"],
        ),
    ] {
        assert_eq!(kinds(metric, &old, &new, &fixed(100)), want, "{name}");
    }
}

/// An asymptotic sequence begins at 100 units and 20 events an arm, or 30 values that are not 0.
#[test]
fn the_first_look_comes_late_enough() {
    let arm = |n: u64, buyers: u64| mean(&[(0.0, n - buyers), (9.0, buyers)]);
    for (n, buyers, want) in [(99, 40, "too_few"), (400, 29, "too_few"), (400, 30, "given")] {
        let [_, anytime, ..] = kinds(SPENT, &arm(n, buyers), &arm(400, 40), ANYTIME);
        assert_eq!(anytime, want, "{n} {buyers}");
    }
    // Of shares the exact e-value answers before, without an interval; a group sequential look does not.
    for (events, interval) in [(19, false), (20, true)] {
        let design_of = |discipline: &str| design(&EVEN, BOUGHT, discipline);
        let tallies = tallies(&[
            ("old", 400, &[("bought", share(events, 400))]),
            ("new", 400, &[("bought", share(40, 400))]),
        ]);
        let anytime = result(&design_of(ANYTIME), &tallies, &Asked::default());
        let test = anytime.metrics[0].comparisons[0].always_valid.clone().unwrap();
        let test = test.given().unwrap();
        assert_eq!(test.difference.given().is_some(), interval, "{test:?}");
        assert_eq!(test.statistic.is_some(), interval);
        let look = result(&design_of(&group(1_000)), &tallies, &Asked::default());
        let test = look.metrics[0].comparisons[0].group_sequential.clone().unwrap();
        assert_eq!(test.given().is_some(), interval, "{test:?}");
    }
}

/// Sums that no values have are refused, and nothing else goes wrong.
#[test]
fn impossible_sums() {
    let mut broken = share(10, 1_000);
    broken.new.yy = 0;
    let design = design(&EVEN, &format!("{BOUGHT},{SPENT}"), ANYTIME);
    let arm = [("bought", broken.clone()), ("spent", broken)];
    let tallies = tallies(&[("old", 1_000, &arm), ("new", 1_000, &arm)]);
    let result = result(&design, &tallies, &Asked::default());
    for metric in &result.metrics {
        assert_eq!(metric.comparisons[0].verdict, Verdict::CannotSay);
        assert!(metric.comparisons[0].difference.given().is_none());
        assert!(metric.best.given().is_none());
        assert!(metric.arms[0].value.given().is_none());
    }
}

/// An experiment that nobody met: a result that refuses everything, and no number in its JSON that is none.
#[test]
fn an_empty_experiment_has_a_result() {
    let metrics = format!(
        r#"{BOUGHT},{SPENT},{{"name":"slow","role":"secondary","measure":
        {{"kind":"percentile","event":"took","quantile":0.5}}}},{{"name":"ratio","role":"guardrail","measure":
        {{"kind":"custom","event":"took","aggregation":"average"}}}}"#
    );
    for discipline in [ANYTIME.to_owned(), fixed(100), group(100)] {
        let design = design(&EVEN, &metrics, &discipline);
        let result = result(&design, &Tallies::default(), &Asked::default());
        assert_eq!(result.look.units(), 0);
        assert!(result.sample_ratio.given().is_none());
        for metric in &result.metrics {
            assert!(
                metric.arms.iter().all(|arm| arm.value.given().is_none()),
                "{metric:?}"
            );
            assert!(metric.comparisons[0].difference.given().is_none());
        }
        let json = serde_json::to_value(&result).unwrap();
        assert_eq!(
            json["metrics"][0]["arms"][0]["value"]["refused"]["kind"],
            "too_few"
        );
        let why = json["sampleRatio"]["refused"]["why"].as_str().unwrap();
        assert!(why.contains("at least 5"), "{why}");
    }
}

/// Counts of a billion lose no digit, and one giant outlier makes no significance.
#[test]
fn large_numbers_and_outliers() {
    let design = design(&EVEN, BOUGHT, &fixed(1_000));
    let billion = 1_000_000_000;
    let of_billion = tallies(&[
        ("old", billion, &[("bought", share(100_000_000, billion))]),
        ("new", billion, &[("bought", share(100_060_000, billion))]),
    ]);
    let of_many = result(&design, &of_billion, &Asked::default());
    let comparison = &of_many.metrics[0].comparisons[0];
    assert!((comparison.difference.given().unwrap().estimate - 6e-5).abs() < 1e-17);
    assert_eq!(comparison.method, Method::PooledZ);
    assert_eq!(comparison.verdict, Verdict::Better);

    let spent = crate::make::design(&EVEN, SPENT, ANYTIME);
    let usual = [(0.0, 4_000), (10.0, 1_000)];
    let outlier = [(0.0, 4_000), (10.0, 999), (1e9, 1)];
    let tallies = tallies(&[
        ("old", 5_000, &[("spent", mean(&usual))]),
        ("new", 5_000, &[("spent", mean(&outlier))]),
    ]);
    let result = result(&spent, &tallies, &Asked::default());
    assert_eq!(result.metrics[0].comparisons[0].verdict, Verdict::Undecided);
}

/// Where only the sums are known, they prove how many values are not 0.
#[test]
fn active_units_by_the_sums() {
    let tally = MetricTally {
        new: values(&[(0.0, 900), (5.0, 40)]),
        ..MetricTally::default()
    };
    assert_eq!(tally.active_at_least(), 40);
    let skewed = MetricTally {
        new: values(&[(0.0, 900), (5.0, 40), (1_000.0, 1)]),
        ..MetricTally::default()
    };
    assert!(
        (1..=41).contains(&skewed.active_at_least()),
        "{}",
        skewed.active_at_least()
    );
}
