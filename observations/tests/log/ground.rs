//! What all tests stand on: a data folder, a clock that is told the time, and batches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tidegate_model::Timestamp;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::observation::{Observation, ObservationBatch};
use tidegate_observations::{LogError, Observations, Settings, replay};

/// Nine in the morning of a day, in milliseconds since 1970.
pub(crate) const NINE: i64 = 1_767_603_600_000;

/// The clock of a test.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn at_nine() -> Self {
        Self(Arc::new(AtomicI64::new(NINE)))
    }

    pub(crate) fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    pub(crate) fn on(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    pub(crate) fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.millis())
    }
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(millis).unwrap()
}

pub(crate) fn production() -> EnvironmentKey {
    "production".parse().unwrap()
}

/// Where the log is in a data folder.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("observations/production")
}

/// Segments so small that a few batches fill one.
pub(crate) fn small() -> Settings {
    Settings {
        segment_bytes_max: 1024,
        ..Settings::default()
    }
}

pub(crate) fn try_open(data: &Path, clock: &Clock, settings: Settings) -> Result<Observations, LogError> {
    let clock = clock.clone();
    Observations::open_with(data, &production(), move || clock.now(), settings)
}

pub(crate) fn open(data: &Path, clock: &Clock, settings: Settings) -> Observations {
    try_open(data, clock, settings).unwrap()
}

pub(crate) fn exposure(unit: &str, arm: &str, millis: i64) -> Observation {
    Observation::Exposure {
        experiment: "checkout".parse().unwrap(),
        batch: 0,
        unit: unit.to_owned(),
        arm: arm.parse().unwrap(),
        at: at(millis),
        dimensions: BTreeMap::new(),
    }
}

pub(crate) fn event(unit: &str, value: f64, millis: i64, id: &str) -> Observation {
    Observation::Event {
        unit: unit.to_owned(),
        metric: "bought".parse().unwrap(),
        value,
        at: at(millis),
        id: id.to_owned(),
    }
}

pub(crate) fn holding(spool: &str, number: u64, observations: Vec<Observation>) -> ObservationBatch {
    ObservationBatch {
        spool: spool.to_owned(),
        number,
        observations,
    }
}

/// A batch of two units that nobody else has, one of which does something.
pub(crate) fn batch(spool: &str, number: u64) -> ObservationBatch {
    let (one, other) = (format!("{spool}-{number}-one"), format!("{spool}-{number}-other"));
    let observations = vec![
        exposure(&one, "old", NINE),
        exposure(&other, "new", NINE),
        event(&other, 12.5, NINE + 1, "first"),
    ];
    holding(spool, number, observations)
}

/// Every batch in a log: its spool and number, in the order of the log. What it holds is what was sent.
pub(crate) fn kept(data: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let replayed = replay(data, &production(), |_, read| {
        assert_eq!(read, batch(&read.spool, read.number), "nothing else was sent");
        found.push((read.spool, read.number));
    });
    assert_eq!(replayed.unwrap().damaged, []);
    found
}

/// The segments in a log, in their order.
pub(crate) fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(data)).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(folder(to)).unwrap();
    for file in segments(from) {
        fs::copy(&file, folder(to).join(file.file_name().unwrap())).unwrap();
    }
}
