//! New values and edits of segments, opened under a policy.

use super::*;
use serde_json::{Value, json};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::staged::StageSegment;
use tidegate_eval::CompiledSnapshot;
use tidegate_model::context::Context;
use tidegate_model::key::SegmentKey;
use tidegate_model::segment::SegmentState;
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

impl World {
    async fn save_beta(&self, units: &[&str]) -> Result<(), ControlError> {
        let definition = serde_json::from_value(json!({ "key": "beta", "included": units })).unwrap();
        let saved = self
            .control
            .save_segment(&self.environment, definition, Expect::Any, Self::by());
        saved.await.map(drop)
    }

    async fn stage_beta(&self, definition: Value) -> Result<RolloutId, ControlError> {
        let request = StageSegment {
            definition: serde_json::from_value(definition).unwrap(),
            policy: PolicyName::new("hourly").unwrap(),
            arguments: [].into(),
            shadow: None,
        };
        let key = SegmentKey::new("beta").unwrap();
        let staged = self
            .control
            .stage_segment(&self.environment, &key, request, Expect::Any, Self::by());
        Ok(staged.await?.id)
    }

    async fn beta(&self) -> SegmentState {
        let key = SegmentKey::new("beta").unwrap();
        self.control.segment(&self.environment, &key).await.unwrap().value
    }

    /// How many of a thousand units are in the segment, on the nodes.
    fn in_beta(&self) -> usize {
        let content = self.published().unwrap();
        let compiled = CompiledSnapshot::compile(&content, Version::default()).unwrap();
        let units = (0..1000).map(|unit| Context::of_unit(format!("user-{unit}")));
        let is_in = |context: &Context| {
            let prepared = compiled.prepare(context, Timestamp::default());
            compiled.in_segment("beta", &prepared) == Some(true)
        };
        units.filter(is_in).count()
    }
}

/// An edit after which everybody is in.
fn everybody() -> Value {
    json!({ "key": "beta", "when": { "attribute": "nothing", "operator": "not_exists" } })
}

#[actix_rt::test]
async fn an_edit_of_a_segment_opens_stage_by_stage_and_becomes_the_segment() {
    let world = world().await;
    world.save_beta(&["user-1"]).await.unwrap();
    let head = world.store.head();
    let id = world.stage_beta(everybody()).await.unwrap();
    assert_eq!(id.as_str(), "segment.beta.1");
    let records = world.store.records(head, 10).await.unwrap();
    let kinds: Vec<_> = records[0]
        .entries
        .iter()
        .map(|entry| entry.entity.kind().name())
        .collect();
    assert_eq!(kinds, ["rollout", "flag", "flag", "segment"], "{records:?}");
    world.advance(minutes(10)).await;
    assert!((1..40).contains(&world.in_beta()), "{}", world.in_beta());
    // Nobody else touches what it stands on.
    for refused in [
        world.save_beta(&["user-2"]).await,
        world
            .stage_beta(json!({ "key": "beta", "included": ["x"] }))
            .await
            .map(drop),
        world
            .control
            .delete_segment(
                &world.environment,
                &SegmentKey::new("beta").unwrap(),
                Expect::Any,
                World::by(),
            )
            .await,
        world
            .begin(StartRollout {
                flag: FlagKey::new("segment.beta").unwrap(),
                ..World::request()
            })
            .await
            .map(drop),
    ] {
        assert!(
            matches!(&refused, Err(ControlError::Refused(Refusal::Conflict { .. }))),
            "{refused:?}"
        );
    }
    world.advance(minutes(80)).await;
    assert!((400..600).contains(&world.in_beta()), "{}", world.in_beta());
    world.advance(hours(3)).await;
    assert_eq!(world.view(&id).await.status, "completed");
    let after = world.beta().await;
    assert_eq!(
        (json!(after.segment)["when"].clone(), after.staged),
        (everybody()["when"].clone(), None)
    );
    assert_eq!(
        (world.in_beta(), world.published().unwrap().staged),
        (1000, Vec::new())
    );
    let last = world.records().await.pop().unwrap();
    let kinds: Vec<_> = last
        .entries
        .iter()
        .map(|entry| entry.entity.kind().name())
        .collect();
    assert_eq!(kinds, ["rollout", "segment", "flag"], "{last:?}");
    // The next edit begins with nobody again, under the same guard.
    let next = world
        .stage_beta(json!({ "key": "beta", "included": ["user-3"] }))
        .await
        .unwrap();
    assert_eq!(next.as_str(), "segment.beta.2");
    world.advance(minutes(10)).await;
    assert!((960..1000).contains(&world.in_beta()), "{}", world.in_beta());
    world.replay().await;
}

