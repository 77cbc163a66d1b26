//! kill -9 on the real server under many writers, with a checker that stands outside.

use crate::plane::Plane;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const WRITERS: u64 = 64;

/// After how many acknowledgements the server is killed: one after the other, again and again.
const LIVES: [u32; 7] = [1, 20, 90, 150, 330, 7, 55];

/// What one writer knows of its flag: the number that was acknowledged last, and the one that was sent last.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    acknowledged: u64,
    sent: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_kill_9_under_64_writers_loses_nothing_that_was_acknowledged() {
    let kills = std::env::var("TIDEGATE_KILLS").map_or(30, |kills| kills.parse().expect("a number"));
    let mut plane = Plane::start(None).await;
    let mut known = vec![Known::default(); usize::try_from(WRITERS).expect("few")];
    for kill in 0..kills {
        let (after, plane_after) = live(plane, known, LIVES[kill % LIVES.len()]).await;
        (known, plane) = (after, plane_after);
        plane.restart().await;
        let stored = stored(&plane).await;
        for (writer, known) in known.iter_mut().enumerate() {
            let found = stored.get(&format!("w{writer}")).copied().unwrap_or(0);
            assert!(
                (known.acknowledged..=known.sent).contains(&found),
                "kill {kill}: writer {writer} finds {found}, and {known:?}"
            );
            // What was sent and not answered is settled now, one way or the other.
            *known = Known {
                acknowledged: found,
                sent: found,
            };
        }
    }
    let verified = crate::processes::tidegate()
        .args(["verify", "--data"])
        .arg(plane.data())
        .output()
        .expect("the binary runs");
    assert!(verified.status.success(), "{verified:?}");
    let acknowledged: u64 = known.iter().map(|known| known.acknowledged).sum();
    println!(
        "{kills} kills under {WRITERS} writers, {acknowledged} changes: nothing acknowledged was lost, nothing invented"
    );
}

/// Lets everybody write, and kills the server after so many acknowledgements. What each knows afterwards.
async fn live(plane: Plane, known: Vec<Known>, acknowledgements: u32) -> (Vec<Known>, Plane) {
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
    plane.process.kill_now();
    let all: BTreeMap<usize, Known> = writers.join_all().await.into_iter().collect();
    let plane = Arc::into_inner(plane).expect("the writers are gone");
    (all.into_values().collect(), plane)
}

/// The numbers that the server has, by flag.
async fn stored(plane: &Plane) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let (status, body) = plane.call("GET", "production/flags?limit=1000", None).await;
    assert_eq!(status, 200, "{body}");
    for item in body["items"].as_array().expect("a list") {
        let text = |field: &Value| field.as_str().map(ToOwned::to_owned);
        let flag = &item["definition"];
        if let (Some(key), Some(description)) = (text(&flag["key"]), text(&flag["description"])) {
            found.insert(key, description.parse().expect("a number"));
        }
    }
    found
}
