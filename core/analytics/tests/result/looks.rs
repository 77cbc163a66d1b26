//! When a look counts, and how claims are corrected together.

use crate::make::{ANYTIME, BOUGHT, EVEN, SPENT, design, fixed, group, mean, share, tallies};
use tidegate_analytics::result::{Answer, Asked, Corrected, End, Look, Rule, Tested, Verdict, result};
use tidegate_model::experiment::tally::Tallies;
use tidegate_stats::group_sequential::{Boundary, Design, Plan, Spending};
use tidegate_stats::multiplicity::{Correction, adjust};
use tidegate_stats::{Alternative, PValue};

fn at(units: u64) -> Tallies {
    let half = units / 2;
    tallies(&[
        ("old", half, &[("bought", share(half / 10, half))]),
        ("new", units - half, &[("bought", share(half / 7, units - half))]),
    ])
}

fn asked(looks: &[u64], end: End) -> Asked {
    Asked {
        looks: looks.to_vec(),
        end,
    }
}

#[test]
fn a_fixed_test_is_looked_at_once() {
    let design = design(&EVEN, BOUGHT, &fixed(4_000));
    for (units, looks, end, want) in [
        (
            2_000,
            &[][..],
            End::Running,
            Look::Peek {
                units: 2_000,
                planned: 4_000,
            },
        ),
        (
            2_000,
            &[],
            End::Early,
            Look::Peek {
                units: 2_000,
                planned: 4_000,
            },
        ),
        (
            2_000,
            &[],
            End::AsPlanned,
            Look::Final {
                units: 2_000,
                planned: 4_000,
            },
        ),
        (
            4_000,
            &[],
            End::Running,
            Look::Final {
                units: 4_000,
                planned: 4_000,
            },
        ),
        (
            4_100,
            &[4_000],
            End::Running,
            Look::Again {
                first: 4_000,
                units: 4_100,
            },
        ),
        (
            4_000,
            &[4_000],
            End::Running,
            Look::Final {
                units: 4_000,
                planned: 4_000,
            },
        ),
    ] {
        let result = result(&design, &at(units), &asked(looks, end));
        assert_eq!(result.look, want);
        let headline = if want.counts() {
            Rule::Fixed
        } else {
            Rule::AlwaysValid
        };
        assert_eq!(result.headline, headline, "{want}");
        assert!(
            result.metrics[0].comparisons[0].fixed.is_some(),
            "a peek is shown and labelled"
        );
    }
    assert!(Look::Peek { units: 2, planned: 4 }.to_string().contains("peek"));
}

#[test]
fn group_sequential_looks_are_evenly_spread_and_free() {
    let design = design(&EVEN, BOUGHT, &group(10_000));
    let interim = |number, units, last| Look::Interim {
        number,
        units,
        planned: 10_000,
        last,
    };
    let between = |units, next| Look::Between {
        units,
        next,
        planned: 10_000,
    };
    for (units, looks, end, want) in [
        (1_000, &[][..], End::Running, between(1_000, 2_000)),
        (2_000, &[], End::Running, interim(1, 2_000, false)),
        (2_000, &[2_000], End::Running, interim(1, 2_000, false)),
        (3_000, &[2_000], End::Running, between(3_000, 4_000)),
        (5_300, &[2_000], End::Running, interim(2, 5_300, false)),
        (5_500, &[2_000, 5_300], End::Running, between(5_500, 6_000)),
        (5_500, &[2_000, 5_300], End::AsPlanned, interim(3, 5_500, true)),
        (10_400, &[8_000], End::Running, interim(2, 10_400, true)),
        (
            10_500,
            &[8_000, 10_400],
            End::Running,
            Look::Again {
                first: 10_400,
                units: 10_500,
            },
        ),
    ] {
        let result = result(&design, &at(units), &asked(looks, end));
        assert_eq!(result.look, want);
        let counted = result.metrics[0].comparisons[0].group_sequential.is_some();
        assert_eq!(counted, matches!(want, Look::Interim { .. }), "{want}");
    }
}

/// Rejected exactly when the statistic meets the bound of the design.
#[test]
fn bounds_are_those_of_the_design() {
    let plan = Plan {
        alternative: Alternative::TwoSided,
        alpha: 0.05,
        boundary: Boundary::Spending(Spending::OBrienFleming),
    };
    let bound = Design::new(plan, &[0.2, 0.4, 0.6]).unwrap().looks()[2].bound;
    let design = design(&EVEN, BOUGHT, &group(10_000));
    let mut verdicts = Vec::new();
    for events in 300..420 {
        let tallies = tallies(&[
            ("old", 3_000, &[("bought", share(300, 3_000))]),
            ("new", 3_000, &[("bought", share(events, 3_000))]),
        ]);
        let result = result(&design, &tallies, &asked(&[2_000, 4_000], End::Running));
        let comparison = &result.metrics[0].comparisons[0];
        let Some(Answer::Given(test)) = &comparison.group_sequential else {
            panic!("{comparison:?}");
        };
        assert_eq!(
            test.significant,
            test.statistic.unwrap() >= bound,
            "{events} {test:?} {bound}"
        );
        verdicts.push(comparison.verdict);
        let prospect = comparison.prospect.unwrap();
        assert!((0.0..=1.0).contains(&prospect.by_trend), "{prospect:?}");
    }
    assert_eq!(verdicts[0], Verdict::Undecided);
    assert_eq!(verdicts[119], Verdict::Better);
}

