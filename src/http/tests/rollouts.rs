//! Policies and rollouts over HTTP: written, linted, started, commanded.

use super::world::{Answer, World};
use serde_json::{Value, json};

const POLICY: &str = "/api/v1/production/policies/quick";
const ROLLOUTS: &str = "/api/v1/production/rollouts";
const ROLLOUT: &str = "/api/v1/production/rollouts/checkout.1";

/// A policy that is judged by metric events, so that it needs no Prometheus.
const QUICK: &str = "apiVersion: tidegate/v1
kind: RolloutPolicy
name: quick
description: Half, then everybody, when somebody says so.

schedule:
  type: custom
  stages:
    - { name: half, percentage: 50, duration: 10m }
    - { name: everyone, percentage: 100, duration: 10m, waitForApproval: { roles: [approver, admin] } }

safety:
  interval: 10s
  rules:
    - name: failures
      events: { metric: checkout_failed, per: exposure }
      window: 1m
      comparison: greater_than
      threshold: 5%
      action: rollback

blind: { after: 5m, do: pause }
rollback: { to: safe, cooldown: 2m }
";

/// A flag, and a policy to open it by.
pub(super) async fn world() -> World {
    let world = World::new().await;
    world.flag("checkout").await;
    let saved = world.ask("PUT", POLICY).yaml(QUICK).send().await;
    assert_eq!(
        (saved.status, saved.header("etag")),
        (200, "\"1\""),
        "{}",
        saved.text
    );
    world
}

/// Starts its rollout.
pub(super) async fn start(world: &World) -> Answer {
    let body = json!({"flag": "checkout", "policy": "quick"}).to_string();
    world
        .ask("POST", ROLLOUTS)
        .by("operator")
        .json(&body)
        .send()
        .await
}

#[actix_web::test]
async fn a_policy_is_text_and_is_shown_as_both() {
    let world = world().await;
    let shown = world.ask("GET", POLICY).send().await;
    assert_eq!((shown.status, shown.header("vary")), (200, "accept"));
    assert_eq!(shown.json["text"], QUICK);
    assert_eq!(shown.json["policy"]["schedule"]["stages"][1]["name"], "everyone");
    let text = world
        .ask("GET", POLICY)
        .header("accept", "application/yaml")
        .send()
        .await;
    assert_eq!(
        (text.text.as_str(), text.header("content-type")),
        (QUICK, "application/yaml")
    );
    assert_eq!(text.header("etag"), shown.header("etag"));
    let listed = world.ask("GET", "/api/v1/production/policies").send().await;
    assert_eq!(listed.json["items"], json!([shown.json]));

    let again = world.ask("PUT", POLICY).yaml(QUICK).send().await;
    again.is_problem(428, "precondition-required", "policy quick exists already");
    let tabs = world
        .ask("PUT", POLICY)
        .header("if-match", "\"1\"")
        .yaml(QUICK)
        .send()
        .await;
    assert_eq!(
        (tabs.status, tabs.header("etag")),
        (200, "\"1\""),
        "{}",
        tabs.text
    );
    let other = world
        .ask("PUT", "/api/v1/production/policies/other")
        .yaml(QUICK)
        .send()
        .await;
    other.is_problem(422, "invalid", "saved under the name other");
    assert_eq!(
        world
            .ask("DELETE", POLICY)
            .header("if-match", "\"1\"")
            .send()
            .await
            .status,
        204
    );
    world
        .ask("GET", POLICY)
        .send()
        .await
        .is_problem(404, "not-found", "policy quick");
}

#[actix_web::test]
async fn mistakes_in_a_policy_are_all_named_and_a_broken_text_replaces_nothing() {
    let world = world().await;
    let lint = async |text: &str| {
        let ask = world.ask("POST", "/api/v1/production/policies/lint").by("viewer");
        ask.yaml(text).send().await
    };
    let good = lint(QUICK).await;
    assert_eq!(
        (good.status, &good.json["valid"]),
        (200, &Value::Bool(true)),
        "{}",
        good.text
    );
    let broken = QUICK
        .replace("percentage: 100", "percentage: 20")
        .replace("threshold", "treshold");
    let found = lint(&broken).await;
    assert_eq!(
        (found.status, &found.json["valid"]),
        (200, &Value::Bool(false)),
        "{}",
        found.text
    );
    let saved = world
        .ask("PUT", POLICY)
        .header("if-match", "*")
        .yaml(&broken)
        .send()
        .await;
    saved.is_problem(422, "invalid-policy", "threshold");
    assert_eq!(saved.json["diagnostics"], found.json["diagnostics"]);
    assert!(
        saved.json["diagnostics"].as_array().unwrap().len() >= 2,
        "{}",
        saved.text
    );
    assert!(saved.json["diagnostics"][0]["line"].as_u64().unwrap() > 1);
    assert_eq!(world.ask("GET", POLICY).send().await.json["text"], QUICK);
}

