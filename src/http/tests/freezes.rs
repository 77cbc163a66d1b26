//! Stopping the line over HTTP: who may, what it needs, and where it holds.

use super::world::World;
use serde_json::{Value, json};

#[actix_web::test]
async fn operators_stop_the_line_with_a_reason_in_their_environment() {
    let world = World::new().await;
    let turn = async |path: &str, by: &str, body: &str| {
        let path = format!("/api/v1/production/{path}");
        world
            .ask_without_token("POST", &path)
            .by(by)
            .json(body)
            .send()
            .await
    };
    let stands = async |environment: &str| {
        let path = format!("/api/v1/{environment}/freeze");
        world.ask("GET", &path).send().await.json["frozen"].clone()
    };
    let fire = r#"{"reason":"fire"}"#;
    for who in ["viewer", "approver", "editor"] {
        assert_eq!(turn("freeze", who, fire).await.status, 403, "{who}");
    }
    for body in [r#"{"reason":""}"#, r#"{"reason":"  "}"#] {
        for path in ["freeze", "thaw"] {
            turn(path, "operator", body)
                .await
                .is_problem(422, "invalid", "reason");
        }
    }
    assert_eq!(turn("freeze", "operator", "{}").await.status, 400);
    assert_eq!(
        turn("freeze", "operator", r#"{"reason":"a","until":"b"}"#)
            .await
            .status,
        400
    );
    assert_eq!(stands("production").await, Value::Null);

    let frozen = turn("freeze", "operator", fire).await;
    assert_eq!(
        (
            frozen.status,
            &frozen.json["frozen"]["reason"],
            &frozen.json["frozen"]["by"]
        ),
        (
            200,
            &json!("fire"),
            &json!({"token": {"name": "operator", "role": "operator"}})
        ),
        "{}",
        frozen.text
    );
    assert_eq!(
        turn("freeze", "operator", r#"{"reason":"more"}"#).await.json,
        frozen.json
    );
    assert_eq!(stands("production").await, frozen.json["frozen"]);
    assert_eq!(
        stands("staging").await,
        Value::Null,
        "the other environment goes on"
    );
    assert_eq!(
        turn("thaw", "operator", r#"{"reason":"out"}"#).await.json["frozen"],
        Value::Null
    );
    assert_eq!(stands("production").await, Value::Null);
    let log = world.ask("GET", "/api/v1/production/audit").send().await;
    let changed: Vec<&Value> = log.json["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| &record["entries"][0]["entity"])
        .filter(|entity| **entity == json!("freeze/production/switch"))
        .collect();
    assert_eq!(changed.len(), 2, "{}", log.text);
}
