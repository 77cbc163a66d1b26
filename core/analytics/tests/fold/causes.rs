//! What is left out, each under its cause.

use crate::make::{
    DAY, HOUR, MINUTE, PERIOD, Told, at, delayed, design, did, did_as, fold, folded, met, metric, observe,
};
use tidegate_analytics::fold::{Fold, Period};
use tidegate_model::experiment::tally::{LeftOut, Sums, Tallies};
use tidegate_model::observation::Observation;

const METRIC: &str = r#"{"name":"m","measure":{"kind":"revenue","event":"a"}}"#;

fn left_out(causes: LeftOut) -> (u64, i128, LeftOut) {
    (1, 2_000_000, causes)
}

/// Units in the arm old, what they spent, and what was left out.
fn summary(tallies: &Tallies) -> (u64, i128, LeftOut) {
    let old = &tallies.arms["old"];
    (old.units, metric(tallies, "old", "m").all().y, tallies.left_out)
}

#[test]
fn each_cause_is_counted_and_nothing_else_changes() {
    let design = design(METRIC, r#","excluded":["robot"]"#);
    let period = Period {
        until: Some(at(10 * DAY)),
        ..PERIOD
    };
    let none = LeftOut::default();
    let zero = 0.0;
    for (told, causes) in [
        (
            met("v", "ghost", 1),
            LeftOut {
                unknown_arm: 1,
                ..none
            },
        ),
        (
            did("u", "z", 1.0, 1),
            LeftOut {
                unknown_event: 1,
                ..none
            },
        ),
        (did("u", "a", f64::NAN, 1), LeftOut { bad_value: 1, ..none }),
        (did("u", "a", 1.0 / zero, 1), LeftOut { bad_value: 1, ..none }),
        (did("u", "a", -1e9 - 1.0, 1), LeftOut { bad_value: 1, ..none }),
        (did_as("u", "a", 2.0, 1, "x"), LeftOut { duplicate: 1, ..none }),
        (did_as("u", "a", 9.0, 2, "x"), LeftOut { duplicate: 1, ..none }),
        (
            delayed(did("u", "a", 1.0, 1), DAY + 1),
            LeftOut { late: 1, ..none },
        ),
        (delayed(met("v", "old", 1), DAY + 1), LeftOut { late: 1, ..none }),
        (
            did("u", "a", 1.0, 10 * DAY),
            LeftOut {
                after_stop: 1,
                ..none
            },
        ),
        (
            met("v", "old", 10 * DAY),
            LeftOut {
                after_stop: 1,
                ..none
            },
        ),
        (
            delayed(did("u", "a", 1.0, 2), -5 * MINUTE - 1),
            LeftOut {
                from_the_future: 1,
                ..none
            },
        ),
        (
            delayed(met("v", "old", 2), -5 * MINUTE - 1),
            LeftOut {
                from_the_future: 1,
                ..none
            },
        ),
        (
            met("v", "old", -1),
            LeftOut {
                before_start: 1,
                ..none
            },
        ),
        (met("robot", "old", 1), LeftOut { excluded: 1, ..none }),
        (did("robot", "a", 1.0, 1), LeftOut { excluded: 1, ..none }),
        // The first cause is the one that is counted.
        (
            delayed(met("robot", "ghost", -1), DAY),
            LeftOut {
                unknown_arm: 1,
                ..none
            },
        ),
        (
            delayed(did("robot", "a", f64::NAN, 1), 2 * DAY),
            LeftOut { bad_value: 1, ..none },
        ),
    ] {
        let mut fold = Fold::new(&design, period);
        observe(
            &mut fold,
            &[met("u", "old", 0), did_as("u", "a", 2.0, 1, "x"), told.clone()],
        );
        assert_eq!(summary(&fold.tallies()), left_out(causes), "{told:?}");
        assert_eq!(fold.look(), fold.tallies());
    }
}

#[test]
fn what_is_in_time_counts() {
    let design = design(METRIC, "");
    for told in [
        delayed(did("u", "a", 2.0, 1), DAY),
        delayed(did("u", "a", 2.0, 1), -5 * MINUTE),
        did("u", "a", 2.0, 300 * DAY),
    ] {
        let tallies = folded(&design, &[met("u", "old", 0), told]);
        assert_eq!(summary(&tallies), left_out(LeftOut::default()));
    }
    // The value that is the largest, in a unit that spends it again and again.
    let most: Vec<Told> = (0..40).map(|time| did("u", "a", 1e9, time)).collect();
    let tallies = folded(&design, &[vec![met("u", "old", 0)], most].concat());
    assert_eq!(summary(&tallies), (1, 1_000_000_000_000_000, LeftOut::default()));
}

#[test]
fn other_experiments_and_other_dealings_are_not_its_business() {
    let design = design(METRIC, "");
    let (mut other, received) = met("v", "old", 1);
    let mut dealt_anew = other.clone();
    if let Observation::Exposure { experiment, .. } = &mut other {
        *experiment = "search".parse().unwrap();
    }
    if let Observation::Exposure { batch, .. } = &mut dealt_anew {
        *batch = 1;
    }
    let tallies = folded(&design, &[(other, received), (dealt_anew.clone(), received)]);
    assert_eq!(summary(&tallies), (0, 0, LeftOut::default()));
    let mut second = Fold::new(&design, Period { batch: 1, ..PERIOD });
    observe(&mut second, &[met("v", "mid", 0), (dealt_anew, received)]);
    assert_eq!(summary(&second.tallies()), (1, 0, LeftOut::default()));
}

#[test]
fn a_unit_in_two_arms_is_in_none() {
    let design = design(METRIC, "");
    let told = [
        met("u", "old", 0),
        did("u", "a", 2.0, 1),
        met("u", "new", DAY),
        met("u", "mid", 2 * DAY),
    ];
    let mut fold = fold(&design);
    observe(&mut fold, &told);
    let twice = LeftOut {
        double_exposed: 1,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), (0, 0, twice));
    for arm in ["mid", "new"] {
        assert_eq!(fold.tallies().arms[arm].units, 0);
        assert_eq!(metric(&fold.tallies(), arm, "m").all(), Sums::NONE);
    }
    // When the second time turns out to have been after the stop, it was in one.
    fold.stop(at(DAY)).unwrap();
    let after = LeftOut {
        after_stop: 2,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), (1, 2_000_000, after));
}

