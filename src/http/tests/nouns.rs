//! What the routes do when all is well, and when two people meet.

use super::world::World;
use crate::tokens::first_start;
use serde_json::json;

const FLAG: &str = "/api/v1/production/flags/checkout";

#[actix_web::test]
async fn f22_nobody_overwrites_what_they_have_not_seen() {
    let world = World::new().await;
    let save = async |precondition: Option<(&'static str, &str)>, description: &str| {
        let body = json!({"type": "boolean", "description": description}).to_string();
        let ask = world.ask("PUT", FLAG).json(&body);
        let ask = match precondition {
            Some((name, value)) => ask.header(name, value),
            None => ask,
        };
        ask.send().await
    };
    save(Some(("if-match", "\"1\"")), "a")
        .await
        .is_problem(412, "stale-revision", "does not exist");
    let made = save(None, "a").await;
    assert_eq!(
        (made.status, made.header("etag")),
        (200, "\"1\""),
        "{}",
        made.text
    );
    assert_eq!(made.json["definition"]["description"], "a");

    let unseen = save(None, "b").await;
    unseen.is_problem(428, "precondition-required", "flag checkout exists already");
    assert_eq!(
        (unseen.header("etag"), &unseen.json["revision"]),
        ("\"1\"", &json!(1))
    );
    save(Some(("if-none-match", "*")), "b")
        .await
        .is_problem(412, "stale-revision", "exists already");

    assert_eq!(
        save(Some(("if-match", "\"1\"")), "b").await.header("etag"),
        "\"2\""
    );
    let loser = save(Some(("if-match", "\"1\"")), "c").await;
    loser.is_problem(
        412,
        "stale-revision",
        "flag checkout is at revision 2, you have seen 1",
    );
    assert_eq!(loser.json["revision"], 2);
    assert_eq!(save(Some(("if-match", "*")), "c").await.header("etag"), "\"3\"");
    assert_eq!(
        save(Some(("if-match", "\"3\"")), "c").await.header("etag"),
        "\"3\"",
        "nothing changed"
    );

    let read = world.ask("GET", FLAG).by("viewer").send().await;
    assert_eq!(
        (read.header("etag"), &read.json["definition"]["description"]),
        ("\"3\"", &json!("c"))
    );
    let listed = world.ask("GET", "/api/v1/production/flags").send().await;
    assert_eq!(listed.json["items"], json!([read.json]));
}

#[actix_web::test]
async fn what_is_read_can_be_sent_back() {
    let world = World::new().await;
    let body = r#"{"type":"string","variations":[{"key":"a","value":"x"},{"key":"b","value":"y"}],
        "individuals":[{"units":["u1"],"variation":"b"}],"fallback":{"variation":"a"}}"#;
    let made = world.ask("PUT", FLAG).json(body).send().await;
    assert_eq!(made.status, 200, "{}", made.text);
    let again = world.ask("PUT", FLAG).header("if-match", made.header("etag"));
    let again = again.json(&made.json["definition"].to_string()).send().await;
    assert_eq!(
        (again.status, again.header("etag"), &again.json),
        (200, "\"1\"", &made.json)
    );
}

