//! Many flags for many contexts in one request.

use crate::site::{OneSecret, Site, node, node_with};
use crate::snapshots::{production, snapshot};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_node::Scope;

const PATH: &str = "/v1/evaluate";

fn site() -> Site {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    Site::of(vec![node])
}

#[actix_web::test]
async fn a_batch_answers_each_flag_for_each_context() {
    let site = site();
    let batch = json!({
        "contexts": [{"targetingKey": "u1"}, {"plan": "pro"}],
        "flags": ["compat-targeted", {"key": "compat-integer", "type": "number"}, "ramp", "compat-disabled"],
    });
    let (status, answer) = site.ask(PATH, &batch).await;
    let ten = json!({"key": "compat-integer", "type": "number", "value": 10, "variation": "ten", "reason": "static"});
    let disabled = json!({"key": "compat-disabled", "type": "string", "variation": "", "reason": "disabled"});
    let expected = json!({
        "environment": "production", "version": "1.7", "state": "current",
        "results": [
            {"context": 0, "flags": [
                {"key": "compat-targeted", "type": "boolean", "value": false, "variation": "off", "reason": "fallback"},
                ten,
                {"key": "ramp", "type": "boolean", "value": true, "variation": "on", "reason": "rollout", "rollout": "ramp.1"},
                disabled,
            ]},
            {"context": 1, "flags": [
                {"key": "compat-targeted", "type": "boolean", "value": true, "variation": "on",
                    "reason": "targeting_match", "rule": "pro"},
                ten,
                {"key": "ramp", "type": "boolean", "value": true, "variation": "on", "reason": "rollout", "rollout": "ramp.1"},
                disabled,
            ]},
        ],
    });
    assert_eq!((status, answer), (200, expected));
    site.stop().await;
}

#[actix_web::test]
async fn one_that_is_wrong_spoils_no_other() {
    let site = site();
    let batch = json!({
        "contexts": [{"targetingKey": 7}, {}, "u1", {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}],
        "flags": ["nobody", "compat-split", {"key": "compat-string", "type": "boolean"}, "compat-boolean"],
    });
    let (status, answer) = site.ask(PATH, &batch).await;
    assert_eq!(status, 200);
    let results = answer["results"].as_array().unwrap();
    for (index, wrong) in [(0, true), (1, false), (2, true), (3, true)] {
        assert_eq!(results[index]["context"], index);
        assert_eq!(
            results[index]["errorCode"] == "INVALID_CONTEXT",
            wrong,
            "{}",
            results[index]
        );
        assert_eq!(results[index]["errorDetails"].is_string(), wrong);
    }
    let flags = results[1]["flags"].as_array().unwrap();
    let codes: Vec<_> = flags.iter().map(|flag| flag["errorCode"].as_str()).collect();
    assert_eq!(
        codes,
        [
            Some("FLAG_NOT_FOUND"),
            Some("TARGETING_KEY_MISSING"),
            Some("TYPE_MISMATCH"),
            None
        ]
    );
    assert_eq!(flags[3]["value"], true);
    site.stop().await;
}