#[test]
fn a_stop_takes_out_what_was_taken_in() {
    let design = design(METRIC, "");
    let mut fold = fold(&design);
    observe(
        &mut fold,
        &[
            met("u", "old", 0),
            did("u", "a", 2.0, HOUR - 1),
            did("u", "a", 4.0, HOUR),
            did("u", "a", 4.0, HOUR),
            met("v", "old", HOUR),
        ],
    );
    assert_eq!(summary(&fold.tallies()).1, 6_000_000);
    fold.stop(at(HOUR)).unwrap();
    let after = LeftOut {
        after_stop: 3,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), left_out(after));
    // A later stop changes nothing.
    fold.stop(at(DAY)).unwrap();
    observe(&mut fold, &[did("u", "a", 8.0, HOUR + 1)]);
    let after = LeftOut {
        after_stop: 4,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), left_out(after));
    // Not even of the exposure is anything left.
    fold.stop(at(0)).unwrap();
    let after = LeftOut {
        after_stop: 6,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), (0, 0, after));
}

#[test]
fn excluded_units_are_taken_out_with_what_they_did() {
    let design = design(METRIC, "");
    let told = [
        met("u", "old", 0),
        did("u", "a", 2.0, 1),
        met("robot", "old", 0),
        met("robot", "new", 0),
        did("robot", "a", 500.0, 1),
        did("robot", "a", 500.0, 1),
        did("robot", "a", 500.0, 2),
    ];
    let mut fold = fold(&design);
    observe(&mut fold, &told);
    let both = LeftOut {
        double_exposed: 1,
        duplicate: 1,
        ..LeftOut::default()
    };
    assert_eq!(summary(&fold.tallies()), left_out(both));
    for _ in 0..2 {
        fold.exclude(["robot", "nobody"]);
        assert_eq!(
            summary(&fold.tallies()),
            left_out(LeftOut {
                excluded: 5,
                ..LeftOut::default()
            })
        );
    }
    observe(
        &mut fold,
        &[did("robot", "a", 500.0, 3), did("nobody", "a", 1.0, 3)],
    );
    assert_eq!(
        summary(&fold.tallies()),
        left_out(LeftOut {
            excluded: 7,
            ..LeftOut::default()
        })
    );
}

#[test]
fn an_id_is_the_same_event_within_a_day() {
    let design = design(METRIC, "");
    for (told, spent, duplicate) in [
        (
            vec![did_as("u", "a", 1.0, 5, "x"), did_as("u", "a", 2.0, 5, "x")],
            1,
            1,
        ),
        (
            vec![did_as("u", "a", 9.0, 5, "x"), did_as("u", "a", 2.0, 6, "x")],
            9,
            1,
        ),
        (
            vec![did_as("u", "a", 9.0, 5, "x"), did_as("u", "a", 2.0, 6 + DAY, "x")],
            11,
            0,
        ),
        (
            vec![did_as("u", "a", 9.0, 5, "x"), did_as("v", "a", 2.0, 6, "x")],
            9,
            0,
        ),
        // A chain, whose middle comes last.
        (
            vec![
                did_as("u", "a", 1.0, 5, "x"),
                did_as("u", "a", 2.0, 5 + 2 * DAY, "x"),
                did_as("u", "a", 4.0, 5 + DAY, "x"),
            ],
            1,
            2,
        ),
    ] {
        for told in [told.clone(), told.iter().rev().cloned().collect()] {
            let tallies = folded(&design, &[vec![met("u", "old", 0)], told.clone()].concat());
            let causes = LeftOut {
                duplicate,
                ..LeftOut::default()
            };
            assert_eq!(summary(&tallies), (1, spent * 1_000_000, causes), "{told:?}");
        }
    }
}

#[test]
fn an_experiment_of_which_nothing_is_known_has_empty_tallies() {
    let design = design(METRIC, "");
    let mut fold = fold(&design);
    assert_eq!(summary(&fold.look()), (0, 0, LeftOut::default()));
    assert_eq!((fold.participants(), fold.walks()), (0, false));
    assert_eq!(fold.reaches_back(), at(-14 * DAY - 5 * MINUTE));
    // What happened before is held only for units that may come.
    observe(&mut fold, &[did("u", "a", 1.0, -14 * DAY - 1)]);
    assert_eq!(fold.participants(), 0);
}
