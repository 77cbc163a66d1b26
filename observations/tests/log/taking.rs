//! Each batch is taken in once.

use crate::ground::{
    Clock, NINE, at, batch, event, exposure, folder, holding, kept, open, production, small, try_open,
};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_model::observation::{Observation, ObservationBatch, ObservationReceipt};
use tidegate_observations::{LogError, Settings, TakeInError, Taking, replay};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_repeat_is_acknowledged_and_not_taken_in_again_in_any_order_and_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    // Number sent, what is acknowledged then, and how many are missing.
    let table = [
        (1, 1, 0),
        (1, 1, 0),
        (2, 2, 0),
        (5, 5, 2),
        (2, 5, 2),
        (4, 5, 1),
        (5, 5, 1),
        (4, 5, 1),
        (3, 5, 0),
    ];
    let mut log = open(data.path(), &clock, small());
    for (number, through, missing) in table {
        let receipt = log.take_in(&batch("node", number)).await;
        assert_eq!(receipt, Ok(ObservationReceipt { through }), "{number}");
        assert_eq!(log.status().missing, missing, "{number}");
        log.close().await;
        log = open(data.path(), &clock, small());
        assert_eq!(log.status().missing, missing, "{number}, after a restart");
    }
    assert_eq!(log.status().batches, 5);
    assert_eq!(log.status().observations, 15);
    let numbers: Vec<u64> = kept(data.path()).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [1, 2, 5, 4, 3]);
}

#[tokio::test]
async fn lines_do_not_know_of_each_other() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    for spool in ["a", "b", "a\u{0}", "ä"] {
        let receipt = log.take_in(&batch(spool, 1)).await;
        assert_eq!(receipt, Ok(ObservationReceipt { through: 1 }));
    }
    assert_eq!(log.status().spools, 4);
    assert_eq!(kept(data.path()).len(), 4);
}

/// Batches that nobody takes in, each with the field that is wrong.
fn bad_batches() -> Vec<(ObservationBatch, &'static str)> {
    let long = "x".repeat(1025);
    let dimensions = |dimensions| Observation::Exposure {
        experiment: "checkout".parse().unwrap(),
        batch: 0,
        unit: "anna".to_owned(),
        arm: "old".parse().unwrap(),
        at: at(NINE),
        dimensions,
    };
    let many: BTreeMap<String, String> = (0..51).map(|n| (n.to_string(), String::new())).collect();
    let wide = BTreeMap::from([("plan".to_owned(), long.clone())]);
    vec![
        (holding("", 1, vec![]), "spool"),
        (holding(&long, 1, vec![]), "spool"),
        (holding("a", 0, vec![]), "number"),
        (
            holding("a", 1, vec![exposure("anna", "old", NINE); 10_001]),
            "observations",
        ),
        (
            holding("a", 1, vec![exposure("", "old", NINE)]),
            "observations[0].unit",
        ),
        (
            holding("a", 1, vec![exposure(&long, "old", NINE)]),
            "observations[0].unit",
        ),
        (
            holding(
                "a",
                1,
                vec![exposure("anna", "old", NINE), event("anna", 1.0, NINE, &long)],
            ),
            "observations[1].id",
        ),
        (
            holding("a", 1, vec![event("anna", 1.0, NINE, "")]),
            "observations[0].id",
        ),
        (
            holding("a", 1, vec![event("anna", 1.0, 0, "1")]),
            "observations[0].at",
        ),
        (
            holding("a", 1, vec![event("anna", 1.0, NINE * 1000, "1")]),
            "observations[0].at",
        ),
        (
            holding("a", 1, vec![event("anna", 1.0, NINE + 367 * 86_400_000, "1")]),
            "observations[0].at",
        ),
        (
            holding("a", 1, vec![dimensions(many)]),
            "observations[0].dimensions",
        ),
        (
            holding("a", 1, vec![dimensions(wide)]),
            "observations[0].dimensions.plan",
        ),
    ]
}

