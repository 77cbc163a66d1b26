//! What ten thousand live rollouts cost on one machine.
//!
//! A real control plane and a real Prometheus, in processes of their own, and a few nodes that are replicas in this
//! process. Half of the rollouts ask Prometheus questions of their own; the other half share the questions of a few
//! services, as canaries of one deployment do.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]
#![expect(clippy::print_stdout, reason = "this is what the program answers")]

mod measured;

use clap::Parser;
use futures_util::{StreamExt as _, stream};
use measured::Measured;
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tidegate_bench::nodes::Nodes;
use tidegate_bench::plane::{Plane, program};
use tidegate_bench::prometheus::{Gauge, Prometheus};

/// Requests at once while everything is set up. Changes that come together are published together.
const AT_ONCE: usize = 64;

/// Measures a control plane with many live rollouts.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test [default: beside this one]
    #[arg(long)]
    tidegate: Option<PathBuf>,
    /// Live rollouts, each of a flag of its own
    #[arg(long, default_value_t = 10_000)]
    rollouts: usize,
    /// How many of them share the questions of a service with others
    #[arg(long, default_value_t = 5_000)]
    shared: usize,
    /// Services
    #[arg(long, default_value_t = 50)]
    services: usize,
    /// Nodes
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// How often each rule is looked at
    #[arg(long, default_value = "10s")]
    interval: String,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
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
    gauge.say(series(arguments));
    let prometheus = Prometheus::start(folder.path(), gauge.port(), Duration::from_secs(5)).await;
    let plane = Plane::start_with(
        &program(arguments.tidegate.as_ref()),
        folder.path(),
        &["--prometheus", &prometheus.url()],
    )
    .await;
    prometheus.wait_for(&format!("max({})", of_service(0)), "0").await;
    plane
        .put_policy("own", &policy("own", &of_flag("{{flag}}"), &arguments.interval))
        .await;
    for service in 0..arguments.services {
        let name = format!("service-{service}");
        plane
            .put_policy(&name, &policy(&name, &of_service(service), &arguments.interval))
            .await;
    }
    let began = Instant::now();
    stream::iter(0..arguments.rollouts)
        .for_each_concurrent(AT_ONCE, |number| open(&plane, arguments, number))
        .await;
    // Not before: they would compile every version on the way, on the cores of the control plane.
    let token = plane.token("bench", "node").await;
    let nodes = Nodes::start(arguments.nodes, &plane.url(), &token);
    let _all = nodes.wait_for(&flag(arguments.rollouts - 1), true).await;
    println!(
        "{} rollouts are live on {} nodes after {:.1?}; {} of them ask the questions of {} services.",
        arguments.rollouts,
        arguments.nodes,
        began.elapsed(),
        arguments.shared,
        arguments.services
    );
    // What the set-up left behind is done before measuring begins.
    tokio::time::sleep(Duration::from_secs(20)).await;

    let (before, from) = (Measured::of(&plane.metrics().await), Instant::now());
    let (cpu, asked) = (plane.server.cpu(), prometheus.server.cpu());
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let (after, took) = (Measured::of(&plane.metrics().await), from.elapsed().as_secs_f64());
    let share = |cpu: Duration| cpu.as_secs_f64() / took;
    println!(
        "control plane: {:.2} cores, {} MiB resident; Prometheus: {:.2} cores, {} MiB",
        share(plane.server.cpu() - cpu),
        plane.server.resident_mib(),
        share(prometheus.server.cpu() - asked),
        prometheus.server.resident_mib()
    );
    println!("{}", after.since(&before, took));
}

async fn open(plane: &Plane, arguments: &Arguments, number: usize) {
    let key = flag(number);
    let definition = json!({"key": key, "type": "boolean"});
    plane.put(&format!("production/flags/{key}"), &definition).await;
    let policy = match number < arguments.shared {
        true => format!("service-{}", number % arguments.services),
        false => "own".to_owned(),
    };
    plane
        .post("production/rollouts", &json!({"flag": key, "policy": policy}))
        .await;
}

fn flag(number: usize) -> String {
    format!("flag-{number:05}")
}

fn of_flag(flag: &str) -> String {
    format!("bench_errors{{flag=\"{flag}\"}}")
}

fn of_service(service: usize) -> String {
    format!("bench_errors{{service=\"s{service}\"}}")
}

/// What Prometheus scrapes: no errors anywhere.
fn series(arguments: &Arguments) -> String {
    let mut text = String::new();
    for flag in (arguments.shared..arguments.rollouts).map(flag) {
        let _written = writeln!(text, "{} 0", of_flag(&flag));
    }
    for service in 0..arguments.services {
        let _written = writeln!(text, "{} 0", of_service(service));
    }
    text
}

/// A first stage for everybody that outlasts the measurement, and one rule.
fn policy(name: &str, selector: &str, interval: &str) -> String {
    let query = serde_json::to_string(&format!("max({selector})")).expect("text is JSON");
    format!(
        r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: {name}
schedule:
  type: custom
  stages:
    - {{ name: everyone, percentage: 100, duration: 24h }}
safety:
  interval: {interval}
  rules:
    - name: errors
      query: {query}
      window: 10s
      comparison: greater_than
      threshold: 0.5
      action: rollback
"#
    )
}
