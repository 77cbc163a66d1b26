//! The way of observations to the control plane, over HTTP, whatever happens to connections and processes.

use crate::control_plane::{Answer, ControlPlane, Fate};
use crate::site::{Site, node_with};
use crate::snapshots::{halves, production, snapshot_with, tried};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_model::observation::Observation;
use tidegate_node::{Node, OpenAccess};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const ENROL: &str = "/v1/experiments/checkout/enrolments";

/// Everybody takes part.
fn published() -> Vec<u8> {
    let experiment = json!({"key": "checkout", "arms": halves()});
    snapshot_with("1.7", vec![tried("flow", experiment)])
}

/// A node in this folder that serves what is published.
fn node_in(folder: &Path) -> Node {
    let node = node_with(&production(), Arc::new(OpenAccess), Some(folder));
    if node.replica().served().is_none() {
        node.replica().offer(&published()).unwrap();
    }
    node
}

fn run(node: &Node, plane: &ControlPlane) -> JoinHandle<()> {
    let (node, upstream) = (node.clone(), plane.upstream());
    actix_web::rt::spawn(async move { node.run(upstream, pending()).await })
}

/// What a process that is killed leaves: what was written, and nothing else.
fn killed(folder: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let left = tempfile::tempdir().unwrap();
    copy(folder, left.path());
    left
}

/// Enrols these, a hundred at once in each of many requests at the same time, and says which arm each got.
async fn enrol(site: &Site, units: std::ops::Range<usize>) -> BTreeMap<String, String> {
    let all: Vec<usize> = units.collect();
    let requests = all.chunks(100).map(|chunk| async move {
        let contexts: Vec<Value> = chunk
            .iter()
            .map(|unit| json!({"targetingKey": format!("u{unit}")}))
            .collect();
        let (status, answer) = site.ask(ENROL, &json!({ "contexts": contexts })).await;
        assert_eq!(status, 200);
        let results = answer["results"].as_array().unwrap().clone();
        chunk
            .iter()
            .zip(results)
            .map(|(unit, one)| {
                assert_eq!(one["enrolled"], true, "{one}");
                (format!("u{unit}"), one["variation"].as_str().unwrap().to_owned())
            })
            .collect::<Vec<_>>()
    });
    let answers = futures_util::stream::StreamExt::buffer_unordered(futures_util::stream::iter(requests), 64);
    let answers: Vec<Vec<_>> = futures_util::stream::StreamExt::collect(answers).await;
    answers.into_iter().flatten().collect()
}

#[actix_web::test]
async fn a_hundred_thousand_enrolled_at_once_arrive_exactly_once() {
    const UNITS: usize = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(Answer::Status(503));
    let fail = |fates: [Fate; 2]| plane.kept.fates.lock().unwrap().extend(fates);
    fail([Fate::Lost, Fate::AnswerLost]);
    let node = node_in(folder.path());
    let running = run(&node, &plane);
    let site = Site::of(vec![node]);
    let mut dealt = enrol(&site, 0..UNITS / 2).await;
    // Killed: nobody says farewell, and what is left is what was written.
    running.abort();
    let left = killed(folder.path());
    site.stop().await;
    fail([Fate::NotYet, Fate::AnswerLost]);
    let node = node_in(left.path());
    run(&node, &plane);
    let site = Site::of(vec![node]);
    dealt.extend(enrol(&site, UNITS / 2..UNITS).await);
    let mut arrived = BTreeMap::new();
    for observation in plane.kept.are(UNITS).await {
        let Observation::Exposure {
            experiment,
            unit,
            arm,
            ..
        } = observation
        else {
            panic!("nothing else was seen");
        };
        assert_eq!(experiment.as_str(), "checkout");
        assert!(arrived.insert(unit, arm.to_string()).is_none(), "twice");
    }
    assert_eq!(arrived.len(), UNITS);
    assert!(
        arrived == dealt,
        "everybody is counted with the arm that was dealt"
    );
    site.stop().await;
    plane.stop().await;
}

#[actix_web::test]
async fn a_node_that_stops_hands_in_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(Answer::Status(503));
    let node = node_in(folder.path());
    let (stop, stopped) = oneshot::channel::<()>();
    let (running, upstream) = (node.clone(), plane.upstream());
    let running =
        actix_web::rt::spawn(async move { running.run(upstream, async { stopped.await.unwrap() }).await });
    let site = Site::of(vec![node]);
    enrol(&site, 0..250).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(plane.kept.all().len(), 250);
    site.stop().await;
    plane.stop().await;
}

#[actix_web::test]
async fn a_batch_that_is_refused_for_ever_does_not_hold_up_the_rest() {
    let plane = ControlPlane::start(Answer::Status(503));
    plane.kept.fates.lock().unwrap().push_back(Fate::Status(422));
    let node = node_with(&production(), Arc::new(OpenAccess), None);
    node.replica().offer(&published()).unwrap();
    run(&node, &plane);
    let site = Site::of(vec![node]);
    enrol(&site, 0..100).await;
    let mut sent = plane.kept.sent.subscribe();
    sent.wait_for(|sent| *sent == 1).await.unwrap();
    enrol(&site, 100..200).await;
    assert_eq!(plane.kept.are(100).await.len(), 100);
    let lost = (
        "tidegate_node_lost_observations_total",
        [("cause", "refused_upstream")],
    );
    assert_eq!(site.metric(lost.0, &lost.1).await, Some(100.0));
    // They are not taken for known any more.
    enrol(&site, 0..100).await;
    plane.kept.are(200).await;
    site.stop().await;
    plane.stop().await;
}
