//! Batches of observations over HTTP: taken in once, refused whole, and not at all when the log takes none.

use super::laboratory::Laboratory;
use super::world::{Answer, PRODUCTION, World, clock};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use tidegate_actors::observing::Observatory;
use tidegate_model::key::EnvironmentKey;
use tidegate_observations::{Disk, Observations, Settings, Space, SystemDisk};
use tidegate_store::MemoryStore;

const PATH: &str = "/api/v1/production/observations";

fn batch(number: u64, units: u64) -> Value {
    let seen = |unit: u64| {
        json!({"kind": "exposure", "experiment": "green", "unit": format!("u{unit}"), "arm": "on",
            "at": "2030-06-01T12:00:00Z"})
    };
    json!({"spool": "line", "number": number, "observations": (0..units).map(seen).collect::<Vec<_>>()})
}

async fn hand_in(world: &World, batch: &Value) -> Answer {
    world
        .ask("POST", PATH)
        .by("node")
        .json(&batch.to_string())
        .send()
        .await
}

/// How many observations the log of the environment has.
fn kept(laboratory: &Laboratory) -> u64 {
    let mut each = laboratory.logs.each();
    let (_, log) = each.find(|(key, _)| key.as_str() == PRODUCTION).unwrap();
    log.status().observations
}

#[actix_web::test]
async fn a_batch_is_taken_in_once_packed_or_not() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    let first = hand_in(world, &batch(1, 3)).await;
    assert_eq!(
        (first.status, &first.json),
        (200, &json!({"through": 1})),
        "{}",
        first.text
    );
    assert_eq!(hand_in(world, &batch(1, 3)).await.json, first.json);
    assert_eq!(kept(&laboratory), 3);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(batch(2, 500).to_string().as_bytes()).unwrap();
    let ask = world
        .ask("POST", PATH)
        .by("node")
        .header("content-encoding", "gzip");
    let ask = ask.body("application/json", packed.finish().unwrap());
    let second = ask.send().await;
    assert_eq!(
        (second.status, &second.json),
        (200, &json!({"through": 2})),
        "{}",
        second.text
    );
    assert_eq!(kept(&laboratory), 503);
}

#[actix_web::test]
async fn a_batch_of_nonsense_is_refused_whole_with_its_fields() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    let mut bad = batch(0, 3);
    bad["observations"][1]["unit"] = json!("");
    let refused = hand_in(world, &bad).await;
    refused.is_problem(422, "invalid", "");
    let fields: Vec<&str> = refused.json["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["number", "observations[1].unit"], "{}", refused.text);
    let unknown = hand_in(world, &json!({"spool": "line", "number": 1, "seen": []})).await;
    unknown.is_problem(400, "malformed-body", "seen");
    let ask = world
        .ask("POST", PATH)
        .by("node")
        .header("content-encoding", "br");
    let ask = ask.body("application/json", b"x".to_vec()).send().await;
    ask.is_problem(415, "unsupported-media-type", "gzip");
    let ask = world
        .ask("POST", PATH)
        .by("node")
        .header("content-encoding", "gzip");
    let ask = ask.body("application/json", b"no gzip".to_vec()).send().await;
    ask.is_problem(400, "malformed-body", "");
    assert_eq!(kept(&laboratory), 0);
    let by_editor = world
        .ask("POST", PATH)
        .by("editor")
        .json(&batch(1, 1).to_string());
    by_editor.send().await.is_problem(403, "forbidden", "");
}

#[actix_web::test]
async fn a_log_that_was_closed_is_told_and_all_else_goes_on() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    laboratory.logs.close().await;
    hand_in(world, &batch(1, 1))
        .await
        .is_problem(503, "storage-unavailable", "nodes keep theirs");
    let ready = world.ask_without_token("GET", "/readyz").send().await;
    assert_eq!(
        (ready.status, &ready.json["status"]),
        (200, &json!("ready")),
        "{}",
        ready.text
    );
    let why = ready.json["notObserving"]["production"].as_str().unwrap();
    assert!(why.contains("it was closed"), "{why}");
    world.flag("another").await;
}

/// A disk that is nearly full.
#[derive(Debug)]
struct FullDisk;

impl Disk for FullDisk {
    fn space(&self, _folder: &Path) -> io::Result<Space> {
        Ok(Space {
            free: 1,
            all: 1 << 40,
        })
    }

    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        SystemDisk.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        SystemDisk.sync(file)
    }
}

#[actix_web::test]
async fn a_full_disk_takes_no_batch_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let key = EnvironmentKey::new(PRODUCTION).unwrap();
    let clock = clock();
    let time = Arc::clone(&clock);
    let settings = Settings {
        disk: Arc::new(FullDisk),
        ..Settings::default()
    };
    let log = Observations::open_with(folder.path(), &key, move || time.now(), settings).unwrap();
    let logs = BTreeMap::from([(key, Arc::new(log) as Arc<dyn Observatory>)]);
    let world = World::observed_by(Arc::new(MemoryStore::new()), clock, logs).await;
    hand_in(&world, &batch(1, 1))
        .await
        .is_problem(507, "disk-full", "send the batch again later");
    let ready = world.ask_without_token("GET", "/readyz").send().await;
    let why = ready.json["notObserving"]["production"].as_str().unwrap();
    assert!(why.contains("nearly full"), "{why}");
}
