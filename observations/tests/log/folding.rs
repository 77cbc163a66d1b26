//! Tallies and samples follow the log: live, after a restart, and for whoever is watched late.

use crate::Dice;
use crate::ground::{Clock, NINE, at, event, exposure, holding, open, production, small};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tidegate_analytics::fold::Fold;
use tidegate_model::experiment::Design;
use tidegate_model::experiment::tally::Tallies;
use tidegate_model::key::ExperimentKey;
use tidegate_model::observation::{Observation, ObservationBatch};
use tidegate_observations::{Observations, Period, Series, TalliesError, replay};

/// An experiment whose metrics need a walk over all units, and one that does not.
pub(crate) fn design() -> Design {
    let text = r#"{"key": "checkout", "hypothesis": "it sells more", "flag": "checkout", "control": "old",
        "arms": [{"variation": "old", "weight": 50}, {"variation": "new", "weight": 50}],
        "metrics": [
            {"name": "bought", "measure": {"kind": "conversion", "event": "bought"}},
            {"name": "spent", "measure": {"kind": "revenue", "event": "bought"}, "cap": {"quantile": 0.9}}
        ]}"#;
    let design: Design = serde_json::from_str(text).unwrap();
    design.checked().unwrap()
}

/// From so many minutes after nine on.
pub(crate) fn period(from: i64, until: Option<i64>) -> Period {
    Period {
        from: at(NINE + from * 60_000),
        until: until.map(|until| at(NINE + until * 60_000)),
        batch: 0,
    }
}

fn checkout() -> ExperimentKey {
    "checkout".parse().unwrap()
}

/// So many batches, a minute or several apart, of units that meet an arm, sometimes two, and do something now and then, with
/// times that are off by up to ten minutes.
fn traffic(dice: &mut Dice, batches: u64) -> Vec<(i64, ObservationBatch)> {
    let mut minute = 0;
    let mut made = Vec::new();
    for number in 1..=batches {
        minute += i64::try_from(dice.up_to(6)).unwrap();
        let observations = (0..1 + dice.up_to(8)).map(|one| {
            let unit = format!("unit-{}", dice.up_to(120));
            let off = i64::try_from(dice.up_to(1_200_000)).unwrap() - 600_000;
            let when = NINE + minute * 60_000 + off;
            match dice.up_to(2) {
                0 => {
                    let arm = if unit.len().is_multiple_of(2) || dice.up_to(20) == 0 {
                        "old"
                    } else {
                        "new"
                    };
                    exposure(&unit, arm, when)
                }
                _ => event(
                    &unit,
                    f64::from(u32::try_from(dice.up_to(100)).unwrap()),
                    when,
                    &format!("{number}-{one}"),
                ),
            }
        });
        let observations: Vec<Observation> = observations.collect();
        made.push((minute, holding("node", number, observations)));
    }
    made
}

/// What a fold says to which the log is shown, by itself.
fn folded(data: &Path, design: &Design, period: Period) -> Tallies {
    let mut fold = Fold::new(design, period);
    replay(data, &production(), |received, batch| {
        for observation in &batch.observations {
            fold.observe(observation, received);
        }
    })
    .unwrap();
    fold.look()
}

async fn tallies(log: &Observations) -> Tallies {
    let folded = log.tallies(&checkout()).await.unwrap();
    let [period] = folded.periods.as_slice() else {
        panic!("{folded:?}");
    };
    Tallies::clone(&period.tallies)
}

async fn series(log: &Observations) -> Series {
    log.series(&checkout()).await.unwrap().remove(0)
}

async fn send(log: &Observations, clock: &Clock, traffic: &[(i64, ObservationBatch)]) {
    for (minute, batch) in traffic {
        clock.set(NINE + minute * 60_000);
        log.take_in(batch).await.unwrap();
    }
}