#[actix_web::test]
async fn flags_are_archived_and_segments_removed() {
    let world = World::new().await;
    world.flag("checkout").await;
    world
        .ask("DELETE", FLAG)
        .send()
        .await
        .is_problem(428, "precondition-required", "flag checkout");
    let stale = world.ask("DELETE", FLAG).header("if-match", "\"9\"").send().await;
    stale.is_problem(412, "stale-revision", "at revision 1, you have seen 9");
    let archived = world.ask("DELETE", FLAG).header("if-match", "\"1\"").send().await;
    assert_eq!(
        (archived.status, archived.header("etag")),
        (200, "\"2\""),
        "{}",
        archived.text
    );
    assert_eq!(archived.json["definition"]["status"], "archived");

    let segment = "/api/v1/production/segments/staff";
    let made = world
        .ask("PUT", segment)
        .json(r#"{"included":["u1"]}"#)
        .send()
        .await;
    assert_eq!(
        (made.status, made.header("etag")),
        (200, "\"1\""),
        "{}",
        made.text
    );
    let user =
        r#"{"type":"boolean","rules":[{"name":"r","when":{"segment":"staff"},"serve":{"variation":"on"}}]}"#;
    let path = "/api/v1/production/flags/user";
    assert_eq!(world.ask("PUT", path).json(user).send().await.status, 200);
    let used = world.ask("DELETE", segment).header("if-match", "*").send().await;
    used.is_problem(409, "conflict", "user");
    let freed = world
        .ask("PUT", path)
        .header("if-match", "*")
        .json(r#"{"type":"boolean"}"#)
        .send()
        .await;
    assert_eq!(freed.status, 200, "{}", freed.text);
    assert_eq!(
        world
            .ask("DELETE", segment)
            .header("if-match", "\"1\"")
            .send()
            .await
            .status,
        204
    );
    world
        .ask("GET", segment)
        .send()
        .await
        .is_problem(404, "not-found", "there is no segment staff");
}

#[actix_web::test]
async fn nodes_pull_what_they_do_not_have() {
    let world = World::new().await;
    let current = "/api/v1/production/snapshots/current";
    let first = world.ask("GET", current).by("node").send().await;
    assert_eq!(first.status, 200, "{}", first.text);
    let etag = first.header("etag").to_owned();
    assert_eq!(first.json["header"]["environment"], "production");
    let same = world
        .ask("GET", current)
        .by("node")
        .header("if-none-match", &etag)
        .send()
        .await;
    assert_eq!(
        (same.status, same.text.as_str(), same.header("etag")),
        (304, "", etag.as_str())
    );

    world.flag("checkout").await;
    let after = format!("{current}?wait=30&after={}", etag.trim_matches('"'));
    let newer = world.ask("GET", &after).by("node").send().await;
    assert_eq!(newer.status, 200, "{}", newer.text);
    assert_eq!(newer.json["content"]["flags"][0]["flag"]["key"], "checkout");
    let header = world
        .ask("GET", &format!("{current}/header"))
        .by("viewer")
        .send()
        .await;
    assert_eq!(header.json, newer.json["header"]);

    let version = &newer.json["header"]["version"];
    let report = json!({"node": "edge-1", "instance": "i", "batch": 1, "serving": version}).to_string();
    let reported = world
        .ask("POST", "/api/v1/production/nodes/report")
        .by("node")
        .json(&report)
        .send()
        .await;
    assert_eq!(reported.status, 200, "{}", reported.text);
    assert_eq!(reported.json, json!({"newest": version}));
    let nodes = world.ask("GET", "/api/v1/production/nodes").send().await;
    assert_eq!(nodes.json["items"][0]["name"], "edge-1");
    assert_eq!(nodes.json["items"][0]["current"], true, "{}", nodes.text);
}

#[actix_web::test]
async fn the_audit_log_is_read_page_by_page() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.flag(key).await;
    }
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = world
            .ask("GET", &format!("/api/v1/production/audit?limit=2&after={after}"))
            .send()
            .await;
        let items = page.json["items"].as_array().unwrap().clone();
        seen.extend(
            items
                .iter()
                .map(|item| item["entries"][0]["entity"].as_str().unwrap().to_owned()),
        );
        match page.json["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["flag/production/a", "flag/production/b", "flag/production/c"],
        "no tokens, no repeats"
    );
    let page = world.ask("GET", "/api/v1/production/audit?limit=1").send().await;
    assert_eq!(
        page.json["items"][0]["by"],
        json!({"token": {"name": "admin", "role": "admin"}})
    );
    let elsewhere = world.ask("GET", "/api/v1/staging/audit").send().await;
    assert_eq!(elsewhere.json, json!({"items": []}));
}

