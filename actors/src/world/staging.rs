//! New values, opened under a policy.

use super::*;
use serde_json::{Value, json};
use tidegate_decide::refusal::Refusal;
use tidegate_trail::replay::Replay;

/// A world whose flag serves a tax of 10 %.
async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
        .save_flag(json!({
            "key": "pricing", "type": "json", "variations": [{ "key": "v1", "value": { "tax": 0.1 } }],
            "fallback": { "variation": "v1" },
        }))
        .await;
    world
}

impl World {
    async fn save_flag(&self, definition: Value) {
        let flag = serde_json::from_value(definition).unwrap();
        let saved = self
            .control
            .save_flag(&self.environment, flag, Expect::Any, Self::by());
        saved.await.unwrap();
    }

    async fn open_value(&self, value: Value) -> Result<RolloutId, ControlError> {
        let request = StartRollout {
            flag: FlagKey::new("pricing").unwrap(),
            value: Some(value),
            ..Self::request()
        };
        self.begin(request).await
    }

    /// The names of the flag's variations, and what everybody gets.
    async fn pricing(&self) -> (Vec<String>, Value) {
        let key = FlagKey::new("pricing").unwrap();
        let flag = self.control.flag(&self.environment, &key).await.unwrap();
        let definition = flag.value.flag.definition();
        let names = definition.variations.iter().map(|one| one.key.to_string());
        (names.collect(), json!(definition.fallback))
    }

    async fn replay(&self) {
        let mut replay = Replay::default();
        for record in self.records().await {
            let taken = replay.take(&record);
            taken.unwrap_or_else(|disagreement| panic!("{disagreement}"));
        }
    }
}

#[actix_rt::test]
async fn a_value_opens_together_with_its_variation_and_becomes_the_fallback() {
    let world = world().await;
    let head = world.store.head();
    let id = world.open_value(json!({ "tax": 0.15 })).await.unwrap();
    let records = world.store.records(head, 10).await.unwrap();
    let kinds: Vec<_> = records[0]
        .entries
        .iter()
        .map(|entry| entry.entity.kind().name())
        .collect();
    assert_eq!(kinds, ["rollout", "flag", "flag"], "{records:?}");
    world.advance(minutes(30)).await;
    let (names, fallback) = world.pricing().await;
    assert_eq!(names, ["v1", "v2"]);
    assert_eq!(fallback, json!({ "variation": "v1" }));
    world.advance(hours(4)).await;
    assert_eq!(world.view(&id).await.status, "completed");
    assert_eq!(world.pricing().await.1, json!({ "variation": "v2" }));
    world.replay().await;
}

#[actix_rt::test]
async fn a_value_that_was_rolled_back_keeps_its_variation_and_is_opened_again_with_it() {
    let world = world().await;
    let id = world.open_value(json!({ "tax": 0.15 })).await.unwrap();
    world.advance(minutes(10)).await;
    world.says(Ok(0.5));
    world.advance(minutes(10)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    let after = (
        vec!["v1".to_owned(), "v2".to_owned()],
        json!({ "variation": "v1" }),
    );
    assert_eq!(world.pricing().await, after);
    world.says(Ok(0.0));
    world.advance(hours(1)).await;
    let again = world.open_value(json!({ "tax": 0.15 })).await.unwrap();
    assert_eq!(world.view(&again).await.candidate.as_str(), "v2");
    assert_eq!(world.pricing().await, after);
    let other = world.open_value(json!({ "tax": 0.2 })).await.unwrap_err();
    assert!(
        matches!(&other, ControlError::Refused(Refusal::Conflict { why, .. }) if why.contains("pricing.2")),
        "{other}"
    );
    world.replay().await;
}
