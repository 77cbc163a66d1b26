//! Tallies by what contexts said.

use crate::make::{Told, design, did, fold, folded, met_as, observe};
use tidegate_model::experiment::tally::Tallies;

const METRICS: &str = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}},{"name":"p","measure":{"kind":"percentile","event":"a","quantile":0.5}}"#;

/// Values of a dimension with the units of the arm old.
fn units(tallies: &Tallies, dimension: &str) -> Vec<(String, u64)> {
    let values = tallies.breakdown[dimension].iter();
    values
        .map(|(value, arms)| (value.clone(), arms["old"].units))
        .collect()
}

fn pairs(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter()
        .map(|(value, units)| ((*value).to_owned(), *units))
        .collect()
}

#[test]
fn units_count_where_they_were_when_they_were_exposed() {
    let design = design(METRICS, r#","dimensions":["country","plan"]"#);
    let told = [
        met_as("u", "old", 5, &[("country", "de"), ("plan", "free")]),
        // Earlier, though it comes later: this is its exposure.
        met_as("u", "old", 3, &[("country", "fr"), ("nobody", "asked")]),
        met_as("v", "old", 3, &[("country", "de")]),
        met_as("w", "new", 3, &[("country", "de"), ("plan", "paid")]),
        // At once, with two contexts: the first by their words.
        met_as("x", "old", 7, &[("country", "it")]),
        met_as("x", "old", 7, &[("country", "at")]),
        met_as("y", "old", 1, &[("country", "de")]),
        met_as("y", "new", 2, &[("country", "de")]),
        did("v", "a", 3.0, 9),
        did("w", "a", 5.0, 9),
    ];
    let mut fold = fold(&design);
    observe(&mut fold, &told);
    assert!(fold.tallies().breakdown.is_empty());
    let tallies = fold.look();
    assert_eq!(
        units(&tallies, "country"),
        pairs(&[("at", 1), ("de", 1), ("fr", 1)])
    );
    assert_eq!(units(&tallies, "plan"), pairs(&[("(none)", 3), ("paid", 0)]));
    let german = &tallies.breakdown["country"]["de"];
    for (arm, spent) in [("old", 3), ("new", 5)] {
        let arm = &german[arm];
        assert_eq!(arm.metrics["m"].all().y, spent * 1_000_000);
        assert_eq!(arm.metrics["p"].quantile.unwrap().value, spent as f64);
    }
    assert!(fold.walks());
    let reversed: Vec<Told> = told.iter().rev().cloned().collect();
    assert_eq!(folded(&design, &reversed), tallies);
}

#[test]
fn the_values_with_the_most_units_are_told_apart() {
    let design = design(METRICS, r#","dimensions":["country"]"#);
    let mut told = Vec::new();
    // 60 values; the later half of them has two units each, the others one.
    for value in 0..60 {
        let name = format!("c{value:02}");
        for unit in 0..=i64::from(value >= 30) {
            told.push(met_as(
                &format!("{name}-{unit}"),
                "old",
                value,
                &[("country", &name)],
            ));
        }
    }
    for told in [told.clone(), told.iter().rev().cloned().collect()] {
        let tallies = folded(&design, &told);
        let found = units(&tallies, "country");
        assert_eq!(found.len(), 51);
        assert_eq!(found[0], ("(other)".to_owned(), 10));
        // Of those with one unit the first by name.
        let expected = (0..20).map(|value| (format!("c{value:02}"), 1));
        let expected = expected.chain((30..60).map(|value| (format!("c{value:02}"), 2)));
        assert_eq!(found[1..], expected.collect::<Vec<_>>());
    }
}