#[actix_web::test]
async fn a_token_shows_its_secret_once_and_works_until_it_is_revoked() {
    let world = World::new().await;
    let body = r#"{"name":"ci","role":"editor","environment":"staging"}"#;
    let made = world.ask("POST", "/api/v1/tokens").json(body).send().await;
    assert_eq!(
        (made.status, &made.json["token"]["name"]),
        (201, &json!("ci")),
        "{}",
        made.text
    );
    let secret = made.json["secret"].as_str().unwrap();
    let bearer = format!("Bearer {secret}");
    let flags = async || {
        let ask = world.ask_without_token("GET", "/api/v1/staging/flags");
        ask.header("authorization", &bearer).send().await
    };
    assert_eq!(flags().await.status, 200);
    let listed = world.ask("GET", "/api/v1/tokens").send().await;
    assert!(
        listed.text.contains("\"ci\"") && !listed.text.contains(secret),
        "{}",
        listed.text
    );
    assert!(!listed.text.contains("igest"), "{}", listed.text);

    world
        .ask("POST", "/api/v1/tokens")
        .json(body)
        .send()
        .await
        .is_problem(409, "conflict", "choose another name");
    assert_eq!(world.ask("DELETE", "/api/v1/tokens/ci").send().await.status, 204);
    flags().await.is_problem(401, "unauthenticated", "revoked");

    for (body, says) in [
        (
            r#"{"name":"x","role":"editor","environment":"nowhere"}"#,
            "known: production, staging",
        ),
        (
            r#"{"name":"x","role":"editor","expires":"2029-01-01T00:00:00Z"}"#,
            "expires in the future",
        ),
    ] {
        world
            .ask("POST", "/api/v1/tokens")
            .json(body)
            .send()
            .await
            .is_problem(422, "invalid", says);
    }
    let role = world
        .ask("POST", "/api/v1/tokens")
        .json(r#"{"name":"x","role":"root"}"#)
        .send()
        .await;
    role.is_problem(400, "malformed-body", "unknown variant `root`");
}

#[actix_web::test]
async fn the_first_start_makes_a_token_that_works_and_later_ones_none() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        first_start(&world.control, folder.path()).await.unwrap(),
        None,
        "there is one already"
    );

    assert_eq!(
        world.ask("DELETE", "/api/v1/tokens/admin").send().await.status,
        204
    );
    let file = first_start(&world.control, folder.path()).await.unwrap().unwrap();
    assert_eq!(file, folder.path().join("admin-token"));
    let bearer = format!("Bearer {}", std::fs::read_to_string(&file).unwrap().trim());
    let tokens = world
        .ask_without_token("GET", "/api/v1/tokens")
        .header("authorization", &bearer)
        .send()
        .await;
    assert!(tokens.text.contains("\"admin-2\""), "{}", tokens.text);
    assert_eq!(first_start(&world.control, folder.path()).await.unwrap(), None);

    let gone = folder.path().join("gone");
    assert_eq!(
        world
            .ask_without_token("DELETE", "/api/v1/tokens/admin-2")
            .header("authorization", &bearer)
            .send()
            .await
            .status,
        204
    );
    let error = first_start(&world.control, &gone).await.unwrap_err();
    assert!(error.to_string().contains("admin-token"), "{error}");
    assert_eq!(
        world.control.tokens().await.unwrap().len(),
        // Each role's, and the one made here.
        tidegate_model::access::Role::ALL.len() + 1,
        "no token whose secret nobody knows"
    );
}

#[actix_web::test]
async fn probes_metrics_and_documentation_are_open_and_tell_nothing_private() {
    let world = World::new().await;
    world.flag("canary-flag").await;
    let open = async |path: &str| {
        let answer = world.ask_without_token("GET", path).send().await;
        assert!(!answer.text.contains("canary-flag"), "{path}: {}", answer.text);
        answer
    };
    assert_eq!(open("/livez").await.status, 200);
    assert_eq!(
        open("/readyz").await.json,
        json!({"status": "ready", "quarantined": 0, "waitingFlags": 0, "clockOffsetSeconds": 0.0})
    );
    assert_eq!(open("/openapi.json").await.json["openapi"], "3.1.0");
    assert_eq!(open("/docs").await.header("location"), "/docs/");
    let page = open("/docs/").await;
    assert!(
        page.text.contains("swagger-ui") && page.header("content-type").starts_with("text/html"),
        "{page:?}"
    );
    assert!(
        !page.text.contains("http://") && !page.text.contains("https://"),
        "{}",
        page.text
    );
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    assert!(
        open("/docs/swagger-initializer.js")
            .await
            .text
            .contains("/openapi.json")
    );
    let metrics = open("/metrics").await;
    let counted = r#"tidegate_http_requests_total{method="GET",route="/livez",status="200"} 1"#;
    assert!(metrics.text.contains(counted), "{}", metrics.text);
    let head = world.ask_without_token("HEAD", "/livez").send().await;
    assert_eq!(head.status, 200);
}
