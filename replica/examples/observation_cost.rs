//! What observations cost the one who evaluates and the one who waits for them to be written.
//!
//! `cargo run --release -p tidegate-replica --example observation_cost`. `docs/benchmarks.md` has numbers.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot be set up has to stop, and its numbers are for a person"
)]

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::future::pending;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_eval::PreparedContext;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::{EnvironmentKey, MetricName, NodeName};
use tidegate_model::observation::{Observation, ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, Snapshot, SnapshotContent, Version};
use tidegate_replica::{
    Offer, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, Upstream, UpstreamError,
};

const UNITS: usize = 50_000;
const ROUNDS: usize = 40;

fn at() -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000, 0).unwrap()
}

fn replica(folder: &std::path::Path) -> Replica {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: EnvironmentKey::new("production").unwrap(),
        folder: Some(folder.to_owned()),
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    let arms = json!([{"variation": "on", "weight": 50}, {"variation": "off", "weight": 50}]);
    let content: SnapshotContent = serde_json::from_value(json!({"environment": "production", "segments": [], "flags": [
        {"flag": {"key": "tried", "type": "boolean", "status": "experiment", "fallback": {"variation": "off"},
            "experiment": {"key": "e", "arms": arms}}},
        {"flag": {"key": "split", "type": "boolean", "fallback": {"split": arms}}},
    ]}))
    .unwrap();
    let snapshot = Snapshot::seal(&content, "1.1".parse().unwrap(), at(), None).unwrap();
    let replica = replica.unwrap();
    replica.offer(&serde_json::to_vec(&snapshot).unwrap()).unwrap();
    replica
}

/// The shortest of some rounds, for each of the units.
fn each(
    rounds: usize,
    contexts: &[PreparedContext<'_>],
    mut once: impl FnMut(&PreparedContext<'_>),
) -> Duration {
    let round = || {
        let begun = Instant::now();
        contexts.iter().for_each(&mut once);
        begun.elapsed() / u32::try_from(contexts.len()).unwrap()
    };
    std::iter::repeat_with(round).take(rounds).min().unwrap()
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let replica = replica(folder.path());
    let served = replica.served().unwrap();
    let units: Vec<Context> = (0..UNITS)
        .map(|unit| Context::of_unit(format!("user-{unit}")))
        .collect();
    let contexts: Vec<PreparedContext<'_>> = units.iter().map(|unit| served.prepare(unit, at())).collect();
    // Few enough that none pushes another one out of the table, but for chance.
    let few = contexts.get(..1_000).unwrap();
    let first = each(1, &contexts, |context| {
        served.expose(&served.evaluate("tried", context), context)
    });
    for context in few {
        served.expose(&served.evaluate("tried", context), context);
    }
    let evaluate = |flag: &'static str| {
        each(ROUNDS * 50, few, |context| {
            black_box(served.evaluate(black_box(flag), context));
        })
    };
    let (split, tried) = (evaluate("split"), evaluate("tried"));
    let exposed = |flag: &'static str| {
        each(ROUNDS * 50, few, |context| {
            let evaluation = served.evaluate(black_box(flag), context);
            served.expose(black_box(&evaluation), context);
        })
    };
    println!("a split, evaluated                       {split:?}");
    println!("the same, and asked for an exposure      {:?}", exposed("split"));
    println!("an experiment, evaluated                 {tried:?}");
    println!("the same, of a unit that was seen        {:?}", exposed("tried"));
    println!("the same, of a unit that was not         {first:?}");
    let running = replica.clone();
    tokio::spawn(async move { running.run(Arc::new(Nobody), pending()).await });
    println!(
        "one after the other:                     {}",
        handed_in(&replica, 20_000, None).await
    );
    let pause = Duration::from_micros(500);
    println!(
        "at most 2,000 a second, synced meanwhile: {}",
        handed_in(&replica, 10_000, Some(pause)).await
    );
}

/// How long it takes until something is written that was handed in.
async fn handed_in(replica: &Replica, many: usize, pause: Option<Duration>) -> String {
    let mut waits = Vec::with_capacity(many);
    for id in 0..many {
        let observation = Observation::Event {
            unit: "user-1".to_owned(),
            metric: MetricName::new("purchase").unwrap(),
            value: 1.0,
            at: at(),
            id: format!("order-{id}"),
        };
        let begun = Instant::now();
        replica
            .observations()
            .hand_in(&[observation], at())
            .await
            .unwrap();
        waits.push(begun.elapsed());
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    waits.sort_unstable();
    let part = |thousandths: usize| waits.get(many * thousandths / 1_000).unwrap();
    let longest = waits.last().unwrap();
    format!(
        "p50 {:?}, p99 {:?}, p99.9 {:?}, longest {longest:?}",
        part(500),
        part(990),
        part(999)
    )
}

/// A control plane that is away.
struct Nobody;

#[async_trait]
impl Upstream for Nobody {
    async fn current(&self, _: Option<Version>, _: Duration) -> Result<Option<Offer>, UpstreamError> {
        Err(UpstreamError::Away("nobody is there".into()))
    }

    async fn list(&self, _: &Digest) -> Result<Bytes, UpstreamError> {
        Err(UpstreamError::Away("nobody is there".into()))
    }

    async fn report(&self, _: &NodeReport) -> Result<Receipt, UpstreamError> {
        Err(UpstreamError::Away("nobody is there".into()))
    }

    async fn observe(&self, _: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        Err(UpstreamError::Away("nobody is there".into()))
    }
}
