//! How a replica follows an upstream that does everything an upstream may do. Time is paused: what waits
//! for minutes takes none.
#![expect(clippy::expect_used, reason = "a test may panic")]

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_model::Timestamp;
use tidegate_model::context::Context;
use tidegate_model::fleet::{BreakerState, NodeReport, NodeState, Receipt};
use tidegate_model::key::{EnvironmentKey, NodeName};
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Delta, Digest, KeyList, SigningKey, Snapshot, SnapshotContent, Version};
use tidegate_replica::{
    News, Offer, Replica, ReplicaSettings, SPOOL_BYTES_DEFAULT, Tiding, Trust, Upstream, UpstreamError,
};
use tokio::sync::watch;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("32 bytes make a key")
}

fn snapshot(number: u64, by: &SigningKey) -> Snapshot {
    let mut flags: Vec<Value> = (0..number)
        .map(|flag| json!({"flag": {"key": format!("f{flag:03}"), "type": "boolean"}}))
        .collect();
    flags.push(json!({
        "flag": {"key": "opening", "type": "boolean"},
        "rollout": {"rollout": "opening.1", "revision": 1, "candidate": "on", "safe": "off", "share": 100},
    }));
    let content = json!({"environment": "production", "flags": flags, "segments": []});
    let content: SnapshotContent = serde_json::from_value(content).expect("it is right");
    let version = Version { epoch: 1, number };
    let snapshot = Snapshot::seal(&content, version, Timestamp::default(), None).expect("it can be written");
    snapshot.signed(by)
}

fn bytes(value: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(value).expect("it can be written").into()
}

/// What the upstream does at present.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// It has a stream that works.
    Streams,
    /// Its streams end after the first word.
    EndsStreams,
    /// Its streams say nothing.
    Silent,
    /// Its streams bring deltas that lead elsewhere.
    WrongDeltas,
    /// It does not answer.
    Away,
    /// It does not take reports: the control plane behind it is away.
    Deaf,
    /// It takes reports and nothing else.
    Mute,
}

struct Script {
    published: watch::Sender<Vec<Snapshot>>,
    mood: watch::Sender<Mood>,
    keys: Mutex<Option<KeyList>>,
    seen: Mutex<Seen>,
}

#[derive(Default, Clone)]
struct Seen {
    streams: usize,
    asked_whole: usize,
    asked_waiting: usize,
    calls: usize,
    report: Option<NodeReport>,
}

impl Script {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self {
            published: watch::Sender::new(vec![snapshot(1, &key(1))]),
            mood: watch::Sender::new(mood),
            keys: Mutex::new(Some(KeyList::sign(1, &[&key(1)], &[]))),
            seen: Mutex::default(),
        })
    }

    fn publish(&self, number: u64, by: &SigningKey) {
        self.published.send_modify(|all| all.push(snapshot(number, by)));
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("no panic").clone()
    }

    fn call(&self, note: impl FnOnce(&mut Seen)) -> Result<Mood, UpstreamError> {
        let mut seen = self.seen.lock().expect("no panic");
        seen.calls += 1;
        note(&mut seen);
        match *self.mood.borrow() {
            Mood::Away => Err(UpstreamError::Away("gone".into())),
            mood => Ok(mood),
        }
    }

    /// As `call`, to ask for something.
    fn asked(&self, note: impl FnOnce(&mut Seen)) -> Result<Mood, UpstreamError> {
        match self.call(note)? {
            Mood::Mute => Err(UpstreamError::Away("mute".into())),
            mood => Ok(mood),
        }
    }
}

struct Upstreamed(Arc<Script>);

struct Stream {
    script: Arc<Script>,
    published: watch::Receiver<Vec<Snapshot>>,
    told: Option<Version>,
    words: usize,
}

#[async_trait]
impl News for Stream {
    async fn next(&mut self) -> Result<Option<Tiding>, UpstreamError> {
        let mood = *self.script.mood.borrow();
        if mood == Mood::Mute {
            return Err(UpstreamError::Away("mute".into()));
        }
        if mood == Mood::Silent {
            pending::<()>().await;
        }
        if mood == Mood::EndsStreams && self.words > 0 {
            return Ok(None);
        }
        self.words += 1;
        let told = self.told;
        let newer = self.published.wait_for(|all| {
            let newest = all.last().map(|one| one.header.version);
            newest > told || told.is_none()
        });
        let newer = tokio::time::timeout(Duration::from_secs(20), newer).await;
        let newer = newer.map(|all| all.expect("the script lives").clone()).ok();
        let all = newer.unwrap_or_else(|| self.published.borrow().clone());
        let newest = all.last().expect("something is published");
        let base = all.iter().find(|one| Some(one.header.version) == told);
        let delta = base.filter(|_| Some(newest.header.version) != told).map(|base| {
            let mut delta = Delta::between(base, newest).expect("both can be read");
            if mood == Mood::WrongDeltas {
                delta.flags.changed.clear();
            }
            bytes(&delta)
        });
        self.told = Some(newest.header.version);
        Ok(Some(Tiding {
            version: self.told,
            delta,
        }))
    }
}

