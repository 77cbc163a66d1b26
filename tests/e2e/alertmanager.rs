//! A real Alertmanager between a real Prometheus and the control plane.

use crate::exporter::Exporter;
use crate::plane::Plane;
use crate::processes::{Running, client, free_port};
use crate::prometheus::Prometheus;
use crate::until::until;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What fires when more than a twentieth of the requests fail, and what always does.
const RULES: &str = r#"
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: HighErrors
        expr: sum(rate(http_requests_total{flag="checkout",code=~"5.."}[20s])) / sum(rate(http_requests_total{flag="checkout"}[20s])) > 0.05
        labels: { tidegate_flag: checkout }
        annotations: { summary: "too many errors" }
      - alert: Watchdog
        expr: vector(1)
"#;

/// A policy whose own rule never trips, and that must hear the watchdog.
const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule:
  type: custom
  stages:
    - { name: first, percentage: 1, duration: 1h }
    - { name: everyone, percentage: 100, duration: 1h }
safety:
  interval: 1s
  rules:
    - name: requests
      query: sum(rate(http_requests_total{flag="{{flag}}"}[{{window}}]))
      window: 4s
      comparison: less_than
      threshold: 0.001
blind: { after: 10m, do: hold }
watchdog: { every: 10s }
notify: [ { to: pager } ]
"#;

/// An Alertmanager that hands everything to the control plane, at once.
pub(crate) struct Alertmanager {
    process: Running,
    folder: PathBuf,
    port: u16,
}

impl Alertmanager {
    /// Starts on a port that others know already.
    pub(crate) fn start(folder: &Path, port: u16, webhook: &str, token: &str) -> Self {
        let token_file = folder.join("alertmanager-token");
        std::fs::write(&token_file, token).expect("the token is written");
        let config = format!(
            "route:\n  receiver: tidegate\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1s\n\
             receivers:\n  - name: tidegate\n    webhook_configs:\n      - url: {webhook}\n        send_resolved: true\n        \
             http_config: {{ authorization: {{ credentials_file: {} }} }}\n",
            token_file.display()
        );
        std::fs::write(folder.join("alertmanager.yml"), config).expect("the configuration is written");
        Self {
            process: Self::launch(folder, port),
            folder: folder.to_owned(),
            port,
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts again on the same port and data.
    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(&self.folder, self.port);
    }

    fn launch(folder: &Path, port: u16) -> Running {
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!(
                "--config.file={}",
                folder.join("alertmanager.yml").display()
            ))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=")
            .arg("--log.level=warn");
        Running::start(&mut command, &folder.join("alertmanager.log"))
    }

    /// The alerts of this name that it knows.
    pub(crate) async fn alerts(&self, name: &str) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.port);
        let asked = client().get(url).send().await;
        let Ok(answer) = asked else {
            return Vec::new();
        };
        let alerts: Vec<Value> = answer.json().await.unwrap_or_default();
        alerts
            .into_iter()
            .filter(|alert| alert["labels"]["alertname"] == name)
            .collect()
    }
}

/// A service, its Prometheus with alerting rules, the Alertmanager, and the control plane.
struct Scene {
    exporter: Exporter,
    _prometheus: Prometheus,
    alertmanager: Alertmanager,
    plane: Plane,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let exporter = Exporter::start();
        let port = free_port();
        std::fs::write(folder.path().join("rules.yml"), RULES).expect("the rules are written");
        let alerting = format!(
            "rule_files: [ rules.yml ]\nalerting:\n  alertmanagers: [ {{ static_configs: [ {{ targets: ['127.0.0.1:{port}'] }} ] }} ]\n"
        );
        let prometheus = Prometheus::start_with(folder.path(), &exporter.target(), &alerting).await;
        let targets = folder.path().join("targets.yaml");
        let text = format!(
            "apiVersion: tidegate/v1\nkind: Targets\ntargets: [ {{ name: pager, type: alertmanager, url: 'http://127.0.0.1:{port}' }} ]\n"
        );
        std::fs::write(&targets, text).expect("the targets are written");
        let targets = targets.display().to_string();
        let plane = Plane::start_with(&["--prometheus", &prometheus.url(), "--targets", &targets]).await;
        let token = plane.token("am", "alertmanager").await;
        let webhook = format!("{}/api/v1/production/alerts", plane.url());
        let alertmanager = Alertmanager::start(folder.path(), port, &webhook, &token);
        Self {
            exporter,
            _prometheus: prometheus,
            alertmanager,
            plane,
            _folder: folder,
        }
    }
}

