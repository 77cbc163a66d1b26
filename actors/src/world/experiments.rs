//! Experiments, from their design to their end.

use super::*;
use serde_json::{Value, json};
use tidegate_decide::refusal::Refusal;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, ExperimentStep};
use tidegate_model::change::EntityRef;
use tidegate_model::experiment::{Design, ExperimentCommand, ExperimentState, Outcome, Phase};
use tidegate_model::flag::FlagStatus;
use tidegate_model::key::{ExperimentKey, VariationKey};
use tidegate_model::observation::{Observation, ObservationBatch};

/// A flag, a policy, and nothing designed yet.
async fn world() -> World {
    tokio::time::pause();
    let world = World::new().await;
    world.prepare().await;
    world
}

fn key() -> ExperimentKey {
    ExperimentKey::new("green-button").unwrap()
}

fn design(more: &Value) -> Design {
    let mut design = json!({
        "key": "green-button",
        "hypothesis": "Green makes more people buy.",
        "flag": "checkout",
        "control": "off",
        "arms": [{ "variation": "off", "weight": 50 }, { "variation": "on", "weight": 50 }],
        "metrics": [{ "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" } }],
        "discipline": { "kind": "always_valid" },
    });
    for (name, value) in more.as_object().unwrap() {
        design[name] = value.clone();
    }
    serde_json::from_value(design).unwrap()
}

fn stop(outcome: Outcome) -> ExperimentCommand {
    ExperimentCommand::Stop {
        outcome,
        reason: "we know enough".to_owned(),
    }
}

fn on() -> VariationKey {
    VariationKey::new("on").unwrap()
}

impl World {
    async fn draft(&self, more: Value) -> Result<ExperimentState, ControlError> {
        let design = design(&more);
        let saved = self
            .control
            .save_experiment(&self.environment, design, Expect::Any, Self::by());
        Ok(saved.await?.value)
    }

    async fn tell(&self, command: ExperimentCommand) -> Result<ExperimentState, ControlError> {
        let key = key();
        let told = self
            .control
            .command_experiment(&self.environment, &key, command, Expect::Any, Self::by());
        Ok(told.await?.value)
    }

    async fn experiment(&self) -> ExperimentState {
        let found = self.control.experiment(&self.environment, &key()).await;
        found.unwrap().value
    }

    /// So many units meet each arm, and so many of them buy, each from `first` on.
    async fn meet(&self, number: u64, first: u64, arms: [(&str, u64, u64); 2]) {
        let at = self.control.clock().now();
        let batch = self.batch().await;
        let mut observations = Vec::new();
        for (arm, units, buyers) in arms {
            for unit in 0..units {
                let unit_name = format!("{arm}-{}", first + unit);
                observations.push(Observation::Exposure {
                    experiment: key(),
                    batch,
                    unit: unit_name.clone(),
                    arm: VariationKey::new(arm).unwrap(),
                    at,
                    dimensions: std::collections::BTreeMap::new(),
                });
                if unit < buyers {
                    observations.push(Observation::Event {
                        unit: unit_name.clone(),
                        metric: tidegate_model::key::MetricName::new("purchase").unwrap(),
                        value: 1.0,
                        at,
                        id: unit_name,
                    });
                }
            }
        }
        let batch = ObservationBatch {
            spool: "node".to_owned(),
            number,
            observations,
        };
        let receipt = self.control.observe(&self.environment, batch).await.unwrap();
        assert_eq!(receipt.through, number);
    }

    async fn flag_state(&self) -> tidegate_model::flag::FlagState {
        let key = FlagKey::new(FLAG).unwrap();
        self.control.flag(&self.environment, &key).await.unwrap().value
    }

    async fn batch(&self) -> u32 {
        self.experiment()
            .await
            .dealings
            .last()
            .map_or(0, |dealing| dealing.batch)
    }

    /// What the flag deals now, as nodes get it.
    async fn dealt(&self) -> (FlagStatus, Option<Vec<f64>>) {
        self.wait(Duration::from_secs(1)).await;
        let flags = self.published().unwrap().flags;
        let flag = flags.into_iter().find(|flag| flag.flag.key().as_str() == FLAG);
        let flag = flag.unwrap().flag;
        let weights = flag.running_experiment().map(|one| {
            let arms = one.arms.iter();
            arms.map(|arm| arm.weight.percent()).collect()
        });
        (flag.definition().status, weights)
    }

    /// What was decided about it, in its order.
    async fn steps(&self) -> Vec<ExperimentStep> {
        let entity = EntityRef::Experiment(self.environment.clone(), key());
        let records = self.records().await;
        let own = records.into_iter().filter(|record| {
            let mut entries = record.entries.iter();
            entries.any(|entry| entry.entity == entity)
        });
        own.filter_map(|record| match record.because?.decision {
            Decision::Experiment { step } => Some(step),
            _ => None,
        })
        .collect()
    }

