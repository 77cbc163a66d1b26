//! Rollouts that open to segments before they open to anybody.

use super::*;
use tidegate_decide::refusal::Refusal;
use tidegate_model::segment::SegmentDefinition;

const WAVES: &str = "apiVersion: tidegate/v1
kind: RolloutPolicy
name: waves
schedule:
  stages:
    - { segment: staff, percentage: 0.2, duration: 1h }
    - { segment: kiwis, of: 50, percentage: 1, duration: 1h }
    - { percentage: 10, duration: 1h }
    - { percentage: 100, duration: 1h }
safety: { rules: [{ name: errors, query: up, window: 5m, threshold: 0.5 }] }
";

impl World {
    async fn save_segment(&self, key: &str, attribute: &str) -> Result<(), ControlError> {
        let definition: SegmentDefinition = serde_json::from_value(serde_json::json!({
            "key": key, "when": { "attribute": attribute, "operator": "exists" },
        }))
        .unwrap();
        let saved = self
            .control
            .save_segment(&self.environment, definition, Expect::Any, Self::by());
        saved.await.map(drop)
    }

    async fn start_waves(&self) -> Result<RolloutId, ControlError> {
        let name = PolicyName::new("waves").unwrap();
        let saved = self.control.save_policy(
            &self.environment,
            &name,
            WAVES.to_owned(),
            Expect::Any,
            Self::by(),
        );
        saved.await.unwrap();
        let request = StartRollout {
            flag: FlagKey::new(FLAG).unwrap(),
            policy: name,
            candidate: None,
            value: None,
            arguments: std::collections::BTreeMap::new(),
            shadow: None,
        };
        let started = self.control.start_rollout(&self.environment, request, Self::by());
        Ok(started.await?.id)
    }

    /// The share of anybody, and that of each wave.
    fn open(&self) -> (f64, Vec<(String, f64)>) {
        let Some(split) = self.published().unwrap().flags.remove(0).rollout else {
            return (0.0, Vec::new());
        };
        let waves = split.waves.into_iter();
        let waves = waves.map(|wave| (wave.segment.to_string(), wave.share.percent()));
        (split.share.percent(), waves.collect())
    }
}

fn refused(result: Result<impl std::fmt::Debug, ControlError>) -> String {
    match result.unwrap_err() {
        ControlError::Refused(Refusal::Conflict { why, .. }) => why,
        ControlError::Refused(Refusal::Invalid(invalid)) => invalid.to_string(),
        other => panic!("{other}"),
    }
}

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
}

#[actix_rt::test]
async fn waves_open_one_after_the_other_and_shut_together() {
    let world = world().await;
    let why = refused(world.start_waves().await);
    assert!(
        why.contains("policy.schedule.stages[0].segment") && why.contains("staff"),
        "{why}"
    );
    for segment in ["staff", "kiwis"] {
        world.save_segment(segment, "a").await.unwrap();
    }
    let id = world.start_waves().await.unwrap();
    let all = |percent| ("staff".to_owned(), percent);
    world.advance(minutes(10)).await;
    assert_eq!(world.open(), (0.0, vec![all(100.0)]));
    world.advance(minutes(60)).await;
    assert_eq!(world.open(), (0.0, vec![all(100.0), ("kiwis".to_owned(), 50.0)]));
    let view = world.view(&id).await;
    assert_eq!(view.audience.map(|audience| audience.waves.len()), Some(2));
    // Whom it opens to stays as it is.
    let why = refused(world.save_segment("kiwis", "b").await);
    assert!(why.contains(id.as_str()), "{why}");
    let key = tidegate_model::key::SegmentKey::new("staff").unwrap();
    let deleted = world
        .control
        .delete_segment(&world.environment, &key, Expect::Any, World::by());
    assert!(refused(deleted.await).contains(id.as_str()));
    world.save_segment("kiwis", "a").await.unwrap();
    world.advance(minutes(70)).await;
    assert_eq!(world.open(), (10.0, vec![all(100.0), ("kiwis".to_owned(), 50.0)]));
    world.says(Ok(0.9));
    world.advance(minutes(1)).await;
    assert_eq!(world.open(), (0.0, vec![]));
    world.advance(minutes(1)).await;
    assert_eq!(world.view(&id).await.status, "rolled_back");
    world.save_segment("kiwis", "b").await.unwrap();
}
