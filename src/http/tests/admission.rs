//! Floods: edits are refused at the door, and what shuts things gets in.

use super::world::World;

#[actix_web::test]
async fn f59_a_flood_of_edits_is_refused_and_what_shuts_things_gets_in() {
    let world = World::new().await;
    let state = world.state();
    let open = u32::try_from(state.lanes().changes.available_permits()).unwrap();
    let flood = state.lanes().changes.try_acquire_many(open).unwrap();
    let flag = r#"{"key":"a","type":"boolean"}"#;
    let path = "/api/v1/production/flags/a";
    let refused = world.ask("PUT", path).json(flag).send().await;
    refused.is_problem(429, "too-busy", "too many changes at once");
    assert_eq!(refused.headers.get("retry-after").unwrap(), "1");
    let metrics = world.ask_without_token("GET", "/metrics").send().await.text;
    assert!(
        metrics.contains(r#"tidegate_refused_changes_total{cause="flood"} 1"#),
        "{metrics}"
    );
    let read = world.ask("GET", "/api/v1/production/flags").send().await;
    assert_eq!(read.status, 200);
    let frozen = world
        .ask("POST", "/api/v1/production/freeze")
        .json(r#"{"reason":"flood"}"#)
        .send()
        .await;
    assert_eq!(frozen.status, 200, "{frozen:?}");
    let command = world
        .ask("POST", "/api/v1/production/rollouts/a.1/commands")
        .json(r#"{"kind":"rollback","reason":"flood"}"#)
        .send()
        .await;
    assert_eq!(
        command.status, 404,
        "it came as far as the rollout that is not there: {command:?}"
    );
    drop(flood);
    assert_eq!(world.ask("PUT", path).json(flag).send().await.status, 200);
}