    async fn edit(&self, definition: Value) -> Result<(), ControlError> {
        let flag = serde_json::from_value(definition).unwrap();
        let saved = self
            .control
            .save_flag(&self.environment, flag, Expect::Any, Self::by());
        saved.await.map(drop)
    }
}

fn conflict<T: std::fmt::Debug>(refused: Result<T, ControlError>) -> String {
    match refused {
        Err(ControlError::Refused(Refusal::Conflict { why, fix })) => format!("{why}; {fix}"),
        other => panic!("not a conflict: {other:?}"),
    }
}

#[actix_rt::test]
async fn from_the_design_to_a_variation_for_everybody() {
    let world = world().await;
    assert_eq!(world.draft(json!({})).await.unwrap().phase, Phase::Draft);
    assert_eq!(
        world.dealt().await,
        (FlagStatus::Active, None),
        "a draft deals nothing"
    );
    assert_eq!(
        world.tell(ExperimentCommand::Start).await.unwrap().phase,
        Phase::Running
    );
    assert_eq!(
        world.dealt().await,
        (FlagStatus::Experiment, Some(vec![50.0, 50.0]))
    );
    let pause = ExperimentCommand::Pause {
        reason: "the shop is down".to_owned(),
    };
    assert_eq!(world.tell(pause).await.unwrap().phase, Phase::Paused);
    assert_eq!(world.dealt().await, (FlagStatus::Active, None));
    let resume = ExperimentCommand::Resume {
        reason: "it is up again".to_owned(),
    };
    world.tell(resume).await.unwrap();
    assert_eq!(
        world.dealt().await,
        (FlagStatus::Experiment, Some(vec![50.0, 50.0]))
    );
    world.meet(1, 0, [("off", 1_000, 100), ("on", 1_000, 200)]).await;
    world.wait(minutes(1)).await;
    let advice = world.experiment().await.advice.unwrap();
    assert_eq!((advice.action.as_str(), advice.arm), ("ship", Some(on())));
    world.tell(stop(Outcome::Ship { variation: on() })).await.unwrap();
    assert_eq!(world.dealt().await, (FlagStatus::Active, None));
    let flag = world.flag_state().await;
    assert_eq!(json!(flag.flag.fallback()), json!({ "variation": "on" }));
    assert_eq!(flag.held, None);
    world.wait(hours(25)).await;
    let state = world.experiment().await;
    assert_eq!(state.tallies.unwrap()[0].units(), 2_000, "its numbers are final");
    world.tell(ExperimentCommand::Archive).await.unwrap();
    use ExperimentStep as S;
    let steps = world.steps().await;
    let expected = [
        S::Designed,
        S::Started,
        S::Advised,
        S::Paused,
        S::Resumed,
        S::Advised,
        S::Stopped,
        S::Concluded,
        S::Archived,
    ];
    assert_eq!(steps, expected);
}

#[actix_rt::test]
async fn it_and_a_rollout_never_hold_one_flag() {
    let world = world().await;
    world.draft(json!({})).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    let refused = conflict(world.start().await);
    assert!(refused.contains("held by experiment green-button"), "{refused}");
    world.tell(stop(Outcome::Revert)).await.unwrap();
    world.start().await.unwrap();
    world.draft(json!({ "key": "another" })).await.unwrap();
    let another = ExperimentKey::new("another").unwrap();
    let start = ExperimentCommand::Start;
    let started =
        world
            .control
            .command_experiment(&world.environment, &another, start, Expect::Any, World::by());
    let refused = conflict(started.await);
    assert!(refused.contains("held by rollout checkout.1"), "{refused}");
}

#[actix_rt::test]
async fn its_winner_is_handed_to_a_rollout_in_one_record() {
    let world = world().await;
    world.draft(json!({})).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    let hand_over = |policy: &str| Outcome::HandOver {
        variation: on(),
        policy: PolicyName::new(policy).unwrap(),
    };
    let refused = world.tell(stop(hand_over("no-such-policy"))).await;
    assert!(
        matches!(refused, Err(ControlError::NotFound { .. })),
        "{refused:?}"
    );
    assert_eq!(
        world.experiment().await.phase,
        Phase::Running,
        "nothing half done"
    );
    let stopped = world.tell(stop(hand_over("hourly"))).await.unwrap();
    assert_eq!(stopped.phase, Phase::Stopped);
    let last = world
        .records()
        .await
        .into_iter()
        .rfind(|record| record.entries.len() > 2);
    let kinds: Vec<String> = last
        .unwrap()
        .entries
        .iter()
        .map(|entry| entry.entity.kind().to_string())
        .collect();
    assert_eq!(kinds, ["experiment", "flag", "flag", "rollout"]);
    world.advance(hours(4)).await;
    assert_eq!(
        json!(world.flag_state().await.flag.fallback()),
        json!({ "variation": "on" })
    );
}

