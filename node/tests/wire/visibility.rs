//! What callers see who hold a token of the role `client`.

use crate::site::{OneSecret, Site, node_with};
use crate::snapshots::{production, snapshot};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_node::Scope;

const BULK: &str = "/ofrep/v1/evaluate/flags";

fn site(scope: Scope) -> Site {
    let node = node_with(&production(), Arc::new(OneSecret("s3cret", scope)), None);
    node.replica().offer(&snapshot("1.7")).unwrap();
    Site::of(vec![node])
}

async fn ask(site: &Site, path: &str, body: Value) -> (u16, Vec<String>, String) {
    let response = site
        .post(path, &[("x-api-key", "s3cret")], body.to_string())
        .await;
    let status = response.status().as_u16();
    let mut names: Vec<String> = response
        .headers()
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    names.sort();
    (status, names, response.text().await.unwrap())
}

/// `hidden` and `nobody` have as many letters, so all of the answer can be compared.
#[actix_web::test]
async fn a_hidden_flag_answers_like_one_that_does_not_exist() {
    let site = site(Scope::Client);
    for context in [json!({}), json!({"targetingKey": "u1"}), json!({"plan": "pro"})] {
        let body = json!({"context": context});
        let hidden = ask(&site, &format!("{BULK}/hidden"), body.clone()).await;
        let unknown = ask(&site, &format!("{BULK}/nobody"), body).await;
        assert_eq!(hidden.0, 404);
        let renamed = (unknown.0, unknown.1, unknown.2.replace("nobody", "hidden"));
        assert_eq!(hidden, renamed);
    }
    for event in [
        json!({"metric": "m", "flag": "hidden", "variation": "on"}),
        json!({"metric": "m", "flag": "hidden", "variation": "nonsense"}),
        json!({"metric": "m", "flag": "hidden", "targetingKey": "u1"}),
    ] {
        let hidden = ask(&site, "/v1/events", json!({ "events": [event] })).await;
        let mut event = event;
        event["flag"] = json!("nobody");
        let unknown = ask(&site, "/v1/events", json!({ "events": [event] })).await;
        assert_eq!(hidden.0, 422);
        let renamed = (unknown.0, unknown.1, unknown.2.replace("nobody", "hidden"));
        assert_eq!(hidden, renamed);
    }
    let near = json!({"metric": "m", "flag": "hiddem", "variation": "on"});
    let (_, _, suggestion) = ask(&site, "/v1/events", json!({ "events": [near] })).await;
    assert!(!suggestion.contains("hidden"), "{suggestion}");
    let bulk = ask(&site, BULK, json!({"context": {"targetingKey": "u1"}}))
        .await
        .2;
    assert!(
        bulk.contains("compat-boolean") && !bulk.contains("hidden"),
        "{bulk}"
    );
    site.stop().await;
}

#[actix_web::test]
async fn clients_get_values_and_servers_get_reasons_too() {
    for (scope, rule) in [(Scope::Client, None), (Scope::Server, Some("pro"))] {
        let site = site(scope);
        let context = json!({"context": {"targetingKey": "u1", "plan": "pro"}});
        let (status, _, body) = ask(&site, &format!("{BULK}/compat-targeted"), context.clone()).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["value"]), (200, &json!(true)));
        assert_eq!(answer["reason"], "TARGETING_MATCH");
        assert_eq!(answer["metadata"].get("rule").and_then(Value::as_str), rule);
        let (_, _, bulk) = ask(&site, BULK, context.clone()).await;
        assert_eq!(bulk.contains("\"rule\":\"pro\""), rule.is_some());
        assert_eq!(bulk.contains("ramp.1"), rule.is_some(), "{bulk}");
        let (status, _, _) = ask(&site, &format!("{BULK}/hidden"), context).await;
        assert_eq!(status, if rule.is_some() { 200 } else { 404 });
        site.stop().await;
    }
}

#[actix_web::test]
async fn callers_who_see_different_flags_share_no_etag() {
    let mut etags = Vec::new();
    for scope in [Scope::Client, Scope::Server] {
        let site = site(scope);
        let response = site.post(BULK, &[("x-api-key", "s3cret")], "{}").await;
        etags.push(response.headers()["etag"].clone());
        site.stop().await;
    }
    assert_ne!(etags[0], etags[1]);
}
