//! Ranks beside the verdict.

use crate::make::{ANYTIME, BOUGHT, EVEN, SPENT, design, mean, share, tallies};
use tidegate_analytics::result::{Asked, Comparison, Verdict, result};
use tidegate_model::experiment::tally::{MetricTally, RankTally};
use tidegate_stats::rank::{Method, Pooled, RankSums, mann_whitney, superiority};
use tidegate_stats::{Alternative, Refusal};

/// A value, and how many units of the control and of the treatment have it.
type Level = (f64, u64, u64);

fn arms(levels: &[Level]) -> [MetricTally; 2] {
    let of = |pick: fn(&Level) -> u64| {
        let each: Vec<(f64, u64)> = levels.iter().map(|level| (level.0, pick(level))).collect();
        mean(&each)
    };
    let mut sums = RankSums::default();
    for level in levels {
        sums.add(level.2, level.1);
    }
    let treatment = MetricTally {
        ranks: Some(RankTally {
            treatment: sums.treatment,
            control: sums.control,
            twice_u: sums.twice_u,
            tied: sums.tied,
            treatment_squares: sums.treatment_squares,
            control_squares: sums.control_squares,
        }),
        ..of(|level| level.2)
    };
    [of(|level| level.1), treatment]
}

fn compared([old, new]: [MetricTally; 2], asks: bool) -> Comparison {
    let asked = SPENT.replace("\"measure\"", r#""ranks":true,"measure""#);
    let metric = if asks { asked.as_str() } else { SPENT };
    let design = design(&EVEN, metric, ANYTIME);
    let (old, new) = ([("spent", old)], [("spent", new)]);
    let units = |arm: &[(&str, MetricTally)]| arm[0].1.all().n;
    let tallies = tallies(&[("old", units(&old), &old), ("new", units(&new), &new)]);
    let mut result = result(&design, &tallies, &Asked::default());
    result.metrics.remove(0).comparisons.remove(0)
}

const LEVELS: [Level; 4] = [
    (0.0, 800, 700),
    (2.0, 100, 150),
    (10.0, 99, 150),
    (100_000.0, 1, 0),
];

/// One huge value hides from the mean what ranks see; the verdict is that of the mean.
#[test]
fn ranks_stand_beside_the_verdict() {
    let with = compared(arms(&LEVELS), true);
    let pooled = Pooled::of_counts(LEVELS.map(|level| (level.2, level.1))).unwrap();
    let wanted = superiority(&pooled, 0.05).unwrap();
    let ranks = with.ranks.clone().unwrap();
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-9 * want.abs(), "{got} for {want}");
    near(*ranks.superiority.given().unwrap(), wanted.estimate);
    let interval = ranks.interval.given().unwrap();
    near(interval.lower.unwrap(), wanted.interval.lower);
    near(interval.upper.unwrap(), wanted.interval.upper);
    near(ranks.p.given().unwrap().ln, wanted.p.ln);
    let test = mann_whitney(&pooled, Alternative::TwoSided, Method::Automatic).unwrap();
    near(ranks.mann_whitney.given().unwrap().ln, test.p.unwrap().ln);
    assert!(interval.lower.unwrap() > 0.5 && ranks.p.given().unwrap().p < 1e-4);
    assert_eq!(with.verdict, Verdict::Undecided);
    let without = compared(arms(&LEVELS), false);
    assert_eq!(without.ranks, None);
    assert_eq!(Comparison { ranks: None, ..with }, without);
}

#[test]
fn ranks_are_refused_where_they_say_nothing() {
    let ranks = |arms: [MetricTally; 2]| compared(arms, true).ranks.unwrap();
    // Everybody has the same.
    let same = ranks(arms(&[(3.0, 50, 50)]));
    assert_eq!(same.superiority.given(), Some(&0.5));
    for refusal in [
        same.interval.refusal(),
        same.p.refusal(),
        same.mann_whitney.refusal(),
    ] {
        assert_eq!(refusal, Some(Refusal::NoVariance));
    }
    // Everybody of the one has more than everybody of the other: there is no variance to tell by, and yet it is known.
    let apart = ranks(arms(&[(1.0, 50, 0), (2.0, 0, 50)]));
    assert_eq!(apart.superiority.given(), Some(&1.0));
    assert_eq!(apart.interval.refusal(), Some(Refusal::NoVariance));
    assert!(apart.mann_whitney.given().unwrap().p < 1e-10);
    // An empty arm, and few units.
    let empty = ranks(arms(&[(1.0, 50, 0)]));
    assert!(matches!(
        empty.superiority.refusal(),
        Some(Refusal::TooFew { .. })
    ));
    let few = ranks(arms(&[(1.0, 20, 5), (2.0, 11, 4)]));
    assert!(few.superiority.given().is_some());
    let of_arm = Refusal::TooFew {
        what: "units in an arm",
        have: 9.0,
        need: 10.0,
    };
    assert_eq!(few.p.refusal(), Some(of_arm));
    let of_both = Refusal::TooFew {
        what: "units in both arms together",
        have: 40.0,
        need: 41.0,
    };
    assert_eq!(few.mann_whitney.refusal(), Some(of_both));
    // Tallies of several batches.
    let [old, new] = arms(&LEVELS);
    let none = ranks([old, MetricTally { ranks: None, ..new }]);
    assert!(matches!(
        none.superiority.refusal(),
        Some(Refusal::Undefined { .. })
    ));
}

#[test]
fn only_metrics_that_ask_are_shown_with_ranks() {
    let design = design(&EVEN, BOUGHT, ANYTIME);
    let (old, new) = ([("bought", share(10, 1000))], [("bought", share(20, 1000))]);
    let tallies = tallies(&[("old", 1000, &old), ("new", 1000, &new)]);
    let result = result(&design, &tallies, &Asked::default());
    let json = serde_json::to_value(&result).unwrap();
    assert!(json["metrics"][0]["comparisons"][0].get("ranks").is_none());
}
