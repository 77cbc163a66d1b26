//! Guardrails are watched at any time, and say what they prove.

use crate::make::{ANYTIME, BOUGHT, EVEN, design, fixed, share, tallies};
use tidegate_analytics::result::{Answer, Asked, Guarded, Safety, Verdict, result};

fn guarded(margin: &str, goal: &str, control: (u64, u64), treatment: (u64, u64)) -> (Guarded, Verdict) {
    let errors = format!(
        r#"{{"name":"failed","role":"guardrail","goal":"{goal}"{margin},"onBreach":"stop",
        "measure":{{"kind":"conversion","event":"failed"}}}}"#
    );
    // Also before the time of a fixed test.
    let design = design(&EVEN, &format!("{BOUGHT},{errors}"), &fixed(1_000_000));
    let arm = |(events, units)| [("bought", share(0, units)), ("failed", share(events, units))];
    let tallies = tallies(&[
        ("old", control.1, &arm(control)),
        ("new", treatment.1, &arm(treatment)),
    ]);
    let result = result(&design, &tallies, &Asked::default());
    let comparison = &result.metrics[1].comparisons[0];
    let Some(Answer::Given(guarded)) = &comparison.guarded else {
        panic!("{comparison:?}");
    };
    assert!(comparison.fixed.is_none() && comparison.always_valid.is_none());
    (guarded.clone(), comparison.verdict)
}

#[test]
fn what_is_proven_of_a_guardrail() {
    let margin = r#","margin":0.1"#;
    for (margin, goal, control, treatment, safety, verdict) in [
        // Twice the errors; four times among few.
        (
            margin,
            "decrease",
            (500, 10_000),
            (1_000, 10_000),
            Safety::Breached,
            Verdict::Worse,
        ),
        (
            margin,
            "decrease",
            (2, 5_000),
            (40, 5_000),
            Safety::Breached,
            Verdict::Worse,
        ),
        (
            "",
            "decrease",
            (2, 5_000),
            (40, 5_000),
            Safety::Breached,
            Verdict::Worse,
        ),
        // Half of them, or the same with a margin and many units.
        (
            margin,
            "decrease",
            (500, 10_000),
            (300, 10_000),
            Safety::Held,
            Verdict::Safe,
        ),
        (
            margin,
            "decrease",
            (50_000, 1_000_000),
            (50_000, 1_000_000),
            Safety::Held,
            Verdict::Safe,
        ),
        // The same without a margin is never proven to be better.
        (
            "",
            "decrease",
            (50_000, 1_000_000),
            (50_000, 1_000_000),
            Safety::Undecided,
            Verdict::Undecided,
        ),
        (
            margin,
            "decrease",
            (5, 1_000),
            (5, 1_000),
            Safety::Undecided,
            Verdict::Undecided,
        ),
        (
            margin,
            "increase",
            (5_000, 10_000),
            (4_000, 10_000),
            Safety::Breached,
            Verdict::Worse,
        ),
        (
            margin,
            "increase",
            (5_000, 10_000),
            (5_000, 10_000),
            Safety::Held,
            Verdict::Safe,
        ),
        (
            margin,
            "increase",
            (40, 5_000),
            (2, 5_000),
            Safety::Breached,
            Verdict::Worse,
        ),
    ] {
        let (guarded, got) = guarded(margin, goal, control, treatment);
        assert_eq!(
            guarded.safety, safety,
            "{goal} {control:?} {treatment:?} {guarded:?}"
        );
        assert_eq!(got, verdict);
        let bounds = guarded.lift.given();
        let limit = if goal == "decrease" {
            guarded.margin
        } else {
            -guarded.margin
        };
        if let Some(bounds) = bounds {
            // The bound of the bad side decides.
            let (bad, good) = if goal == "decrease" {
                (bounds.lower.unwrap() > limit, bounds.upper.unwrap() < limit)
            } else {
                (bounds.upper.unwrap() < limit, bounds.lower.unwrap() > limit)
            };
            assert_eq!(bad, safety == Safety::Breached, "{guarded:?}");
            assert_eq!(good, safety == Safety::Held, "{guarded:?}");
        }
    }
}

/// A lift that is tolerated is no breach, however sure it is.
#[test]
fn what_is_tolerated_is_no_breach() {
    let (guarded, verdict) = guarded(
        r#","margin":0.1"#,
        "decrease",
        (50_000, 1_000_000),
        (52_500, 1_000_000),
    );
    assert_eq!(
        guarded.safety,
        Safety::Held,
        "5 % more errors of 10 % tolerated: {guarded:?}"
    );
    assert_eq!(verdict, Verdict::Safe);
}

#[test]
fn a_sample_ratio_mismatch_is_an_alarm() {
    for (units, alarm) in [
        ((5_000, 5_100), false),
        ((50_000, 51_500), true),
        ((40, 40), false),
    ] {
        let design = design(&EVEN, BOUGHT, ANYTIME);
        let tallies = tallies(&[
            ("old", units.0, &[("bought", share(units.0 / 10, units.0))]),
            ("new", units.1, &[("bought", share(units.1 / 10, units.1))]),
        ]);
        let result = result(&design, &tallies, &Asked::default());
        assert_eq!(result.sample_ratio.given().unwrap().alarm, alarm, "{units:?}");
    }
    let uneven = design(&[("old", 90.0), ("new", 10.0)], BOUGHT, ANYTIME);
    let tallies = tallies(&[
        ("old", 9_000, &[("bought", share(900, 9_000))]),
        ("new", 1_000, &[("bought", share(100, 1_000))]),
    ]);
    let ratio = result(&uneven, &tallies, &Asked::default()).sample_ratio;
    let ratio = ratio.given().unwrap();
    assert_eq!(ratio.chi_squared, 0.0);
    assert!(!ratio.alarm && ratio.p.p == 1.0, "{ratio:?}");
}
