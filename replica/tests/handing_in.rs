//! Observations on their way, with the clock in the test's hand: the upstream is in the same process.
#![expect(clippy::unwrap_used, reason = "in a test it fails it")]

use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tidegate_model::Timestamp;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::{EnvironmentKey, MetricName, NodeName};
use tidegate_model::observation::{Observation, ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, Version};
use tidegate_replica::{
    Offer, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Trust, Upstream, UpstreamError,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// What becomes of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives, and the answer does not.
    AnswerLost,
    /// Upstream refuses the token.
    Credential,
    /// It arrives, and a power cut could still take it.
    NotYet,
}

/// An upstream that takes each batch in once.
#[derive(Default)]
struct Keeper {
    fates: Mutex<VecDeque<Fate>>,
    batches: Mutex<BTreeMap<(String, u64), ObservationBatch>>,
    sent: watch::Sender<usize>,
}

impl Keeper {
    fn ids(&self) -> Vec<usize> {
        let batches = self.batches.lock().unwrap();
        let all = batches.values().flat_map(|batch| &batch.observations);
        let mut ids: Vec<usize> = all
            .map(|one| match one {
                Observation::Event { id, .. } => id.parse().unwrap(),
                Observation::Exposure { .. } => unreachable!(),
            })
            .collect();
        ids.sort_unstable();
        ids
    }
}

#[async_trait]
impl Upstream for Keeper {
    async fn current(&self, _: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        passes(wait.max(Duration::from_secs(1))).await;
        Ok(None)
    }

    async fn list(&self, _: &Digest) -> Result<Bytes, UpstreamError> {
        Err(UpstreamError::Away("there are no lists here".into()))
    }

    async fn report(&self, _: &NodeReport) -> Result<Receipt, UpstreamError> {
        Ok(Receipt::default())
    }

    async fn observe(&self, batch: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        let fate = self.fates.lock().unwrap().pop_front();
        let number = batch.number;
        if !matches!(fate, Some(Fate::Lost | Fate::Credential)) {
            let name = (batch.spool.clone(), number);
            let before = self.batches.lock().unwrap().insert(name, batch.clone());
            assert!(
                before.is_none_or(|before| before == *batch),
                "a repeat is the same"
            );
        }
        self.sent.send_modify(|sent| *sent += 1);
        match fate {
            None => Ok(ObservationReceipt { through: number }),
            Some(Fate::NotYet) => Ok(ObservationReceipt { through: number - 1 }),
            Some(Fate::Lost | Fate::AnswerLost) => Err(UpstreamError::Away("gone".into())),
            Some(Fate::Credential) => Err(UpstreamError::Credential { status: 401 }),
        }
    }
}

fn replica(folder: &Path) -> Replica {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: EnvironmentKey::new("production").unwrap(),
        folder: Some(folder.to_owned()),
        trust: Trust::Channel,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    replica.unwrap()
}

fn events(ids: std::ops::Range<usize>) -> Vec<Observation> {
    let event = |id: usize| Observation::Event {
        unit: format!("u{}", id % 7),
        metric: MetricName::new("purchase").unwrap(),
        value: 0.1 + id as f64,
        at: Timestamp::default(),
        id: id.to_string(),
    };
    ids.map(event).collect()
}

/// What a process that is killed leaves: what was written, and nothing else.
fn killed(folder: &Path) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    let inner = left.path().join("observations");
    fs::create_dir(&inner).unwrap();
    for entry in fs::read_dir(folder.join("observations")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), inner.join(entry.file_name())).unwrap();
    }
    left
}

/// Lets the clock, which is the test's, go on by so much; everybody else goes on meanwhile.
async fn passes(time: Duration) {
    assert!(timeout(time, pending::<()>()).await.is_err());
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Lost),
        Just(Fate::AnswerLost),
        Just(Fate::Credential),
        Just(Fate::NotYet)
    ]
}

async fn everything_arrives(fates: Vec<Fate>, steps: Vec<(usize, u64, bool)>) {
    let keeper = Arc::new(Keeper {
        fates: Mutex::new(fates.into()),
        ..Keeper::default()
    });
    let mut folder = tempfile::tempdir().unwrap();
    let mut handed_in = 0;
    let mut node = replica(folder.path());
    let start = |node: &Replica| {
        let (node, keeper) = (node.clone(), Arc::clone(&keeper));
        tokio::spawn(async move { node.run(keeper, pending()).await })
    };
    let mut running = start(&node);
    for (many, millis, is_killed) in steps {
        let ids = handed_in..handed_in + many;
        node.observations()
            .hand_in(&events(ids), Timestamp::default())
            .await
            .unwrap();
        handed_in += many;
        passes(Duration::from_millis(millis)).await;
        if is_killed {
            running.abort();
            folder = killed(folder.path());
            node = replica(folder.path());
            running = start(&node);
        }
    }
    let mut sent = keeper.sent.subscribe();
    let all = sent.wait_for(|_| keeper.ids().len() >= handed_in);
    timeout(Duration::from_hours(3), all).await.unwrap().unwrap();
    assert_eq!(keeper.ids(), (0..handed_in).collect::<Vec<_>>());
    running.abort();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_gets_lost_and_whoever_is_killed_everything_arrives_once(
        fates in prop::collection::vec(fate(), 0..8),
        steps in prop::collection::vec((0..60usize, 0..3_000u64, any::<bool>()), 1..7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(everything_arrives(fates, steps));
    }
}
