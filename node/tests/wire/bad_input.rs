//! What nobody should send, and somebody does.

use crate::site::{Site, node};
use crate::snapshots::snapshot;
use serde_json::{Value, json};

const BULK: &str = "/ofrep/v1/evaluate/flags";

fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))
}

/// A body, the status that it deserves, and the error code.
type Case = (String, u16, &'static str);

fn context(json: &str) -> String {
    format!("{{\"context\":{json}}}")
}

/// Bodies that are too long, too deep or too wide to be written down.
fn excessive() -> Vec<Case> {
    let text = |length: usize| format!("{{\"targetingKey\":\"{}\"}}", "x".repeat(length));
    let wide = |count: usize| {
        let members: Vec<String> = (0..count).map(|i| format!("\"a{i}\":{i}")).collect();
        format!("{{{}}}", members.join(","))
    };
    vec![
        (context(&text(1000)), 200, ""),
        (context(&text((1 << 20) - 32)), 200, ""),
        (context(&text(1 << 20)), 413, "GENERAL"),
        (context(&nested(8)), 200, ""),
        (context(&nested(9)), 400, "INVALID_CONTEXT"),
        (context(&nested(1000)), 400, "INVALID_CONTEXT"),
        (context(&"[".repeat(1000)), 400, "INVALID_CONTEXT"),
        (
            context(&format!("{{\"a\":{}1{}}}", "[".repeat(1000), "]".repeat(1000))),
            400,
            "PARSE_ERROR",
        ),
        (
            format!("{{\"later\":{},\"context\":{{}}}}", nested(1000)),
            200,
            "",
        ),
        (context(&wide(1024)), 200, ""),
        (context(&wide(1025)), 400, "INVALID_CONTEXT"),
    ]
}

/// Bodies that people and programs get wrong.
fn written() -> Vec<Case> {
    [
        // Not JSON, or not an object.
        ("", 400, "PARSE_ERROR"),
        ("{", 400, "PARSE_ERROR"),
        ("[]", 400, "PARSE_ERROR"),
        ("7", 400, "PARSE_ERROR"),
        ("null", 400, "PARSE_ERROR"),
        ("\"context\"", 400, "PARSE_ERROR"),
        ("{\"context\":{}}{}", 400, "PARSE_ERROR"),
        ("{\"context\":{\"a\":01}}", 400, "PARSE_ERROR"),
        ("{\"context\":{\"a\":NaN}}", 400, "PARSE_ERROR"),
        ("{\"context\":{\"a\":1e999}}", 400, "PARSE_ERROR"),
        ("{\"context\":{\"a\":\"\u{0}\"}}", 400, "PARSE_ERROR"),
        ("{\"context\":{\"a\":\"\\ud800\"}}", 400, "PARSE_ERROR"),
        ("\u{feff}{}", 400, "PARSE_ERROR"),
        // JSON, but no context.
        ("{\"context\":7}", 400, "INVALID_CONTEXT"),
        ("{\"context\":\"u1\"}", 400, "INVALID_CONTEXT"),
        ("{\"context\":[{}]}", 400, "INVALID_CONTEXT"),
        ("{\"context\":{\"targetingKey\":7}}", 400, "INVALID_CONTEXT"),
        (
            "{\"context\":{\"targetingKey\":{\"id\":1}}}",
            400,
            "INVALID_CONTEXT",
        ),
        // Odd, and fine.
        ("{}", 200, ""),
        ("{\"context\":null,\"later\":[1,{\"deep\":[]}]}", 200, ""),
        ("{\"context\":{\"targetingKey\":null}}", 200, ""),
        ("{\"context\":{\"targetingKey\":\"\"}}", 200, ""),
        (
            "{\"context\":{\"targetingKey\":\"a\\u0000b\",\"plan\":\"\\u0000\"}}",
            200,
            "",
        ),
        (
            "{\"context\":{\"plan\":7,\"age\":\"7\",\"n\":1e308,\"big\":123456789012345678901}}",
            200,
            "",
        ),
        (
            "{\"context\":{\"plan\":[[\"pro\"]],\"x\":{\"y\":[{}]},\"\":1,\"a.b\":{\"c\":2}}}",
            200,
            "",
        ),
        ("{\"context\":{\"plan\":\"pro\",\"plan\":\"free\"}}", 200, ""),
    ]
    .map(|(body, status, code)| (body.to_owned(), status, code))
    .into()
}

#[actix_web::test]
async fn hostile_bodies_are_answered_as_the_protocol_says() {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    let site = Site::of(vec![node]);
    for (body, status, code) in written().into_iter().chain(excessive()) {
        let shown: String = body.chars().take(80).collect();
        for path in [BULK.to_owned(), format!("{BULK}/compat-targeted")] {
            let response = site.post(&path, &[], body.clone()).await;
            assert_eq!(response.status().as_u16(), status, "{path} {shown}");
            let answer: Value = response.json().await.unwrap();
            if status != 200 {
                assert_eq!(answer["errorCode"], code, "{shown} {answer}");
                let details = answer["errorDetails"].as_str().unwrap();
                assert!(!details.is_empty() && details.len() < 500, "{details}");
            } else if path != BULK {
                assert_eq!(answer["value"], false, "{shown} {answer}");
            }
        }
    }
    // It serves on as before.
    let (status, answer) = site
        .ask(
            &format!("{BULK}/compat-targeted"),
            &json!({"context": {"plan": "pro"}}),
        )
        .await;
    assert_eq!((status, &answer["value"]), (200, &json!(true)));
    site.stop().await;
}

#[actix_web::test]
async fn bytes_that_are_no_text_are_no_json() {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    let site = Site::of(vec![node]);
    for body in [
        &b"{\"context\":{\"a\":\"\xff\"}}"[..],
        b"\xff\xfe{\x00}\x00",
        b"\x00",
    ] {
        for path in [BULK, "/ofrep/v1/evaluate/flags/compat-boolean", "/v1/evaluate"] {
            let request = site.client.post(format!("{}{path}", site.url));
            let response = request.body(body.to_vec()).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 400, "{path} {body:?}");
        }
    }
    site.stop().await;
}

/// Whoever asks for ever new things fills nothing up: what is kept of answers is bounded.
#[actix_web::test]
async fn memory_does_not_grow_with_what_is_asked() {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    let site = Site::of(vec![node.clone()]);
    let kept = async || {
        let (_, text) = site.get("/v1/cache").await;
        let statistics: Value = serde_json::from_str(&text).unwrap();
        let number = |name: &str| statistics[name].as_u64().unwrap();
        assert!(number("entries") <= number("entriesMax"), "{statistics}");
        assert!(number("bytes") <= number("bytesMax"), "{statistics}");
        number("entries")
    };
    for round in 0..4 {
        for user in 0..200 {
            let context = json!({"context": {"targetingKey": format!("u{round}-{user}")}});
            assert_eq!(site.ask(BULK, &context).await.0, 200);
            let (status, _) = site
                .ask(&format!("{BULK}/unknown-{round}-{user}"), &context)
                .await;
            assert_eq!(status, 404);
        }
        // A new version throws away what was kept of the last one.
        node.replica()
            .offer(&snapshot(&format!("1.{}", 8 + round)))
            .unwrap();
        site.ask(BULK, &json!({})).await;
        assert_eq!(kept().await, 1);
    }
    let metric = site.metric(
        "tidegate_evaluation_defaults_total",
        &[("reason", "flag_not_found")],
    );
    assert_eq!(metric.await, Some(800.0), "counted, under one name");
    site.stop().await;
}
