//! What rules mean that compare, count, burn and weigh.

use crate::{completed, good};
use std::collections::BTreeMap;
use tidegate_model::key::{EnvironmentKey, FlagKey, RuleName, VariationKey};
use tidegate_model::policy::bind::Bindings;
use tidegate_model::policy::{Comparison, Policy, Rule, SidesBy, Source};
use tidegate_model::span::Span;

/// A policy with these rules beside an absolute one.
fn policy(rules: &str) -> Policy {
    good(&completed(&format!(
        "safety:\n  rules:\n    - {{ name: absolute, threshold: 2%, window: 7m, interval: 20s, events: {{ metric: failed, per: exposure }} }}\n{rules}"
    )))
}

fn rule(text: &str) -> Rule {
    policy(&format!("    - {{ name: r, {text} }}\n"))
        .rule(&RuleName::new("r").unwrap())
        .unwrap()
        .clone()
}

const BOTH: &str = r#"candidate: 'sum(rate(x{v="{{variation}}"}[{{window}}]))', baseline: 'sum(rate(x{v="{{baseline}}"}[{{window}}]))'"#;
const NOW: &str = r#"candidate: 'sum(x{v="{{variation}}"})', baseline: 'sum(x{v="{{baseline}}"})'"#;
const COUNTERS: &str = r#"candidate: { errors: 'e{v="{{variation}}"}', requests: 'r{v="{{variation}}"}' }, baseline: { errors: 'e{v="{{baseline}}"}', requests: 'r{v="{{baseline}}"}' }"#;

#[test]
fn tolerances_become_thresholds() {
    let check = |text: &str, expected: (Comparison, f64, f64), by: SidesBy| {
        let rule = rule(text);
        assert_eq!((rule.comparison, rule.threshold, rule.clear), expected, "{text}");
        let Source::Sides(sides) = rule.source else {
            panic!("{text}")
        };
        assert_eq!(sides.by, by);
        assert!(rule.minimum.is_none());
    };
    let greater = Comparison::GreaterThan;
    let ratio = format!("compare: {{ {BOTH}, method: ratio, tolerance: 25% }}");
    check(&ratio, (greater, 1.25, 1.25), SidesBy::Ratio);
    check(
        &format!("{ratio}, clear: 12.5%"),
        (greater, 1.25, 1.125),
        SidesBy::Ratio,
    );
    let less = format!("{ratio}, clear: 12.5%, comparison: less_than");
    check(&less, (Comparison::LessThan, 0.75, 0.875), SidesBy::Ratio);
    let difference = format!("compare: {{ {BOTH}, method: difference, tolerance: 0.5 }}, clear: 0");
    check(&difference, (greater, 0.5, 0.0), SidesBy::Difference);
    let less = format!("{difference}, comparison: less_than");
    check(&less, (Comparison::LessThan, -0.5, -0.0), SidesBy::Difference);
}

#[test]
fn ranks_have_usual_sizes() {
    let usual = rule(&format!(
        "window: 10m, compare: {{ {NOW}, method: mann_whitney }}"
    ));
    assert_eq!(
        (usual.comparison, usual.threshold, usual.clear),
        (Comparison::GreaterThan, 0.33, 0.33)
    );
    assert_eq!(usual.minimum.map(|minimum| minimum.at_least), Some(8.0));
    let Source::Ranks(ranks) = usual.source else {
        panic!("no ranks")
    };
    assert_eq!((ranks.step, ranks.significance), (Span::seconds(30), 0.01));
    let less = rule(&format!(
        "comparison: less_than, compare: {{ {NOW}, method: mann_whitney, effect: 0.474, significance: 5%, step: 15s }}, minimum: {{ atLeast: 12 }}"
    ));
    assert_eq!((less.comparison, less.threshold), (Comparison::LessThan, -0.474));
    assert_eq!(less.minimum.map(|minimum| minimum.at_least), Some(12.0));
}

#[test]
fn sequential_rules_share_the_budget() {
    let one = |name: &str, more: &str| {
        format!("    - {{ name: {name}, compare: {{ {COUNTERS}, method: sequential{more} }}")
    };
    let rules = format!(
        "{} }}\n{} }}\n{}, dryRun: true }}\n  falseRollbackBudget: 2%\n",
        one("a", ""),
        one("b", ", tolerance: 50%"),
        one("c", "")
    );
    let policy = policy(&rules);
    assert_eq!(policy.safety.false_rollback_budget, 0.02);
    let threshold = |index: usize| policy.safety.rules[index].threshold;
    assert_eq!((threshold(1), threshold(2)), (0.01, 0.01));
    assert_eq!(
        threshold(3),
        0.02 / 3.0,
        "a dry run is judged by what it would get"
    );
    let ratio = |index: usize| match &policy.safety.rules[index].source {
        Source::Sequential(sequential) => sequential.ratio,
        other => panic!("{other:?}"),
    };
    assert_eq!((ratio(1), ratio(2)), (1.0, 1.5));
    assert_eq!(policy.safety.rules[1].minimum.as_ref().unwrap().at_least, 100.0);
    assert!(policy.asks_prometheus());
}

