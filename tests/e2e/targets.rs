//! Notices and gates: what the control plane sends to others, and what it makes of their answers.

use crate::exporter::Exporter;
use crate::plane::Plane;
use crate::processes::free_port;
use crate::prometheus::Prometheus;
use crate::until::until;
use crate::webhook::{Received, Webhook};
use serde_json::{Value, json};
use std::path::Path;

const SECRET: &str = "a secret of 32 bytes, or more....";
const JSON: &str = "application/json";

/// Writes the file that names three targets, all on one server.
fn targets(folder: &Path, port: u16) -> String {
    std::fs::write(folder.join("secret"), format!("{SECRET}\n")).expect("the secret is written");
    std::fs::write(folder.join("slack"), format!("http://127.0.0.1:{port}/slack"))
        .expect("the address is written");
    let file = folder.join("targets.yaml");
    let text = format!(
        "apiVersion: tidegate/v1\nkind: Targets\ntargets:\n\
         \x20 - {{ name: releases, type: slack, urlFile: {slack} }}\n\
         \x20 - {{ name: log, type: webhook, url: 'http://127.0.0.1:{port}/log', secretFile: {secret} }}\n\
         \x20 - {{ name: change, type: webhook, url: 'http://127.0.0.1:{port}/change', secretFile: {secret} }}\n",
        slack = folder.join("slack").display(),
        secret = folder.join("secret").display(),
    );
    std::fs::write(&file, text).expect("the targets are written");
    file.display().to_string()
}

fn policy(gate: &str) -> String {
    format!(
        r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
schedule:
  type: custom
  stages:
    - {{ name: first, percentage: 1, duration: 1s }}
    - {{ name: everyone, percentage: 100, duration: 1h{gate} }}
safety:
  interval: 1s
  rules:
    - name: requests
      query: sum(rate(http_requests_total{{flag="{{{{flag}}}}"}}[{{{{window}}}}]))
      window: 4s
      comparison: less_than
      threshold: 0.001
blind: {{ after: 10m, do: hold }}
notify:
  - {{ to: releases, on: [paused] }}
  - {{ to: log }}
"#
    )
}

/// Whether what was sent is signed as the documentation says.
fn is_signed(request: &Received) -> bool {
    let header = &request.headers["tidegate-signature"];
    let (time, signature) = header.split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = ring::hmac::sign(&key, &[time.as_bytes(), b".", &request.body].concat());
    let signed: String = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    signed == signature
}

