//! What the actors do, told in worlds.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed};
use tidegate_decide::step::Step;
use tidegate_model::change::{Change, EntityState};
use tidegate_model::flag::Serve;
use tidegate_model::rollout::{Rollout, RolloutChange};

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
}

#[actix_rt::test]
async fn a_healthy_rollout_completes_and_the_flag_keeps_it() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(30)).await;
    assert_eq!(world.published_percent(), Some(1.0));
    world.advance(hours(1)).await;
    assert_eq!(world.published_percent(), Some(50.0));
    world.advance(hours(3)).await;
    let view = world.view(&id).await;
    assert_eq!(view.status, "completed");
    assert_eq!(world.published_percent(), None, "the rollout lets go of the flag");
    let flag = world
        .control
        .flag(&world.environment, &FlagKey::new(FLAG).unwrap())
        .await
        .unwrap();
    assert_eq!(flag.value.pin, None);
    assert!(matches!(flag.value.flag.fallback(), Some(Serve::Variation(on)) if on.as_str() == "on"));
}

#[actix_rt::test]
async fn l05_no_node_no_clock() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.wait(hours(5)).await;
    assert_eq!(
        world.published_percent(),
        Some(1.0),
        "nobody confirmed, so the stage never began"
    );
    assert_eq!(world.view(&id).await.status, "running");
}

#[actix_rt::test]
async fn f44_rolled_back_only_when_every_live_node_confirmed() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(10)).await;
    world.says(Ok(0.5));
    world.advance(Duration::from_secs(55)).await;
    world.wait(Duration::from_secs(10)).await;
    let view = world.view(&id).await;
    assert_eq!(
        (view.status.as_str(), world.published_percent()),
        ("rolling_back", Some(0.0)),
        "{view:?}"
    );
    assert_eq!(view.waiting_for, std::slice::from_ref(&world.node));
    world.advance(Duration::from_secs(2)).await;
    let view = world.view(&id).await;
    assert_eq!(
        (view.status.as_str(), world.published_percent()),
        ("rolled_back", None),
        "{view:?}"
    );
    assert!(
        view.because.contains("errors"),
        "the reason is told after the end, too: {}",
        view.because
    );
}

#[actix_rt::test]
async fn f48_a_rollback_does_not_wait_for_the_dead() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(10)).await;
    world.says(Ok(0.5));
    world.wait(minutes(3)).await;
    assert_eq!(
        world.view(&id).await.status,
        "rolled_back",
        "the silent node's lease has ended"
    );
}

#[actix_rt::test]
async fn f27_a_new_control_plane_goes_on_where_the_old_one_was() {
    tokio::time::pause();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = World::on(store.clone(), tidegate_decide::rollout::step).await;
    first.prepare().await;
    let id = first.start().await.unwrap();
    first.advance(minutes(90)).await;
    let before = first.view(&id).await;
    drop(first);
    let second = World::on(store, tidegate_decide::rollout::step).await;
    second.confirm().await;
    let after = second.view(&id).await;
    assert_eq!((after.phase, after.share), (before.phase, before.share));
    assert_eq!(second.published_percent(), Some(50.0));
    let begun = |record: &Record| {
        let advanced = |change: &Change| matches!(change, Change::Rollout(RolloutChange::Advanced { .. }));
        record.entries.iter().any(|entry| advanced(&entry.change))
    };
    assert_eq!(
        second
            .records()
            .await
            .iter()
            .filter(|record| begun(record))
            .count(),
        1
    );
}

