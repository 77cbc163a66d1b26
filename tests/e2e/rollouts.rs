//! What a rollout does when the numbers, Prometheus, nodes and processes do what they do.

use crate::exporter::Exporter;
use crate::plane::Plane;
use crate::prometheus::Prometheus;
use crate::until::until;
use serde_json::{Value, json};
use std::time::Instant;

/// What the guarding rule asks, with everything filled in.
const ERROR_RATE: &str = r#"sum(rate(http_requests_total{flag="checkout",variation="on",code=~"5.."}[4s])) / sum(rate(http_requests_total{flag="checkout",variation="on"}[4s]))"#;

/// Four short stages behind an error rate of at most 5 %.
pub(crate) fn policy(stage: &str, blind: &str) -> String {
    format!(
        r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule:
  type: custom
  stages:
    - {{ name: first, percentage: 1, duration: {stage} }}
    - {{ name: tenth, percentage: 10, duration: {stage} }}
    - {{ name: half, percentage: 50, duration: {stage} }}
    - {{ name: everyone, percentage: 100, duration: {stage} }}
safety:
  interval: 1s
  rules:
    - name: errors
      query: |
        sum(rate(http_requests_total{{flag="{{{{flag}}}}",variation="{{{{variation}}}}",code=~"5.."}}[{{{{window}}}}]))
          / sum(rate(http_requests_total{{flag="{{{{flag}}}}",variation="{{{{variation}}}}"}}[{{{{window}}}}]))
      window: 4s
      comparison: greater_than
      threshold: 5%
      action: rollback
blind: {blind}
"#
    )
}

pub(crate) const PATIENT: &str = "{ after: 10m, do: hold }";

/// A service, the Prometheus that scrapes it, and the control plane that asks it.
pub(crate) struct Scene {
    pub(crate) exporter: Exporter,
    prometheus: Prometheus,
    pub(crate) plane: Plane,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::set_under(Vec::new()).await
    }

    /// The same with these variables in the environment of the control plane.
    pub(crate) async fn set_under(variables: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let exporter = Exporter::start();
        let prometheus = Prometheus::start(folder.path(), &exporter.target()).await;
        let plane = Plane::start_under(&["--prometheus", &prometheus.url()], variables).await;
        Self {
            exporter,
            prometheus,
            plane,
            _folder: folder,
        }
    }

    /// Waits until Prometheus shows the breach.
    async fn wait_for_breach(&self) -> Instant {
        until("prometheus shows the breach", || async {
            self.prometheus
                .value(ERROR_RATE)
                .await
                .filter(|rate| *rate > 0.05)
        })
        .await;
        Instant::now()
    }
}

fn status(rollout: &Value) -> &str {
    rollout["status"].as_str().unwrap_or_default()
}

fn share(rollout: &Value) -> f64 {
    rollout["share"].as_f64().unwrap_or(f64::NAN)
}

