//! How long a change takes from its acknowledgement until every node serves it.
//!
//! A real control plane in a process of its own; the nodes are replicas in this process, each with its
//! own connection, because two cores do not carry 200 processes. Beside them, connections that only wait
//! and read: what a control plane with many nodes has open.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has to stop"
)]
#![expect(clippy::print_stdout, reason = "this is what the program answers")]

mod listeners;
mod nodes;

use clap::Parser;
use listeners::Listeners;
use nodes::{BEACON, Nodes};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tidegate_bench::plane::{Plane, program};

/// Measures how changes reach nodes.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test [default: beside this one]
    #[arg(long)]
    tidegate: Option<PathBuf>,
    /// Nodes
    #[arg(long, default_value_t = 200)]
    nodes: usize,
    /// Connections that wait for snapshots, beside the nodes
    #[arg(long, default_value_t = 0)]
    streams: usize,
    /// Changes that are made
    #[arg(long, default_value_t = 30)]
    changes: u64,
    /// Flags beside the one that changes. Every node here compiles all of them, on the same two cores
    #[arg(long, default_value_t = 20)]
    flags: usize,
    /// Milliseconds between one change that all have and the next. A node asks at most every half second
    #[arg(long, default_value_t = 1000)]
    pause: u64,
}

fn main() {
    let arguments = Arguments::parse();
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    let files = open_files_at_most();
    let needed = arguments.streams + arguments.nodes + 200;
    assert!(
        files >= needed as u64,
        "{needed} open files are needed and {files} allowed: raise ulimit -Hn"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(measure(&arguments));
}

/// Raises the limit of open files as far as it goes, for this process and those it starts.
fn open_files_at_most() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .expect("the limit can be raised to its maximum");
    maximum.unwrap_or(u64::MAX)
}

async fn measure(arguments: &Arguments) {
    let folder = tempfile::tempdir().expect("a folder");
    let plane = Plane::start(&program(arguments.tidegate.as_ref()), folder.path()).await;
    for i in 0..arguments.flags {
        let key = format!("flag-{i}");
        let flag = json!({"key": key, "type": "percentage", "percentage": 25});
        plane.put(&format!("production/flags/{key}"), &flag).await;
    }
    change(&plane, 0).await;
    let token = plane.token("bench", "node").await;
    let mut nodes = Nodes::start(arguments.nodes, &plane.url(), &token);
    nodes.wait_for(0).await;
    let mut listeners = Listeners::open(arguments.streams, plane.server.port, &token).await;
    println!(
        "{} nodes serve, {} more connections wait.",
        arguments.nodes, arguments.streams
    );

    let mut one = Vec::new();
    let mut all = Vec::new();
    let mut heard = Vec::new();
    let cpu = plane.server.cpu();
    for number in 1..=arguments.changes {
        listeners.forget();
        change(&plane, number).await;
        let acknowledged = Instant::now();
        let mut times = nodes.wait_for(number).await;
        let since = |moment: &Instant| moment.saturating_duration_since(acknowledged);
        times.sort_unstable();
        all.extend(times.last().map(since));
        one.extend(times.iter().map(since));
        heard.extend(listeners.wait_for_all().await.iter().map(since));
        tokio::time::sleep(Duration::from_millis(arguments.pause)).await;
    }
    tell("change acknowledged to served by one node", one);
    tell("change acknowledged to served by all nodes", all);
    if arguments.streams > 0 {
        tell("change acknowledged to received on one waiting connection", heard);
    }
    let per_change = (plane.server.cpu() - cpu).as_secs_f64() * 1000.0 / arguments.changes as f64;
    println!(
        "control plane: {per_change:.0} ms CPU per change, {} MiB resident",
        plane.server.resident_mib()
    );
}

/// Gives the beacon another value.
async fn change(plane: &Plane, number: u64) {
    let variations: Vec<Value> = vec![json!({"key": "now", "value": number})];
    let flag =
        json!({"key": BEACON, "type": "number", "variations": variations, "fallback": {"variation": "now"}});
    plane.put(&format!("production/flags/{BEACON}"), &flag).await;
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times.get((times.len() * part / 1000).min(times.len().saturating_sub(1)));
    let [half, most, last] = [500, 990, 1000].map(|part| at(part).copied().unwrap_or_default());
    println!(
        "{what}: p50 {half:.1?}, p99 {most:.1?}, max {last:.1?} ({} times)",
        times.len()
    );
}