#[tokio::test]
async fn everything_that_is_acknowledged_is_in_the_tallies_and_a_restart_gives_the_same() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("restarts of folds");
    let traffic = traffic(&mut dice, 400);
    let (design, period) = (design(), period(30, None));
    let mut log = open(data.path(), &clock, small());
    log.watch(&design, &[period]);
    for (part, traffic) in traffic.chunks(100).enumerate() {
        send(&log, &clock, traffic).await;
        let live = (tallies(&log).await, series(&log).await);
        assert_eq!(live.0, folded(data.path(), &design, period), "part {part}");
        assert!(live.0.arms.values().all(|arm| arm.units > 0));
        log.close().await;
        log = open(data.path(), &clock, small());
        log.watch(&design, &[period]);
        log.caught_up(&checkout()).await.unwrap();
        let again = (tallies(&log).await, series(&log).await);
        assert_eq!(again, live, "part {part}");
    }
    let status = log.status();
    let fold = status.experiments[&checkout()];
    assert_eq!(fold.behind, 0);
    assert!(fold.participants > 0 && fold.bytes > 0);
}

#[tokio::test]
async fn whoever_is_watched_late_has_what_whoever_was_watched_early_has() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("late watchers");
    let traffic = traffic(&mut dice, 300);
    let early = open(data.path(), &clock, small());
    early.watch(&design(), &[period(0, None)]);
    let (before, after) = traffic.split_at(200);
    send(&early, &clock, before).await;
    let other = |key: &str| Design {
        key: key.parse().unwrap(),
        ..design()
    };
    // Beside the live stream, which goes on meanwhile; several read along on one track.
    for key in ["second", "third"] {
        early.watch(&other(key), &[period(0, None)]);
    }
    send(&early, &clock, after).await;
    for key in ["second", "third"] {
        early.caught_up(&key.parse().unwrap()).await.unwrap();
        let late = early.tallies(&key.parse().unwrap()).await.unwrap();
        // They are another experiment: events before it are the same, exposures are not theirs.
        assert_eq!(
            *late.periods[0].tallies,
            folded(data.path(), &other(key), period(0, None))
        );
    }
    early.unwatch(&checkout());
    early.watch(&design(), &[period(0, None)]);
    early.caught_up(&checkout()).await.unwrap();
    assert_eq!(
        tallies(&early).await,
        folded(data.path(), &design(), period(0, None))
    );
    assert_eq!(early.status().experiments.len(), 3);
}

#[tokio::test]
async fn a_stop_and_exclusions_are_as_if_they_had_been_known_from_the_start() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("stops and exclusions");
    let traffic = traffic(&mut dice, 300);
    let log = open(data.path(), &clock, small());
    log.watch(&design(), &[period(0, None)]);
    send(&log, &clock, &traffic[..200]).await;
    let units: BTreeSet<String> = ["unit-1", "unit-2", "unit-3"].map(str::to_owned).into();
    log.exclude(&checkout(), units.clone());
    let excluding = Design {
        excluded: units,
        ..design()
    };
    assert_eq!(
        tallies(&log).await,
        folded(data.path(), &excluding, period(0, None)),
        "at once"
    );
    send(&log, &clock, &traffic[200..250]).await;
    let minute = traffic[249].0;
    log.stop(&checkout(), clock.now());
    let stopped = period(0, Some(minute));
    assert_eq!(
        tallies(&log).await,
        folded(data.path(), &excluding, stopped),
        "at once"
    );
    send(&log, &clock, &traffic[250..]).await;
    log.caught_up(&checkout()).await.unwrap();
    let live = (tallies(&log).await, series(&log).await);
    assert_eq!(live.0, folded(data.path(), &excluding, stopped));
    log.close().await;
    let log = open(data.path(), &clock, small());
    log.watch(&excluding, &[stopped]);
    log.caught_up(&checkout()).await.unwrap();
    assert_eq!((tallies(&log).await, series(&log).await), live);
}

