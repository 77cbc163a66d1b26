//! Another plan, and another flag, while a rollout runs.

use super::*;
use tidegate_decide::refusal::Refusal;

async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
}

impl World {
    async fn edit_flag(&self, definition: serde_json::Value) -> Result<(), ControlError> {
        let flag = serde_json::from_value(definition).unwrap();
        let saved = self
            .control
            .save_flag(&self.environment, flag, Expect::Any, Self::by());
        saved.await.map(drop)
    }
}

fn with_individual() -> serde_json::Value {
    serde_json::json!({
        "key": FLAG, "type": "boolean", "individuals": [{ "units": ["ada"], "variation": "on" }],
    })
}

#[actix_rt::test]
async fn f47_an_edit_and_the_new_beginning_become_true_together() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(90)).await;
    assert_eq!(world.published_percent(), Some(50.0));
    let head = world.store.head();
    world.edit_flag(with_individual()).await.unwrap();
    let records = world.store.records(head, 10).await.unwrap();
    let entities: Vec<_> = records[0]
        .entries
        .iter()
        .map(|entry| entry.entity.kind().name())
        .collect();
    assert_eq!(entities, ["flag", "rollout"], "{records:?}");
    world.advance(minutes(1)).await;
    let view = world.view(&id).await;
    assert_eq!(
        (view.share.percent(), world.published_percent()),
        (1.0, Some(1.0))
    );
    // The same once more changes nothing, and neither do words.
    let revision = view.revision;
    world.edit_flag(with_individual()).await.unwrap();
    let mut words = with_individual();
    words["description"] = "for people".into();
    world.edit_flag(words).await.unwrap();
    let view = world.view(&id).await;
    assert_eq!((view.share.percent(), view.revision), (1.0, revision));
    world.advance(minutes(70)).await;
    assert_eq!(world.published_percent(), Some(50.0));
    // What it stands on cannot be edited at all.
    let mut fallback = with_individual();
    fallback["fallback"] = serde_json::json!({ "variation": "on" });
    assert!(world.edit_flag(fallback).await.is_err());
}

#[actix_rt::test]
async fn f47_a_policy_that_refuses_edits_is_heard() {
    let world = world().await;
    let name = PolicyName::new("hourly").unwrap();
    let text = format!("{POLICY}flagEdits: refuse\n");
    let saved = world
        .control
        .save_policy(&world.environment, &name, text, Expect::Any, World::by());
    saved.await.unwrap();
    let id = world.start().await.unwrap();
    world.advance(minutes(90)).await;
    let refused = world.edit_flag(with_individual()).await.unwrap_err();
    assert!(
        matches!(&refused, ControlError::Refused(Refusal::Conflict { why, .. }) if why.contains("hourly")),
        "{refused}"
    );
    assert_eq!(world.view(&id).await.share.percent(), 50.0);
}

#[actix_rt::test]
async fn other_stages_ahead_are_read_checked_and_proposed() {
    let world = world().await;
    let id = world.start().await.unwrap();
    world.advance(minutes(10)).await;
    let accelerate = async |text: &str| {
        let by = World::by();
        world
            .control
            .accelerate_rollout(&world.environment, &id, text, Expect::Any, by)
            .await
    };
    for wrong in [
        "schedule: { stages: [{ percentage: 60, duration: 1m }] }",
        "schedule: { stages: [{ percentage: 100, duration: 1m }], windows: [] }",
        "stages: []",
        "schedule: { stages: [{ percentage: 100, duration: 1m, successCriteria: [{ rule: x, healthyFor: 1m }] }] }",
    ] {
        let refused = accelerate(wrong).await.unwrap_err();
        assert!(matches!(refused, ControlError::Policy(_)), "{wrong}: {refused}");
    }
    let stages = "schedule: { stages: [{ percentage: 60, duration: 6m, waitForApproval: true }, { percentage: 100, duration: 6m }] }";
    let proposed = accelerate(stages).await.unwrap().proposal.unwrap();
    assert!(
        proposed
            .differences
            .iter()
            .any(|text| text.contains("half (50 %) is gone"))
    );
}
