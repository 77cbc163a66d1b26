//! How many observations are acknowledged a second while an experiment folds them, and how fast a restart has them again.
//!
//! `cargo run --release -p tidegate-observations --example log_rate [folder]`

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_model::Timestamp;
use tidegate_model::experiment::Design;
use tidegate_model::key::EnvironmentKey;
use tidegate_model::observation::{Observation, ObservationBatch};
use tidegate_observations::{Observations, Period};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Observations of each run.
const OBSERVATIONS: u64 = 2_000_000;
/// Of so many units.
const UNITS: u64 = 1_000_000;
/// How many hand batches in at once.
const TASKS: u64 = 64;
/// Ten in the morning of a day, in milliseconds since 1970.
const MORNING: i64 = 1_767_607_200_000;

fn main() -> Outcome<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    bare_syncs(folder.path())?;
    println!(
        "{:<44} {:>12} {:>12} {:>9} {:>9}",
        "what", "batches/s", "obs./s", "p50 us", "p99 us"
    );
    runtime.block_on(async {
        for each in [1, 100, 1_000] {
            let data = folder.path().join(each.to_string());
            let observations = if each == 1 {
                OBSERVATIONS / 20
            } else {
                OBSERVATIONS
            };
            run(&data, each, observations).await?;
        }
        Ok(())
    })
}

