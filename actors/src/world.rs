//! A world for tests: the real control plane on the memory store, with tokio's clock paused and a
//! Prometheus that says what the test wants. A day passes in a moment.

use crate::clock::{Clock, TokioClock};
use crate::control::{ControlError, ControlPlane, Parts};
use crate::keys::KeyBook;
use crate::measures::Measures;
use crate::notices::{Cursors, Targets};
use crate::question::{Answer, MetricSource, Question, Reply};
use crate::shell::StepFn;
use crate::view::RolloutView;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_decide::start::StartRollout;
use tidegate_model::Timestamp;
use tidegate_model::access::{Author, Role};
use tidegate_model::change::Record;
use tidegate_model::fleet::NodeReport;
use tidegate_model::key::{EnvironmentKey, FlagKey, NodeName, PolicyName, RolloutId, TokenName};
use tidegate_model::rollout::RolloutCommand;
use tidegate_model::snapshot::{Digest, Snapshot, SnapshotContent, Version};
use tidegate_model::verdict::{Measurement, UnknownReason};
use tidegate_store::{Expect, MemoryStore, Store};

mod alerts;
mod approvals;
mod crashing;
mod edits;
mod experiments;
mod freezes;
mod gated;
mod neighbours;
mod poison;
mod races;
mod replaying;
mod reporting;
mod resuming;
mod serving;
mod shadows;
mod staging;
mod tests;
mod waves;

/// What the scripted Prometheus answers.
#[derive(Debug)]
struct Script {
    says: Mutex<Result<f64, UnknownReason>>,
    /// What it was asked, and when.
    asked: Mutex<Vec<(String, tokio::time::Instant)>>,
}

#[async_trait::async_trait]
impl MetricSource for Script {
    async fn ask(&self, question: &Question) -> Reply {
        let now = tokio::time::Instant::now();
        self.asked.lock().unwrap().push((format!("{question:?}"), now));
        let said = *self.says.lock().unwrap();
        let answer = Answer::Number(match said {
            Ok(value) => Measurement::of(value),
            Err(reason) => Measurement::unknown(reason, "scripted"),
        });
        Reply {
            answer,
            digest: Some(Digest::of(format!("{said:?}").as_bytes())),
        }
    }
}

/// A control plane, a node that confirms what is published, and a script.
struct World {
    control: ControlPlane,
    store: Arc<dyn Store>,
    script: Arc<Script>,
    measures: Measures,
    environment: EnvironmentKey,
    node: NodeName,
}

const FLAG: &str = "checkout";

/// Stages of an hour behind one rule, looked at every minute.
const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: hourly
schedule:
  type: custom
  stages:
    - { name: first, percentage: 1, duration: 1h }
    - { name: half, percentage: 50, duration: 1h }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 1m
  rules:
    - name: errors
      query: 'sum(rate(errors_total{flag="{{flag}}", variation="{{variation}}"}[{{window}}]))'
      window: 5m
      comparison: greater_than
      threshold: 2%
      action: rollback
blind: { after: 30m, do: pause }
"#;