fn status(rollout: &Value) -> &str {
    rollout["status"].as_str().unwrap_or_default()
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn a_real_alert_pauses_a_real_rollout_and_its_end_clears_the_pause() {
    let mut scene = Scene::set().await;
    let id = scene.plane.start_rollout(POLICY).await;
    let hears = |rollout: &Value| {
        !rollout["because"]
            .to_string()
            .contains("nobody knows whether alerts")
    };
    scene
        .plane
        .wait_for(&id, "the watchdog is heard", |it| {
            hears(it) && !it["phase"]["effective"].is_null()
        })
        .await;
    scene.exporter.fail(400);
    let paused = scene
        .plane
        .wait_for(&id, "the alert pauses it", |it| status(it) == "paused")
        .await;
    assert_eq!(scene.alertmanager.alerts("HighErrors").await.len(), 1);
    let pauses = paused["pauses"].as_object().cloned().unwrap_or_default();
    let (owner, pause) = pauses.iter().next().expect("there is a pause");
    assert!(owner.starts_with("alert:"), "{paused:#}");
    assert_eq!(pause["reason"], "HighErrors: too many errors", "{paused:#}");

    // L1: what was heard is not forgotten, and what is said again changes nothing.
    scene.plane.process.kill();
    scene.plane.restart().await;
    assert_eq!(status(&scene.plane.rollout(&id).await), "paused");
    assert_eq!(scene.plane.changes(&id, "paused").await.len(), 1);

    // F18: without the Alertmanager nothing is known, and nothing is cleared.
    scene.alertmanager.kill();
    let silent = scene
        .plane
        .wait_for(&id, "the watchdog is missed", |it| !hears(it))
        .await;
    assert_eq!(status(&silent), "paused", "{silent:#}");
    scene.alertmanager.restart();
    scene
        .plane
        .wait_for(&id, "the watchdog is heard again", hears)
        .await;

    scene.exporter.fail(0);
    scene
        .plane
        .wait_for(&id, "the end of the alert clears the pause", |it| {
            status(it) == "running"
        })
        .await;
    until("the alert is known to be over", || async {
        let (_, known) = scene.plane.call("GET", "production/alerts", None).await;
        let known = known["items"].as_array().cloned().unwrap_or_default();
        let mut known = known
            .iter()
            .filter(|one| one["labels"]["alertname"] == "HighErrors");
        known.all(|one| one["fires"] == false).then_some(())
    })
    .await;

    // The other way round: what wants a person is told to the Alertmanager.
    let rollback = serde_json::json!({"kind": "rollback", "reason": "seen enough"});
    let (code, answer) = scene.plane.command(&id, rollback).await;
    assert_eq!(code, 200, "{answer}");
    let ours = until("the Alertmanager knows of the rollback", || async {
        scene.alertmanager.alerts("TidegateRolledBack").await.pop()
    })
    .await;
    assert_eq!(ours["labels"]["tidegate_rollout"], id, "{ours:#}");
    assert_eq!(ours["status"]["state"], "active", "{ours:#}");
    let summary = ours["annotations"]["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("seen enough"), "{ours:#}");
    // And it comes back by the webhook, where it concerns nothing.
    let back = until("it comes back", || async {
        let (_, known) = scene.plane.call("GET", "production/alerts", None).await;
        let known = known["items"].as_array().cloned().unwrap_or_default();
        known
            .into_iter()
            .find(|one| one["labels"]["alertname"] == "TidegateRolledBack")
    })
    .await;
    assert_eq!(back["rollouts"], serde_json::json!([]), "{back:#}");
}
