use crate::site::{OneSecret, Site, node, node_with};
use crate::snapshots::{production, snapshot, snapshot_of};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_model::key::EnvironmentKey;
use tidegate_node::{Node, Scope};

const BULK: &str = "/ofrep/v1/evaluate/flags";

fn serving_node() -> Node {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    node
}

/// A whole answer, from the parts that differ.
fn answer(key: &str, value: Value, reason: (&str, &str), variant: &str, more: Value) -> Value {
    let mut metadata = json!({"flagSetId": "production", "version": "1.7",
        "tidegateReason": reason.1, "tidegateState": "current"});
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    let mut answer = json!({"key": key, "reason": reason.0, "variant": variant, "metadata": metadata});
    if !value.is_null() {
        answer["value"] = value;
    }
    answer
}

async fn check(site: &Site, key: &str, context: Value, status: u16, expected: Value) {
    let body = json!({ "context": context });
    let response = site.post(&format!("{BULK}/{key}"), &[], body.to_string()).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.status().as_u16(), status, "{key} {context}");
    let found: Value = response.json().await.unwrap();
    assert_eq!(found, expected, "{key} {context}");
}

#[actix_web::test]
async fn every_reason_in_openfeatures_words() {
    let site = Site::of(vec![serving_node()]);
    let limits = json!({"items": 3, "tags": ["a", "b"], "deep": {"on": true}});
    let u1 = json!({"targetingKey": "u1"});
    for (key, context, value, reason, variant, more) in [
        (
            "compat-boolean",
            json!({}),
            json!(true),
            ("STATIC", "static"),
            "on",
            json!({}),
        ),
        (
            "compat-string",
            json!({}),
            json!("grün"),
            ("STATIC", "static"),
            "green",
            json!({}),
        ),
        (
            "compat-integer",
            json!({}),
            json!(10),
            ("STATIC", "static"),
            "ten",
            json!({}),
        ),
        (
            "compat-float",
            json!({}),
            json!(10.0),
            ("STATIC", "static"),
            "ten",
            json!({}),
        ),
        (
            "compat-json",
            json!({}),
            limits,
            ("STATIC", "static"),
            "limits",
            json!({}),
        ),
        (
            "compat-targeted",
            json!({"targetingKey": "vip-1"}),
            json!(true),
            ("TARGETING_MATCH", "individual_override"),
            "on",
            json!({}),
        ),
        (
            "compat-targeted",
            json!({"plan": "pro"}),
            json!(true),
            ("TARGETING_MATCH", "targeting_match"),
            "on",
            json!({"rule": "pro"}),
        ),
        (
            "compat-targeted",
            u1.clone(),
            json!(false),
            ("DEFAULT", "fallback"),
            "off",
            json!({}),
        ),
        (
            "ramp",
            u1.clone(),
            json!(true),
            ("SPLIT", "rollout"),
            "on",
            json!({"rollout": "ramp.1"}),
        ),
        (
            "no-fallback",
            u1.clone(),
            json!(null),
            ("DEFAULT", "default"),
            "",
            json!({}),
        ),
        (
            "needs",
            u1.clone(),
            json!(false),
            ("DEFAULT", "prerequisite_failed"),
            "off",
            json!({"prerequisite": "compat-targeted"}),
        ),
        (
            "needs",
            json!({"plan": "pro"}),
            json!(true),
            ("STATIC", "static"),
            "on",
            json!({}),
        ),
        (
            "inactive",
            u1.clone(),
            json!(false),
            ("DISABLED", "disabled"),
            "off",
            json!({}),
        ),
        (
            "compat-disabled",
            u1.clone(),
            json!(null),
            ("DISABLED", "disabled"),
            "",
            json!({}),
        ),
        (
            "archived",
            u1.clone(),
            json!(null),
            ("DISABLED", "disabled"),
            "",
            json!({}),
        ),
    ] {
        let fallback_of_needs = key == "needs" && variant == "on";
        let reason = if fallback_of_needs {
            ("DEFAULT", "fallback")
        } else {
            reason
        };
        check(
            &site,
            key,
            context,
            200,
            answer(key, value, reason, variant, more),
        )
        .await;
    }
    let split = site
        .ask(&format!("{BULK}/compat-split"), &json!({"context": u1}))
        .await
        .1;
    assert_eq!(split["reason"], "SPLIT");
    assert_eq!(split["metadata"]["tidegateReason"], "fallback");
    site.stop().await;
}

