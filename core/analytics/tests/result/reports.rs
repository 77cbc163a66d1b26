//! Reports: everything said, nothing executed, the same bytes for the same inputs.

use crate::make::{ANYTIME, BOUGHT, SPENT, design, group, mean, share, tallies};
use tidegate_analytics::decision::{Decision, decide};
use tidegate_analytics::plan::{Baseline, Plan, Traffic, plan};
use tidegate_analytics::report::Report;
use tidegate_analytics::result::{Asked, ExperimentResult, result};
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::{LeftOut, MetricTally, RankTally, Tallies};

const EVIL: &str = "<script>alert(1)</script> | ](javascript:x) `a` *b* _c_ & \"d\"\n# e";

struct Made {
    design: Design,
    result: ExperimentResult,
    decision: Decision,
    plan: Plan,
}

impl Made {
    fn of(discipline: &str, empty: bool) -> Self {
        let metrics = [
            BOUGHT.replace("\"measure\"", r#""minimumEffect":0.1,"measure""#),
            SPENT.replace("\"measure\"", r#""role":"secondary","ranks":true,"measure""#),
            r#"{"name":"failed","role":"guardrail","goal":"decrease","margin":0.2,
                "measure":{"kind":"conversion","event":"failed"}}"#
                .to_owned(),
            r#"{"name":"way","role":"secondary","measure":{"kind":"funnel","steps":["seen","paid"]}}"#
                .to_owned(),
        ]
        .join(",");
        let mut design = design(
            &[("old", 50.0), ("new", 25.0), ("newer", 25.0)],
            &metrics,
            discipline,
        );
        design.hypothesis = EVIL.to_owned();
        design.owner = EVIL.to_owned();
        design.metadata.insert(EVIL.to_owned(), EVIL.to_owned());
        let arm = |units: u64, bought: u64| -> Vec<(&str, MetricTally)> {
            let funnel = MetricTally {
                steps: vec![units / 2, bought],
                ..share(bought, units)
            };
            vec![
                ("bought", share(bought, units)),
                ("spent", mean(&[(0.0, units - bought), (12.0, bought)])),
                ("failed", share(units / 10, units)),
                ("way", funnel),
            ]
        };
        let (old, mut new, newer) = (arm(20_000, 2_000), arm(10_000, 1_300), arm(10_000, 1_010));
        // 18,000 of the control and 8,700 of the treatment have nothing, the others as much as each other.
        new[1].1.ranks = Some(RankTally {
            treatment: 10_000,
            control: 20_000,
            twice_u: 8_700 * 18_000 + 1_300 * 38_000,
            tied: 26_700_u128.pow(3) - 26_700 + 3_300_u128.pow(3) - 3_300,
            treatment_squares: 8_700 * 18_000_u128.pow(2) + 1_300 * 38_000_u128.pow(2),
            control_squares: 18_000 * 8_700_u128.pow(2) + 2_000 * 18_700_u128.pow(2),
        });
        let mut tallies = if empty {
            Tallies::default()
        } else {
            tallies(&[
                ("old", 20_000, &old),
                ("new", 10_000, &new),
                ("newer", 10_000, &newer),
            ])
        };
        tallies.left_out = LeftOut {
            double_exposed: 12,
            ..LeftOut::default()
        };
        let result = result(&design, &tallies, &Asked::default());
        let known = Baseline {
            value: 0.1,
            variance: None,
            correlation: None,
        };
        let traffic = Traffic {
            units_a_day: 2_000.0,
            metrics: [
                ("bought".parse().unwrap(), known),
                ("failed".parse().unwrap(), known),
            ]
            .into(),
        };
        Self {
            decision: decide(&result),
            plan: plan(&design, &traffic),
            design,
            result,
        }
    }

    fn report(&self) -> Report<'_> {
        Report {
            design: &self.design,
            result: &self.result,
            decision: &self.decision,
            plan: Some(&self.plan),
            inputs: "sha256:0123abcd",
            version: "tidegate <1>",
        }
    }
}

#[test]
fn what_people_wrote_is_text() {
    let made = Made::of(ANYTIME, false);
    let (html, markdown) = (made.report().html(), made.report().markdown());
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert(1)"));
    assert!(html.contains("tidegate &lt;1&gt;") && html.contains("default-src 'none'"));
    assert!(!markdown.contains("<script") && markdown.contains(r"\](javascript:x) \`a\` \*b\* \_c\_ &amp;"));
    assert!(
        !markdown.lines().any(|line| line.starts_with("# e")),
        "no heading of somebody else's"
    );
}

/// Every row of a table has as many cells as its header.
#[test]
fn tables_are_tables() {
    for (discipline, empty) in [
        (ANYTIME.to_owned(), false),
        (group(100_000), false),
        (ANYTIME.to_owned(), true),
    ] {
        let markdown = Made::of(&discipline, empty).report().markdown();
        let cells = |line: &str| line.replace(r"\|", "").matches('|').count();
        let mut wanted = None;
        let mut tables = 0;
        for line in markdown.lines() {
            match (line.starts_with('|'), wanted) {
                (true, None) => {
                    wanted = Some(cells(line));
                    tables += 1;
                }
                (true, Some(wanted)) => assert_eq!(cells(line), wanted, "{line}"),
                (false, _) => wanted = None,
            }
        }
        assert!(tables >= 15, "{tables}");
    }
}

#[test]
fn everything_is_said() {
    let made = Made::of(ANYTIME, false);
    let (html, markdown) = (made.report().html(), made.report().markdown());
    for text in [&html, &markdown] {
        for part in [
            "sha256:0123abcd",
            "ship new",
            "units that met two arms",
            "bought",
            "Benjamini and Hochberg for e-values",
            "chance to be the best",
            "How to read this",
            "Needed:",
            "of the step before",
            "a unit has more than one of the control",
            // Half of 0.13 less 0.1 above a half, with the interval of two shares.
            "51.5 %",
            "p of Mann and Whitney",
            "ranks were not counted",
            "smallest effect of the planned units",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }
    // Four metrics with two drawings each, and two of the plan.
    assert_eq!(html.matches("<svg").count(), 10);
    assert!(!html.contains("NaN") && !markdown.contains("NaN"));
    let json = serde_json::to_value(made.report()).unwrap();
    assert_eq!(json["inputs"], "sha256:0123abcd");
    assert_eq!(json["decision"]["action"], "ship");
    assert_eq!(json["design"]["key"], "checkout");
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let (one, other) = (Made::of(&group(100_000), false), Made::of(&group(100_000), false));
    assert_eq!(one.report().html(), other.report().html());
    assert_eq!(one.report().markdown(), other.report().markdown());
}

/// What cannot be said is said so, and drawn not at all.
#[test]
fn refusals_are_shown() {
    let made = Made::of(ANYTIME, true);
    let markdown = made.report().markdown();
    assert!(
        markdown.contains("refused: there are 0 units, and at least 1 are needed"),
        "{markdown}"
    );
    assert!(
        made.report().html().matches("<svg").count() == 2,
        "the plan alone can be drawn"
    );
}
