//! Panics behind the API: whoever asked is told where to look, and nobody else notices (faults.md F57).

use super::moody_store::{Mood, MoodyStore};
use super::world::{Answer, World};

const FLAG: &str = "/api/v1/production/flags/a";
const BODY: &str = r#"{"type":"boolean","description":"b"}"#;

fn is_incident(answer: &Answer) {
    answer.is_problem(500, "incident", "nothing was changed");
    let incident = answer.json["incident"].as_str().unwrap();
    assert!(!incident.is_empty() && answer.text.contains(&format!("incident {incident}")));
    assert!(
        !answer.text.contains("a store that panics"),
        "what a panic says may be private"
    );
}

#[actix_web::test]
async fn f57_a_panic_behind_a_route_is_an_incident_and_the_next_request_is_served() {
    let store = MoodyStore::new();
    let world = World::on(store.clone()).await;
    world.flag("a").await;
    let save = || world.ask("PUT", FLAG).header("if-match", "*").json(BODY);

    store.be(Mood::Panics);
    // In the handler itself; in the actor of a flag; in a change that is done to its end; under a key that may come again.
    is_incident(&world.ask("GET", FLAG).header("x-request-id", "one").send().await);
    is_incident(&save().send().await);
    let freeze = world
        .ask("POST", "/api/v1/production/freeze")
        .json(r#"{"reason":"fire"}"#);
    is_incident(&freeze.send().await);
    is_incident(&save().header("idempotency-key", "k-1").send().await);
    assert_eq!(world.ask_without_token("GET", "/livez").send().await.status, 200);

    store.be(Mood::Well);
    let unchanged = world.ask("GET", FLAG).send().await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (200, "\"1\""));
    let again = save().header("idempotency-key", "k-1").send().await;
    assert_eq!(
        (again.status, again.header("etag")),
        (200, "\"2\""),
        "{}",
        again.text
    );
    let frozen = world.ask("GET", "/api/v1/production/freeze").send().await;
    assert!(frozen.json["frozen"].is_null());
    let metrics = world.ask_without_token("GET", "/metrics").send().await.text;
    assert!(
        metrics.contains(r#"tidegate_actor_restarts_total{kind="flag"} 2"#),
        "{metrics}"
    );
}
