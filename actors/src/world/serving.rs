//! Escalation: when the control plane only serves, what it takes then, and how that ends.

use super::*;
use tidegate_decide::refusal::Refusal;
use tidegate_decide::rollout::{Input, Observed};
use tidegate_decide::serving::{Cause, FAILING_MANY};
use tidegate_decide::step::Step;
use tidegate_model::rollout::Rollout;

fn broken(rollout: &Rollout, _: &Observed, _: &Input, _: Timestamp) -> Result<Step, Refusal> {
    panic!("no step for {}", rollout.start.id);
}

impl World {
    fn serves_only(&self) -> Vec<Cause> {
        self.control.shell.serving.causes()
    }

    async fn save(&self, key: &str) -> Result<(), ControlError> {
        let flag = serde_json::from_value(serde_json::json!({"key": key, "type": "boolean"})).unwrap();
        let saved = self
            .control
            .save_flag(&self.environment, flag, Expect::Any, Self::by());
        saved.await.map(drop)
    }

    fn told(&self, cause: Cause) -> i64 {
        let gauge = &self.measures.others.serves_only;
        gauge.with_label_values(&[cause.name()]).get()
    }
}

fn rollback() -> RolloutCommand {
    RolloutCommand::Rollback {
        reason: "enough".to_owned(),
        past_no_return: false,
    }
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, ControlError>, because: Cause) -> bool {
    matches!(answer, Err(ControlError::ServesOnly { causes }) if causes.contains(&because))
}

#[actix_rt::test]
async fn f57_when_many_actors_fail_nothing_is_taken_but_what_shuts_until_they_are_gone() {
    tokio::time::pause();
    let world = World::on(Arc::new(MemoryStore::new()), broken).await;
    world.prepare().await;
    let mut started = Vec::new();
    for number in 0..FAILING_MANY {
        assert_eq!(world.serves_only(), [], "{number} that fail are an accident");
        let key = format!("flag-{number}");
        world.save(&key).await.unwrap();
        let request = StartRollout {
            flag: FlagKey::new(&key).unwrap(),
            ..World::request()
        };
        started.push(world.begin(request).await.unwrap());
        world.advance(minutes(1)).await;
    }
    assert_eq!(world.serves_only(), [Cause::Actors]);
    assert_eq!((world.told(Cause::Actors), world.told(Cause::Late)), (1, 0));
    assert_eq!(world.control.health().await.serves_only, [Cause::Actors]);

    // What opens or edits is refused, and changes nothing.
    let head = world.store.head();
    assert!(is_refused(&world.save("another").await, Cause::Actors));
    assert!(is_refused(&world.start().await, Cause::Actors));
    assert!(is_refused(&world.control.rotate_key().await, Cause::Actors));
    assert_eq!(world.store.head(), head);

    // What shuts is taken, and nodes get what follows.
    let frozen = world
        .control
        .freeze(&world.environment, "look".to_owned(), World::by());
    assert!(frozen.await.unwrap().frozen.is_some());
    let thawed = world
        .control
        .thaw(&world.environment, "go".to_owned(), World::by());
    assert!(is_refused(&thawed.await, Cause::Actors));
    for id in &started {
        world.command(id, rollback()).await.unwrap();
    }
    world.advance(minutes(1)).await;
    for id in &started {
        assert_eq!(world.view(id).await.status, "rolled_back");
    }
    let published = world.published().unwrap();
    assert!(published.flags.iter().all(|flag| flag.rollout.is_none()));

    // They are gone, and after a minute without them everything is taken again.
    world.advance(minutes(1)).await;
    assert_eq!((world.serves_only(), world.told(Cause::Actors)), (vec![], 0));
    world.save("another").await.unwrap();
}

#[actix_rt::test]
async fn f58_while_the_actors_were_late_no_stage_opens_and_a_rollback_goes_through() {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(59)).await;
    // The thread stands still: it is late for whatever was due meanwhile.
    tokio::time::advance(minutes(1)).await;
    world.advance(Duration::from_secs(30)).await;
    assert_eq!(world.serves_only(), [Cause::Late]);
    assert!(is_refused(&world.save("another").await, Cause::Late));
    assert_eq!(
        world.published_percent(),
        Some(1.0),
        "the next stage is due, and waits"
    );
    world.advance(minutes(1)).await;
    assert_eq!(world.serves_only(), []);
    world.advance(minutes(3)).await;
    assert_eq!(
        world.published_percent(),
        Some(50.0),
        "it opens once they keep up"
    );
    assert_eq!(world.view(&id).await.status, "running");

    tokio::time::advance(minutes(1)).await;
    world.advance(Duration::from_secs(5)).await;
    assert_eq!(world.serves_only(), [Cause::Late]);
    world.command(&id, rollback()).await.unwrap();
    world.advance(Duration::from_secs(10)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    assert!(world.control.health().await.quarantined.is_empty());
    assert_eq!(
        world.measures.restarts.with_label_values(&["rollout"]).get(),
        0,
        "what was not taken is no failure of its actor"
    );
}