/// All success metrics of all treatments are one family, those that cannot be tested too.
#[test]
fn families_are_corrected_together() {
    let metrics = [
        BOUGHT.to_owned(),
        SPENT.to_owned(),
        BOUGHT.replace("\"bought\",\"measure\"", r#""seldom","measure""#),
        BOUGHT.replace(
            "\"bought\",\"measure\"",
            r#""shared","role":"secondary","measure""#,
        ),
        BOUGHT.replace(
            "\"bought\",\"measure\"",
            r#""liked","role":"secondary","measure""#,
        ),
    ]
    .join(",");
    let arms = [("old", 40.0), ("new", 30.0), ("newer", 30.0)];
    let metrics_of = |more: u64| {
        vec![
            ("bought", share(1_000 + 90 * more, 10_000)),
            (
                "spent",
                mean(&[(0.0, 9_000), (20.0, 1_000 + 60 * more), (5.0, 1_000 - 60 * more)]),
            ),
            ("seldom", share(0, 10_000)),
            ("shared", share(2_000 + 170 * more, 10_000)),
            ("liked", share(3_000 + 10 * more, 10_000)),
        ]
    };
    let (old, new, newer) = (metrics_of(0), metrics_of(1), metrics_of(2));
    let tallies = tallies(&[
        ("old", 13_334, &old),
        ("new", 10_000, &new),
        ("newer", 10_000, &newer),
    ]);
    let result = result(
        &design(&arms, &metrics, &fixed(10_000)),
        &tallies,
        &Asked::default(),
    );
    let tested = |metrics: std::ops::Range<usize>| -> Vec<Option<&Tested>> {
        let comparisons = result.metrics[metrics]
            .iter()
            .flat_map(|metric| &metric.comparisons);
        comparisons
            .map(|comparison| comparison.fixed.as_ref().and_then(Answer::given))
            .collect()
    };
    for (range, correction, claims) in [
        (0..3, Correction::Holm, 6),
        (3..5, Correction::BenjaminiHochberg, 4),
    ] {
        let tested = tested(range);
        let p: Vec<PValue> = tested
            .iter()
            .map(|one| one.map_or(PValue::new(1.0, 0.0), |one| PValue::new(one.p.p, one.p.ln)))
            .collect();
        assert_eq!(p.len(), claims);
        let want = adjust(&p, correction, 0.05).unwrap();
        for (one, want) in tested.iter().zip(want) {
            let Some(one) = one else { continue };
            assert_eq!(one.adjusted.p, want.p.p);
            assert_eq!(Some(one.level), want.level);
        }
    }
    assert_eq!(
        tested(2..3),
        [None, None],
        "of what never happened nothing is known"
    );
    let corrections: Vec<(Rule, Corrected, usize)> = result
        .families
        .iter()
        .map(|family| (family.rule, family.correction, family.claims))
        .collect();
    let want = [
        (Rule::Fixed, Corrected::Holm, 6),
        (Rule::AlwaysValid, Corrected::Holm, 6),
        (Rule::Fixed, Corrected::BenjaminiHochberg, 4),
        (Rule::AlwaysValid, Corrected::EBenjaminiHochberg, 4),
    ];
    assert_eq!(corrections, want);
    for metric in [0, 1, 3, 4] {
        assert!(
            result.metrics[metric].omnibus.as_ref().unwrap().given().is_some(),
            "{metric}"
        );
    }
}

/// The chances to be the best of all arms add up to 1.
#[test]
fn one_arm_is_the_best() {
    let arms = [("old", 40.0), ("new", 30.0), ("newer", 30.0)];
    let design = design(&arms, &format!("{BOUGHT},{SPENT}"), ANYTIME);
    let of = |events: u64| {
        vec![
            ("bought", share(events, 1_000)),
            ("spent", mean(&[(0.0, 1_000 - events), (30.0, events)])),
        ]
    };
    let (old, new, newer) = (of(100), of(120), of(130));
    let tallies = tallies(&[
        ("old", 1_333, &old),
        ("new", 1_000, &new),
        ("newer", 1_000, &newer),
    ]);
    let result = result(&design, &tallies, &Asked::default());
    for metric in &result.metrics {
        let best = metric.best.given().unwrap();
        let sum: f64 = best.iter().map(|one| one.chance).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{best:?}");
        assert!(
            best[2].chance > best[1].chance && best[1].chance > best[0].chance,
            "{best:?}"
        );
        assert!(best[2].expected_loss < best[1].expected_loss, "{best:?}");
        assert!(best.iter().all(|one| one.expected_loss >= 0.0));
    }
}
