//! Bulk answers that time changes.

use crate::site::{Site, node};
use crate::snapshots::snapshot_with;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use tidegate_model::Timestamp;

const BULK: &str = "/ofrep/v1/evaluate/flags";

/// A flag that is on while this holds.
fn flag(when: &Value) -> Value {
    json!({"flag": {"key": "timed", "type": "boolean",
        "rules": [{"name": "now", "when": when, "serve": {"variation": "on"}}]}})
}

/// Asks with what it was given last; the status, and the flag's value if there is an answer.
async fn ask(site: &Site, etag: &mut String, context: &Value) -> (u16, Option<bool>) {
    let body = json!({ "context": context }).to_string();
    let response = site.post(BULK, &[("if-none-match", etag)], body).await;
    response.headers()["etag"].to_str().unwrap().clone_into(etag);
    let status = response.status().as_u16();
    if status == 304 {
        return (status, None);
    }
    let bulk: Value = response.json().await.unwrap();
    let flags = bulk["flags"].as_array().unwrap();
    let timed = flags.iter().find(|flag| flag["key"] == "timed").unwrap();
    (status, timed["value"].as_bool())
}

#[actix_web::test]
async fn answers_last_until_the_next_moment_that_a_flag_asks_for() {
    static SECONDS: AtomicI64 = AtomicI64::new(0);
    fn clock() -> Timestamp {
        Timestamp::from_timestamp(SECONDS.load(Ordering::Relaxed), 0).unwrap()
    }
    // All within one epoch of stream tokens.
    let start = 1_800_000_000;
    let when = json!({"attribute": "timestamp", "operator": "greater_than", "value": start + 100});
    let node = node().with_clock(clock);
    node.replica()
        .offer(&snapshot_with("1.7", vec![flag(&when)]))
        .unwrap();
    let site = Site::of(vec![node]);
    let mut etag = String::from("\"none\"");
    for (later, expected) in [
        (0, (200, Some(false))),
        (50, (304, None)),
        (100, (304, None)),
        (101, (200, Some(true))),
        (1000, (304, None)),
    ] {
        SECONDS.store(start + later, Ordering::Relaxed);
        assert_eq!(ask(&site, &mut etag, &json!({})).await, expected, "{later}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn answers_that_may_change_at_any_time_are_not_kept() {
    static SECONDS: AtomicI64 = AtomicI64::new(0);
    fn clock() -> Timestamp {
        Timestamp::from_timestamp(SECONDS.load(Ordering::Relaxed), 0).unwrap()
    }
    let start = 1_800_000_000;
    let when = json!({"attribute": "signedUp", "operator": "within_last", "value": "10m"});
    let node = node().with_clock(clock);
    node.replica()
        .offer(&snapshot_with("1.7", vec![flag(&when)]))
        .unwrap();
    let site = Site::of(vec![node]);
    let context = json!({"signedUp": start});
    let mut etag = String::from("\"none\"");
    for (later, expected) in [
        (0, (200, Some(true))),
        // As long as the answer is the same, it need not be told again.
        (599, (304, None)),
        (601, (200, Some(false))),
        (700, (304, None)),
    ] {
        SECONDS.store(start + later, Ordering::Relaxed);
        assert_eq!(ask(&site, &mut etag, &context).await, expected, "{later}");
    }
    assert_eq!(
        site.metric("tidegate_node_result_cache_entries", &[]).await,
        Some(0.0)
    );
    site.stop().await;
}
