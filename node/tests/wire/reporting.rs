//! Reports, with the clock in the test's hand: the upstream is in the same process.

use crate::site::node;
use crate::snapshots::{snapshot, version};
use async_trait::async_trait;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_model::context::Context;
use tidegate_model::fleet::{NodeReport, Receipt};
use tidegate_model::key::MetricName;
use tidegate_model::observation::{ObservationBatch, ObservationReceipt};
use tidegate_model::snapshot::{Digest, Version};
use tidegate_node::Node;
use tidegate_replica::{Offer, Upstream, UpstreamError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, advance};

/// What becomes of a report.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Taken,
    /// It never arrives.
    Lost,
    /// It arrives, and the answer does not.
    AnswerLost,
    /// It arrives and is refused for what it says.
    Refused,
}

/// An upstream that takes reports in like the control plane: each batch of an instance once.
struct Recorder {
    snapshots: watch::Receiver<Option<Bytes>>,
    fates: Mutex<VecDeque<Fate>>,
    seen: UnboundedSender<(Instant, NodeReport)>,
    ingest: Mutex<Ingest>,
}

#[derive(Default)]
struct Ingest {
    folded: BTreeSet<(String, u64)>,
    counts: BTreeMap<Option<MetricName>, (u64, f64)>,
}

#[async_trait]
impl Upstream for Recorder {
    async fn current(&self, after: Option<Version>, wait: Duration) -> Result<Option<Offer>, UpstreamError> {
        let mut snapshots = self.snapshots.clone();
        let newer =
            snapshots.wait_for(|bytes| bytes.is_some() && (after.is_none() || version_of(bytes) > after));
        match tokio::time::timeout(wait, newer).await {
            Ok(newer) => Ok(newer.unwrap().clone().map(Offer::Whole)),
            Err(_) => Ok(None),
        }
    }

    async fn list(&self, _: &Digest) -> Result<Bytes, UpstreamError> {
        Err(UpstreamError::Away("there are no lists here".into()))
    }

    async fn report(&self, report: &NodeReport) -> Result<Receipt, UpstreamError> {
        let _ = self.seen.send((Instant::now(), report.clone()));
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Taken);
        if matches!(fate, Fate::Taken | Fate::AnswerLost) {
            self.ingest.lock().unwrap().fold(report);
        }
        match fate {
            Fate::Taken => Ok(Receipt::default()),
            Fate::Lost | Fate::AnswerLost => Err(UpstreamError::Away("gone".into())),
            Fate::Refused => Err(UpstreamError::Refused {
                status: 400,
                detail: String::new(),
            }),
        }
    }

    async fn observe(&self, _: &ObservationBatch) -> Result<ObservationReceipt, UpstreamError> {
        Err(UpstreamError::Away("nobody is observed".into()))
    }
}

impl Ingest {
    fn fold(&mut self, report: &NodeReport) {
        if report.tallies.is_empty() || !self.folded.insert((report.instance.clone(), report.batch)) {
            return;
        }
        for tally in &report.tallies {
            let (count, sum) = self.counts.entry(tally.metric.clone()).or_default();
            *count += tally.count;
            *sum += tally.sum;
        }
    }
}

fn version_of(bytes: &Option<Bytes>) -> Option<Version> {
    let snapshot: tidegate_model::snapshot::Snapshot = serde_json::from_slice(bytes.as_ref()?).unwrap();
    Some(snapshot.header.version)
}

/// A node with a recorder above it, both running.
struct Scene {
    node: Node,
    recorder: Arc<Recorder>,
    publish: watch::Sender<Option<Bytes>>,
    seen: UnboundedReceiver<(Instant, NodeReport)>,
}

impl Scene {
    fn new(fates: &[Fate]) -> Self {
        let (publish, snapshots) = watch::channel(None);
        let (sender, seen) = unbounded_channel();
        let recorder = Recorder {
            snapshots,
            fates: Mutex::new(fates.iter().copied().collect()),
            seen: sender,
            ingest: Mutex::default(),
        };
        Self {
            node: node(),
            recorder: Arc::new(recorder),
            publish,
            seen,
        }
    }

    fn run(&self, shutdown: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        let (node, recorder) = (self.node.clone(), Arc::clone(&self.recorder));
        tokio::spawn(async move { node.run(recorder, shutdown).await })
    }

    fn publish(&self, at: &str) {
        self.publish.send(Some(snapshot(at).into())).unwrap();
    }

    async fn next(&mut self) -> (Instant, NodeReport) {
        self.seen.recv().await.unwrap()
    }

    /// Serves a flag this often.
    fn serve(&self, times: usize) {
        let served = self.node.replica().served().unwrap();
        let context = Context::of_unit("u1");
        let context = served.prepare(&context, chrono::Utc::now());
        for _ in 0..times {
            served.serve("compat-boolean", &context);
        }
    }
}

