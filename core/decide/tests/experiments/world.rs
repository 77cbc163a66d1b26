//! An experiment, its flag and what stands beside it, without a server: every step goes through the one fold.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_decide::experiment::{Ground, command, design, watch};
use tidegate_decide::refusal::Refusal;
use tidegate_decide::step::{Effect, Step};
use tidegate_model::Timestamp;
use tidegate_model::access::Author;
use tidegate_model::because::{Decision, ExperimentStep};
use tidegate_model::catalog::Catalog;
use tidegate_model::change::{Change, EntityRef, EntityState};
use tidegate_model::environment::EnvironmentSettings;
use tidegate_model::experiment::tally::{ArmTally, Fixed, MetricTally, Sums, Tallies};
use tidegate_model::experiment::{Design, ExperimentCommand, ExperimentState, Outcome, Phase};
use tidegate_model::flag::{Flag, FlagState};
use tidegate_model::freeze::Frozen;
use tidegate_model::key::{EnvironmentKey, ExperimentKey, FlagKey, Revision};
use tidegate_model::segment::Segment;

pub(crate) struct World {
    pub(crate) environment: EnvironmentKey,
    pub(crate) now: Timestamp,
    pub(crate) settings: EnvironmentSettings,
    pub(crate) frozen: Option<Frozen>,
    pub(crate) segments: Vec<Segment>,
    /// What is stored.
    pub(crate) entities: BTreeMap<EntityRef, EntityState>,
    /// What was stored, and when.
    pub(crate) journal: Vec<(Timestamp, EntityRef, Change)>,
}

pub(crate) fn flag(key: &str, more: &Value) -> Flag {
    let mut definition = json!({ "key": key, "type": "boolean", "fallback": { "variation": "off" } });
    put(&mut definition, more);
    serde_json::from_value(definition).unwrap()
}

fn put(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().unwrap() {
        into[name] = value.clone();
    }
}

/// An experiment of this key on the flag `checkout`.
pub(crate) fn designed(key: &str, more: &Value) -> Design {
    let mut written = json!({
        "key": key,
        "hypothesis": "Green makes more people buy.",
        "flag": "checkout",
        "control": "off",
        "arms": [{ "variation": "off", "weight": 50 }, { "variation": "on", "weight": 50 }],
        "metrics": [{ "name": "purchase", "measure": { "kind": "conversion", "event": "purchase" } }],
    });
    put(&mut written, more);
    serde_json::from_value(written).unwrap()
}

pub(crate) const GREEN: &str = "green-button";

pub(crate) fn green() -> ExperimentKey {
    ExperimentKey::new(GREEN).unwrap()
}

pub(crate) fn told(reason: &str) -> String {
    reason.to_owned()
}

pub(crate) fn pause() -> ExperimentCommand {
    ExperimentCommand::Pause { reason: told("odd") }
}

pub(crate) fn resume() -> ExperimentCommand {
    ExperimentCommand::Resume {
        reason: told("it was a robot"),
    }
}

pub(crate) fn stop(outcome: Outcome) -> ExperimentCommand {
    ExperimentCommand::Stop {
        outcome,
        reason: told("we know enough"),
    }
}

pub(crate) fn ship(variation: &str) -> ExperimentCommand {
    stop(Outcome::Ship {
        variation: variation.parse().unwrap(),
    })
}

pub(crate) fn hand_over() -> ExperimentCommand {
    stop(Outcome::HandOver {
        variation: "on".parse().unwrap(),
        policy: "careful".parse().unwrap(),
    })
}

/// Units and events of a metric in the arms `off` and `on`.
pub(crate) fn counts(metrics: &[(&str, [(u64, u64); 2])]) -> Tallies {
    let mut tallies = Tallies::default();
    for (metric, arms) in metrics {
        for (arm, (units, events)) in ["off", "on"].into_iter().zip(arms) {
            let parts = i128::from(Fixed::ONE.millionths());
            let sums = Sums {
                n: *units,
                y: i128::from(*events) * parts,
                yy: i128::from(*events) * parts * parts,
                ..Sums::NONE
            };
            let tally = MetricTally {
                new: sums,
                active: *events,
                ..MetricTally::NOBODY
            };
            let of: &mut ArmTally = tallies.arms.entry(arm.parse().unwrap()).or_default();
            of.units = *units;
            of.metrics.insert(metric.parse().unwrap(), tally);
        }
    }
    tallies
}