#[actix_web::test]
async fn lines_say_the_same() {
    let site = site();
    let batch = json!({"contexts": [{"targetingKey": "u1"}, {"targetingKey": 7}, {"plan": "pro"}], "flags": ["compat-targeted"]});
    let (_, whole) = site.ask(PATH, &batch).await;
    let headers = [("accept", "application/x-ndjson, application/json;q=0.5")];
    let response = site.post(PATH, &headers, batch.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    assert!(text.ends_with('\n'));
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut head = lines.next().unwrap();
    head["results"] = lines.collect();
    assert_eq!(head, whole);
    site.stop().await;
}

#[actix_web::test]
async fn all_flags_are_meant_if_none_is_named() {
    let site = site();
    let (_, answer) = site
        .ask(PATH, &json!({"contexts": [{"targetingKey": "u1"}]}))
        .await;
    let (_, bulk) = site
        .ask(
            "/ofrep/v1/evaluate/flags",
            &json!({"context": {"targetingKey": "u1"}}),
        )
        .await;
    let values = |flags: &Value| -> Vec<(Value, Value)> {
        let flags = flags.as_array().unwrap().iter();
        flags
            .map(|flag| (flag["key"].clone(), flag["value"].clone()))
            .collect()
    };
    assert_eq!(values(&answer["results"][0]["flags"]), values(&bulk["flags"]));
    site.stop().await;
}

#[actix_web::test]
async fn only_servers_are_told_why() {
    let batch =
        json!({"contexts": [{"plan": "pro"}], "flags": ["compat-targeted", "hidden"], "explain": true});
    for scope in [Scope::Server, Scope::Client] {
        let node = node_with(&production(), Arc::new(OneSecret("s3cret", scope)), None);
        node.replica().offer(&snapshot("1.7")).unwrap();
        let site = Site::of(vec![node]);
        let secret = [("x-api-key", "s3cret")];
        let response = site.post(PATH, &secret, batch.to_string()).await;
        let status = response.status().as_u16();
        let answer: Value = response.json().await.unwrap();
        if scope == Scope::Server {
            let flag = &answer["results"][0]["flags"][0];
            assert!(flag["explanation"].to_string().contains("\"plan\""), "{flag}");
        } else {
            assert_eq!(status, 403, "{answer}");
            let mut plain = batch.clone();
            plain["explain"] = json!(false);
            let response = site.post(PATH, &secret, plain.to_string()).await;
            let answer: Value = response.json().await.unwrap();
            let flags = &answer["results"][0]["flags"];
            assert_eq!(flags[0].get("rule"), None);
            assert_eq!(flags[1]["errorCode"], "FLAG_NOT_FOUND");
            assert_eq!(flags[1].get("type"), None, "{flags}");
        }
        site.stop().await;
    }
}

#[actix_web::test]
async fn batches_have_limits() {
    let site = site();
    let contexts = |count: usize| vec![json!({}); count];
    let flags = |count: usize| vec![json!("compat-boolean"); count];
    for (batch, status, says) in [
        (json!({}), 400, "contexts"),
        (json!([]), 400, "body cannot be read"),
        (json!({"contexts": [{}], "flag": []}), 400, "unknown field"),
        (json!({"contexts": [{}], "flags": [7]}), 400, "a flag is its key"),
        (
            json!({"contexts": [{}], "flags": [{"key": "a", "type": "text"}]}),
            400,
            "a flag is its key",
        ),
        (json!({"contexts": []}), 422, "asks for something"),
        (json!({"contexts": [{}], "flags": []}), 422, "asks for something"),
        (json!({"contexts": contexts(1000), "flags": flags(50)}), 200, ""),
        (
            json!({"contexts": contexts(1000), "flags": flags(51)}),
            422,
            "at most 50000",
        ),
        (
            json!({"contexts": contexts(1001), "flags": flags(1)}),
            422,
            "at most 1000",
        ),
        (
            json!({"contexts": contexts(1), "flags": flags(1001)}),
            422,
            "at most 1000",
        ),
        (json!({"contexts": contexts(100)}), 200, ""),
        (json!({"contexts": contexts(101)}), 422, "at most 100"),
        (
            json!({"contexts": contexts(2), "flags": flags(51), "explain": true}),
            422,
            "at most 100",
        ),
        (
            json!({"contexts": contexts(2), "explain": true}),
            422,
            "at most 1",
        ),
    ] {
        let (found, answer) = site.ask(PATH, &batch).await;
        let shown: String = answer.to_string().chars().take(300).collect();
        assert_eq!(found, status, "{shown}");
        assert!(answer.to_string().contains(says), "{says}: {shown}");
    }
    let large = format!("{{\"contexts\":[\"{}\"]}}", "x".repeat(4 << 20));
    assert_eq!(site.post(PATH, &[], large).await.status().as_u16(), 413);
    site.stop().await;
}

#[actix_web::test]
async fn a_blind_node_has_no_answers_of_its_own() {
    let site = Site::of(vec![node()]);
    let response = site.post(PATH, &[], "{\"contexts\":[{}]}").await;
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    site.stop().await;
}

#[actix_web::test]
async fn answers_of_a_batch_count_as_served() {
    let site = site();
    let batch = json!({"contexts": [{}, {}, {}], "flags": ["compat-boolean", "nobody"]});
    site.ask(PATH, &batch).await;
    let served = [("flag", "compat-boolean"), ("variation", "on")];
    assert_eq!(
        site.metric("tidegate_evaluations_total", &served).await,
        Some(3.0)
    );
    site.stop().await;
}
