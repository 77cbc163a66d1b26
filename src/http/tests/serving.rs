//! The control plane that only serves, over HTTP.

use super::moody_store::{Mood, MoodyStore};
use super::world::World;
use std::time::Duration;

async fn status(world: &World) -> serde_json::Value {
    let ready = world.ask_without_token("GET", "/readyz").send().await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    ready.json
}

/// Lets time pass until the status is this.
async fn until(world: &World, wanted: &str) -> serde_json::Value {
    for _quarter in 0..1000 {
        tokio::time::advance(Duration::from_millis(250)).await;
        let found = status(world).await;
        if found["status"] == wanted {
            return found;
        }
    }
    panic!("it never says {wanted}");
}

#[actix_web::test]
async fn f54_a_store_that_does_not_answer_leaves_a_plane_that_only_serves_until_it_does() {
    tokio::time::pause();
    let store = MoodyStore::new();
    let world = World::on(store.clone()).await;
    world.flag("a").await;
    assert_eq!(status(&world).await["status"], "ready");
    store.be(Mood::Silent);
    let flag = r#"{"type":"boolean","description":"b"}"#;
    let path = "/api/v1/production/flags/b";
    let hung = world.ask("PUT", path).json(flag).send().await;
    hung.is_problem(503, "storage-unavailable", "");
    let found = until(&world, "serves_only").await;
    assert!(found["reasons"][0].as_str().unwrap().contains("store"), "{found}");

    let refused = world.ask("PUT", path).json(flag).send().await;
    refused.is_problem(503, "serves-only", "the store does not answer");
    assert_eq!(refused.header("retry-after"), "60");
    for (path, body) in [
        ("/api/v1/production/keys/rotate", "{}"),
        ("/api/v1/tokens", r#"{"name":"more","role":"viewer"}"#),
    ] {
        let answer = world.ask("POST", path).json(body).send().await;
        answer.is_problem(503, "serves-only", "nothing was changed");
    }
    let metrics = world.ask_without_token("GET", "/metrics").send().await.text;
    assert!(
        metrics.contains(r#"tidegate_serves_only{cause="storage"} 1"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"tidegate_serves_only{cause="late"} 0"#),
        "{metrics}"
    );

    // Nodes get what they got before, and what shuts is taken as soon as the store takes it.
    let snapshot = "/api/v1/production/snapshots/current";
    assert_eq!(world.ask("GET", snapshot).by("node").send().await.status, 200);
    store.be(Mood::Well);
    let freeze = world
        .ask("POST", "/api/v1/production/freeze")
        .json(r#"{"reason":"disk"}"#);
    assert_eq!(freeze.send().await.status, 200);
    let revoked = world.ask("DELETE", "/api/v1/tokens/editor").send().await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    let thaw = world
        .ask("POST", "/api/v1/production/thaw")
        .json(r#"{"reason":"disk"}"#);
    thaw.send()
        .await
        .is_problem(503, "serves-only", "nothing was changed");

    until(&world, "ready").await;
    assert_eq!(world.ask("PUT", path).json(flag).send().await.status, 200);
}
