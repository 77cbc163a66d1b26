//! Alerts over HTTP, as an Alertmanager hands them in.

use super::world::{Answer, World};
use serde_json::{Value, json};

const ALERTS: &str = "/api/v1/production/alerts";
const ROLLOUT: &str = "/api/v1/production/rollouts/checkout.1";

const POLICY: &str = "apiVersion: tidegate/v1
kind: RolloutPolicy
name: alerted
safety:
  rules:
    - { name: failures, events: { metric: failed, per: exposure }, threshold: 5% }
";

/// What Alertmanager 0.25 sends: one group, with this in `alerts`.
fn webhook(alerts: &Value) -> String {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"HighErrors\"}", "truncatedAlerts": 0, "status": "firing",
        "receiver": "tidegate", "groupLabels": {"alertname": "HighErrors"}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://am:9093", "alerts": alerts,
    })
    .to_string()
}

fn alert(status: &str, fingerprint: &str, starts: &str, labels: &Value) -> Value {
    let ends = if status == "firing" {
        "0001-01-01T00:00:00Z"
    } else {
        "2030-06-01T11:58:00Z"
    };
    json!({
        "status": status, "labels": labels, "annotations": {"summary": "too many errors"},
        "startsAt": starts, "endsAt": ends, "generatorURL": "http://prometheus:9090/graph?g0.expr=x",
        "fingerprint": fingerprint,
    })
}

fn addressed() -> Value {
    json!({"alertname": "HighErrors", "tidegate_flag": "checkout"})
}

async fn deliver(world: &World, alerts: &Value) -> Answer {
    let ask = world.ask_without_token("POST", ALERTS).by("alertmanager");
    ask.json(&webhook(alerts)).send().await
}

async fn world() -> World {
    let world = World::new().await;
    world.flag("checkout").await;
    let policy = world
        .ask("PUT", "/api/v1/production/policies/alerted")
        .yaml(POLICY);
    assert_eq!(policy.send().await.status, 200);
    world
}

async fn start(world: &World) -> Answer {
    let start = world.ask("POST", "/api/v1/production/rollouts");
    start
        .json(r#"{"flag":"checkout","policy":"alerted"}"#)
        .send()
        .await
}

#[actix_web::test]
async fn an_alert_pauses_what_it_is_addressed_to_and_its_end_clears_that_pause() {
    let world = world().await;
    assert_eq!(start(&world).await.status, 201);
    let fires = alert(
        "firing",
        "64f9f5e172e01281",
        "2030-06-01T11:55:00.294Z",
        &addressed(),
    );
    let other = alert(
        "firing",
        "00000000000000ff",
        "2030-06-01T11:55:00Z",
        &json!({"alertname": "Other"}),
    );
    let first = deliver(&world, &json!([fires, other])).await;
    assert_eq!(
        (first.status, &first.json),
        (200, &json!({"fired": 2, "resolved": 0, "repeated": 0}))
    );
    let again = deliver(&world, &json!([fires])).await;
    assert_eq!(again.json, json!({"fired": 0, "resolved": 0, "repeated": 1}));

    let paused = world.ask("GET", ROLLOUT).send().await;
    assert_eq!(paused.json["status"], "paused", "{}", paused.text);
    let pause = &paused.json["pauses"]["alert:64f9f5e172e01281"];
    assert_eq!(pause["reason"], "HighErrors: too many errors", "{}", paused.text);

    let listed = world.ask("GET", ALERTS).by("viewer").send().await;
    let shown = &listed.json["items"];
    let concerned: Vec<&Value> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["rollouts"])
        .collect();
    assert_eq!(concerned, [&json!(["checkout.1"]), &json!([])], "{}", listed.text);
    assert_eq!(shown[0]["source"], "http://prometheus:9090/graph?g0.expr=x");

    let over = alert(
        "resolved",
        "64f9f5e172e01281",
        "2030-06-01T11:55:00.294Z",
        &addressed(),
    );
    assert_eq!(deliver(&world, &json!([over])).await.json["resolved"], 1);
    let late = deliver(&world, &json!([fires])).await;
    assert_eq!(late.json["repeated"], 1, "a firing that comes late is old news");
    let resumed = world.ask("GET", ROLLOUT).send().await;
    assert_eq!(resumed.json["status"], "running", "{}", resumed.text);

    let audit = world
        .ask("GET", "/api/v1/production/audit?limit=100")
        .send()
        .await;
    let told = audit.text.matches("alert_fired").count();
    assert_eq!(
        (told, audit.text.matches("alert_resolved").count()),
        (2, 1),
        "{}",
        audit.text
    );
    assert!(
        audit.text.contains("\"alertmanager\""),
        "who said it: {}",
        audit.text
    );
}