fn exposures(report: &NodeReport) -> u64 {
    report.tallies.iter().map(|tally| tally.count).sum()
}

#[tokio::test(start_paused = true)]
async fn a_node_is_known_before_it_serves_anything_fresh() {
    let mut scene = Scene::new(&[]);
    scene.publish("1.1");
    scene.run(pending());
    for serving in [None, Some(version("1.1"))] {
        assert_eq!(scene.next().await.1.serving, serving);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_reported_at_once() {
    let mut scene = Scene::new(&[]);
    scene.run(pending());
    assert_eq!(scene.next().await.1.serving, None);
    for at in ["1.1", "1.2"] {
        advance(Duration::from_millis(700)).await;
        let published = Instant::now();
        scene.publish(at);
        let (when, report) = scene.next().await;
        assert_eq!(report.serving, Some(version(at)));
        assert_eq!(when, published);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_does_not_wait_for_a_failed_report() {
    // Too few for the breaker, which would keep every call back.
    let mut scene = Scene::new(&[Fate::Lost; 4]);
    scene.run(pending());
    for _ in 0..3 {
        scene.next().await;
    }
    // By now the waits are seconds long.
    let published = Instant::now();
    scene.publish("1.1");
    let (when, report) = scene.next().await;
    assert_eq!((when, report.serving), (published, Some(version("1.1"))));
}

#[tokio::test(start_paused = true)]
async fn f48_a_quiet_node_shows_that_it_lives_and_a_busy_one_tells_every_second() {
    let mut scene = Scene::new(&[]);
    scene.run(pending());
    scene.next().await;
    scene.publish("1.1");
    let (mut last, _) = scene.next().await;
    for _ in 0..3 {
        let (when, report) = scene.next().await;
        assert_eq!(when - last, Duration::from_secs(10));
        assert!(report.tallies.is_empty());
        last = when;
    }
    for batch in 1..=3 {
        scene.serve(5);
        let (when, report) = scene.next().await;
        assert_eq!(when - last, Duration::from_secs(1));
        assert_eq!((report.batch, exposures(&report)), (batch, 5));
        last = when;
    }
}

#[tokio::test(start_paused = true)]
async fn f72_an_unacknowledged_batch_comes_again_unchanged() {
    let mut scene = Scene::new(&[Fate::Taken, Fate::Taken, Fate::Lost, Fate::AnswerLost]);
    scene.run(pending());
    scene.next().await;
    scene.publish("1.1");
    scene.next().await;
    scene.serve(5);
    for _ in 0..3 {
        let (_, report) = scene.next().await;
        assert_eq!((report.batch, exposures(&report)), (1, 5));
        scene.serve(2);
    }
    let (_, report) = scene.next().await;
    assert_eq!((report.batch, exposures(&report)), (2, 6));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_for_ever_does_not_hold_up_the_rest() {
    let mut scene = Scene::new(&[Fate::Taken, Fate::Taken, Fate::Refused]);
    scene.run(pending());
    scene.next().await;
    scene.publish("1.1");
    scene.next().await;
    scene.serve(5);
    assert_eq!(scene.next().await.1.batch, 1);
    scene.serve(3);
    let (_, report) = scene.next().await;
    assert_eq!((report.batch, exposures(&report)), (2, 3));
    let metrics = crate::probes::exported(vec![scene.node.clone()]);
    let dropped =
        "tidegate_node_dropped_tallies_total{cause=\"refused_upstream\",environment=\"production\"} 1\n";
    assert!(metrics.contains(dropped), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn f60_a_node_that_stops_hands_in_what_it_counted() {
    let mut scene = Scene::new(&[]);
    let (stop, stopped) = oneshot::channel();
    let running = scene.run(async move { stopped.await.unwrap() });
    scene.next().await;
    scene.publish("1.1");
    scene.next().await;
    scene.serve(4);
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(scene.recorder.ingest.lock().unwrap().counts[&None], (4, 0.0));
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Taken), Just(Fate::Lost), Just(Fate::AnswerLost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_gets_lost_everything_is_counted_once(
        fates in prop::collection::vec(fate(), 0..20),
        steps in prop::collection::vec((0..4usize, 0..3000u64), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let scene = Scene::new(&fates);
            scene.node.replica().offer(&snapshot("1.1")).unwrap();
            scene.run(pending());
            let mut served = 0;
            for (times, millis) in steps {
                scene.serve(times);
                served += times as u64;
                advance(Duration::from_millis(millis)).await;
            }
            // Twenty lost reports at up to half a minute each, and the last batch.
            for _ in 0..20 * 60 {
                advance(Duration::from_secs(1)).await;
            }
            let counted = scene.recorder.ingest.lock().unwrap().counts.get(&None).map_or(0, |(count, _)| *count);
            assert_eq!(counted, served);
        });
    }
}
