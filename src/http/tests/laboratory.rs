//! A world in which experiments run: a flag, a design, and units that meet arms.

use super::world::{Answer, World, clock};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_model::key::EnvironmentKey;
use tidegate_store::MemoryStore;

use crate::observation_logs::ObservationLogs;

/// All experiments.
pub(super) const EXPERIMENTS: &str = "/api/v1/production/experiments";
/// The one that most tests ask about.
pub(super) const GREEN: &str = "/api/v1/production/experiments/green";

/// A world whose observations are in logs on disk.
pub(super) struct Laboratory {
    pub(super) world: World,
    pub(super) logs: ObservationLogs,
    _folder: TempDir,
}

impl Laboratory {
    /// With a flag `checkout`, and nothing designed yet.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (world, logs) = world(folder.path()).await;
        world.flag("checkout").await;
        Self {
            world,
            logs,
            _folder: folder,
        }
    }

    /// With the experiment `green`, which runs and is counted.
    pub(super) async fn running() -> Self {
        let laboratory = Self::new().await;
        laboratory.designed(&json!({})).await;
        let started = laboratory.tell(&json!({"command": "start"})).await;
        assert_eq!(started.status, 200, "{}", started.text);
        laboratory.counted().await;
        laboratory
    }

    /// Saves the design of `green`, which is new, with these fields changed.
    pub(super) async fn designed(&self, more: &Value) {
        let saved = self
            .world
            .ask("PUT", GREEN)
            .json(&design(more).to_string())
            .send()
            .await;
        assert_eq!(saved.status, 200, "{}", saved.text);
    }

    /// Tells `green` what a person wants.
    pub(super) async fn tell(&self, command: &Value) -> Answer {
        let path = format!("{GREEN}/commands");
        self.world
            .ask("POST", &path)
            .json(&command.to_string())
            .send()
            .await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.world.ask("GET", path).send().await
    }

    /// Waits until the log is read for `green`: until then its numbers are not known, and that is said.
    pub(super) async fn counted(&self) {
        loop {
            let answer = self.get(&format!("{GREEN}/results")).await;
            if answer.status == 200 {
                return;
            }
            answer.is_problem(503, "too-busy", "is being counted");
            assert_eq!(answer.header("retry-after"), "2");
            tokio::task::yield_now().await;
        }
    }

    /// So many units meet each arm, and so many of them buy.
    pub(super) async fn meet(&self, arms: [(&str, u32, u32); 2]) {
        let at = self.world.control.clock().now();
        let mut observations = Vec::new();
        for (arm, units, buyers) in arms {
            for unit in 0..units {
                let name = format!("{arm}-{unit}");
                observations.push(json!({
                    "kind": "exposure", "experiment": "green", "unit": name, "arm": arm, "at": at,
                    "dimensions": {"country": if unit % 2 == 0 { "de" } else { "fr" }},
                }));
                if unit < buyers {
                    observations.push(json!({
                        "kind": "event", "unit": name, "metric": "purchase", "value": 1, "at": at, "id": "1",
                    }));
                }
            }
        }
        let batch = json!({"spool": "line", "number": 1, "observations": observations});
        let path = "/api/v1/production/observations";
        let taken = self
            .world
            .ask("POST", path)
            .by("node")
            .json(&batch.to_string())
            .send()
            .await;
        assert_eq!(taken.status, 200, "{}", taken.text);
    }
}

/// A world with its logs in this folder.
async fn world(folder: &Path) -> (World, ObservationLogs) {
    let clock = clock();
    let environments = [super::world::PRODUCTION, super::world::STAGING];
    let environments = environments.map(|key| EnvironmentKey::new(key).unwrap());
    let logs = ObservationLogs::open(folder, &environments, &clock).unwrap();
    let world = World::observed_by(Arc::new(MemoryStore::new()), clock, logs.observatories()).await;
    (world, logs)
}

/// The design of `green`, with these fields changed.
pub(super) fn design(more: &Value) -> Value {
    let mut design = json!({
        "hypothesis": "Green makes more people buy.",
        "flag": "checkout",
        "control": "off",
        "arms": [{"variation": "off", "weight": 50}, {"variation": "on", "weight": 50}],
        "metrics": [{"name": "purchase", "measure": {"kind": "conversion", "event": "purchase"}}],
        "discipline": {"kind": "always_valid"},
        "dimensions": ["country"],
    });
    for (name, value) in more.as_object().unwrap() {
        design[name] = value.clone();
    }
    design
}

/// The same with its key, for requests that name none in their path.
pub(super) fn whole_design(more: &Value) -> Value {
    let mut design = design(more);
    design["key"] = json!("green");
    design
}