#[actix_web::test]
async fn a_rollout_is_started_once_and_commanded_by_those_who_may() {
    let world = world().await;
    for (body, status, kind, says) in [
        (
            r#"{"flag":"nothing","policy":"quick"}"#,
            404,
            "not-found",
            "flag nothing",
        ),
        (
            r#"{"flag":"checkout","policy":"nothing"}"#,
            404,
            "not-found",
            "policy nothing",
        ),
        (
            r#"{"flag":"checkout","policy":"quick","candidate":"maybe"}"#,
            422,
            "invalid",
            "candidate",
        ),
        (
            r#"{"flag":"checkout","policy":"quick","arguments":{"x":"y"}}"#,
            422,
            "invalid",
            "arguments",
        ),
    ] {
        let refused = world.ask("POST", ROLLOUTS).json(body).send().await;
        refused.is_problem(status, kind, says);
    }
    let started = start(&world).await;
    assert_eq!(
        (started.status, started.header("location")),
        (201, ROLLOUT),
        "{}",
        started.text
    );
    assert_eq!(started.json["by"], "operator (operator)");
    assert_eq!(world.ask("GET", ROLLOUT).send().await.json["id"], "checkout.1");
    assert_eq!(
        world.ask("GET", ROLLOUTS).send().await.json["items"][0]["id"],
        "checkout.1"
    );
    start(&world).await.is_problem(409, "conflict", "");
    world
        .ask("GET", "/api/v1/staging/rollouts/checkout.1")
        .send()
        .await
        .is_problem(404, "not-found", "");
    let archive = world
        .ask("DELETE", "/api/v1/production/flags/checkout")
        .header("if-match", "*");
    archive.send().await.is_problem(409, "conflict", "checkout.1");

    let command = async |by: &str, body: &str, seen: Option<&str>| {
        let ask = world
            .ask_without_token("POST", &format!("{ROLLOUT}/commands"))
            .by(by)
            .json(body);
        match seen {
            Some(etag) => ask.header("if-match", etag).send().await,
            None => ask.send().await,
        }
    };
    let pause = r#"{"kind":"pause","reason":"lunch"}"#;
    let paused = command("operator", pause, Some(started.header("etag"))).await;
    assert_eq!(
        (paused.status, &paused.json["status"]),
        (200, &json!("paused")),
        "{}",
        paused.text
    );
    command("operator", pause, Some(started.header("etag")))
        .await
        .is_problem(412, "stale-revision", "read it again");
    command("approver", r#"{"kind":"approve","stage":"half"}"#, None)
        .await
        .is_problem(409, "conflict", "");

    let rolled = command("operator", r#"{"kind":"rollback","reason":"bad"}"#, None).await;
    assert_eq!(rolled.status, 200, "{}", rolled.text);
    assert!(
        matches!(
            rolled.json["status"].as_str(),
            Some("rolling_back" | "rolled_back")
        ),
        "{}",
        rolled.text
    );
    command("operator", r#"{"kind":"resume"}"#, None)
        .await
        .is_problem(409, "conflict", "");
}

#[actix_web::test]
async fn a_new_value_is_opened_by_who_may_edit_too() {
    let world = world().await;
    let body = r#"{"flag":"checkout","policy":"quick","value":true}"#;
    let wrong = r#"{"flag":"checkout","policy":"quick","value":"on"}"#;
    let refused = world.ask("POST", ROLLOUTS).json(wrong).send().await;
    refused.is_problem(422, "invalid", "");
    assert_eq!(
        refused.json["violations"][0]["field"], "value",
        "{}",
        refused.text
    );
    for (by, says) in [
        (
            "operator",
            "needs the permissions operate and edit, which the role operator",
        ),
        ("operator", "use a token of role admin"),
        ("editor", "needs the permission operate"),
    ] {
        let ask = world.ask_without_token("POST", ROLLOUTS).by(by).json(body);
        ask.send().await.is_problem(403, "forbidden", says);
    }
    let started = world.ask("POST", ROLLOUTS).json(body).send().await;
    assert_eq!(
        (started.status, &started.json["candidate"]),
        (201, &json!("on")),
        "{}",
        started.text
    );
}

#[actix_web::test]
async fn other_stages_ahead_are_proposed_and_mistakes_in_them_named() {
    let world = world().await;
    start(&world).await;
    let plan = format!("{ROLLOUT}/plan");
    let ask = async |body: Value| {
        let body = body.to_string();
        world.ask("POST", &plan).by("operator").json(&body).send().await
    };
    let both = ask(json!({"policy": "quick", "schedule": "schedule: {}"})).await;
    assert_eq!(both.status, 422, "{}", both.text);
    let wrong = ask(json!({"schedule": "schedule: { stages: [{ percentage: 60 }] }"})).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(wrong.text.contains("duration"), "{}", wrong.text);
    let faster = "schedule: { stages: [{ percentage: 100, duration: 5m }] }";
    let proposed = ask(json!({ "schedule": faster })).await;
    assert_eq!(proposed.status, 200, "{}", proposed.text);
    let differences = proposed.json["proposal"]["differences"].to_string();
    assert!(differences.contains("lasts 10m -> 5m (looser)"), "{differences}");
}

#[actix_web::test]
async fn an_edit_of_a_segment_is_staged_once_and_shown() {
    const SEGMENT: &str = "/api/v1/production/segments/beta";
    const STAGED: &str = "/api/v1/production/segments/beta/staged";
    let world = world().await;
    let body = r#"{"definition":{"key":"beta","included":["ada","bob"]},"policy":"quick"}"#;
    let absent = world.ask("POST", STAGED).json(body).send().await;
    absent.is_problem(404, "not-found", "there is no segment beta");
    let made = world
        .ask("PUT", SEGMENT)
        .json(r#"{"included":["ada"]}"#)
        .send()
        .await;
    assert_eq!(made.status, 200, "{}", made.text);
    for by in ["operator", "editor"] {
        let ask = world.ask_without_token("POST", STAGED).by(by).json(body);
        ask.send()
            .await
            .is_problem(403, "forbidden", "needs the permission");
    }
    let wrong = r#"{"definition":{"key":"beta"},"policy":"quick"}"#;
    let refused = world.ask("POST", STAGED).json(wrong).send().await;
    assert_eq!(
        refused.json["violations"][0]["field"], "definition.when",
        "{}",
        refused.text
    );
    let stale = world.ask("POST", STAGED).header("if-match", "\"7\"").json(body);
    stale.send().await.is_problem(412, "stale-revision", "");
    let ask = world.ask("POST", STAGED).header("if-match", made.header("etag"));
    let staged = ask.json(body).send().await;
    assert_eq!(
        (staged.status, staged.header("location")),
        (201, "/api/v1/production/rollouts/segment.beta.1"),
        "{}",
        staged.text
    );
    assert_eq!(staged.json["candidate"], "after");
    let shown = world.ask("GET", SEGMENT).send().await;
    assert_eq!(shown.json["definition"]["included"], json!(["ada"]));
    assert_eq!(
        shown.json["staged"]["definition"]["included"],
        json!(["ada", "bob"])
    );
    assert_eq!(shown.json["staged"]["rollout"], "segment.beta.1");
    for (method, path, body) in [
        ("POST", STAGED, body),
        ("PUT", SEGMENT, r#"{"included":["eve"]}"#),
        ("DELETE", SEGMENT, "{}"),
        ("DELETE", "/api/v1/production/flags/segment.beta", "{}"),
        (
            "PUT",
            "/api/v1/production/flags/segment.other",
            r#"{"type":"boolean"}"#,
        ),
        ("POST", ROLLOUTS, r#"{"flag":"segment.beta","policy":"quick"}"#),
    ] {
        let ask = world.ask(method, path).json(body);
        let ask = match (method, path) {
            ("POST", _) | (_, "/api/v1/production/flags/segment.other") => ask,
            _ => ask.header("if-match", "*"),
        };
        ask.send().await.is_problem(409, "conflict", "segment");
    }
    let abort = r#"{"kind":"abort","reason":"never mind"}"#;
    let commands = "/api/v1/production/rollouts/segment.beta.1/commands";
    let aborted = world.ask("POST", commands).json(abort).send().await;
    assert_eq!(aborted.status, 200, "{}", aborted.text);
}
