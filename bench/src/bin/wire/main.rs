//! What a request costs the server, beside a server that does the least and beside Unleash Edge.
//!
//! Processor time of the server's process, user and system, per request, while a load generator in
//! another process asks; all servers have their turn in each round, and the medians are told.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up has to stop"
)]
#![expect(clippy::print_stdout, reason = "this is what the program answers")]

mod baseline;
mod flags;
mod world;

use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tidegate_bench::load::{Request, closed, once, open};
use tidegate_bench::plane::{Plane, program};
use tidegate_bench::process::Server;
use world::{EDGE_CLIENT, EDGE_FRONTEND, Node, unchanged};

/// How many flags the large environment has.
const MANY: usize = 10_000;

/// Measures servers under load.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program under test [default: beside this one]
    #[arg(long)]
    tidegate: Option<PathBuf>,
    /// Unleash Edge, if it is to be compared: cargo install unleash-edge@19.15.1 --locked
    #[arg(long, env = "UNLEASH_EDGE")]
    edge: Option<PathBuf>,
    /// Rounds in which each server has its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long a turn is, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Connections that are open at once
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// What to measure [default: everything]
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Be the baseline on this port (for this program's own use)
    #[arg(long, hide = true, requires = "answer")]
    baseline: Option<u16>,
    /// The baseline's answer
    #[arg(long, hide = true)]
    answer: Option<PathBuf>,
}

/// Something to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Processor time of the servers per request.
    Cost,
    /// How long one flag takes at half load.
    Latency,
    /// Saving 10,000 flags, and starting with them.
    Many,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// One server asked one thing.
struct Turn<'a> {
    what: &'static str,
    who: &'static str,
    server: &'a Server,
    request: Request,
}

fn main() {
    let arguments = Arguments::parse();
    if let (Some(port), Some(answer)) = (arguments.baseline, &arguments.answer) {
        return baseline::serve(port, answer);
    }
    // The client library asks for a choice even where no TLS is spoken.
    let _first_choice = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure(&arguments));
}

async fn measure(arguments: &Arguments) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = program(arguments.tidegate.as_ref());
    let plane = Plane::start(&program, folder.path()).await;
    plane
        .put("production/segments/professionals", &flags::segment())
        .await;
    save_flags(&plane, 0..flags::FLAGS).await;
    let mut node = Node::start(&program, folder.path(), &plane).await;
    wait_for_flags(&node, flags::FLAGS).await;

    if arguments.wants(Part::Cost) {
        cost(arguments, folder.path(), &plane, &node).await;
    }
    if arguments.wants(Part::Latency) {
        latency(arguments, folder.path(), &mut node).await;
    }
    if arguments.wants(Part::Many) {
        many_flags(&plane, &mut node).await;
    }
}

async fn cost(arguments: &Arguments, folder: &Path, plane: &Plane, node: &Node) {
    let single = node.request(&format!("/{}", flags::SINGLE));
    let answer = once(node.server.port, &single).await;
    println!(
        "Answer of one flag: {} bytes. {}\n",
        answer.body.len(),
        String::from_utf8_lossy(&answer.body)
    );
    let least = world::baseline(folder, &answer).await;
    let again = once(least.port, &single).await;
    assert_eq!(again.body, answer.body, "the baseline answers the same bytes");
    let edge = match &arguments.edge {
        Some(program) => Some(world::edge(program, folder).await),
        None => None,
    };
    cpu_table(arguments, plane, node, &least, edge.as_ref()).await;
}

async fn cpu_table(arguments: &Arguments, plane: &Plane, node: &Node, least: &Server, edge: Option<&Server>) {
    let single = node.request(&format!("/{}", flags::SINGLE));
    let all = node.request("");
    let payload = plane.snapshot_request().await;
    let turn = |what, who, server, request| Turn {
        what,
        who,
        server,
        request,
    };
    let mut turns = vec![
        turn("one flag", "baseline", least, single.clone()),
        turn("one flag", "tidegate", &node.server, single),
        turn("all 500 flags", "tidegate", &node.server, all.clone()),
        turn(
            "all 500 flags, nothing new",
            "tidegate",
            &node.server,
            unchanged(node.server.port, &all).await,
        ),
        turn("snapshot", "tidegate", &plane.server, payload.clone()),
        turn(
            "snapshot, nothing new",
            "tidegate",
            &plane.server,
            unchanged(plane.server.port, &payload).await,
        ),
    ];
    if let Some(edge) = edge {
        turns.extend(edge_turns(edge).await);
    }
    let mut costs = vec![Vec::new(); turns.len()];
    let mut rates = vec![Vec::new(); turns.len()];
    for _ in 0..arguments.rounds {
        for ((turn, costs), rates) in turns.iter().zip(&mut costs).zip(&mut rates) {
            let before = turn.server.cpu();
            let duration = Duration::from_secs_f64(arguments.seconds);
            let outcome = closed(turn.server.port, &turn.request, arguments.connections, duration).await;
            let used = turn.server.cpu() - before;
            costs.push(used.as_secs_f64() * 1e6 / outcome.latencies.len() as f64);
            rates.push(outcome.rate());
        }
    }
    println!(
        "| request | server | bytes | server CPU per request | requests/s | to tidegate's |\n|---|---|---|---|---|---|"
    );
    let costs: Vec<f64> = costs.into_iter().map(median).collect();
    let rates: Vec<f64> = rates.into_iter().map(median).collect();
    for (place, turn) in turns.iter().enumerate() {
        let ours = turns
            .iter()
            .position(|it| it.what == turn.what && it.who == "tidegate");
        let ours = ours
            .and_then(|place| costs.get(place))
            .copied()
            .unwrap_or(f64::NAN);
        let (cost, rate) = (costs.get(place).copied(), rates.get(place).copied());
        let (cost, rate) = (cost.unwrap_or(f64::NAN), rate.unwrap_or(f64::NAN));
        let bytes = once(turn.server.port, &turn.request).await.body.len();
        println!(
            "| {} | {} | {bytes} | {cost:.1} µs | {rate:.0} | {:.2}x |",
            turn.what,
            turn.who,
            cost / ours
        );
    }
    println!();
}

