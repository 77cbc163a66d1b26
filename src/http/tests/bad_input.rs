//! Whatever a client sends, the answer says what is wrong, and nothing is half done.

use super::world::World;
use crate::http::routes::table;

#[actix_web::test]
async fn bad_bodies_are_named_and_change_nothing() {
    let world = World::new().await;
    let check = async |path: &str, body: &str, status: u16, kind: &str, says: &str| {
        let before = world.control.store().head();
        let path = format!("/api/v1/production/{path}");
        let method = if path.ends_with("rollouts") || path.ends_with("report") {
            "POST"
        } else {
            "PUT"
        };
        let answer = world.ask(method, &path).json(body).send().await;
        answer.is_problem(status, kind, says);
        assert_eq!(world.control.store().head(), before, "{path} {body}");
    };
    let flag = "flags/checkout";
    check(flag, "", 400, "malformed-body", "line 1 column 0").await;
    check(
        flag,
        r#"{"type":"boolean",}"#,
        400,
        "malformed-body",
        "trailing comma at line 1 column 19",
    )
    .await;
    check(
        flag,
        r#"{"type":"boolean","colour":1}"#,
        400,
        "malformed-body",
        "unknown field `colour`",
    )
    .await;
    check(
        flag,
        r#"{"type":"boolean","revision":7}"#,
        400,
        "malformed-body",
        "unknown field `revision`",
    )
    .await;
    check(
        flag,
        r#"{"type":"boolean","key":"other"}"#,
        422,
        "invalid",
        "'checkout'",
    )
    .await;
    check(
        flag,
        r#"{"type":"string","variations":[{"key":"a","value":"x"},{"key":"a","value":"y"}]}"#,
        422,
        "invalid",
        "variations[1].key",
    )
    .await;
    check(
        flag,
        r#"{"type":"boolean","fallback":{"split":[{"variation":"on","weight":50},{"variation":"off","weight":40}]}}"#,
        422,
        "invalid",
        "90",
    )
    .await;
    check(
        flag,
        r#"{"type":"boolean","rules":[{"name":"r","when":{"segment":"staff"},"serve":{"variation":"on"}}]}"#,
        422,
        "invalid",
        "there is no such segment",
    )
    .await;
    check(
        flag,
        r#"{"type":"percentage","percentage":101}"#,
        400,
        "malformed-body",
        "between 0 and 100",
    )
    .await;
    check(
        "segments/staff",
        "{}",
        422,
        "invalid",
        "a segment says who is in it",
    )
    .await;
    check(
        "segments/staff",
        r#"{"when":{"segment":"staff"}}"#,
        422,
        "invalid",
        "staff -> staff",
    )
    .await;
    check(
        "rollouts",
        r#"{"flag":"checkout"}"#,
        400,
        "malformed-body",
        "missing field `policy`",
    )
    .await;
    check(
        "rollouts",
        r#"{"flag":"checkout","policy":"x"}"#,
        404,
        "not-found",
        "flag checkout",
    )
    .await;
    check(
        "nodes/report",
        r#"{"node":"a b"}"#,
        400,
        "malformed-body",
        "at node: node name",
    )
    .await;
}

#[actix_web::test]
async fn bad_paths_queries_and_headers_are_named() {
    let world = World::new().await;
    for (method, path, status, kind, says) in [
        ("GET", "/", 404, "not-found", "/docs lists them all"),
        ("GET", "/api/v1/production/flagz", 404, "not-found", "no route"),
        (
            "GET",
            "/api/v1/nowhere/flags",
            404,
            "not-found",
            "known: production, staging",
        ),
        (
            "GET",
            "/api/v1/production/flags/nothing",
            404,
            "not-found",
            "there is no flag nothing",
        ),
        (
            "GET",
            "/api/v1/production/flags/a%20b",
            400,
            "malformed-request",
            "a flag key has 1 to 255",
        ),
        (
            "GET",
            "/api/v1/production/rollouts/a%20b",
            400,
            "malformed-request",
            "a rollout id has",
        ),
        (
            "PATCH",
            "/api/v1/production/flags/checkout",
            405,
            "method-not-allowed",
            "use GET or HEAD or PUT or DELETE",
        ),
        ("DELETE", "/livez", 405, "method-not-allowed", "use GET or HEAD"),
        (
            "GET",
            "/api/v1/production/audit?limit=0",
            400,
            "malformed-request",
            "1 to 1000",
        ),
        (
            "GET",
            "/api/v1/production/audit?form=1",
            400,
            "malformed-request",
            "known: after, limit",
        ),
        (
            "GET",
            "/api/v1/production/snapshots/current?after=7",
            400,
            "malformed-request",
            "after=1.42",
        ),
        (
            "GET",
            "/api/v1/production/snapshots/current?wait=60",
            400,
            "malformed-request",
            "0 to 30",
        ),
        ("GET", "/docs/nothing.js", 404, "not-found", "start at /docs/"),
        (
            "DELETE",
            "/api/v1/production/segments/nothing",
            404,
            "not-found",
            "there is no segment nothing",
        ),
        (
            "DELETE",
            "/api/v1/production/policies/nothing",
            404,
            "not-found",
            "there is no policy nothing",
        ),
        (
            "DELETE",
            "/api/v1/tokens/nothing",
            404,
            "not-found",
            "there is no token nothing",
        ),
    ] {
        let answer = world.ask(method, path).send().await;
        answer.is_problem(status, kind, says);
    }
    let method = world.ask("PATCH", "/api/v1/production/flags").send().await;
    assert_eq!(method.header("allow"), "GET, HEAD");
    let etag = world
        .ask("PUT", "/api/v1/production/flags/checkout")
        .header("if-match", "7");
    let etag = etag.json(r#"{"type":"boolean"}"#).send().await;
    etag.is_problem(400, "malformed-request", "If-Match is '*' or one ETag");
}

/// Every route that reads a body, with every kind of nonsense for one: always a 4xx.
#[actix_web::test]
async fn x04_nonsense_is_refused_by_every_route() {
    let world = World::new().await;
    let large = vec![b' '; (1 << 20) + 1];
    let deep = "[".repeat(200_000).into_bytes();
    let bodies: [(&str, &[u8]); 9] = [
        ("application/json", b"null"),
        ("application/json", b"[]"),
        ("application/json", b"{\"\\u0000\":1}"),
        ("application/json", b"\xff\xfe"),
        ("application/json", &deep),
        ("application/json", &large),
        ("application/yaml", b"\xff\xfe"),
        ("application/yaml", b"&a [*a]"),
        ("application/x-www-form-urlencoded", b"a=b"),
    ];
    for route in table()
        .into_iter()
        .filter(|route| matches!(route.method.as_str(), "PUT" | "POST"))
    {
        let path = route.path.replace("{environment}", "production");
        let path = path
            .replace("{key}", "checkout")
            .replace("{name}", "canary")
            .replace("{id}", "checkout.1");
        for (media_type, body) in bodies {
            let answer = world
                .ask(route.method.as_str(), &path)
                .body(media_type, body.to_vec())
                .send()
                .await;
            let lint = path.ends_with("/lint") && answer.status == 200;
            assert!(
                lint || (400..500).contains(&answer.status),
                "{path} {media_type}: {answer:?}"
            );
        }
    }
}

/// A secret that a client puts in the wrong place stands in no answer's headers, and a refused
/// token is not repeated.
#[actix_web::test]
async fn x10_a_refused_token_is_not_repeated() {
    let world = World::new().await;
    let ask = world.ask_without_token("GET", "/api/v1/production/flags");
    let answer = ask.header("authorization", "Bearer tg_canary").send().await;
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
}
