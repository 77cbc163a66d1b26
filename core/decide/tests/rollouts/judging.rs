//! What measurements say: faults F1 to F11 as far as they are decisions.

use crate::policy_text::policy;
use crate::simulation::{Simulation, monday};
use tidegate_decide::judge::judge;
use tidegate_model::Timestamp;
use tidegate_model::key::Revision;
use tidegate_model::rollout::{Phase, Rollout, RolloutChange};
use tidegate_model::span::Span;
use tidegate_model::verdict::UnknownReason as Why;
use tidegate_model::verdict::{Measurement, Verdict};

const HEALTHY: Verdict = Verdict::Healthy;
const BREACHED: Verdict = Verdict::Breached;
const UNDECIDED: Verdict = Verdict::Undecided;
const OVERLAPS: Verdict = Verdict::Unknown(Why::WindowOverlapsStage);

/// A rollout with this rule, whose first stage took effect on Monday at midnight.
fn rollout(rule: &str) -> Rollout {
    let text =
        format!("stage a 1 for 1h\nstage b 50 for 1h\nstage c 100 for 1h\nrule r {rule}\nblind 5m hold");
    let begun = Simulation::start(&policy(&text), monday()).unwrap().rollout;
    follow(begun, &[RolloutChange::TookEffect])
}

fn follow(rollout: Rollout, changes: &[RolloutChange]) -> Rollout {
    changes.iter().fold(rollout, |before, change| {
        Rollout::apply(Some(before), change, monday(), Revision(9)).unwrap()
    })
}

fn after(seconds: u64) -> Timestamp {
    Span::seconds(seconds).after(monday())
}

fn check(rollout: &Rollout, measurement: &Measurement, at: Timestamp, verdict: Verdict) {
    let rule = &rollout.start.plan.safety.rules[0];
    let look = judge(rollout, rule, &measurement.clone().into(), at);
    assert_eq!(look.verdict, verdict, "{rule:?}\n{measurement:?} at {at}");
}

#[test]
fn values_are_compared() {
    for (rule, value, verdict) in [
        ("> 0.02", 0.02, HEALTHY),
        ("> 0.02", 0.020_000_1, BREACHED),
        ("> 0.02 clear 0.01", 0.01, HEALTHY),
        ("> 0.02 clear 0.01", 0.015, UNDECIDED),
        ("> 0.02 clear 0.01", 0.03, BREACHED),
        ("< 0.9", 0.9, HEALTHY),
        ("< 0.9", 0.89, BREACHED),
        ("< 0.9 clear 0.95", 0.92, UNDECIDED),
        ("< 0.9 clear 0.95", 0.95, HEALTHY),
        ("= 0", 0.0, BREACHED),
        ("= 0", 1e-12, BREACHED),
        ("= 0", 0.001, HEALTHY),
        ("= 0.3", 0.1 + 0.2, BREACHED),
        ("= 3000000", 3_000_000.000_1, BREACHED),
        ("= 3000000", 3_000_001.0, HEALTHY),
        ("> -1", -2.0, HEALTHY),
        ("> -1", 0.0, BREACHED),
    ] {
        check(&rollout(rule), &Measurement::of(value), after(3600), verdict);
    }
}

#[test]
fn f01_an_empty_answer_is_neither_healthy_nor_zero() {
    let empty = Measurement::unknown(Why::NoSeries, "");
    for (rule, verdict) in [
        ("> 0.02", Verdict::Unknown(Why::NoSeries)),
        ("> 0.02 no_series=zero", HEALTHY),
        ("< 5 no_series=zero", BREACHED),
        ("= 0 no_series=zero", BREACHED),
        ("> 0.02 no_series=healthy", HEALTHY),
        ("> 0.02 no_series=breached", BREACHED),
        ("> 0.02 unknown=breached", BREACHED),
        (
            "> 0.02 unknown=breached no_series=hold",
            Verdict::Unknown(Why::NoSeries),
        ),
    ] {
        check(&rollout(rule), &empty, after(3600), verdict);
    }
}

#[test]
fn f02_f03_not_a_number_and_infinity_are_on_neither_side() {
    for comparison in ["> 1", "< 1", "= 1"] {
        for (value, why) in [
            (f64::NAN, Why::Nan),
            (f64::INFINITY, Why::Inf),
            (f64::NEG_INFINITY, Why::Inf),
        ] {
            // Also when a source hands on what it should have sorted out.
            let raw = Measurement {
                value: Ok(value),
                ..Measurement::of(0.0)
            };
            for measurement in [Measurement::of(value), raw] {
                check(
                    &rollout(comparison),
                    &measurement,
                    after(3600),
                    Verdict::Unknown(why),
                );
            }
        }
    }
}