fn occasions(webhook: &Webhook) -> Vec<String> {
    let word = |request: &Received| {
        request.json()["occasion"]
            .as_str()
            .expect("an occasion")
            .to_owned()
    };
    let mut words: Vec<String> = webhook.received("log").iter().map(word).collect();
    words.dedup();
    words
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn notices_arrive_signed_and_again_after_an_outage_of_either_side() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let port = free_port();
    let file = targets(folder.path(), port);
    let exporter = Exporter::start();
    let prometheus = Prometheus::start(folder.path(), &exporter.target()).await;
    let mut plane = Plane::start_with(&["--prometheus", &prometheus.url(), "--targets", &file]).await;
    // Nobody is there yet: what happens now is told later, also by the next process.
    let id = plane.start_rollout(&policy(", waitForApproval: true")).await;
    plane.process.kill();
    plane.restart().await;
    let webhook = Webhook::start(port, (503, "text/plain", "not yet"));
    until("it was tried", || async {
        (!webhook.received("log").is_empty()).then_some(())
    })
    .await;
    webhook.says((204, "", ""));
    let (status, _) = plane
        .command(&id, json!({"kind": "pause", "reason": "<!channel> lunch & more"}))
        .await;
    assert_eq!(status, 200);
    until("both were told", || async {
        (occasions(&webhook) == ["started", "paused"]).then_some(())
    })
    .await;
    let sent = webhook.received("log");
    assert!(sent.iter().all(is_signed), "{sent:?}");
    let notice = sent.last().expect("there is one").json();
    assert_eq!(
        (&notice["rollout"], &notice["by"], &notice["reasons"][0]),
        (
            &json!(id),
            &json!("admin (admin)"),
            &json!("admin (admin): <!channel> lunch & more")
        ),
        "{notice}"
    );
    let ids: Vec<Value> = sent.iter().map(|request| request.json()["id"].clone()).collect();
    let named = |request: &Received| json!(request.headers["tidegate-id"]) == request.json()["id"];
    assert!(sent.iter().all(named));
    assert_eq!(
        ids.first(),
        ids.get(1),
        "sent again it is the same notice: {ids:?}"
    );
    until("the chat was told of the pause alone", || async {
        let chat = webhook.received("slack");
        let text = chat.last()?.json()["text"].as_str()?.to_owned();
        text.contains("&lt;!channel&gt; lunch &amp; more").then_some(())
    })
    .await;
    let told: Vec<Received> = webhook.received("slack");
    assert!(
        told.iter()
            .all(|request| !request.headers.contains_key("tidegate-signature"))
    );
    // A new process tells nothing twice that has arrived.
    let before = webhook.received("log").len();
    plane.process.kill();
    plane.restart().await;
    plane
        .command(&id, json!({"kind": "abort", "reason": "enough"}))
        .await;
    until("the end was told", || async {
        occasions(&webhook).contains(&"aborted".to_owned()).then_some(())
    })
    .await;
    let after: Vec<Value> = webhook
        .received("log")
        .iter()
        .skip(before)
        .map(Received::json)
        .collect();
    let after: Vec<&Value> = after.iter().map(|notice| &notice["occasion"]).collect();
    assert!(
        after.ends_with(&[&json!("rolling_back"), &json!("aborted")]),
        "{after:?}"
    );
    assert!(!after.contains(&&json!("started")), "{after:?}");
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story, told from its beginning to its end"
)]
async fn f24_a_stage_opens_only_when_its_gate_passes() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let port = free_port();
    let file = targets(folder.path(), port);
    let exporter = Exporter::start();
    let prometheus = Prometheus::start(folder.path(), &exporter.target()).await;
    let plane = Plane::start_with(&["--prometheus", &prometheus.url(), "--targets", &file]).await;
    let gate = ", gate: { target: change, deadline: 1s, every: 1s }";
    let id = plane.start_rollout(&policy(gate)).await;
    let says = |words: &'static str| {
        move |rollout: &Value| rollout["because"].as_str().is_some_and(|why| why.contains(words))
    };
    let refused = plane
        .wait_for(
            &id,
            "the gate is down",
            says("gives no answer (Connection refused"),
        )
        .await;
    assert_eq!(refused["share"], 1.0);
    let webhook = Webhook::start(port, (200, "text/html", "<h1>pass</h1>"));
    plane
        .wait_for(
            &id,
            "the gate answers HTML",
            says("text/html instead of application/json"),
        )
        .await;
    webhook.says((302, "text/html", "moved"));
    plane
        .wait_for(&id, "a redirect is not followed", says("status 302"))
        .await;
    webhook.says((
        200,
        JSON,
        r#"{"verdict":"hold","reason":"CHG-7 waits for review"}"#,
    ));
    let held = plane
        .wait_for(&id, "the gate holds", says("says hold: CHG-7 waits for review"))
        .await;
    assert_eq!(held["share"], 1.0, "{held:#}");
    assert_eq!(
        plane.changes(&id, "gate_overdue").await.len(),
        1,
        "its deadline is over"
    );
    let asked = webhook.received("change");
    assert!(asked.iter().all(is_signed));
    let question = asked.last().expect("it was asked").json();
    assert_eq!(
        (&question["rollout"], &question["from"]["name"], &question["to"]),
        (
            &json!(id),
            &json!("first"),
            &json!({"name": "everyone", "percentage": 100})
        ),
        "{question}"
    );
    webhook.says((200, JSON, r#"{"verdict":"fail","reason":"CHG-7 was rejected"}"#));
    let failed = plane
        .wait_for(&id, "the gate pauses it", |it| it["status"] == "paused")
        .await;
    assert_eq!(
        failed["pauses"]["gate:change"]["reason"], "CHG-7 was rejected",
        "{failed:#}"
    );
    webhook.says((200, JSON, r#"{"verdict":"pass","reason":"CHG-8"}"#));
    let resume = json!({"kind": "resume", "owner": "gate:change", "reason": "another request"});
    let (status, answer) = plane.command(&id, resume).await;
    assert_eq!(status, 200, "{answer}");
    plane
        .wait_for(&id, "the stage opens", |it| it["share"] == 100.0)
        .await;
}

#[tokio::test]
async fn what_is_wrong_with_targets_is_said_before_anything_starts() {
    let plane = Plane::start(None).await;
    let flag = json!({"key": "checkout", "type": "boolean"});
    plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    let text = policy(", gate: { target: change }").replace(
        "query: sum(rate(http_requests_total{flag=\"{{flag}}\"}[{{window}}]))",
        "events: { metric: failed }",
    );
    let (status, saved) = plane.save_policy("guarded", &text).await;
    assert!(status < 300, "{saved}");
    let start = json!({"flag": "checkout", "policy": "guarded"});
    let (status, refused) = plane.call("POST", "production/rollouts", Some(start)).await;
    let detail = refused["detail"].as_str().unwrap_or_default();
    assert_eq!(status, 409, "{refused}");
    for says in [
        "there is no target change",
        "there is no target log",
        "--targets",
        "known: none",
    ] {
        assert!(detail.contains(says), "{says}: {detail}");
    }
}