#[actix_rt::test]
async fn replay_gives_the_same_state() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(70)).await;
    world.says(Err(UnknownReason::NoSeries));
    world.advance(minutes(45)).await;
    assert_eq!(
        world.view(&id).await.status,
        "paused",
        "blind for longer than the budget"
    );
    world
        .command(
            &id,
            RolloutCommand::Rollback {
                reason: String::new(),
                past_no_return: false,
            },
        )
        .await
        .unwrap();
    world.advance(minutes(1)).await;
    let mut states: std::collections::BTreeMap<_, EntityState> = std::collections::BTreeMap::new();
    for record in world.records().await {
        for entry in record.entries {
            let before = states.remove(&entry.entity);
            let after = EntityState::apply(before, &entry.change, record.at, entry.revision).unwrap();
            states.extend(after.map(|after| (entry.entity, after)));
        }
    }
    assert!(!states.is_empty());
    for (entity, state) in states {
        assert_eq!(
            world
                .store
                .load(&entity)
                .await
                .unwrap()
                .map(|stored| stored.state),
            Some(state)
        );
    }
}

#[actix_rt::test]
async fn f50_one_rollout_a_flag() {
    let world = world().await;
    world.start().await.unwrap();
    let second = world.start().await.unwrap_err();
    assert!(
        matches!(&second, ControlError::Refused(Refusal::Conflict { .. })),
        "{second}"
    );
    let archived = r#"{"key":"checkout","type":"boolean","status":"archived"}"#;
    let archived = serde_json::from_str(archived).unwrap();
    let refused = world
        .control
        .save_flag(&world.environment, archived, Expect::Any, World::by())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("checkout.1"), "{refused}");
}

#[actix_rt::test]
async fn f22_the_second_of_two_edits_is_told_what_won() {
    let world = world().await;
    let flag = |description: &str| {
        serde_json::from_value(
            serde_json::json!({"key": "checkout", "type": "boolean", "description": description}),
        )
        .unwrap()
    };
    let read = world
        .control
        .flag(&world.environment, &FlagKey::new(FLAG).unwrap())
        .await
        .unwrap();
    let seen = Expect::Revision(read.revision);
    world
        .control
        .save_flag(&world.environment, flag("first"), seen, World::by())
        .await
        .unwrap();
    let late = world
        .control
        .save_flag(&world.environment, flag("second"), seen, World::by())
        .await
        .unwrap_err();
    assert!(
        matches!(late, ControlError::Stale { actual, .. } if actual == read.revision.next()),
        "{late}"
    );
}

/// How often the step function below was asked.
static ASKED: AtomicUsize = AtomicUsize::new(0);

fn step_that_panics(rollout: &Rollout, _: &Observed, _: &Input, _: Timestamp) -> Result<Step, Refusal> {
    ASKED.fetch_add(1, Ordering::SeqCst);
    panic!("no step for {}", rollout.start.id);
}

#[actix_rt::test]
async fn f57_a_step_that_panics_is_quarantined_and_its_blind_action_taken() {
    tokio::time::pause();
    let world = World::on(Arc::new(MemoryStore::new()), step_that_panics).await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(2)).await;
    assert_eq!(
        ASKED.load(Ordering::SeqCst),
        6,
        "built anew five times, then no more"
    );
    let view = world.view(&id).await;
    assert!(view.quarantined && view.pauses.is_empty(), "{view:?}");
    assert_eq!(
        world.control.health().await.quarantined,
        ["rollout/production/checkout.1"]
    );
    let refused = world
        .command(
            &id,
            RolloutCommand::Pause {
                reason: "wait".to_owned(),
            },
        )
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("kept apart"), "{refused}");
    world.advance(minutes(31)).await;
    assert_eq!(
        world.view(&id).await.status,
        "paused",
        "the policy's blind action"
    );
    world
        .command(
            &id,
            RolloutCommand::Rollback {
                reason: String::new(),
                past_no_return: false,
            },
        )
        .await
        .unwrap();
    world.advance(minutes(1)).await;
    assert_eq!(
        world.published_percent(),
        None,
        "nothing is in front of a rollback, and every node confirmed it"
    );
    assert_eq!(world.view(&id).await.status, "rolled_back");
    assert!(world.control.health().await.quarantined.is_empty());
    replaying::replay(&world.records().await).unwrap();
}