#[actix_rt::test]
async fn while_it_holds_a_flag_only_the_switch_is_free() {
    let world = world().await;
    world.draft(json!({})).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    let key = FlagKey::new(FLAG).unwrap();
    let flag = world.control.flag(&world.environment, &key).await.unwrap();
    let held = json!(flag.value.flag);
    let mut other_rules = held.clone();
    other_rules["individuals"] = json!([{ "units": ["u1"], "variation": "on" }]);
    let refused = conflict(world.edit(other_rules).await);
    assert!(refused.contains("held by experiment green-button"), "{refused}");
    let mut off = held.clone();
    off["status"] = json!("inactive");
    world.edit(off).await.unwrap();
    assert_eq!(world.dealt().await, (FlagStatus::Inactive, None));
    world.wait(minutes(5)).await;
    assert_eq!(
        world.dealt().await.0,
        FlagStatus::Inactive,
        "nobody switches it on again but a person"
    );
    world.edit(held).await.unwrap();
    assert_eq!(world.dealt().await.0, FlagStatus::Experiment);
    let changed = conflict(world.draft(json!({ "alpha": 0.2 })).await);
    assert!(changed.contains("has started"), "{changed}");
    let excluded = world
        .draft(json!({ "excluded": ["robot"], "description": "without robots" }))
        .await;
    assert_eq!(excluded.unwrap().design.excluded.len(), 1);
    world.dealt().await;
    let flags = world.published().unwrap().flags;
    let dealing = flags.iter().find_map(|flag| flag.flag.running_experiment());
    let audience = json!(dealing.unwrap().audience);
    assert_eq!(audience["value"], json!(["robot"]), "{audience}");
}

#[test]
fn a_broken_guardrail_stops_it_and_another_one_pauses_it() {
    for (on_breach, phase) in [
        ("stop", Phase::Stopped),
        ("pause", Phase::Paused),
        ("alert", Phase::Running),
    ] {
        life(guarded(on_breach, phase));
    }
}

async fn guarded(on_breach: &str, phase: Phase) {
    let world = World::new().await;
    world.prepare().await;
    let metrics = json!([
        { "name": "visit", "measure": { "kind": "engagement", "event": "visit" } },
        { "name": "purchase", "role": "guardrail", "measure": { "kind": "conversion", "event": "purchase" },
          "onBreach": on_breach },
    ]);
    world.draft(json!({ "metrics": metrics })).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    world.meet(1, 0, [("off", 2_000, 400), ("on", 2_000, 380)]).await;
    world.wait(minutes(1)).await;
    assert_eq!(
        world.experiment().await.phase,
        Phase::Running,
        "five per cent less is chance"
    );
    world
        .meet(2, 2_000, [("off", 2_000, 400), ("on", 2_000, 100)])
        .await;
    world.wait(minutes(1)).await;
    let state = world.experiment().await;
    assert_eq!(state.phase, phase, "{on_breach}: {:?}", state.advice);
    if let Some(ended) = state.ended {
        assert_eq!((ended.outcome, ended.by), (Outcome::Revert, Author::Tidegate));
        assert!(ended.why.contains("purchase"), "{}", ended.why);
    }
    let dealt = world.dealt().await;
    assert_eq!(dealt.1.is_some(), phase == Phase::Running);
}

#[actix_rt::test]
async fn it_starts_and_ends_by_itself() {
    let world = world().await;
    let start_at = world.control.clock().now() + chrono::TimeDelta::hours(2);
    world
        .draft(json!({ "startAt": start_at, "duration": "3d" }))
        .await
        .unwrap();
    world.tell(ExperimentCommand::Schedule).await.unwrap();
    world.wait(minutes(119)).await;
    assert_eq!(world.experiment().await.phase, Phase::Scheduled);
    world.wait(minutes(2)).await;
    let state = world.experiment().await;
    // A timer rings a moment after its time.
    let late = state.started.unwrap() - start_at;
    assert_eq!((state.phase, late.num_seconds()), (Phase::Running, 0));
    world.wait(hours(71)).await;
    assert_eq!(world.experiment().await.phase, Phase::Running);
    world.wait(hours(2)).await;
    let ended = world.experiment().await.ended.unwrap();
    assert!(ended.as_planned);
    assert_eq!((ended.at - state.started.unwrap()).num_days(), 3);
}