#[tokio::test]
async fn bad_batches_are_refused_by_name_before_anything_is_written() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    for (batch, field) in bad_batches() {
        match log.take_in(&batch).await {
            Err(TakeInError::Invalid(invalid)) => {
                let fields: Vec<&str> = invalid.violations().iter().map(|it| it.field.as_str()).collect();
                assert_eq!(fields, [field]);
            }
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(log.status().bytes, 0);
    assert_eq!(log.status().taking, Taking::Open);
    assert_eq!(kept(data.path()), []);
}

#[tokio::test]
async fn many_small_faults_are_told_up_to_twenty() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), small());
    let faulty = vec![event("", 1.0, 0, ""); 100];
    match log.take_in(&holding("a", 1, faulty)).await {
        Err(TakeInError::Invalid(invalid)) => assert_eq!(invalid.violations().len(), 20),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn more_bytes_than_a_frame_has_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let log = open(data.path(), &Clock::at_nine(), Settings::default());
    let long = "x".repeat(1024);
    let dimensions: BTreeMap<String, String> = (0..40)
        .map(|n| (format!("{n}"), format!("{n}{}", &long[..1000])))
        .collect();
    let mut observations = Vec::new();
    for number in 0..10_000 {
        let mut dimensions = dimensions.clone();
        dimensions.insert("own".to_owned(), format!("{number}{}", &long[..1000]));
        observations.push(Observation::Exposure {
            experiment: "checkout".parse().unwrap(),
            batch: 0,
            unit: format!("{number}{}", &long[..1000]),
            arm: "old".parse().unwrap(),
            at: at(NINE),
            dimensions,
        });
    }
    let fits = holding("a", 1, observations.clone());
    assert_eq!(
        log.take_in(&fits).await,
        Ok(ObservationReceipt { through: 1 }),
        "20 MB that compress well"
    );
    for observation in &mut observations {
        if let Observation::Exposure { dimensions, unit, .. } = observation {
            dimensions.insert("second".to_owned(), format!("{unit}!"));
            dimensions.insert("third".to_owned(), format!("{unit}?"));
        }
    }
    match log.take_in(&holding("a", 2, observations)).await {
        Err(TakeInError::Invalid(invalid)) => assert_eq!(invalid.violations()[0].field, "observations"),
        other => panic!("{other:?}"),
    }
    let mut found = 0;
    replay(data.path(), &production(), |_, read| {
        assert_eq!(read, fits);
        found += 1;
    })
    .unwrap();
    assert_eq!(found, 1);
}

#[tokio::test]
async fn the_log_is_in_the_order_of_its_times_however_often_the_clock_is_set() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut log = open(data.path(), &clock, small());
    for (number, minutes) in (1..).zip([0, 5, -60, 1, 59, -600]) {
        clock.on(minutes);
        log.take_in(&batch("node", number)).await.unwrap();
        if number == 3 {
            log.close().await;
            log = open(data.path(), &clock, small());
        }
    }
    let mut times = Vec::new();
    replay(data.path(), &production(), |received, _| times.push(received)).unwrap();
    let minutes: Vec<i64> = times
        .iter()
        .map(|time| (time.timestamp_millis() - NINE) / 60_000)
        .collect();
    assert_eq!(minutes, [0, 5, 5, 5, 5, 5]);
}

#[tokio::test]
async fn one_folder_has_one_owner_and_a_closed_log_refuses() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = open(data.path(), &clock, small());
    let second = try_open(data.path(), &clock, small()).map(|_| ());
    let held = folder(data.path()).display().to_string();
    assert_eq!(second, Err(LogError::InUse { folder: held }));
    let clone = log.clone();
    log.close().await;
    let answer = clone.take_in(&batch("a", 1)).await;
    assert!(matches!(answer, Err(TakeInError::Stopped { why }) if why == "it was closed"));
    try_open(data.path(), &clock, small()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_thousand_exposures_from_64_tasks_are_there_once() {
    const TASKS: u64 = 64;
    const BATCHES: u64 = 63;
    const EACH: u64 = 25;
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        segment_bytes_max: 256 << 10,
        ..Settings::default()
    };
    let log = open(data.path(), &Clock::at_nine(), settings);
    let made = |task: u64, number: u64| {
        let unit = |one: u64| format!("{task}-{number}-{one}");
        let observations = (0..EACH).map(|one| exposure(&unit(one), "old", NINE));
        holding(&format!("spool-{task}"), number, observations.collect())
    };
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let log = log.clone();
        tasks.spawn(async move {
            for number in 1..=BATCHES {
                let batch = made(task, number);
                let again = match number % 3 {
                    0 => made(task, number / 3),
                    _ => batch.clone(),
                };
                // At once, so that a repeat may stand in the same write as what it repeats.
                let (one, other) = tokio::join!(log.take_in(&batch), log.take_in(&again));
                assert_eq!(one.unwrap().through, number);
                assert_eq!(other.unwrap().through, number);
            }
        });
    }
    tasks.join_all().await;
    let status = log.status();
    assert_eq!((status.batches, status.missing), (TASKS * BATCHES, 0));
    assert_eq!(status.observations, TASKS * BATCHES * EACH);
    assert_eq!(status.repeats, TASKS * BATCHES);
    assert!(status.segments > 1);
    let mut found = BTreeSet::new();
    let replayed = replay(data.path(), &production(), |_, read| {
        for observation in &read.observations {
            assert!(
                found.insert(observation.unit().to_owned()),
                "{} twice",
                observation.unit()
            );
        }
    });
    assert_eq!(replayed.unwrap().observations, TASKS * BATCHES * EACH);
    assert_eq!(found.len() as u64, TASKS * BATCHES * EACH);
}
