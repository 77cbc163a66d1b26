//! Changes of a flag while a client looks on.

use crate::check::{check, served};
use crate::provider::{setting, url};
use open_feature::EvaluationContext;
use open_feature::provider::FeatureProvider;
use reqwest::Client;
use serde_json::json;
use std::env::var;
use std::time::{Duration, Instant};

/// How often a client is asked: its interface tells nobody of changes.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// After this long a change that was not seen never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tells every value of the flag `live`, for ever.
pub async fn watch(provider: &dyn FeatureProvider) {
    let unit = EvaluationContext::default().with_targeting_key("u1");
    let mut told = None;
    let mut tick = tokio::time::interval(ASK_EVERY);
    loop {
        tick.tick().await;
        let answer = provider.resolve_string_value("live", &unit).await;
        let value = answer.map_or("mine".to_owned(), |details| details.value);
        if told.as_ref() != Some(&value) {
            println!("{}", json!({ "live": value }));
            told = Some(value);
        }
    }
}

/// Changes the flag `compat-live` through the public API, restarts the server, and says what the client
/// did not see. Does nothing without an editor's token.
pub async fn follow(provider: &dyn FeatureProvider) -> Vec<String> {
    let Ok(editor) = var("TIDEGATE_EDITOR_TOKEN") else {
        return Vec::new();
    };
    let http = Client::new();
    let mut findings = follow_changes(provider, &http, &editor).await;
    if let Ok(restart) = var("TIDEGATE_RESTART_URL") {
        let restarted = http.post(restart).send().await;
        assert!(
            restarted.is_ok_and(|answer| answer.status().is_success()),
            "the server is restarted"
        );
        findings.extend(follow_changes(provider, &http, &editor).await);
        findings.extend(check("ofrep", provider).await);
    }
    findings
}

async fn follow_changes(provider: &dyn FeatureProvider, http: &Client, editor: &str) -> Vec<String> {
    let mut unseen = Vec::new();
    for variation in ["off", "on", "off"] {
        serve(http, editor, variation).await;
        if !sees(provider, variation).await {
            unseen.push(format!("compat-live never became {variation}"));
        }
    }
    unseen
}

async fn serve(http: &Client, editor: &str, variation: &str) {
    let definition = json!({"key": "compat-live", "visibility": "client", "type": "boolean",
        "fallback": {"variation": variation}});
    let environment = setting("TIDEGATE_ENVIRONMENT", "production");
    let saved = http
        .put(format!("{}/api/v1/{environment}/flags/compat-live", url()))
        .bearer_auth(editor)
        .header("content-type", "application/json")
        .header("if-match", "*")
        .body(definition.to_string())
        .send()
        .await
        .expect("the server answers");
    assert!(saved.status().is_success(), "{}", saved.status());
}

async fn sees(provider: &dyn FeatureProvider, variation: &str) -> bool {
    let unit = EvaluationContext::default().with_targeting_key("u1");
    let expected = Ok((variation == "on", variation.to_owned()));
    let mut tick = tokio::time::interval(ASK_EVERY);
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        tick.tick().await;
        if served(provider.resolve_bool_value("compat-live", &unit).await) == expected {
            return true;
        }
    }
    false
}
