//! Explanations and reports over HTTP.

use super::rollouts::{start, world};

const ROLLOUT: &str = "/api/v1/production/rollouts/checkout.1";

#[actix_web::test]
async fn explanations_are_of_any_moment_since_the_start() {
    let world = world().await;
    let started = start(&world).await;
    assert_eq!(started.status, 201, "{}", started.text);
    let ask = |query: &str| {
        world
            .ask("GET", &format!("{ROLLOUT}/explanation{query}"))
            .by("viewer")
    };
    let now = ask("").send().await;
    assert_eq!(now.status, 200, "{}", now.text);
    // Its rule may have been looked at already.
    let decided = std::iter::once(&now.json["decided"]).chain(now.json["before"].as_array().unwrap());
    let first = decided
        .min_by_key(|decision| decision["record"].as_u64())
        .unwrap();
    assert!(
        first["because"].as_str().unwrap().starts_with("started at 50 %"),
        "{}",
        now.text
    );
    assert_eq!(first["by"], "operator (operator)");
    assert_eq!(now.json["rollout"]["id"], "checkout.1");
    let later = ask("?at=2031-01-01T00:00:00Z").send().await;
    assert_eq!(
        (later.status, &later.json["at"]),
        (200, &"2031-01-01T00:00:00Z".into())
    );
    let early = ask("?at=2030-01-01T00:00:00Z").send().await;
    early.is_problem(422, "invalid", "checkout.1 began at 2030-06-01");
    ask("?at=yesterday")
        .send()
        .await
        .is_problem(400, "malformed-request", "at is a moment in UTC");
    ask("?when=now")
        .send()
        .await
        .is_problem(400, "malformed-request", "known: at");
    let absent = world
        .ask("GET", "/api/v1/production/rollouts/checkout.9/explanation")
        .send()
        .await;
    absent.is_problem(404, "not-found", "rollout checkout.9");
    let node = world
        .ask("GET", &format!("{ROLLOUT}/explanation"))
        .by("node")
        .send()
        .await;
    assert_eq!(node.status, 403);
}

#[actix_web::test]
async fn reports_come_in_three_forms() {
    let world = world().await;
    assert_eq!(start(&world).await.status, 201);
    let ask = |query: &str| world.ask("GET", &format!("{ROLLOUT}/report{query}")).by("viewer");
    let json = ask("").send().await;
    assert_eq!(
        (json.status, json.header("content-type")),
        (200, "application/json"),
        "{}",
        json.text
    );
    assert_eq!(json.json["progress"][0]["stage"], "half");
    let markdown = ask("?format=markdown").send().await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    assert!(
        markdown
            .text
            .starts_with("# Rollout checkout.1: running, in half at 50 %\n"),
        "{}",
        markdown.text
    );
    let html = ask("?format=html").send().await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert!(
        html.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(html.header("x-content-type-options"), "nosniff");
    assert!(html.text.starts_with("<!DOCTYPE html>"), "{}", html.text);
    ask("?format=pdf")
        .send()
        .await
        .is_problem(400, "malformed-request", "json, markdown or html");
}
