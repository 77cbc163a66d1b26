//! Units that were told their arm, on a control plane that is killed a moment later.

use crate::plane::Plane;
use crate::processes::client;
use crate::until::until;
use serde_json::json;

const UNITS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_an_arm_by_the_embedded_node_is_recorded_despite_kill_9() {
    let mut plane = Plane::start(None).await;
    let flag = json!({"key": "checkout", "type": "boolean"});
    let (status, body) = plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert!(status < 300, "{status} {body}");
    let design = json!({
        "hypothesis": "Green makes more people buy.", "flag": "checkout", "control": "off",
        "arms": [{"variation": "off", "weight": 50}, {"variation": "on", "weight": 50}],
        "metrics": [{"name": "purchase", "measure": {"kind": "conversion", "event": "purchase"}}],
    });
    let (status, body) = plane
        .call("PUT", "production/experiments/green", Some(design))
        .await;
    assert!(status < 300, "{status} {body}");
    let start = json!({"command": "start"});
    let (status, body) = plane
        .call("POST", "production/experiments/green/commands", Some(start))
        .await;
    assert_eq!(status, 200, "{body}");

    let url = format!("{}/v1/experiments/green/enrolments", plane.url());
    let token = std::fs::read_to_string(plane.data().join("admin-token")).expect("there is a token");
    let client = client();
    let enrol = async |unit: usize| {
        let body = json!({"context": {"targetingKey": format!("u{unit}")}});
        let request = client.post(&url).bearer_auth(token.trim()).json(&body);
        let answer = request.send().await.expect("it answers");
        let answer: serde_json::Value = answer.json().await.expect("as JSON");
        answer["enrolled"] == true
    };
    // The snapshot with the experiment is on its way to the node.
    until("the node deals arms", || async { enrol(0).await.then_some(()) }).await;
    for unit in 1..UNITS {
        assert!(enrol(unit).await, "unit {unit}");
    }
    // Most of them wait in the node: it hands in once a second.
    plane.restart().await;
    until("every unit is in the log", || async {
        let taken = plane
            .metric("tidegate_observations_total{environment=\"production\"}")
            .await?;
        (taken == UNITS as f64).then_some(())
    })
    .await;
}