#[tokio::test]
async fn a_stop_in_the_past_takes_back_what_came_after() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("stops in the past");
    let traffic = traffic(&mut dice, 300);
    let log = open(data.path(), &clock, small());
    log.watch(&design(), &[period(0, None)]);
    send(&log, &clock, &traffic).await;
    let minute = traffic[150].0;
    log.stop(&checkout(), at(NINE + minute * 60_000));
    log.caught_up(&checkout()).await.unwrap();
    let stopped = period(0, Some(minute));
    assert_eq!(tallies(&log).await, folded(data.path(), &design(), stopped));
    let live = series(&log).await;
    log.unwatch(&checkout());
    log.watch(&design(), &[stopped]);
    log.caught_up(&checkout()).await.unwrap();
    assert_eq!(series(&log).await, live);
}

#[tokio::test]
async fn a_further_period_is_folded_beside_the_ones_before() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("periods");
    let mut traffic = traffic(&mut dice, 300);
    let minute = traffic[150].0;
    for (_, batch) in &mut traffic[150..] {
        for observation in &mut batch.observations {
            if let Observation::Exposure { batch, .. } = observation {
                *batch = 1;
            }
        }
    }
    let first = period(0, Some(minute));
    let second = Period {
        batch: 1,
        ..period(minute, None)
    };
    let log = open(data.path(), &clock, small());
    log.watch(&design(), &[period(0, None)]);
    send(&log, &clock, &traffic[..150]).await;
    log.watch(&design(), &[first, second]);
    send(&log, &clock, &traffic[150..]).await;
    log.caught_up(&checkout()).await.unwrap();
    let live = log.tallies(&checkout()).await.unwrap();
    let periods: Vec<Period> = live.periods.iter().map(|period| period.period).collect();
    assert_eq!(periods, [first, second]);
    assert_eq!(*live.periods[0].tallies, folded(data.path(), &design(), first));
    assert_eq!(*live.periods[1].tallies, folded(data.path(), &design(), second));
    assert!(live.periods[1].tallies.arms.values().any(|arm| arm.units > 0));
    let went = log.series(&checkout()).await.unwrap();
    log.close().await;
    let log = open(data.path(), &clock, small());
    log.watch(&design(), &[first, second]);
    log.caught_up(&checkout()).await.unwrap();
    assert_eq!(log.tallies(&checkout()).await.unwrap(), live);
    assert_eq!(log.series(&checkout()).await.unwrap(), went);
}

#[tokio::test]
async fn a_day_after_its_end_a_period_is_closed_and_takes_no_memory_any_more() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("closed periods");
    let traffic = traffic(&mut dice, 200);
    let log = open(data.path(), &clock, small());
    let ends = period(0, Some(traffic[100].0));
    log.watch(&design(), &[ends]);
    send(&log, &clock, &traffic).await;
    let before = tallies(&log).await;
    let fold = log.status().experiments[&checkout()];
    assert!(fold.bytes > 0);
    // A second later than it is waited for, of something that happened before the end.
    clock.set(ends.until.unwrap().timestamp_millis() + 86_401_000);
    let late = vec![exposure("unit-1000", "old", NINE)];
    log.take_in(&holding("node", 201, late)).await.unwrap();
    assert_eq!(tallies(&log).await, before);
    let closed = log.status().experiments[&checkout()];
    assert_eq!((closed.bytes, closed.participants), (0, fold.participants));
    // What changes it all the same is folded anew.
    log.exclude(&checkout(), ["unit-1".to_owned()].into());
    log.caught_up(&checkout()).await.unwrap();
    assert_ne!(tallies(&log).await, before);
    log.stop(&checkout(), at(NINE + traffic[50].0 * 60_000));
    log.caught_up(&checkout()).await.unwrap();
    let earlier = Design {
        excluded: ["unit-1".to_owned()].into(),
        ..design()
    };
    let stopped = period(0, Some(traffic[50].0));
    let mut known = Fold::new(&earlier, stopped);
    for (minute, batch) in &traffic {
        for observation in &batch.observations {
            known.observe(observation, at(NINE + minute * 60_000));
        }
    }
    assert_eq!(tallies(&log).await, known.look());
}