#[test]
fn objectives_have_the_usual_burn_rates() {
    let rule = rule("slo: { objective: 99.9%, errorRatio: 'sum(rate(x[{{ window }}]))', startAbove: 20% }");
    assert_eq!((rule.comparison, rule.threshold), (Comparison::GreaterThan, 1.0));
    assert_eq!(
        rule.window,
        Span::seconds(1800),
        "what must lie inside of a stage"
    );
    let Source::Slo(slo) = rule.source else {
        panic!("no objective")
    };
    let rates: Vec<_> = (slo.burn_rates.iter())
        .map(|burn| {
            (
                burn.long.window.to_string(),
                burn.short.window.to_string(),
                burn.rate,
            )
        })
        .collect();
    assert_eq!(
        rates,
        [
            ("1h".to_owned(), "5m".to_owned(), 14.4),
            ("6h".to_owned(), "30m".to_owned(), 6.0)
        ]
    );
    let budget = slo.budget.unwrap();
    assert_eq!(
        (budget.start_above, budget.period.window.to_string()),
        (0.2, "30days".to_owned())
    );
}

#[test]
fn scores_are_as_slow_as_their_slowest_rule() {
    let policy = policy(
        "    - { name: other, threshold: 5, window: 3m, interval: 40s, events: { metric: m } }\n    - { name: s, score: { of: [{ rule: absolute, weight: 3 }, { rule: other }], pass: 75%, marginal: 50% } }\n",
    );
    let score = policy.rule(&RuleName::new("s").unwrap()).unwrap();
    assert_eq!(
        (score.window, score.interval),
        (Span::seconds(420), Span::seconds(40))
    );
    assert_eq!(
        (score.comparison, score.threshold, score.clear),
        (Comparison::LessThan, 0.5, 0.75)
    );
    assert!(!policy.asks_prometheus());
}

#[test]
fn every_query_of_every_kind_is_filled_in() {
    let rules = format!(
        "    - {{ name: a, window: 90s, compare: {{ {BOTH}, method: ratio, tolerance: 1 }} }}\n    - {{ name: b, compare: {{ {NOW}, method: mann_whitney }} }}\n    - {{ name: c, compare: {{ {COUNTERS}, method: sequential }} }}\n    - {{ name: d, slo: {{ objective: 99%, errorRatio: 'sum(rate(x[{{{{window}}}}]))', startAbove: 1% }} }}\n"
    );
    let bound = policy(&rules)
        .bind(&Bindings {
            environment: EnvironmentKey::new("production").unwrap(),
            flag: FlagKey::new("f").unwrap(),
            variation: VariationKey::new("on").unwrap(),
            baseline: VariationKey::new("off").unwrap(),
            arguments: BTreeMap::new(),
        })
        .unwrap();
    let mut queries = Vec::new();
    for rule in bound.safety.rules {
        match rule.source {
            Source::Sides(sides) => queries.extend([sides.candidate, sides.baseline]),
            Source::Ranks(ranks) => queries.extend([ranks.candidate, ranks.baseline]),
            Source::Sequential(both) => {
                for side in [both.candidate, both.baseline] {
                    queries.extend([side.errors, side.requests]);
                }
            }
            Source::Slo(mut slo) => queries.extend(slo.ratios_mut().map(|ratio| ratio.query.clone())),
            _ => {}
        }
    }
    assert_eq!(
        queries,
        [
            r#"sum(rate(x{v="on"}[90s]))"#,
            r#"sum(rate(x{v="off"}[90s]))"#,
            r#"sum(x{v="on"})"#,
            r#"sum(x{v="off"})"#,
            r#"e{v="on"}"#,
            r#"r{v="on"}"#,
            r#"e{v="off"}"#,
            r#"r{v="off"}"#,
            "sum(rate(x[3600s]))",
            "sum(rate(x[300s]))",
            "sum(rate(x[21600s]))",
            "sum(rate(x[1800s]))",
            "sum(rate(x[2592000s]))",
        ]
    );
}
