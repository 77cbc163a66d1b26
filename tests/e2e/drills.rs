//! `tidegate drill` on real nodes: what is measured, and that no user has anything to do with it.

use crate::plane::Plane;
use crate::processes::tidegate;
use serde_json::{Value, json};
use std::process::Output;

fn drill(plane: &Plane, more: &[&str]) -> Output {
    let mut command = tidegate();
    command
        .args(["drill", "--url", &plane.url(), "--token-file"])
        .arg(plane.data().join("admin-token"))
        .args(more);
    command.output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_live_node_confirms_a_drill_and_no_user_sees_it() {
    let plane = Plane::start(None).await;
    let nodes = [plane.node("n1").await, plane.node("n2").await];
    let flag = json!({"key": "checkout", "type": "boolean"});
    let (status, body) = plane.call("PUT", "production/flags/checkout", Some(flag)).await;
    assert!(status < 300, "{status} {body}");
    // Not a measurement: a machine that runs other tests may be as slow as it likes.
    let output = drill(&plane, &["--times", "3", "--within", "30s", "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let drills = told["drills"].as_array().expect("drills");
    assert_eq!((drills.len(), &told["late"]), (3, &json!(0)));
    for (index, one) in drills.iter().enumerate() {
        // Two nodes, and the one inside of the control plane.
        assert_eq!(
            (&one["nodes"], &one["id"]),
            (&json!(3), &json!(format!("tidegate.drill.{}", index + 1)))
        );
        let (decided, safe) = (
            one["decidedMs"].as_f64().expect("ms"),
            one["safeMs"].as_f64().expect("ms"),
        );
        assert!(0.0 < decided && decided <= safe, "{one}");
    }
    assert!(
        told["safe"]["p50"].as_f64() <= told["safe"]["max"].as_f64(),
        "{told}"
    );
    for client in [plane.embedded(), nodes[0].client(), nodes[1].client()] {
        assert!(!client.knows("tidegate.drill").await);
        let all = client.all(json!({"targetingKey": "u1"})).await;
        assert_eq!(all.into_keys().collect::<Vec<_>>(), ["checkout"]);
    }
    let (_, rollouts) = plane.call("GET", "production/rollouts", None).await;
    assert_eq!(rollouts["items"], json!([]), "nobody's rollout");
    let (_, audit) = plane.call("GET", "production/audit", None).await;
    let audit = audit.to_string();
    for say in ["tidegate.drill.3", "a drill", "rolling_back", "rolled_back"] {
        assert!(audit.contains(say), "{say:?} is missing: {audit}");
    }
    let taken = json!({"key": "tidegate.drill", "type": "boolean"});
    let (status, body) = plane
        .call("PUT", "production/flags/tidegate.drill", Some(taken))
        .await;
    assert_eq!(status, 422, "{body}");
    let late = drill(&plane, &["--within", "1ms"]);
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    assert_eq!(late.status.code(), Some(7), "{said}");
    assert!(said.contains("1 of 1 drills took longer than 1ms"), "{said}");
}