#[actix_web::test]
async fn bulk_answers_every_flag_that_is_not_archived() {
    let site = Site::of(vec![serving_node()]);
    let (status, bulk) = site.ask(BULK, &json!({})).await;
    assert_eq!(status, 200);
    let expected = json!({"flagSetId": "production", "version": "1.7", "tidegateState": "current"});
    assert_eq!(bulk["metadata"], expected);
    let flags = bulk["flags"].as_array().unwrap();
    let keys: Vec<_> = flags.iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert!(keys.is_sorted() && keys.contains(&"compat-json") && !keys.contains(&"archived"));
    // What needs a unit fails by itself, and only that.
    for flag in flags {
        let needs_unit = flag["key"] == "compat-split";
        assert_eq!(flag["errorCode"] == "TARGETING_KEY_MISSING", needs_unit, "{flag}");
        assert_eq!(flag["variant"].is_string(), !needs_unit, "{flag}");
        assert_eq!(flag["errorDetails"].is_string(), needs_unit, "{flag}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn etags_are_compared_as_http_says() {
    let site = Site::of(vec![serving_node()]);
    let etag = site.post(BULK, &[], "{}").await.headers()["etag"].clone();
    let etag = etag.to_str().unwrap();
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() < 30,
        "{etag}"
    );
    for (presented, status) in [
        (etag.to_owned(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"other\", {etag}"), 304),
        ("*".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (etag.trim_matches('"').to_owned(), 200),
        (String::new(), 200),
    ] {
        let response = site.post(BULK, &[("if-none-match", &presented)], "{}").await;
        assert_eq!(response.status().as_u16(), status, "{presented}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn answers_say_in_their_heads_what_they_come_from() {
    let (node, blind) = (serving_node(), node());
    let (site, blind) = (Site::of(vec![node]), Site::of(vec![blind]));
    for path in [BULK, "/ofrep/v1/evaluate/flags/compat-boolean"] {
        let response = site.post(path, &[], "{}").await;
        assert_eq!(response.headers()["tidegate-state"], "current");
        assert_eq!(response.headers()["tidegate-version"], "1.7");
        let response = blind.post(path, &[], "{}").await;
        assert_eq!(response.headers()["tidegate-state"], "blind");
        assert!(!response.headers().contains_key("tidegate-version"));
    }
    site.stop().await;
    blind.stop().await;
}

#[actix_web::test]
async fn a_blind_node_leaves_callers_their_defaults() {
    let site = Site::of(vec![node()]);
    let metadata = json!({"flagSetId": "production", "tidegateReason": "blind", "tidegateState": "blind"});
    let expected = json!({"key": "any", "reason": "DEFAULT", "variant": "", "metadata": metadata});
    check(&site, "any", json!({}), 200, expected).await;
    let (status, bulk) = site.ask(BULK, &json!({})).await;
    assert_eq!((status, &bulk["flags"]), (200, &json!([])));
    let metadata = json!({"flagSetId": "production", "tidegateState": "blind"});
    assert_eq!(bulk["metadata"], metadata);
    // The first snapshot is news to whoever asked before it.
    let stream = bulk["eventStreams"][0]["endpoint"]["requestUri"]
        .as_str()
        .unwrap();
    assert!(stream.ends_with("&since=0.0"), "{stream}");
    site.stop().await;
}

#[actix_web::test]
async fn x01_x07_only_admitted_callers_reach_a_node() {
    let node = node_with(&production(), Arc::new(OneSecret("s3cret", Scope::Server)), None);
    node.replica().offer(&snapshot("1.7")).unwrap();
    let site = Site::of(vec![node]);
    let one = format!("{BULK}/compat-boolean");
    for (headers, status) in [
        (&[("authorization", "Bearer s3cret")][..], 200),
        (&[("authorization", "bearer  s3cret")], 200),
        (&[("x-api-key", "s3cret")], 200),
        (
            &[("authorization", "Basic czNjcmV0"), ("x-api-key", "s3cret")],
            200,
        ),
        (&[], 401),
        (&[("authorization", "Bearer wrong")], 401),
        (&[("authorization", "Basic czNjcmV0")], 401),
        (&[("authorization", "Bearer")], 401),
        (&[("x-api-key", "")], 401),
        (&[("authorization", "Bearer viewer")], 403),
    ] {
        for path in [&*one, BULK, "/v1/events"] {
            let response = site.post(path, headers, "{\"events\":[]}").await;
            let answered = response.status().as_u16();
            if status == 200 {
                assert!(answered < 300, "{path} {headers:?} {answered}");
                continue;
            }
            assert_eq!(answered, status, "{path} {headers:?}");
            assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
            let problem: Value = response.json().await.unwrap();
            assert_eq!(problem["status"], status);
            assert_eq!(problem["errorCode"], "GENERAL");
            assert!(problem["errorDetails"].is_string());
        }
    }
    for path in [
        "/ofrep/v1//evaluate/flags",
        "/OFREP/v1/evaluate/flags",
        "/ofrep/v1/evaluate/flags/../flags",
    ] {
        assert!(
            matches!(site.post(path, &[], "{}").await.status().as_u16(), 401 | 404),
            "{path}"
        );
    }
    site.stop().await;
}

#[actix_web::test]
async fn the_token_chooses_the_environment() {
    let staging = EnvironmentKey::new("staging").unwrap();
    let nodes = [(production(), "one"), (staging, "two")].map(|(environment, secret)| {
        let node = node_with(&environment, Arc::new(OneSecret(secret, Scope::Server)), None);
        node.replica()
            .offer(&snapshot_of(environment.as_str(), "1.7"))
            .unwrap();
        node
    });
    let site = Site::of(nodes.to_vec());
    for (secret, environment) in [("one", "production"), ("two", "staging")] {
        let headers = [("x-api-key", secret)];
        let response = site.post(&format!("{BULK}/compat-boolean"), &headers, "{}").await;
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["metadata"]["flagSetId"], environment);
    }
    site.stop().await;
}
