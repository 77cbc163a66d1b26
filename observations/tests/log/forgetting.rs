//! Old segments go, unless somebody needs them.

use crate::folding::{design, period};
use crate::ground::{Clock, NINE, at, batch, kept, open, segments, small};
use std::path::Path;
use tidegate_model::observation::ObservationReceipt;
use tidegate_observations::Observations;

const DAY: i64 = 86_400_000;

/// A log of a batch a day, of forty days.
async fn forty_days(data: &Path, clock: &Clock) -> Observations {
    let log = open(data, clock, small());
    for number in 1..=40 {
        log.take_in(&batch("node", number)).await.unwrap();
        clock.on(24 * 60);
    }
    assert!(log.status().segments >= 4);
    log
}

/// The first number that is left, and that none is missing after it.
fn first(data: &Path) -> u64 {
    let numbers: Vec<u64> = kept(data).into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, (numbers[0]..=40).collect::<Vec<u64>>());
    numbers[0]
}

#[tokio::test]
async fn segments_that_are_wholly_older_go_and_their_batches_are_still_known() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = forty_days(data.path(), &clock).await;
    let before = log.status();
    assert_eq!(
        log.forget(at(NINE)).await,
        Ok(0),
        "nothing is older than the first"
    );
    let freed = log.forget(at(NINE + 30 * DAY)).await.unwrap();
    let after = log.status();
    assert_eq!(after.bytes, before.bytes - freed);
    assert!(freed > 0 && after.segments < before.segments);
    // Number 31 was received on day 30.
    assert!((2..=31).contains(&first(data.path())));
    assert_eq!(
        (after.batches, after.observations),
        (40, 120),
        "they were taken in"
    );
    log.close().await;
    let log = open(data.path(), &clock, small());
    assert_eq!(log.status().batches, 40);
    assert_eq!(log.status().damaged, []);
    let repeated = log.take_in(&batch("node", 1)).await;
    assert_eq!(repeated, Ok(ObservationReceipt { through: 40 }));
    assert_eq!(log.status().batches, 40);
}

#[tokio::test]
async fn what_is_written_to_stays() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = forty_days(data.path(), &clock).await;
    log.forget(at(NINE + 400 * DAY)).await.unwrap();
    assert_eq!(segments(data.path()).len(), 1);
    log.take_in(&batch("node", 41)).await.unwrap();
    assert_eq!(log.status().batches, 41);
}

#[tokio::test]
async fn what_a_watched_experiment_needs_stays_until_it_is_not_watched_any_more() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = forty_days(data.path(), &clock).await;
    // From day 30 on, with 14 days before: from day 16 on, whose batch is number 17.
    let design = design();
    log.watch(&design, &[period(30 * 24 * 60, None)]);
    log.forget(at(NINE + 400 * DAY)).await.unwrap();
    assert!((2..=17).contains(&first(data.path())));
    log.unwatch(&design.key);
    log.forget(at(NINE + 400 * DAY)).await.unwrap();
    assert_eq!(segments(data.path()).len(), 1);
}

#[tokio::test]
async fn lines_that_are_silent_for_sixty_days_are_forgotten_with_the_next_segment() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = open(data.path(), &clock, small());
    log.take_in(&batch("gone", 1)).await.unwrap();
    clock.on(61 * 24 * 60);
    for number in 1..=40 {
        log.take_in(&batch("here", number)).await.unwrap();
    }
    log.close().await;
    let log = open(data.path(), &clock, small());
    assert_eq!(log.status().spools, 1);
    assert_eq!(log.status().batches, 41);
}
