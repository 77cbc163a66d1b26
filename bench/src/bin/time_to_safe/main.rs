//! How long it takes from bad news until every node serves the safe variation.
//!
//! A real control plane and a real Prometheus, in processes of their own; the nodes are replicas in this
//! process, each with its own connection. Every run is a rollout of its own that has opened its candidate to
//! everybody on every node.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::print_stdout, reason = "this is what the program answers")]

mod histogram;

use clap::Parser;
use futures_util::{StreamExt as _, stream};
use histogram::tell;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_bench::nodes::Nodes;
use tidegate_bench::plane::{Plane, program};
use tidegate_bench::prometheus::{Gauge, Prometheus};

/// How many flags take turns: by the next turn the cooldown of the rollout before is over.
const FLAGS: usize = 400;

/// Breaches at once, each of a flag of its own: most of a run is waiting for scrapes.
const LANES: usize = 4;

/// Measures the way from bad news to safe.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test [default: beside this one]
    #[arg(long)]
    tidegate: Option<PathBuf>,
    /// Nodes
    #[arg(long, default_value_t = 20)]
    nodes: usize,
    /// Rollouts that an alert rolls back
    #[arg(long, default_value_t = 1000)]
    alerts: usize,
    /// Rollouts that a safety rule rolls back
    #[arg(long, default_value_t = 1000)]
    breaches: usize,
    /// How often the safety rule is looked at
    #[arg(long, default_value = "500ms")]
    interval: String,
}

fn main() {
    let arguments = Arguments::parse();
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(measure(&arguments));
}

async fn measure(arguments: &Arguments) {
    let folder = tempfile::tempdir().expect("a folder");
    let gauge = Gauge::start();
    let prometheus = Prometheus::start(folder.path(), gauge.port(), Duration::from_millis(100)).await;
    let plane = Plane::start_with(
        &program(arguments.tidegate.as_ref()),
        folder.path(),
        &["--prometheus", &prometheus.url()],
    )
    .await;
    plane.put_policy("guarded", &policy(&arguments.interval)).await;
    let token = plane.token("bench", "node").await;
    let nodes = Nodes::start(arguments.nodes, &plane.url(), &token);

    let mut times = Vec::new();
    for run in 0..arguments.alerts {
        let flag = format!("alerted-{}", run % FLAGS);
        open(&plane, &nodes, &flag).await;
        let began = Instant::now();
        plane
            .post("production/alerts", &alert(&flag, run, "firing"))
            .await;
        times.push(nodes.wait_for(&flag, false).await - began);
        plane
            .post("production/alerts", &alert(&flag, run, "resolved"))
            .await;
    }
    tell("alert handed in to safe on every node", times);

    let world = World {
        plane,
        nodes,
        prometheus,
        gauge,
        bad: Mutex::default(),
    };
    let times = stream::iter(0..arguments.breaches)
        .map(|run| world.breach(run))
        .buffer_unordered(LANES)
        .collect()
        .await;
    tell("breach queryable to safe on every node", times);
}

/// What breaches go through.
struct World {
    plane: Plane,
    nodes: Nodes,
    prometheus: Prometheus,
    gauge: Gauge,
    /// Whether a flag is bad, as is scraped.
    bad: Mutex<BTreeMap<String, u8>>,
}

impl World {
    /// How long it takes from a breach that can be asked for until every node is safe.
    async fn breach(&self, run: usize) -> Duration {
        let flag = format!("breached-{}", run % FLAGS);
        self.say(&flag, 0).await;
        open(&self.plane, &self.nodes, &flag).await;
        // The looks of the rule and the scrapes must not keep step.
        let pause = u64::try_from(run * 37 % 500).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.say(&flag, 1).await;
        let queryable = Instant::now();
        let safe = self.nodes.wait_for(&flag, false).await;
        // The control plane may have asked before this program did.
        safe.saturating_duration_since(queryable)
    }

    /// From now on the flag is bad, or not; when Prometheus knows.
    async fn say(&self, flag: &str, bad: u8) {
        {
            let mut all = self.bad.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(flag.to_owned(), bad);
            let text = all.iter().map(|(flag, bad)| sample(flag, *bad)).collect();
            self.gauge.say(text);
        }
        self.prometheus.wait_for(&query(flag), &bad.to_string()).await;
    }
}

/// What is scraped: whether a flag is bad.
fn sample(flag: &str, bad: u8) -> String {
    format!("bench_bad{{flag=\"{flag}\"}} {bad}\n")
}

fn query(flag: &str) -> String {
    format!("max(bench_bad{{flag=\"{flag}\"}})")
}

/// Opens a new flag to everybody, and waits until every node serves it.
async fn open(plane: &Plane, nodes: &Nodes, flag: &str) {
    let definition = json!({"key": flag, "type": "boolean"});
    plane.put(&format!("production/flags/{flag}"), &definition).await;
    let start = json!({"flag": flag, "policy": "guarded"});
    plane.post("production/rollouts", &start).await;
    let _all = nodes.wait_for(flag, true).await;
}

/// One stage for everybody, one rule, and whatever alert is addressed to the flag.
fn policy(interval: &str) -> String {
    format!(
        r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule:
  type: custom
  stages:
    - {{ name: everyone, percentage: 100, duration: 1h }}
safety:
  interval: {interval}
  rules:
    - name: bad
      query: max(bench_bad{{flag="{{{{flag}}}}"}})
      window: 1s
      comparison: greater_than
      threshold: 0.5
      action: rollback
alerts:
  - {{ do: rollback }}
"#
    )
}

/// What an Alertmanager's webhook sends of the firing of this number.
fn alert(flag: &str, firing: usize, status: &str) -> Value {
    let began = format!(
        "2026-01-{:02}T{:02}:{:02}:00Z",
        firing / 1440 % 28 + 1,
        firing / 60 % 24,
        firing % 60
    );
    let labels = json!({"alertname": "Bad", "tidegate_flag": flag});
    json!({
        "version": "4", "groupKey": flag, "truncatedAlerts": 0, "status": status, "receiver": "tidegate",
        "groupLabels": {}, "commonLabels": labels, "commonAnnotations": {}, "externalURL": "http://127.0.0.1",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {}, "startsAt": began,
            "endsAt": "2026-12-31T00:00:00Z", "generatorURL": "", "fingerprint": fingerprint(flag),
        }],
    })
}

/// Sixteen hexadecimal digits that no other flag here has.
fn fingerprint(flag: &str) -> String {
    let number = flag.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{number:016x}")
}