#[actix_web::test]
async fn nothing_starts_into_an_alert() {
    let world = world().await;
    let fires = alert("firing", "64f9f5e172e01281", "2030-06-01T11:55:00Z", &addressed());
    deliver(&world, &json!([fires])).await;
    start(&world)
        .await
        .is_problem(409, "conflict", "HighErrors: too many errors");
    let over = alert(
        "resolved",
        "64f9f5e172e01281",
        "2030-06-01T11:55:00Z",
        &addressed(),
    );
    deliver(&world, &json!([over])).await;
    assert_eq!(start(&world).await.status, 201);
}

#[actix_web::test]
async fn what_is_no_webhook_is_refused_and_changes_nothing() {
    let world = world().await;
    let fires = |change: fn(&mut Value)| {
        let mut alert = alert("firing", "64f9f5e172e01281", "2030-06-01T11:55:00Z", &addressed());
        change(&mut alert);
        webhook(&json!([alert]))
    };
    for (body, status, kind, says) in [
        (
            webhook(&json!([])).replace("\"4\"", "\"3\""),
            422,
            "invalid",
            "version 4",
        ),
        ("[]".to_owned(), 400, "malformed-body", ""),
        (
            fires(|alert| alert["status"] = json!("suppressed")),
            400,
            "malformed-body",
            "alerts[0].status",
        ),
        (
            fires(|alert| alert["startsAt"] = json!("yesterday")),
            400,
            "malformed-body",
            "alerts[0].startsAt",
        ),
        (
            fires(|alert| alert["fingerprint"] = json!("../x")),
            400,
            "malformed-body",
            "fingerprint",
        ),
        (
            fires(|alert| alert["labels"]["n"] = json!(1)),
            400,
            "malformed-body",
            "alerts[0].labels",
        ),
    ] {
        let refused = world.ask_without_token("POST", ALERTS).by("alertmanager");
        refused.json(&body).send().await.is_problem(status, kind, says);
    }
    let listed = world.ask("GET", ALERTS).send().await;
    assert_eq!(listed.json, json!({"items": []}));
    // What newer Alertmanagers add is no mistake.
    let newer = fires(|alert| alert["someday"] = json!({"x": 1}));
    let ask = world.ask_without_token("POST", ALERTS).by("alertmanager");
    assert_eq!(ask.json(&newer).send().await.status, 200);
    let elsewhere = world.ask("GET", "/api/v1/staging/alerts").send().await;
    assert_eq!(elsewhere.json, json!({"items": []}), "another environment's");
}

#[actix_web::test]
async fn alerts_that_were_cut_off_are_counted() {
    let world = world().await;
    let body = webhook(&json!([])).replace("\"truncatedAlerts\":0", "\"truncatedAlerts\":3");
    let ask = world.ask_without_token("POST", ALERTS).by("alertmanager");
    assert_eq!(ask.json(&body).send().await.status, 200);
    let metrics = world.ask("GET", "/metrics").send().await.text;
    let counted = "tidegate_heard_alerts_total{environment=\"production\",outcome=\"cut_off\"} 3";
    assert!(metrics.contains(counted), "{metrics}");
}
