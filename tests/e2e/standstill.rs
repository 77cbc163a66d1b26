//! A server that stood still for seconds, as one does on a machine that swaps or is moved (faults.md F58).

use crate::plane::Plane;
use crate::until::until;
use serde_json::json;
use std::time::{Duration, Instant};

/// Longer than the actors may be late.
const STANDSTILL: Duration = Duration::from_secs(7);

#[tokio::test]
async fn f58_a_server_that_stood_still_only_serves_and_says_so() {
    let plane = Plane::start(None).await;
    let save = async |description: &str| {
        let flag = json!({"key": "checkout", "type": "boolean", "description": description});
        plane.call("PUT", "production/flags/checkout", Some(flag)).await
    };
    let (status, body) = save("one").await;
    assert_eq!(status, 200, "{body}");
    until("the embedded node has the flag", || async {
        plane.embedded().variation("user").await
    })
    .await;

    plane.process.signal("-STOP");
    let stopped = Instant::now();
    until("it stood still for long enough", || async {
        (stopped.elapsed() > STANDSTILL).then_some(())
    })
    .await;
    plane.process.signal("-CONT");

    until("the metric says that it only serves", || async {
        let late = plane.metric(r#"tidegate_serves_only{cause="late"}"#).await;
        (late == Some(1.0)).then_some(())
    })
    .await;
    let (status, body) = save("two").await;
    assert_eq!(
        (status, &body["title"]),
        (503, &json!("The control plane only serves")),
        "{body}"
    );
    let (status, body) = plane
        .call("POST", "production/freeze", Some(json!({"reason": "it swaps"})))
        .await;
    assert_eq!(status, 200, "what shuts is taken: {body}");
    assert!(plane.embedded().variation("user").await.is_some(), "it evaluates");

    // It is over by itself.
    until("edits are taken again", || async {
        let (status, _) = save("three").await;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(
        plane.metric(r#"tidegate_serves_only{cause="late"}"#).await,
        Some(0.0)
    );
}