#[actix_rt::test]
async fn a_start_that_is_not_possible_waits() {
    let world = world().await;
    let start_at = world.control.clock().now() + chrono::TimeDelta::hours(1);
    world.draft(json!({ "startAt": start_at })).await.unwrap();
    world.tell(ExperimentCommand::Schedule).await.unwrap();
    let rollout = world.start().await.unwrap();
    world.advance(hours(2)).await;
    assert_eq!(
        world.experiment().await.phase,
        Phase::Scheduled,
        "a rollout holds the flag"
    );
    let abort = RolloutCommand::Abort {
        reason: "make room".to_owned(),
        past_no_return: false,
    };
    world.command(&rollout, abort).await.unwrap();
    world.advance(minutes(5)).await;
    assert_eq!(world.experiment().await.phase, Phase::Running);
}

#[actix_rt::test]
async fn planned_looks_are_taken_once_each() {
    let world = world().await;
    let discipline = json!({ "kind": "group_sequential", "units": 4_000, "looks": 4 });
    world.draft(json!({ "discipline": discipline })).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    for (number, units) in [(1, 300), (2, 300), (3, 900), (4, 900)] {
        let first = number * 10_000;
        world
            .meet(
                number,
                first,
                [("off", units, units / 10), ("on", units, units / 10)],
            )
            .await;
        world.wait(minutes(10)).await;
    }
    let looks: Vec<u64> = world
        .experiment()
        .await
        .looks
        .iter()
        .map(|look| look.units)
        .collect();
    assert_eq!(
        looks,
        [1_200, 3_000, 4_800],
        "at the first moment with so many units, and no more"
    );
    assert!(world.experiment().await.last_look.is_some());
}

#[actix_rt::test]
async fn a_bandit_follows_what_is_seen() {
    let world = world().await;
    let bandit = json!({ "metric": "purchase", "every": "1h", "units": 100 });
    world.draft(json!({ "bandit": bandit })).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    world.meet(1, 0, [("off", 500, 50), ("on", 500, 65)]).await;
    world.wait(minutes(50)).await;
    assert_eq!(
        world.dealt().await.1,
        Some(vec![50.0, 50.0]),
        "a batch lasts an hour"
    );
    world.wait(minutes(15)).await;
    let weights = world.dealt().await.1.unwrap();
    assert!(weights[1] > 85.0 && weights[0] >= 1.0, "{weights:?}");
    assert!((weights.iter().sum::<f64>() - 100.0).abs() < 1e-9);
    world.meet(2, 1_000, [("off", 100, 10), ("on", 900, 130)]).await;
    world.wait(minutes(70)).await;
    let state = world.experiment().await;
    assert!(state.dealings.len() >= 3, "{:?}", state.dealings);
    let tallies = world
        .control
        .tallies(&world.environment, &state)
        .await
        .unwrap()
        .unwrap();
    let units: Vec<u64> = tallies
        .iter()
        .map(tidegate_model::experiment::tally::Tallies::units)
        .collect();
    assert_eq!(units[..2], [1_000, 1_000], "each batch counts its own");
}

#[actix_rt::test]
async fn another_life_goes_on_where_it_was() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    tokio::time::pause();
    {
        let world = World::on(store.clone(), tidegate_decide::rollout::step).await;
        world.prepare().await;
        world.draft(json!({ "duration": "2d" })).await.unwrap();
        world.tell(ExperimentCommand::Start).await.unwrap();
    }
    let began = Timestamp::default() + chrono::TimeDelta::days(1);
    let world = World::since(began, store, tidegate_decide::rollout::step).await;
    assert_eq!(world.dealt().await.0, FlagStatus::Experiment);
    world.wait(hours(25)).await;
    assert_eq!(
        world.experiment().await.phase,
        Phase::Stopped,
        "its time was over in the second life"
    );
}

#[actix_rt::test]
async fn two_experiments_of_one_layer_share_no_part() {
    let world = world().await;
    let layer = |from: u32, to: u32| json!({ "key": "page", "from": from, "to": to });
    world.draft(json!({ "layer": layer(0, 60) })).await.unwrap();
    world.tell(ExperimentCommand::Start).await.unwrap();
    let other = json!({ "key": "other", "type": "boolean" });
    world.edit(other).await.unwrap();
    let second = |from: u32| json!({ "key": "second", "flag": "other", "layer": layer(from, 100) });
    let over_full = world.draft(second(50)).await;
    let Err(ControlError::Refused(Refusal::Invalid(invalid))) = over_full else {
        panic!("{over_full:?}");
    };
    let violation = &invalid.into_violations()[0];
    assert_eq!(violation.field, "layer");
    assert!(violation.rule.contains("green-button"), "{violation}");
    let beside = world.draft(second(60)).await;
    assert_eq!(beside.unwrap().phase, Phase::Draft);
}