/// The same questions, put to Unleash Edge.
async fn edge_turns(server: &Server) -> Vec<Turn<'_>> {
    let turn = |what, request| Turn {
        what,
        who: "unleash-edge",
        server,
        request,
    };
    let body = flags::unleash_context();
    let post = |path: String| Request::new("POST", path, Some(&body)).with("authorization", EDGE_FRONTEND);
    let single = post(format!("/api/frontend/features/{}", flags::SINGLE));
    // Only answers to GET have an ETag.
    let path = format!("/api/frontend/all?{}", flags::unleash_query());
    let get = Request::new("GET", path, None).with("authorization", EDGE_FRONTEND);
    let features = Request::new("GET", "/api/client/features", None).with("authorization", EDGE_CLIENT);
    vec![
        turn("one flag", single),
        turn("all 500 flags", post("/api/frontend/all".to_owned())),
        turn("all 500 flags, nothing new", unchanged(server.port, &get).await),
        turn("snapshot", features.clone()),
        turn("snapshot, nothing new", unchanged(server.port, &features).await),
    ]
}

/// The latency of one flag at half of what a server and this load generator reach together, each on a core of its
/// own: where they share one, what is measured is how long the system lets one of them run. The servers are started
/// on their core, so that they have as many threads as it carries.
async fn latency(arguments: &Arguments, folder: &Path, node: &mut Node) {
    let own = std::process::id();
    pin(own, "0");
    let _ready = node.restart_alone().await;
    let request = node.request(&format!("/{}", flags::SINGLE));
    let answer = once(node.server.port, &request).await;
    let least = world::baseline(folder, &answer).await;
    pin(own, "1");
    let duration = Duration::from_secs_f64(arguments.seconds);
    println!(
        "One flag at half of the highest rate, {} connections:\n",
        arguments.connections
    );
    println!("| round | server | requests/s | p50 | p99 | p99.9 |\n|---|---|---|---|---|---|");
    for round in 1..=arguments.rounds {
        for (who, server) in [("tidegate", &node.server), ("baseline", &least)] {
            let most = closed(server.port, &request, arguments.connections, duration).await;
            let rate = most.rate() / 2.0;
            let half = open(server.port, &request, arguments.connections, rate, duration).await;
            let [p50, p99, p999] = [0.50, 0.99, 0.999].map(|part| half.percentile(part));
            println!("| {round} | {who} | {rate:.0} | {p50:.0?} | {p99:.0?} | {p999:.0?} |");
        }
    }
    println!();
    pin(own, "0-1");
}

/// Lets all threads of a process run on these cores only.
fn pin(process: u32, cores: &str) {
    let taskset = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &process.to_string()])
        .stdout(Stdio::null())
        .status();
    assert!(
        taskset.is_ok_and(|status| status.success()),
        "taskset of util-linux is there"
    );
}

/// How soon a node with many flags is ready when it starts alone, and what memory it takes.
async fn many_flags(plane: &Plane, node: &mut Node) {
    let started = Instant::now();
    save_flags(plane, flags::FLAGS..MANY).await;
    let saved = started.elapsed();
    wait_for_flags(node, MANY).await;
    println!(
        "{} flags saved one after another in {:.0} s, and the last one at the node {:.0} ms later.",
        MANY - flags::FLAGS,
        saved.as_secs_f64(),
        (started.elapsed() - saved).as_secs_f64() * 1000.0
    );
    println!(
        "{MANY} flags: {} MiB resident after growing to them.",
        node.server.resident_mib()
    );
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..7 {
        times.push(node.restart_alone().await.as_secs_f64() * 1000.0);
        once(node.server.port, &node.request("")).await;
        memory.push(node.server.resident_mib() as f64);
    }
    println!(
        "{MANY} flags: ready from disk in {:.0} ms (median of 7), {:.0} MiB resident after one bulk answer.",
        median(times),
        median(memory)
    );
}

async fn save_flags(plane: &Plane, numbers: std::ops::Range<usize>) {
    for i in numbers {
        plane
            .put(&format!("production/flags/flag-{i}"), &flags::tidegate(i))
            .await;
    }
}

/// Waits until the node has this many flags.
async fn wait_for_flags(node: &Node, count: usize) {
    let last = format!("/flag-{}", count - 1);
    let url = format!(
        "http://127.0.0.1:{}{}",
        node.server.port,
        node.request(&last).path
    );
    let client = reqwest::Client::new();
    for _ in 0..12_000 {
        let mut request = client.post(&url).body(node.request("").body);
        for (name, value) in node.request("").headers {
            request = request.header(name, value);
        }
        if request
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the node does not get flag {last}");
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
