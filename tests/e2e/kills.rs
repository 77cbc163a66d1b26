//! kill -9 and SIGTERM on the real server under many writers, with a checker that stands outside.
//!
//! A few kills by default; `TIDEGATE_KILLS` says how many, and `TIDEGATE_SEED` when they come.

use crate::plane::Plane;
use crate::processes::{Running, tidegate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const WRITERS: u64 = 64;

/// A life ends after so many acknowledgements at most. Many end after a few: what begins is what breaks.
const ACKNOWLEDGEMENTS_MAX: u64 = 150;

/// What one writer knows of its flag: the number that was acknowledged last, and the one that was sent last.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    acknowledged: u64,
    sent: u64,
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

fn nothing_known() -> Vec<Known> {
    vec![Known::default(); usize::try_from(WRITERS).expect("few")]
}

/// After how many acknowledgements a life ends.
fn life_of(dice: &mut ChaCha8Rng) -> u32 {
    let most = 1 + dice.next_u64() % ACKNOWLEDGEMENTS_MAX;
    u32::try_from(1 + dice.next_u64() % most).expect("few")
}

/// What was found after all kills.
#[derive(Debug, Default)]
struct Found {
    lost: u64,
    torn: u64,
    invented: u64,
}

impl Found {
    /// Compares what one writer knows with what is stored. What was sent and not answered is settled from here on.
    fn compare(&mut self, known: &mut Known, stored: Option<&str>) {
        let Ok(stored) = stored.unwrap_or("0").parse::<u64>() else {
            self.torn += 1;
            return;
        };
        self.lost += u64::from(stored < known.acknowledged);
        self.invented += u64::from(stored > known.sent);
        *known = Known {
            acknowledged: stored,
            sent: stored,
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_kill_9_under_64_writers_loses_nothing_that_was_acknowledged() {
    let (kills, seed) = (number("TIDEGATE_KILLS", 30), number("TIDEGATE_SEED", 1));
    println!("kills: TIDEGATE_SEED={seed}");
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut plane = Plane::start(None).await;
    let mut known = nothing_known();
    let (mut found, mut acknowledged) = (Found::default(), 0);
    for kill in 0..kills {
        let before: u64 = known.iter().map(|known| known.acknowledged).sum();
        let (after, plane_after) = live(plane, known, life_of(&mut dice), Running::kill_now).await;
        (known, plane) = (after, plane_after);
        acknowledged += known.iter().map(|known| known.acknowledged).sum::<u64>() - before;
        plane.restart().await;
        let stored = stored(&plane).await;
        for (writer, known) in known.iter_mut().enumerate() {
            found.compare(known, stored.get(&format!("w{writer}")).map(String::as_str));
        }
        let all_well = found.lost + found.torn + found.invented == 0;
        assert!(all_well, "kill {kill}: {found:?}");
    }
    check_journal(&plane);
    println!(
        "{kills} kills under {WRITERS} writers, {acknowledged} acknowledged changes: {} lost, {} torn, {} invented",
        found.lost, found.torn, found.invented
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f60_stopped_under_64_writers_it_answers_all_that_it_stored() {
    let mut plane = Plane::start(None).await;
    let mut known = nothing_known();
    for acknowledgements in [1, 100, 300] {
        let (after, plane_after) = live(plane, known, acknowledgements, Running::ask_to_stop).await;
        (known, plane) = (after, plane_after);
        let asked = Instant::now();
        let ended = plane.process.wait();
        println!("it stopped within {:?} of the last answer", asked.elapsed());
        assert!(ended.success(), "{ended:?}");
        plane.restart().await;
        let stored = stored(&plane).await;
        for (writer, known) in known.iter_mut().enumerate() {
            let found = stored
                .get(&format!("w{writer}"))
                .map_or(0, |text| text.parse().expect("whole"));
            assert_eq!(
                found, known.acknowledged,
                "writer {writer} was told of all that is stored"
            );
            known.sent = found;
        }
    }
    check_journal(&plane);
}

fn check_journal(plane: &Plane) {
    let verified = tidegate().args(["verify", "--data"]).arg(plane.data()).output();
    let verified = verified.expect("the binary runs");
    assert!(verified.status.success(), "{verified:?}");
}

/// Lets everybody write, and ends the server after so many acknowledgements. What each knows afterwards.
async fn live(
    plane: Plane,
    known: Vec<Known>,
    acknowledgements: u32,
    end: impl Fn(&Running),
) -> (Vec<Known>, Plane) {
    let plane = Arc::new(plane);
    let counted = Arc::new(Semaphore::new(0));
    let mut writers = JoinSet::new();
    for (writer, mut known) in known.into_iter().enumerate() {
        let (plane, counted) = (Arc::clone(&plane), Arc::clone(&counted));
        writers.spawn(async move {
            loop {
                known.sent += 1;
                let flag = json!({"key": format!("w{writer}"), "type": "boolean", "description": known.sent.to_string()});
                match plane.try_call("PUT", &format!("production/flags/w{writer}"), flag).await {
                    Some(200) => known.acknowledged = known.sent,
                    _ => return (writer, known),
                }
                counted.add_permits(1);
            }
        });
    }
    let _enough = counted.acquire_many(acknowledgements).await;
    end(&plane.process);
    let all: BTreeMap<usize, Known> = writers.join_all().await.into_iter().collect();
    let plane = Arc::into_inner(plane).expect("the writers are gone");
    (all.into_values().collect(), plane)
}

/// What the server has written in each flag.
async fn stored(plane: &Plane) -> BTreeMap<String, String> {
    let (status, body) = plane.call("GET", "production/flags?limit=1000", None).await;
    assert_eq!(status, 200, "{body}");
    let items = body["items"].as_array().expect("a list");
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let flags = items.iter().map(|item| &item["definition"]);
    flags
        .map(|flag| (text(&flag["key"]), text(&flag["description"])))
        .collect()
}