#[async_trait]
impl Upstream for Upstreamed {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        self.0.asked(|seen| {
            seen.asked_whole += usize::from(after.is_none());
            seen.asked_waiting += usize::from(!wait.is_zero());
        })?;
        let mut published = self.0.published.subscribe();
        let newer = published.wait_for(|all| all.last().map(|one| one.header.version) > after);
        Ok(match tokio::time::timeout(wait, newer).await {
            Ok(all) => all
                .expect("the script lives")
                .last()
                .map(|one| Offer::Whole(bytes(one))),
            Err(_) => None,
        })
    }

    async fn news(&self, after: Option<Version>) -> Result<Option<Box<dyn News>>, UpstreamError> {
        self.0.asked(|seen| seen.streams += 1)?;
        Ok(Some(Box::new(Stream {
            script: Arc::clone(&self.0),
            published: self.0.published.subscribe(),
            told: after,
            words: 0,
        })))
    }

    async fn keys(&self) -> Result<Option<KeyList>, UpstreamError> {
        self.0.call(|_| ())?;
        Ok(self.0.keys.lock().expect("no panic").clone())
    }

    async fn list(&self, _digest: &Digest) -> Result<Bytes, UpstreamError> {
        Err(UpstreamError::Away("no list is named".into()))
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        if self.0.call(|seen| seen.report = Some(report.clone()))? == Mood::Deaf {
            return Err(UpstreamError::Away("deaf".into()));
        }
        let published = self.0.published.borrow();
        let newest = published.last().map(|one| one.header.version);
        Ok(Receipt { newest })
    }

    async fn observe(&self, _: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        Err(UpstreamError::Away("nobody is observed".into()))
    }
}

/// A replica that follows the script for as long as the test lasts.
fn follow(script: &Arc<Script>) -> Replica {
    let replica = Replica::new(ReplicaSettings {
        name: NodeName::new("n1").expect("a name"),
        environment: EnvironmentKey::new("production").expect("a name"),
        folder: None,
        trust: Trust::FirstContact,
        spool_bytes_max: SPOOL_BYTES_DEFAULT,
    });
    let replica = replica.expect("it starts");
    let (running, upstream) = (replica.clone(), Arc::new(Upstreamed(Arc::clone(script))));
    tokio::spawn(async move { running.run(upstream, pending()).await });
    replica
}

async fn serves(replica: &Replica, number: u64) {
    let mut served = replica.watch();
    let there = served.wait_for(|served| served.as_ref().is_some_and(|one| one.version().number == number));
    let outcome = tokio::time::timeout(Duration::from_secs(3600), there).await;
    outcome.expect("within the hour").expect("the replica lives");
}