/// Purchases.
pub(crate) fn bought(off: (u64, u64), on: (u64, u64)) -> Vec<Tallies> {
    vec![counts(&[("purchase", [off, on])])]
}

impl World {
    /// The flags `checkout` and `search`, and nothing on them.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            environment: EnvironmentKey::new("production").unwrap(),
            now: Timestamp::from_timestamp(1_000_000, 0).unwrap(),
            settings: EnvironmentSettings::default(),
            frozen: None,
            segments: Vec::new(),
            entities: BTreeMap::new(),
            journal: Vec::new(),
        };
        for key in ["checkout", "search"] {
            world.save(flag(key, &json!({})));
        }
        world
    }

    /// With this experiment, started.
    pub(crate) fn running(more: &Value) -> Self {
        let mut world = Self::new();
        world.draft(GREEN, more).unwrap();
        world.tell(&ExperimentCommand::Start).unwrap();
        world
    }

    /// With an experiment that has come so far.
    pub(crate) fn at(phase: Phase) -> Self {
        let start_at = (Self::new().now + chrono::TimeDelta::hours(1)).to_rfc3339();
        let mut world = Self::new();
        world.draft(GREEN, &json!({ "startAt": start_at })).unwrap();
        let life = match phase {
            Phase::Draft => vec![],
            Phase::Scheduled => vec![ExperimentCommand::Schedule],
            Phase::Running => vec![ExperimentCommand::Start],
            Phase::Paused => vec![ExperimentCommand::Start, pause()],
            Phase::Stopped => vec![ExperimentCommand::Start, stop(Outcome::Revert)],
            Phase::Archived => vec![
                ExperimentCommand::Start,
                stop(Outcome::Revert),
                ExperimentCommand::Archive,
            ],
        };
        for command in life {
            world.tell(&command).unwrap();
        }
        assert_eq!(world.green().phase, phase);
        world
    }

    pub(crate) fn save(&mut self, flag: Flag) {
        let entity = EntityRef::Flag(self.environment.clone(), flag.key().clone());
        self.store(vec![(entity, Change::FlagSaved(flag))]);
    }

    pub(crate) fn flag(&self, key: &str) -> &FlagState {
        let entity = EntityRef::Flag(self.environment.clone(), FlagKey::new(key).unwrap());
        match &self.entities[&entity] {
            EntityState::Flag(state) => state,
            other => panic!("{other:?}"),
        }
    }

    fn entity(&self, key: &str) -> EntityRef {
        EntityRef::Experiment(self.environment.clone(), ExperimentKey::new(key).unwrap())
    }

    pub(crate) fn experiment(&self, key: &str) -> Option<&ExperimentState> {
        match self.entities.get(&self.entity(key))? {
            EntityState::Experiment(state) => Some(state),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn green(&self) -> &ExperimentState {
        self.experiment(GREEN).unwrap()
    }

    pub(crate) fn catalog(&self) -> Catalog {
        let flags = self.entities.values().filter_map(|state| match state {
            EntityState::Flag(state) => Some((state.flag.key().clone(), state.flag.clone())),
            _ => None,
        });
        Catalog {
            flags: flags.collect(),
            segments: self
                .segments
                .iter()
                .map(|one| (one.key().clone(), one.clone()))
                .collect(),
            ..Catalog::default()
        }
    }

    /// Asks on this ground, and stores what follows.
    fn on<T>(&self, flag: &FlagKey, ask: impl FnOnce(&Ground<'_>) -> T) -> T {
        let catalog = self.catalog();
        let entity = EntityRef::Flag(self.environment.clone(), flag.clone());
        let flag = match self.entities.get(&entity) {
            Some(EntityState::Flag(state)) => Some(state),
            _ => None,
        };
        ask(&Ground {
            environment: &self.environment,
            settings: self.settings,
            catalog: &catalog,
            flag,
            frozen: self.frozen.as_ref(),
        })
    }

    pub(crate) fn draft(&mut self, key: &str, more: &Value) -> Result<Option<Step>, Refusal> {
        self.amend(designed(key, more))
    }

    pub(crate) fn amend(&mut self, new: Design) -> Result<Option<Step>, Refusal> {
        let before = self.experiment(new.key.as_str()).cloned();
        let flag = new.flag.clone();
        let step = self.on(&flag, |ground| {
            design(before.as_ref(), new, ground, &Author::Tidegate, self.now)
        })?;
        if let Some(step) = &step {
            self.take(step);
        }
        Ok(step)
    }

    pub(crate) fn tell(&mut self, what: &ExperimentCommand) -> Result<Step, Refusal> {
        self.tell_to(GREEN, what, Some(&[Tallies::default()]))
    }

    pub(crate) fn tell_to(
        &mut self,
        key: &str,
        what: &ExperimentCommand,
        tallies: Option<&[Tallies]>,
    ) -> Result<Step, Refusal> {
        let state = self.experiment(key).unwrap();
        let step = self.on(&state.design.flag, |ground| {
            command(state, what, tallies, ground, &Author::Tidegate, self.now)
        })?;
        self.take(&step);
        Ok(step)
    }

    /// After so many seconds.
    pub(crate) fn look(&mut self, seconds: i64, tallies: Option<&[Tallies]>) -> Step {
        self.look_at(GREEN, seconds, tallies)
    }

    pub(crate) fn look_at(&mut self, key: &str, seconds: i64, tallies: Option<&[Tallies]>) -> Step {
        self.now += chrono::TimeDelta::seconds(seconds);
        let state = self.experiment(key).unwrap();
        let step = self.on(&state.design.flag, |ground| {
            watch(state, tallies, ground, self.now)
        });
        let again = self.on(&state.design.flag, |ground| {
            watch(state, tallies, ground, self.now)
        });
        assert_eq!(step, again, "a step is a function");
        self.take(&step);
        step
    }

    fn take(&mut self, step: &Step) {
        assert_ne!(
            step.because.reasons.len() + usize::from(step.changes.is_empty()),
            0
        );
        let flags = step
            .changes
            .iter()
            .any(|(entity, _)| matches!(entity, EntityRef::Flag(..)));
        assert_eq!(
            step.effects == [Effect::Publish],
            flags,
            "nodes are told of what they see"
        );
        if let Some(at) = step.wake_at {
            assert!(at >= self.now, "wakes in the past: {}", step.because);
        }
        self.store(step.changes.clone());
    }

    fn store(&mut self, changes: Vec<(EntityRef, Change)>) {
        for (entity, change) in changes {
            fold(&mut self.entities, &entity, &change, self.now);
            self.journal.push((self.now, entity, change));
        }
    }

    /// The same states from the journal alone.
    pub(crate) fn replayed(&self) -> BTreeMap<EntityRef, EntityState> {
        let mut entities = BTreeMap::new();
        for (at, entity, change) in &self.journal {
            fold(&mut entities, entity, change, *at);
        }
        entities
    }
}

/// What cannot follow fails the test.
fn fold(entities: &mut BTreeMap<EntityRef, EntityState>, entity: &EntityRef, change: &Change, at: Timestamp) {
    let before = entities.remove(entity);
    let after = EntityState::apply(before, change, at, Revision::ABSENT);
    if let Some(after) = after.unwrap_or_else(|error| panic!("{entity}: {error}")) {
        entities.insert(entity.clone(), after);
    }
}

pub(crate) fn kind(step: &Step) -> ExperimentStep {
    match step.because.decision {
        Decision::Experiment { step } => step,
        ref other => panic!("{other:?}"),
    }
}
