use crate::site::{Site, node};
use crate::snapshots::{snapshot, version};
use serde_json::{Value, json};

#[actix_web::test]
async fn f63_a_blind_node_lives_but_is_not_ready() {
    let node = node();
    let site = Site::of(vec![node.clone()]);
    let (live, _) = site.get("/livez").await;
    let (ready, body) = site.get("/readyz").await;
    assert_eq!((live, ready), (200, 503));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        json!({"node": "n1", "environment": "production", "state": "blind"})
    );

    node.replica().offer(&snapshot("1.7")).unwrap();
    let (ready, body) = site.get("/readyz").await;
    assert_eq!(ready, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["state"], &body["version"]),
        (&json!("current"), &json!("1.7"))
    );
    site.stop().await;
}

#[actix_web::test]
async fn metrics_tell_what_is_served_and_what_was_counted() {
    let node = node();
    let site = Site::of(vec![node.clone()]);
    let metric = |name: &'static str| site.metric(name, &[]);
    assert_eq!(metric("tidegate_node_snapshot_version").await, Some(0.0));
    assert!(
        metric("tidegate_node_snapshot_age_seconds")
            .await
            .unwrap()
            .is_nan()
    );
    assert_eq!(node.replica().offer(&snapshot("2.7")).unwrap(), version("2.7"));
    node.replica().offer(&snapshot("2.6")).unwrap_err();
    assert_eq!(metric("tidegate_node_snapshot_version").await, Some(7.0));
    assert_eq!(metric("tidegate_node_snapshot_epoch").await, Some(2.0));
    assert!(metric("tidegate_node_snapshot_age_seconds").await.unwrap() >= 0.0);

    for (flag, user) in [
        ("ramp", json!("u1")),
        ("ramp", json!("u2")),
        ("compat-split", json!(null)),
    ] {
        let path = format!("/ofrep/v1/evaluate/flags/{flag}");
        site.ask(&path, &json!({"context": {"targetingKey": user}})).await;
    }
    for (name, labels, expected) in [
        (
            "tidegate_evaluations_total",
            &[("flag", "ramp"), ("variation", "on")][..],
            2.0,
        ),
        (
            "tidegate_evaluation_defaults_total",
            &[("reason", "targeting_key_missing")],
            1.0,
        ),
        (
            "tidegate_node_refused_snapshots_total",
            &[("cause", "not_newer")],
            1.0,
        ),
    ] {
        assert_eq!(site.metric(name, labels).await, Some(expected), "{name}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn several_nodes_share_one_exposition() {
    use crate::site::node_with;
    use std::sync::Arc;
    use tidegate_model::key::EnvironmentKey;
    let staging = EnvironmentKey::new("staging").unwrap();
    let other = node_with(&staging, Arc::new(tidegate_node::OpenAccess), None);
    let text = exported(vec![node(), other]);
    let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("# HELP tidegate_node_snapshot_version "), 1);
    assert_eq!(lines("tidegate_node_snapshot_version{"), 2);
}

/// What a registry exports that these nodes are part of.
pub(crate) fn exported(nodes: Vec<tidegate_node::Node>) -> String {
    let replicas = nodes.iter().map(|node| node.replica().clone()).collect();
    let registry = prometheus::Registry::new();
    registry
        .register(Box::new(tidegate_replica::collector(replicas)))
        .unwrap();
    prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap()
}
