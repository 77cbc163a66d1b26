//! How long it takes from bad news until every node serves the safe variation.
//!
//! A real control plane and a real Prometheus, in processes of their own; the nodes are replicas in this
//! process, each with its own connection. Every run is a rollout of its own that has opened its candidate to
//! everybody on every node.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::print_stdout, reason = "this is what the program answers")]

mod histogram;

use clap::Parser;
use histogram::tell;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tidegate_bench::nodes::Nodes;
use tidegate_bench::plane::{Plane, program};
use tidegate_bench::prometheus::{Gauge, Prometheus};

/// How many flags take turns: by the next turn the cooldown of the rollout before is over.
const FLAGS: usize = 100;

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
    let mut nodes = Nodes::start(arguments.nodes, &plane.url(), &token);

    let mut times = Vec::new();
    for run in 0..arguments.alerts {
        let flag = format!("alerted-{}", run % FLAGS);
        open(&plane, &mut nodes, &flag).await;
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

    let mut times = Vec::new();
    for run in 0..arguments.breaches {
        let flag = format!("breached-{}", run % FLAGS);
        gauge.say(sample(&flag, 0));
        prometheus.wait_for(&query(&flag), "0").await;
        open(&plane, &mut nodes, &flag).await;
        // The looks of the rule and the scrapes must not keep step.
        let pause = u64::try_from(run * 37 % 500).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        gauge.say(sample(&flag, 1));
        prometheus.wait_for(&query(&flag), "1").await;
        let queryable = Instant::now();
        let safe = nodes.wait_for(&flag, false).await;
        // The control plane may have asked before this program did.
        times.push(safe.saturating_duration_since(queryable));
    }
    tell("breach queryable to safe on every node", times);
}

/// What is scraped: whether a flag is bad.
fn sample(flag: &str, bad: u8) -> String {
    format!("bench_bad{{flag=\"{flag}\"}} {bad}\n")
}

fn query(flag: &str) -> String {
    format!("max(bench_bad{{flag=\"{flag}\"}})")
}

/// Opens a new flag to everybody, and waits until every node serves it.
async fn open(plane: &Plane, nodes: &mut Nodes, flag: &str) {
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