#[tokio::test]
async fn a_healthy_rollout_goes_to_everyone_stage_by_stage() {
    let scene = Scene::set().await;
    let node = scene.plane.node("edge").await;
    let id = scene.plane.start_rollout(&policy("1s", PATIENT)).await;
    let first = scene
        .plane
        .wait_for(&id, "the first stage took effect", |it| {
            !it["phase"]["effective"].is_null()
        })
        .await;
    assert_eq!(share(&first), 1.0);
    let inside = node.client().on_permille().await;
    assert!(
        (1..=30).contains(&inside),
        "about 1 % of the units are in, found {inside} of 1000"
    );
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(status(&done), "completed", "{done:#}");
    let stages: Vec<Value> = scene
        .plane
        .changes(&id, "advanced")
        .await
        .iter()
        .map(|it| it["stage"].clone())
        .collect();
    assert_eq!(
        stages,
        [json!(1), json!(2), json!(3)],
        "each stage opened once, in order"
    );
    for client in [node.client(), scene.plane.embedded()] {
        until("every unit has the candidate", || async {
            (client.on_permille().await == 1000).then_some(())
        })
        .await;
    }
    let (_, flag) = scene.plane.call("GET", "production/flags/checkout", None).await;
    assert!(
        flag.to_string().contains(r#""fallback":{"variation":"on"}"#),
        "the flag keeps what was opened: {flag}"
    );
}

#[tokio::test]
async fn a_breach_rolls_back_on_every_node() {
    let scene = Scene::set().await;
    let node = scene.plane.node("edge").await;
    let id = scene.plane.start_rollout(&policy("20s", PATIENT)).await;
    scene
        .plane
        .wait_for(&id, "healthy looks arrive", |it| {
            it["looks"]["errors"]["verdict"] == "healthy"
        })
        .await;
    scene.exporter.fail(400);
    let visible = scene.wait_for_breach().await;
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    println!(
        "breach visible to every node confirmed safe: {:?}",
        visible.elapsed()
    );
    assert_eq!(status(&done), "rolled_back", "{done:#}");
    assert!(!done["phase"]["took"].is_null(), "the time to safe is measured");
    assert!(
        done["because"].as_str().is_some_and(|why| why.contains("errors")),
        "{done:#}"
    );
    assert_eq!(node.client().on_permille().await, 0);
    assert_eq!(scene.plane.embedded().on_permille().await, 0);
    let start = json!({"flag": "checkout", "policy": "guarded"});
    let (code, again) = scene.plane.call("POST", "production/rollouts", Some(start)).await;
    assert_eq!(code, 409, "the old numbers must pass first: {again}");
}

#[tokio::test]
async fn f19_a_paused_rollout_still_rolls_back() {
    let scene = Scene::set().await;
    let id = scene.plane.start_rollout(&policy("1s", PATIENT)).await;
    scene
        .plane
        .wait_for(&id, "the first stage took effect", |it| {
            !it["phase"]["effective"].is_null()
        })
        .await;
    let (code, paused) = scene
        .plane
        .command(&id, json!({"kind": "pause", "reason": "lunch"}))
        .await;
    assert_eq!(code, 200, "{paused}");
    scene.plane.wait_for_looks("healthy", 4).await;
    let held = scene.plane.rollout(&id).await;
    assert_eq!(
        (status(&held), share(&held)),
        ("paused", share(&paused)),
        "{held:#}"
    );
    scene.exporter.fail(400);
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(status(&done), "rolled_back", "{done:#}");
}

#[tokio::test]
async fn f12_without_prometheus_it_holds_and_then_takes_the_blind_action() {
    let mut scene = Scene::set().await;
    let id = scene
        .plane
        .start_rollout(&policy("1s", "{ after: 15s, do: pause }"))
        .await;
    let before = scene
        .plane
        .wait_for(&id, "the second stage is open", |it| share(it) == 10.0)
        .await;
    scene.prometheus.kill();
    scene.plane.wait_for_looks("unknown", 4).await;
    let held = scene.plane.rollout(&id).await;
    assert_eq!(status(&held), "running", "an outage is not a breach: {held:#}");
    assert!(share(&held) <= 50.0 && share(&held) >= share(&before), "{held:#}");
    let at = share(&held);
    let blind = scene
        .plane
        .wait_for(&id, "the blind action is taken", |it| status(it) == "paused")
        .await;
    assert_eq!(share(&blind), at, "no advance and no retreat: {blind:#}");
    assert!(blind["pauses"]["blind"].is_object(), "{blind:#}");
    scene.prometheus.restart().await;
    scene.plane.wait_for_looks("healthy", 3).await;
    assert_eq!(
        status(&scene.plane.rollout(&id).await),
        "paused",
        "a failure needs a person to go on"
    );
    let (code, answer) = scene
        .plane
        .command(&id, json!({"kind": "resume", "owner": "blind"}))
        .await;
    assert!(code >= 400, "a reason is needed: {answer}");
    let resume = json!({"kind": "resume", "owner": "blind", "reason": "prometheus is back"});
    let (code, answer) = scene.plane.command(&id, resume).await;
    assert_eq!(code, 200, "{answer}");
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(status(&done), "completed", "{done:#}");
}

#[tokio::test]
async fn f01_without_series_it_holds() {
    let scene = Scene::set().await;
    scene.exporter.fall_silent();
    until("the series are gone", || async {
        scene.prometheus.value(ERROR_RATE).await.is_none().then_some(())
    })
    .await;
    let id = scene.plane.start_rollout(&policy("1s", PATIENT)).await;
    scene
        .plane
        .wait_for(&id, "the first stage took effect", |it| {
            !it["phase"]["effective"].is_null()
        })
        .await;
    scene.plane.wait_for_looks("unknown", 6).await;
    let held = scene.plane.rollout(&id).await;
    assert_eq!((status(&held), share(&held)), ("running", 1.0), "{held:#}");
    assert!(
        held["because"]
            .as_str()
            .is_some_and(|why| why.contains("no_series")),
        "{held:#}"
    );
}

#[tokio::test]
async fn f63_a_node_restarts_without_its_control_plane() {
    let mut plane = Plane::start(None).await;
    let mut node = plane.node("edge").await;
    let flag = json!({"key": "checkout", "type": "percentage", "percentage": 30});
    let (status, body) = plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert!(status < 300, "{body}");
    until("the node has the flag", || async {
        node.client().variation("u").await.filter(|it| !it.is_empty())
    })
    .await;
    let before = node.client().on_permille().await;
    plane.process.kill();
    assert_eq!(
        node.client().on_permille().await,
        before,
        "it answers without its control plane"
    );
    node.process.kill();
    node.restart().await;
    assert_eq!(node.client().on_permille().await, before, "and after a restart");
    plane.restart().await;
    let (status, body) = plane
        .call(
            "PUT",
            "production/flags/checkout",
            Some(json!({"key": "checkout", "type": "percentage", "percentage": 100})),
        )
        .await;
    assert!(status < 300, "{body}");
    until("the node catches up", || async {
        (node.client().on_permille().await == 1000).then_some(())
    })
    .await;
}

#[tokio::test]
async fn f27_killed_in_the_middle_it_goes_on_exactly_where_it_was() {
    let mut scene = Scene::set().await;
    let node = scene.plane.node("edge").await;
    let id = scene.plane.start_rollout(&policy("2s", PATIENT)).await;
    for stage in [10.0, 50.0] {
        scene
            .plane
            .wait_for(&id, "a stage is open", |it| share(it) >= stage)
            .await;
        scene.plane.process.kill();
        let units = node.client().on_permille().await;
        scene.plane.restart().await;
        let after = scene.plane.rollout(&id).await;
        assert!(share(&after) >= stage, "{after:#}");
        assert!(
            node.client().on_permille().await >= units,
            "nobody who was in is out"
        );
    }
    let done = scene
        .plane
        .wait_for(&id, "the rollout ended", |it| it["phase"]["kind"] == "ended")
        .await;
    assert_eq!(status(&done), "completed", "{done:#}");
    let stages: Vec<Value> = scene
        .plane
        .changes(&id, "advanced")
        .await
        .iter()
        .map(|it| it["stage"].clone())
        .collect();
    assert_eq!(stages, [json!(1), json!(2), json!(3)], "nothing advanced twice");
    let ended = scene.plane.process.terminate();
    assert!(ended.success(), "it stops cleanly when asked to: {ended}");
}