/// What no group of batches can be quicker than: a write of 4 KiB and its sync.
fn bare_syncs(folder: &Path) -> Outcome<()> {
    let path = folder.join("bare");
    let mut file = File::create_new(path)?;
    let mut took = Vec::new();
    for _ in 0..1000 {
        let began = Instant::now();
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!(
        "a bare write and fdatasync: p50 {:.0?}, p99 {:.0?}",
        quantile(&took, 50),
        quantile(&took, 99)
    );
    Ok(())
}

async fn run(data: &Path, each: u64, observations: u64) -> Outcome<()> {
    let batches = observations / each / TASKS;
    let lines: Vec<Vec<ObservationBatch>> = (0..TASKS)
        .map(|task| (1..=batches).map(|number| batch(task, number, each)).collect())
        .collect();
    let sent = TASKS * batches;
    if each == 1_000 {
        sizes(&lines)?;
    }
    let design = design()?;
    let log = open(data)?;
    log.watch(&design, &[period()]);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for line in lines {
        let log = log.clone();
        tasks.spawn(async move {
            let mut took = Vec::with_capacity(line.len());
            for batch in &line {
                let began = Instant::now();
                log.take_in(batch).await?;
                took.push(began.elapsed());
            }
            Ok::<_, tidegate_observations::TakeInError>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(each) = tasks.join_next().await {
        took.extend(each??);
    }
    let acknowledged = began.elapsed();
    log.caught_up(&design.key).await?;
    let folded = began.elapsed();
    took.sort_unstable();
    print(
        &format!("acknowledged, {each} a batch, 64 at once"),
        sent,
        each,
        acknowledged,
        Some(&took),
    );
    print("  until folded, too", sent, each, folded, None);
    if each == 1_000 {
        beside_a_look(&log, &design).await?;
    }
    let status = log.status();
    log.close().await;
    drop(log);
    let began = Instant::now();
    let log = open(data)?;
    let opened = began.elapsed();
    log.watch(&design, &[period()]);
    log.caught_up(&design.key).await?;
    print("  restart: until folded again", sent, each, began.elapsed(), None);
    let began = Instant::now();
    let environment = EnvironmentKey::new("production").map_err(|violation| violation.to_string())?;
    tidegate_observations::replay(data, &environment, |_, batch| drop(batch))?;
    print("  read, and not folded", sent, each, began.elapsed(), None);
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let bytes = status.bytes as f64 / status.observations as f64;
    println!(
        "  {bytes:.1} bytes an observation on disk, {} segments; opened in {opened:.0?}",
        status.segments
    );
    log.close().await;
    Ok(())
}

/// How long acknowledging takes while the fold walks over all units.
async fn beside_a_look(log: &Observations, design: &Design) -> Outcome<()> {
    let began = Instant::now();
    log.tallies(&design.key).await?;
    let alone = began.elapsed();
    let mut took = Vec::new();
    let mut looks = 0;
    let mut number = 0;
    while looks < 5 {
        // Something new, so that the look is not the one before.
        number += 1;
        log.take_in(&batch(TASKS, number, 100)).await?;
        let looking = {
            let (log, key) = (log.clone(), design.key.clone());
            tokio::spawn(async move { log.tallies(&key).await })
        };
        while !looking.is_finished() {
            number += 1;
            let batch = batch(TASKS, number, 100);
            let began = Instant::now();
            log.take_in(&batch).await?;
            took.push(began.elapsed());
        }
        looking.await??;
        looks += 1;
    }
    took.sort_unstable();
    let units = log
        .status()
        .experiments
        .get(&design.key)
        .map_or(0, |fold| fold.participants);
    println!(
        "  a look at {units} units takes {alone:.0?}; {} batches acknowledged beside five of them: p50 {:.0?}, longest {:.0?}",
        took.len(),
        quantile(&took, 50),
        took.last().copied().unwrap_or_default()
    );
    Ok(())
}

/// What the batches would take in other forms.
fn sizes(lines: &[Vec<ObservationBatch>]) -> Outcome<()> {
    let mut count = 0;
    let (mut json, mut compressed) = (0, 0);
    let (mut packing, mut reading) = (Duration::ZERO, Duration::ZERO);
    for batch in lines.iter().filter_map(|line| line.first()) {
        let began = Instant::now();
        let text = serde_json::to_vec(batch)?;
        let small = zstd::bulk::compress(&text, 1)?;
        packing += began.elapsed();
        let began = Instant::now();
        let text = zstd::bulk::decompress(&small, text.len())?;
        let read: ObservationBatch = serde_json::from_slice(&text)?;
        reading += began.elapsed();
        count += read.observations.len();
        json += text.len();
        compressed += small.len();
    }
    println!(
        "for comparison: JSON {} bytes an observation, with zstd {}: written in {:.0} ns, read in {:.0} ns",
        json / count,
        compressed / count,
        packing.as_secs_f64() * 1e9 / f64::from(u32::try_from(count)?),
        reading.as_secs_f64() * 1e9 / f64::from(u32::try_from(count)?)
    );
    Ok(())
}

fn print(what: &str, batches: u64, each: u64, took: Duration, all: Option<&[Duration]>) {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = batches as f64 / took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let observations = rate * each as f64;
    let micros = |percent| all.map_or_else(String::new, |all| quantile(all, percent).as_micros().to_string());
    println!(
        "{what:<44} {rate:>12.0} {observations:>12.0} {:>9} {:>9}",
        micros(50),
        micros(99)
    );
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}

fn open(data: &Path) -> Outcome<Observations> {
    let environment = EnvironmentKey::new("production").map_err(|violation| violation.to_string())?;
    let began = Arc::new(Instant::now());
    let start = at(MORNING);
    Ok(Observations::open(data, &environment, move || {
        start + began.elapsed()
    })?)
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(millis).unwrap_or_default()
}

fn period() -> Period {
    Period {
        from: at(MORNING - 3_600_000),
        until: None,
        batch: 0,
    }
}

/// Ten metrics, one of which is capped at a quantile, so that a look walks.
fn design() -> Outcome<Design> {
    let mut metrics = vec![
        r#"{"name":"m0","measure":{"kind":"conversion","event":"e0"}}"#.to_owned(),
        r#"{"name":"m1","measure":{"kind":"revenue","event":"e0"},"cap":{"quantile":0.999}}"#.to_owned(),
    ];
    metrics.extend((2..10).map(|number| {
        format!(
            r#"{{"name":"m{number}","role":"secondary","measure":{{"kind":"revenue","event":"e{}"}}}}"#,
            number % 5
        )
    }));
    let text = format!(
        r#"{{"key":"checkout","hypothesis":"it sells more","flag":"checkout","control":"old",
        "arms":[{{"variation":"old","weight":50}},{{"variation":"new","weight":50}}],"metrics":[{}]}}"#,
        metrics.join(",")
    );
    let design: Design = serde_json::from_str(&text)?;
    Ok(design.checked()?)
}

/// As a node makes them: units meet their arm, and most of what follows is what they do.
fn batch(task: u64, number: u64, each: u64) -> ObservationBatch {
    let observations = (0..each).filter_map(|one| {
        let draw = mixed((task << 40) ^ (number << 16) ^ one);
        let chosen = mixed(draw) % UNITS;
        let unit = format!("user-{chosen:08}");
        let at = at(MORNING - i64::try_from(draw % 3_000_000).ok()?);
        Some(if draw.is_multiple_of(3) {
            Observation::Exposure {
                experiment: "checkout".parse().ok()?,
                batch: 0,
                unit,
                arm: if chosen.is_multiple_of(2) { "old" } else { "new" }
                    .parse()
                    .ok()?,
                at,
                dimensions: BTreeMap::new(),
            }
        } else {
            Observation::Event {
                unit,
                metric: format!("e{}", draw % 5).parse().ok()?,
                value: f64::from(u32::try_from(draw >> 50).ok()?) / 100.0,
                at,
                id: format!("{draw:016x}"),
            }
        })
    });
    ObservationBatch {
        spool: format!("spool-{task}"),
        number,
        observations: observations.collect(),
    }
}

/// splitmix64: the same numbers on every machine.
const fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