#[actix_rt::test]
async fn an_edit_that_turns_out_bad_is_dropped_also_across_a_crash() {
    tokio::time::pause();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let first = World::on(store.clone(), tidegate_decide::rollout::step).await;
    first.prepare().await;
    first.save_beta(&["user-1"]).await.unwrap();
    let id = first.stage_beta(everybody()).await.unwrap();
    first.advance(minutes(90)).await;
    assert!((400..600).contains(&first.in_beta()), "{}", first.in_beta());
    drop(first);
    // From here on another process, which knows nothing but the store.
    let second = World::on(store.clone(), tidegate_decide::rollout::step).await;
    second.advance(minutes(10)).await;
    assert!((400..600).contains(&second.in_beta()), "{}", second.in_beta());
    second.says(Ok(0.5));
    let behind = second.control.published(&second.environment);
    let behind = behind.map(|published| published.header.version);
    for _ in 0..300 {
        if second.view(&id).await.status != "running" {
            break;
        }
        second.report(behind).await;
        second.wait(Duration::from_secs(1)).await;
    }
    assert_eq!(second.view(&id).await.status, "rolling_back");
    assert_eq!(second.in_beta(), 1, "everybody is safe before anybody confirmed");
    assert!(
        second.beta().await.staged.is_some(),
        "not called over before it is"
    );
    drop(second);
    let third = World::on(store, tidegate_decide::rollout::step).await;
    third.advance(minutes(10)).await;
    assert_eq!(third.view(&id).await.status, "rolled_back");
    let after = third.beta().await;
    assert_eq!(
        (json!(after.segment)["included"].clone(), after.staged),
        (json!(["user-1"]), None)
    );
    assert_eq!(
        (third.in_beta(), third.published().unwrap().staged),
        (1, Vec::new())
    );
    third.save_beta(&["user-2"]).await.unwrap();
    third.replay().await;
}

#[actix_rt::test]
async fn lists_of_units_are_staged_and_a_frozen_line_stages_nothing() {
    let world = world().await;
    world.save_beta(&["user-1"]).await.unwrap();
    let absent = json!({ "key": "beta", "list": { "digest": "0123456789abcdef".repeat(4), "count": 3 } });
    let refused = world.stage_beta(absent).await.unwrap_err();
    assert!(refused.to_string().contains("there is no such list"), "{refused}");
    let units = tidegate_model::units::UnitSet::of_hashes(vec![1, 2, 3]);
    let from = SegmentKey::new("imported").unwrap();
    let imported = world
        .control
        .import_list(&world.environment, &from, units, Expect::Any, World::by());
    let list = json!(imported.await.unwrap().value.segment)["list"].clone();
    let reason = "the database is on fire".to_owned();
    world
        .control
        .freeze(&world.environment, reason.clone(), World::by())
        .await
        .unwrap();
    let edit = json!({ "key": "beta", "list": list });
    let refused = world.stage_beta(edit.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("on fire"), "{refused}");
    assert_eq!(world.beta().await.staged, None);
    world
        .control
        .thaw(&world.environment, reason, World::by())
        .await
        .unwrap();
    world.stage_beta(edit).await.unwrap();
    world.advance(minutes(1)).await;
    let published = world.published().unwrap();
    assert_eq!(json!(published.staged)[0]["definition"]["list"], list);
    assert_eq!(published.lists().len(), 1);
    world.replay().await;
}
