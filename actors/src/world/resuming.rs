//! Many rollouts that are found again after a restart.

use super::*;
use std::collections::BTreeMap;
use tokio::time::Instant;

const ROLLOUTS: usize = 120;

/// When each query was first asked after `since`, in milliseconds.
fn first_asked(world: &World, since: Instant) -> BTreeMap<String, u128> {
    let mut first = BTreeMap::new();
    for (query, at) in world.script.asked.lock().unwrap().iter() {
        let waited = at.duration_since(since).as_millis();
        first.entry(query.clone()).or_insert(waited);
    }
    first
}

/// Starts the rollouts, and says when it was over.
async fn begin(store: Arc<dyn Store>) -> Timestamp {
    let world = World::on(store, tidegate_decide::rollout::step).await;
    world.prepare().await;
    for number in 0..ROLLOUTS {
        let key = format!("flag-{number}");
        let flag = serde_json::from_value(serde_json::json!({"key": key, "type": "boolean"})).unwrap();
        let saved = world
            .control
            .save_flag(&world.environment, flag, Expect::Any, World::by());
        saved.await.unwrap();
        let request = serde_json::json!({"flag": key, "policy": "hourly"});
        let request: StartRollout = serde_json::from_value(request).unwrap();
        let started = world
            .control
            .start_rollout(&world.environment, request, World::by());
        started.await.unwrap();
    }
    world.control.clock().now()
}

#[test]
fn f43_after_a_restart_the_first_looks_are_spread_and_each_keeps_its_place() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut now = life(begin(store.clone()));
    let mut places = Vec::new();
    for _restart in 0..2 {
        let (first, end) = life(async {
            let world = World::since(now, store.clone(), tidegate_decide::rollout::step).await;
            let since = Instant::now();
            world.advance(minutes(2)).await;
            (first_asked(&world, since), world.control.clock().now())
        });
        now = end;
        assert_eq!(first.len(), ROLLOUTS, "every rollout looks");
        assert!(
            first.values().all(|waited| *waited <= 60_000),
            "none waits longer than its interval"
        );
        let mut each_second = BTreeMap::new();
        for waited in first.values() {
            *each_second.entry(waited / 1000).or_insert(0) += 1;
        }
        let most = each_second.values().max().unwrap();
        assert!(*most <= ROLLOUTS / 10, "{each_second:?}");
        assert!(each_second.len() > 30, "{each_second:?}");
        places.push(first);
    }
    let moved = places[0]
        .iter()
        .filter(|(query, waited)| waited.abs_diff(places[1][*query]) > 1000);
    assert_eq!(moved.count(), 0, "a place is kept over restarts");
}