#[test]
fn f04_f05_f06_f12_an_answer_that_is_none_holds() {
    for why in [
        Why::ManySeries,
        Why::Partial,
        Why::StaleSample,
        Why::ProviderError,
        Why::Timeout,
    ] {
        let measurement = Measurement::unknown(why, "HTTP 503");
        check(&rollout("> 1"), &measurement, after(3600), Verdict::Unknown(why));
        let rollout = rollout(&format!("> 1 {}=healthy", why.name()));
        let look = judge(
            &rollout,
            &rollout.start.plan.safety.rules[0],
            &measurement.into(),
            after(3600),
        );
        assert_eq!(look.verdict, HEALTHY);
        assert_eq!(look.detail, format!("{why} is taken as healthy: HTTP 503"));
    }
}

#[test]
fn f07_window_overlaps_stage() {
    let rollout = rollout("> 0.02 window 60s rollback");
    let (good, bad) = (Measurement::of(0.0), Measurement::of(1.0));
    check(&rollout, &good, after(59), OVERLAPS);
    check(&rollout, &good, after(60), HEALTHY);
    // Bad news does not wait for a full window.
    check(&rollout, &bad, after(1), BREACHED);

    let mut waiting = rollout.clone();
    waiting.phase = Phase::Running {
        stage: 0,
        since: monday(),
        effective: None,
    };
    // Nobody has the candidate yet: the number is somebody else's.
    check(&waiting, &bad, after(3600), OVERLAPS);
    check(&waiting, &good, after(3600), OVERLAPS);

    let wider = follow(rollout, &[RolloutChange::Advanced { stage: 1 }]);
    check(&wider, &good, after(3600), OVERLAPS);
    check(&wider, &bad, after(3600), BREACHED);
}

#[test]
fn after_a_retreat_the_wider_stage_is_not_held_against_the_narrower_one() {
    let changes = [
        RolloutChange::Advanced { stage: 1 },
        RolloutChange::TookEffect,
        RolloutChange::Advanced { stage: 2 },
        RolloutChange::Retreated { stage: 1 },
        RolloutChange::TookEffect,
    ];
    let bad = Measurement::of(1.0);
    for (action, verdict) in [
        ("alert", OVERLAPS),
        ("pause", OVERLAPS),
        ("retreat", OVERLAPS),
        ("rollback", BREACHED),
    ] {
        let rollout = follow(rollout(&format!("> 0.02 window 60s {action}")), &changes);
        check(&rollout, &bad, after(30), verdict);
        check(&rollout, &bad, after(60), BREACHED);
    }
}

#[test]
fn f08_f10_too_few_samples_say_nothing() {
    let of = |value: f64, samples: Result<Option<f64>, Why>| Measurement {
        samples,
        ..Measurement::of(value)
    };
    for (measurement, verdict) in [
        (of(0.0, Ok(Some(99.9))), Verdict::Unknown(Why::TooFew)),
        (of(1.0, Ok(Some(0.0))), Verdict::Unknown(Why::TooFew)),
        (of(1.0, Ok(Some(f64::NAN))), Verdict::Unknown(Why::TooFew)),
        (of(0.0, Ok(None)), Verdict::Unknown(Why::TooFew)),
        (of(0.0, Err(Why::NoSeries)), Verdict::Unknown(Why::NoSeries)),
        (of(0.0, Ok(Some(100.0))), HEALTHY),
        (of(1.0, Ok(Some(100.0))), BREACHED),
    ] {
        check(&rollout("> 0.02 minimum 100"), &measurement, after(3600), verdict);
    }
}

#[test]
fn f09_a_baseline_of_zero_decides_nothing() {
    // A query that divides by a baseline of zero yields no number; only the absolute rules judge.
    check(
        &rollout("> 1.15"),
        &Measurement::of(f64::INFINITY),
        after(3600),
        Verdict::Unknown(Why::Inf),
    );
    check(
        &rollout("> 1.15"),
        &Measurement::of(f64::NAN),
        after(3600),
        Verdict::Unknown(Why::Nan),
    );
    check(&rollout("> 0.02"), &Measurement::of(0.5), after(3600), BREACHED);
}
