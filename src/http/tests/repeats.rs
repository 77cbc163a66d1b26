//! Requests that come again because their answers got lost (faults.md F29).

use super::world::{Answer, PRODUCTION, World};
use tidegate_model::access::{Author, Role};
use tidegate_model::key::{EnvironmentKey, TokenName};
use tidegate_model::request::{RequestKey, RequestMark, Through};
use tidegate_model::snapshot::Digest;

const FLAG: &str = "/api/v1/production/flags/checkout";
const ON: &str = r#"{"type":"boolean"}"#;
const REPLAYED: &str = "idempotency-replayed";

/// What has to be the same when an answer is given again.
fn said(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let names = ["content-type", "etag", "location", "allow"];
    let headers = names.map(|name| (name.to_owned(), answer.header(name).to_owned()));
    (answer.status, headers.into(), answer.text.clone())
}

async fn records(world: &World) -> usize {
    let all = world.control.records(None, 0, 1000).await.unwrap();
    all.0.len()
}

#[actix_web::test]
async fn f29_a_repeated_request_is_answered_as_before_and_not_done_again() {
    let world = World::new().await;
    world.flag("other").await;
    let commands = "/api/v1/production/rollouts/other.1/commands";
    for (number, (method, path, body, status)) in [
        ("PUT", FLAG, ON, 200),
        ("PUT", FLAG, ON, 428),
        ("PUT", "/api/v1/production/flags/b", r#"{"type":"bool"}"#, 400),
        ("POST", "/api/v1/production/freeze", r#"{"reason":"sale"}"#, 200),
        ("POST", "/api/v1/production/thaw", r#"{"reason":"over"}"#, 200),
        ("POST", "/api/v1/tokens", r#"{"name":"ci","role":"viewer"}"#, 201),
        ("DELETE", "/api/v1/tokens/ci", "", 204),
        ("POST", "/api/v1/production/policies/lint", "name: x", 200),
        ("POST", commands, r#"{"kind":"pause","reason":"x"}"#, 404),
        ("POST", "/api/v1/production/keys/rotate", "{}", 200),
    ]
    .into_iter()
    .enumerate()
    {
        let ask = || async {
            let key = format!("request-{number}");
            let ask = world.ask(method, path).header("idempotency-key", &key);
            let ask = match body {
                "" => ask,
                yaml if yaml.starts_with("name") => ask.yaml(yaml),
                json => ask.json(json),
            };
            ask.send().await
        };
        let first = ask().await;
        assert_eq!(first.status, status, "{method} {path}: {}", first.text);
        assert_eq!(first.header(REPLAYED), "");
        let before = records(&world).await;
        let again = ask().await;
        assert_eq!(said(&again), said(&first), "{method} {path}");
        assert_eq!(again.header(REPLAYED), "true");
        assert_eq!(records(&world).await, before, "{method} {path} was done twice");
    }
}

#[actix_web::test]
async fn f29_a_key_stands_for_one_request_of_one_token() {
    let mut world = World::new().await;
    world.token("second", Role::Admin, |_| {}).await;
    let ask = |method, path| world.ask(method, path).header("idempotency-key", "k");
    let first = ask("PUT", FLAG).json(ON).send().await;
    assert_eq!(first.status, 200, "{}", first.text);
    for (other, what) in [
        (ask("PUT", FLAG).json(r#"{"type": "boolean"}"#), "body"),
        (ask("PUT", "/api/v1/production/flags/b").json(ON), "path"),
        (ask("DELETE", FLAG), "method"),
        (
            ask("PUT", "/api/v1/production/flags/checkout?x=1").json(ON),
            "query",
        ),
    ] {
        let other = other.send().await;
        assert_eq!(other.status, 422, "{what}: {}", other.text);
        other.is_problem(422, "other-request", "a key stands for one request");
        assert_eq!(other.json["violations"][0]["field"], "Idempotency-Key", "{what}");
        assert!(
            other.json["violations"][0]["fix"]
                .as_str()
                .unwrap()
                .contains("fresh")
        );
    }
    // Another token's key is another key.
    let second = ask("PUT", FLAG).by("second").json(ON).send().await;
    second.is_problem(428, "precondition-required", "checkout exists already");
    // And so is the same one in quotes, as the draft writes it, no other.
    let quoted = world.ask("PUT", FLAG).header("idempotency-key", "\"k\"").json(ON);
    assert_eq!(said(&quoted.send().await), said(&first));
}

#[actix_web::test]
async fn f29_keys_are_read_strictly() {
    let world = World::new().await;
    for (key, fits) in [
        ("x", true),
        (&*"x".repeat(255), true),
        ("", false),
        ("a b", false),
        (&*"x".repeat(256), false),
    ] {
        let path = format!("{FLAG}{}", key.len());
        let ask = world.ask("PUT", &path).header("idempotency-key", key).json(ON);
        let answer = ask.send().await;
        if fits {
            assert_eq!(answer.status, 200, "{key:?}: {}", answer.text);
        } else {
            answer.is_problem(400, "malformed-request", "1 to 255 visible ASCII characters");
        }
    }
    // What only reads needs no key, and minds none.
    let read = world
        .ask("GET", FLAG)
        .header("idempotency-key", "a b")
        .send()
        .await;
    assert_eq!(read.status, 404);
}

#[actix_web::test]
async fn f29_what_was_not_done_is_not_remembered() {
    let world = World::new().await;
    let ask = || world.ask("PUT", FLAG).header("idempotency-key", "k");
    ask()
        .by("viewer")
        .json(ON)
        .send()
        .await
        .is_problem(403, "forbidden", "edit");
    // Somebody else's refusal is not the admin's, and a body that did not arrive was no request.
    let large = ask()
        .body("application/json", vec![b' '; (1 << 20) + 1])
        .send()
        .await;
    large.is_problem(413, "body-too-large", "at most");
    let unknown = world
        .ask_without_token("PUT", FLAG)
        .header("idempotency-key", "k");
    assert_eq!(unknown.json(ON).send().await.status, 401);
    assert_eq!(ask().json(ON).send().await.status, 200);
}

#[actix_web::test]
async fn f29_the_same_request_is_done_once_at_a_time() {
    let world = World::new().await;
    let asks = (0..8).map(|_| {
        world
            .ask("PUT", FLAG)
            .header("idempotency-key", "k")
            .json(ON)
            .send()
    });
    let answers = futures_util::future::join_all(asks).await;
    let done: Vec<&Answer> = answers.iter().filter(|one| one.status == 200).collect();
    assert!(!done.is_empty());
    for answer in &answers {
        if answer.status == 200 {
            assert_eq!(said(answer), said(done[0]));
        } else {
            answer.is_problem(409, "under-way", "repeat it in 1 s");
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
    let flag = world.ask("GET", FLAG).send().await;
    assert_eq!(flag.json["revision"], 1);
}

#[actix_web::test]
async fn f29_a_list_is_imported_once() {
    let world = World::new().await;
    let path = "/api/v1/production/segments/beta/list";
    let ask = |body: &str| {
        let ask = world.ask("PUT", path).header("idempotency-key", "k");
        ask.body("text/csv", body.as_bytes().to_vec())
    };
    let first = ask("a\nb\n").send().await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.json["import"]["units"], 2);
    assert_eq!(said(&ask("a\nb\n").send().await), said(&first));
    ask("a\nc\n")
        .send()
        .await
        .is_problem(422, "other-request", "a key stands");
    let segment = world.ask("GET", "/api/v1/production/segments/beta").send().await;
    assert_eq!(segment.json["revision"], 1);
}

#[actix_web::test]
async fn f29_a_long_answer_is_kept_as_where_to_look() {
    let world = World::new().await;
    let text = "y".repeat(60 << 10);
    let variations = ["a", "b", "c", "d", "e"]
        .map(|key| format!(r#"{{"key":"{key}","value":{{"text":"{key}{text}"}}}}"#))
        .join(",");
    let long = format!(r#"{{"type":"json","variations":[{variations}],"fallback":{{"variation":"a"}}}}"#);
    let path = "/api/v1/production/flags/long";
    let ask = || world.ask("PUT", path).header("idempotency-key", "l").json(&long);
    let first = ask().send().await;
    assert_eq!(first.status, 200, "{}", first.text);
    let again = ask().send().await;
    assert_eq!(again.status, 303, "{}", again.text);
    assert_eq!(again.header("location"), path);
    assert!(
        again.json["detail"]
            .as_str()
            .unwrap()
            .contains("was done, in record")
    );
    assert_eq!(world.ask("GET", path).send().await.json["revision"], 1);
}

/// As after a crash between what was done and its answer: the record is there, the answer is not.
#[actix_web::test]
async fn f29_what_was_done_before_a_crash_is_not_done_again() {
    let world = World::new().await;
    let asked = format!("PUT {FLAG}");
    let body = ring::digest::digest(&ring::digest::SHA256, ON.as_bytes());
    let mark = RequestMark {
        key: RequestKey::try_from("k".to_owned()).unwrap(),
        digest: Digest::of(&[asked.as_bytes(), b"\n", body.as_ref()].concat()),
    };
    let by = Author::Token {
        name: TokenName::new("admin").unwrap(),
        role: Role::Admin,
        through: Through(Some(Box::new(mark))),
    };
    let environment = EnvironmentKey::new(PRODUCTION).unwrap();
    let flag = serde_json::from_str(r#"{"key":"checkout","type":"boolean"}"#).unwrap();
    let saved = world
        .control
        .save_flag(&environment, flag, tidegate_store::Expect::Any, by)
        .await;
    saved.unwrap();
    for _ in 0..2 {
        let again = world.ask("PUT", FLAG).header("idempotency-key", "k").json(ON);
        let again = again.send().await;
        assert_eq!(again.status, 303, "{}", again.text);
        assert_eq!(again.header("location"), FLAG);
    }
    let other = world
        .ask("DELETE", FLAG)
        .header("idempotency-key", "k")
        .send()
        .await;
    other.is_problem(422, "other-request", "a key stands for one request");
    assert_eq!(world.ask("GET", FLAG).send().await.json["revision"], 1);
    let audit = world.ask("GET", "/api/v1/production/audit").send().await;
    assert_eq!(audit.json["items"][0]["request"], "k");
}