/// Waits until the script has seen that.
async fn until(script: &Script, what: &str, met: impl Fn(&Seen) -> bool) {
    for _ in 0..10_000 {
        if met(&script.seen()) {
            return;
        }
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
    unreachable!("{what} did not happen");
}

fn came(replica: &Replica, form: &str) -> bool {
    let text = tidegate_replica::exposition(replica).expect("metrics can be written");
    text.lines()
        .any(|line| line.starts_with("tidegate_node_snapshots_total{") && line.contains(form))
}

#[tokio::test(start_paused = true)]
async fn new_versions_come_as_deltas_by_the_stream() {
    let script = Script::new(Mood::Streams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    for number in [2, 3, 7] {
        until(&script, "a stream", |seen| seen.streams == 1).await;
        script.publish(number, &key(1));
        serves(&replica, number).await;
    }
    assert!(came(&replica, "form=\"delta\"") && came(&replica, "form=\"whole\""));
    assert_eq!(script.seen().asked_whole, 1, "only the first one is loaded whole");
    until(&script, "a report", |seen| {
        let report = seen.report.as_ref();
        let health = report.and_then(|report| report.health);
        health.is_some_and(|health| {
            health.state == NodeState::Current && health.breaker == BreakerState::Closed
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn f69_a_stream_that_ends_is_opened_again() {
    let script = Script::new(Mood::EndsStreams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    until(&script, "the fifth stream", |seen| seen.streams >= 5).await;
    script.publish(2, &key(1));
    serves(&replica, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_given_up_for_asking() {
    let script = Script::new(Mood::Silent);
    let replica = follow(&script);
    serves(&replica, 1).await;
    until(&script, "a question that waits", |seen| seen.asked_waiting > 0).await;
    let before = script.seen().streams;
    script.publish(2, &key(1));
    serves(&replica, 2).await;
    assert_eq!(script.seen().streams, before);
    script.mood.send_replace(Mood::Streams);
    until(&script, "another try of the stream", |seen| seen.streams > before).await;
}

#[tokio::test(start_paused = true)]
async fn f66_a_wrong_delta_is_answered_by_loading_the_whole() {
    let script = Script::new(Mood::WrongDeltas);
    let replica = follow(&script);
    serves(&replica, 1).await;
    until(&script, "a stream", |seen| seen.streams == 1).await;
    script.publish(2, &key(1));
    serves(&replica, 2).await;
    assert_eq!(script.seen().asked_whole, 2);
    assert!(!came(&replica, "form=\"delta\""));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_followed_and_a_stranger_is_not() {
    let script = Script::new(Mood::Streams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    until(&script, "a stream", |seen| seen.streams == 1).await;
    *script.keys.lock().expect("no panic") = Some(KeyList::sign(2, &[&key(2), &key(1)], &[]));
    script.publish(2, &key(2));
    serves(&replica, 2).await;
    assert_eq!(replica.key_list().expect("it was told").serial, 2);
    *script.keys.lock().expect("no panic") = Some(KeyList::sign(9, &[&key(9)], &[]));
    script.publish(3, &key(9));
    let calls = script.seen().calls;
    until(&script, "some more calls", |seen| seen.calls > calls + 20).await;
    assert_eq!(replica.served().expect("it serves").version().number, 2);
}

#[tokio::test(start_paused = true)]
async fn f62_a_failing_upstream_is_left_alone_and_followed_again() {
    let script = Script::new(Mood::EndsStreams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    script.mood.send_replace(Mood::Away);
    let open = |text: &str| {
        text.lines()
            .any(|line| line.starts_with("tidegate_node_breaker_state{") && line.ends_with(" 2"))
    };
    let exposed = || tidegate_replica::exposition(&replica).expect("metrics can be written");
    let mut opened = false;
    for _ in 0..10_000 {
        opened = opened || open(&exposed());
        if opened {
            break;
        }
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
    assert!(opened, "half of the calls failed");
    assert_eq!(replica.served().expect("it serves").version().number, 1);
    script.publish(2, &key(1));
    script.mood.send_replace(Mood::Streams);
    serves(&replica, 2).await;
    assert!(!open(&exposed()));
}

/// Waits until the flag in rollout serves this.
async fn opening_serves(replica: &Replica, variation: &str) {
    for _ in 0..10_000 {
        if opening(replica) == variation {
            return;
        }
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
    unreachable!("it serves {}", opening(replica));
}

fn opening(replica: &Replica) -> String {
    let served = replica.served().expect("it serves");
    let context = Context::of_unit("u1");
    let answer = served.evaluate("opening", &served.prepare(&context, Timestamp::default()));
    answer.variation().to_owned()
}

#[tokio::test(start_paused = true)]
async fn f44_whoever_the_control_plane_does_not_hear_of_serves_no_candidate() {
    let script = Script::new(Mood::Streams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    opening_serves(&replica, "on").await;
    // New snapshots come, but the control plane would not know that this node serves them.
    script.mood.send_replace(Mood::Deaf);
    opening_serves(&replica, "off").await;
    let turn = replica.served().expect("it serves").turn();
    script.publish(2, &key(1));
    serves(&replica, 2).await;
    assert_eq!(opening(&replica), "off");
    assert!(replica.served().expect("it serves").turn() > turn);
    script.mood.send_replace(Mood::Streams);
    opening_serves(&replica, "on").await;
}

#[tokio::test(start_paused = true)]
async fn f44_a_rollout_is_not_opened_again_in_a_snapshot_that_is_not_the_newest() {
    let script = Script::new(Mood::Streams);
    let replica = follow(&script);
    serves(&replica, 1).await;
    opening_serves(&replica, "on").await;
    script.mood.send_replace(Mood::Away);
    opening_serves(&replica, "off").await;
    script.publish(2, &key(1));
    script.mood.send_replace(Mood::Mute);
    let calls = script.seen().calls;
    until(&script, "some more calls", |seen| seen.calls > calls + 20).await;
    assert_eq!(replica.served().expect("it serves").version().number, 1);
    assert_eq!(opening(&replica), "off");
    script.mood.send_replace(Mood::Streams);
    serves(&replica, 2).await;
    opening_serves(&replica, "on").await;
}