#[tokio::test]
async fn samples_are_evenly_spaced_never_too_many_and_say_what_was_known_then() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = open(data.path(), &clock, small());
    let period = period(0, None);
    log.watch(&design(), &[period]);
    for number in 1..=500_u64 {
        clock.set(NINE + i64::try_from(number).unwrap() * 60_000);
        let unit = format!("unit-{number}");
        let batch = holding("node", number, vec![exposure(&unit, "old", clock.millis())]);
        log.take_in(&batch).await.unwrap();
    }
    let series = series(&log).await;
    // 500 minutes: more than 200 samples of a minute or two, not of four.
    assert_eq!(series.interval.as_seconds(), 240.0);
    assert_eq!(
        series.samples.len(),
        124,
        "the last batch was received at minute 500, which is not over"
    );
    for (place, sample) in (1_u64..).zip(&series.samples) {
        let minute = place * 4;
        assert_eq!(sample.at, at(NINE + i64::try_from(minute).unwrap() * 60_000));
        let units: u64 = sample.tallies.arms.values().map(|arm| arm.units).sum();
        assert_eq!(units, minute, "one a minute");
    }
}

#[tokio::test]
async fn nobody_is_told_of_tallies_that_are_not_all() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let log = open(data.path(), &clock, small());
    assert_eq!(log.tallies(&checkout()).await, Err(TalliesError::NotWatched));
    assert_eq!(log.caught_up(&checkout()).await, Err(TalliesError::NotWatched));
    let observations = (0..5_000).map(|unit| exposure(&unit.to_string(), "old", NINE));
    let observations: Vec<Observation> = observations.collect();
    for number in 1..=20 {
        log.take_in(&holding("node", number, observations.clone()))
            .await
            .unwrap();
    }
    log.watch(&design(), &[period(0, None)]);
    // 100,000 observations are more than are folded in a turn.
    let early = log.tallies(&checkout()).await;
    assert!(
        matches!(early, Err(TalliesError::Behind { batches }) if batches > 0 && batches < 20),
        "{early:?}"
    );
    log.caught_up(&checkout()).await.unwrap();
    let all = log.tallies(&checkout()).await.unwrap();
    assert_eq!((all.through, all.lost), (20, 0));
    let again = log.tallies(&checkout()).await.unwrap();
    assert!(
        Arc::ptr_eq(&all.periods[0].tallies, &again.periods[0].tallies),
        "nothing changed"
    );
    log.close().await;
    assert_eq!(log.tallies(&checkout()).await, Err(TalliesError::Stopped));
}

#[tokio::test]
async fn damage_under_a_fold_is_counted_and_the_segment_set_aside() {
    let data = tempfile::tempdir().unwrap();
    let clock = Clock::at_nine();
    let mut dice = Dice::of("damage under a fold");
    let traffic = traffic(&mut dice, 100);
    let log = open(data.path(), &clock, small());
    send(&log, &clock, &traffic).await;
    log.close().await;
    let second = crate::ground::segments(data.path())[1].clone();
    let mut bytes = std::fs::read(&second).unwrap();
    let frame = (0..bytes.len())
        .find(|place| bytes[*place..].starts_with(b"tgob"))
        .unwrap();
    bytes[frame + 50] ^= 4;
    std::fs::write(&second, bytes).unwrap();
    let log = open(data.path(), &clock, small());
    assert_eq!(log.status().damaged, [], "nobody has read it yet");
    for _ in 0..2 {
        log.watch(&design(), &[period(0, None)]);
        log.caught_up(&checkout()).await.unwrap();
        assert_eq!(log.tallies(&checkout()).await.unwrap().lost, 1);
        assert_eq!(
            tallies(&log).await,
            folded(data.path(), &design(), period(0, None))
        );
        let damaged = log.status().damaged;
        assert_eq!(damaged.len(), 1, "told once");
        assert_eq!((damaged[0].offset, damaged[0].batches), (frame as u64, 1));
        assert!(!second.exists() && second.with_extension("damaged").exists());
        log.unwatch(&checkout());
    }
}