impl World {
    async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()), tidegate_decide::rollout::step).await
    }

    /// A control plane on a store that may have a past, deciding by `step`.
    async fn on(store: Arc<dyn Store>, step: StepFn) -> Self {
        Self::since(Timestamp::default(), store, step).await
    }

    /// The same, with its clock beginning at `begin`.
    async fn since(begin: Timestamp, store: Arc<dyn Store>, step: StepFn) -> Self {
        let environment = EnvironmentKey::new("production").unwrap();
        let script = Arc::new(Script {
            says: Mutex::new(Ok(0.0)),
            asked: Mutex::default(),
        });
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(begin));
        let measures = Measures::new().unwrap();
        let parts = Parts {
            store: store.clone(),
            clock,
            source: Some(script.clone()),
            environments: vec![environment.clone()],
            measures: measures.clone(),
            targets: Targets::default(),
            cursors: Cursors::in_memory(),
            observatories: std::collections::BTreeMap::new(),
            keys: KeyBook::in_memory(Timestamp::default()).unwrap(),
        };
        let control = ControlPlane::start_with(parts, step).await.unwrap();
        // Snapshots pass the publish gate apart from the actors.
        let mut published = control.follow(&environment).unwrap();
        published.wait_for(Option::is_some).await.unwrap();
        Self {
            control,
            store,
            script,
            measures,
            environment,
            node: NodeName::new("n1").unwrap(),
        }
    }

    fn by() -> Author {
        Author::token(TokenName::new("sre").unwrap(), Role::Operator)
    }

    /// From now on the rule's query answers this.
    fn says(&self, answer: Result<f64, UnknownReason>) {
        *self.script.says.lock().unwrap() = answer;
    }

    /// Lets time pass, while a node confirms every five seconds what it serves.
    async fn advance(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.confirm().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        self.confirm().await;
    }

    /// Lets time pass with no node about.
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn confirm(&self) {
        let serving = self
            .control
            .published(&self.environment)
            .map(|published| published.header.version);
        self.report(serving).await;
    }

    /// The node says that it serves this.
    async fn report(&self, serving: Option<Version>) {
        let report = NodeReport {
            node: self.node.clone(),
            instance: "i".to_owned(),
            batch: 0,
            serving,
            health: None,
            via: Vec::new(),
            tallies: Vec::new(),
        };
        self.control.report(&self.environment, report).await.unwrap();
    }

    async fn prepare(&self) {
        let flag = serde_json::from_str(r#"{"key":"checkout","type":"boolean"}"#).unwrap();
        self.control
            .save_flag(&self.environment, flag, Expect::Any, Self::by())
            .await
            .unwrap();
        let name = PolicyName::new("hourly").unwrap();
        let saved = self
            .control
            .save_policy(
                &self.environment,
                &name,
                POLICY.to_owned(),
                Expect::Any,
                Self::by(),
            )
            .await;
        saved.unwrap();
    }

    async fn start(&self) -> Result<RolloutId, ControlError> {
        self.start_beside(None).await
    }

    async fn start_beside(&self, shadow: Option<PolicyName>) -> Result<RolloutId, ControlError> {
        let request = Self::request();
        self.begin(StartRollout { shadow, ..request }).await
    }

    fn request() -> StartRollout {
        StartRollout {
            flag: FlagKey::new(FLAG).unwrap(),
            policy: PolicyName::new("hourly").unwrap(),
            candidate: None,
            value: None,
            arguments: std::collections::BTreeMap::new(),
            shadow: None,
        }
    }

    async fn begin(&self, request: StartRollout) -> Result<RolloutId, ControlError> {
        let view = self
            .control
            .start_rollout(&self.environment, request, Self::by())
            .await?;
        Ok(view.id)
    }

    async fn view(&self, id: &RolloutId) -> RolloutView {
        self.control.rollout(&self.environment, id).await.unwrap()
    }

    async fn command(&self, id: &RolloutId, command: RolloutCommand) -> Result<RolloutView, ControlError> {
        let expect = Expect::Any;
        self.control
            .command_rollout(&self.environment, id, command, expect, Self::by(), Role::Operator)
            .await
    }

    /// What is published of the flag: the share that is open, or `None` when no rollout holds it.
    fn published_percent(&self) -> Option<f64> {
        let content = self.published()?;
        let flag = content
            .flags
            .into_iter()
            .find(|flag| flag.flag.key().as_str() == FLAG)?;
        flag.rollout.map(|split| split.share.percent())
    }

    fn published(&self) -> Option<SnapshotContent> {
        let published = self.control.published(&self.environment)?;
        let snapshot: Snapshot = serde_json::from_slice(&published.bytes).unwrap();
        Some(snapshot.open(&self.environment).unwrap())
    }

    /// How many alerts went out.
    fn alerts_told(&self) -> u64 {
        self.measures.others.alerts.get()
    }

    async fn records(&self) -> Vec<Record> {
        self.store.records(0, 10_000).await.unwrap()
    }
}

/// One life of a process, with time paused: when it is over, nothing of it goes on.
fn life<T>(life: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        life.await
    })
}

/// The machine's own hours.
fn hours(hours: u64) -> Duration {
    minutes(60 * hours)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
