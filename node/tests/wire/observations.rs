//! What nodes tell of single units, and what not.

use crate::control_plane::{Answer, ControlPlane};
use crate::site::{Site, node};
use crate::snapshots::{halves, snapshot_with, tried};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::future::pending;
use tidegate_model::observation::Observation;
use tidegate_node::Node;

fn flags() -> Vec<Value> {
    let by_company = {
        let mut flag = tried(
            "pricing",
            json!({"key": "pricing", "batch": 3, "arms": halves(),
            "dimensions": ["plan", "seats", "tags", "missing"]}),
        );
        flag["flag"]["unit"] = json!("company");
        flag
    };
    vec![
        tried("flow", json!({"key": "checkout", "arms": halves()})),
        by_company,
    ]
}

fn noon() -> DateTime<Utc> {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

struct Scene {
    site: Site,
    plane: ControlPlane,
    node: Node,
}

impl Scene {
    fn new() -> Self {
        let plane = ControlPlane::start(Answer::Status(503));
        let node = node().with_clock(noon);
        node.replica().offer(&snapshot_with("1.7", flags())).unwrap();
        let (running, upstream) = (node.clone(), plane.upstream());
        actix_web::rt::spawn(async move { running.run(upstream, pending()).await });
        Self {
            site: Site::of(vec![node.clone()]),
            plane,
            node,
        }
    }

    /// Everything that arrived, as it is written, once so much is there and one event behind it.
    async fn arrived(&self, many: usize) -> Vec<Value> {
        let end = json!({"events": [{"metric": "end", "targetingKey": "end"}]});
        assert_eq!(self.site.ask("/v1/events", &end).await.0, 202);
        let mut all = self.plane.kept.are(many + 1).await;
        assert!(matches!(all.pop(), Some(Observation::Event { unit, .. }) if unit == "end"));
        assert_eq!(all.len(), many, "{all:?}");
        all.iter().map(|one| serde_json::to_value(one).unwrap()).collect()
    }

    async fn stop(self) {
        self.site.stop().await;
        self.plane.stop().await;
    }
}

#[actix_web::test]
async fn single_evaluations_are_exposures_and_bulk_ones_are_not() {
    let scene = Scene::new();
    let (site, context) = (
        &scene.site,
        json!({"context": {"targetingKey": "u1", "company": "acme", "plan": "pro",
        "seats": 7, "tags": ["x"]}}),
    );
    for path in ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags"] {
        assert_eq!(site.ask(path, &context).await.0, 200);
    }
    let batch = json!({"contexts": [context["context"]], "flags": ["flow", "pricing"]});
    assert_eq!(site.ask("/v1/evaluate", &batch).await.0, 200);
    let mut arms = Vec::new();
    for flag in ["flow", "flow", "pricing", "compat-boolean"] {
        let (status, answer) = site
            .ask(&format!("/ofrep/v1/evaluate/flags/{flag}"), &context)
            .await;
        assert_eq!(status, 200);
        arms.push(answer["variant"].clone());
    }
    let expected = [
        json!({"kind": "exposure", "experiment": "checkout", "unit": "u1", "arm": arms[0], "at": "2026-11-24T12:00:00Z"}),
        json!({"kind": "exposure", "experiment": "pricing", "batch": 3, "unit": "acme", "arm": arms[2],
            "at": "2026-11-24T12:00:00Z", "dimensions": {"plan": "pro", "seats": "7"}}),
    ];
    assert_eq!(scene.arrived(2).await, expected);
    scene.stop().await;
}

#[actix_web::test]
async fn clients_report_what_they_met() {
    let scene = Scene::new();
    let site = &scene.site;
    let context = json!({"context": {"targetingKey": "u1"}});
    let bulk = site.ask("/ofrep/v1/evaluate/flags", &context).await.1;
    let flow = bulk["flags"]
        .as_array()
        .unwrap()
        .iter()
        .find(|flag| flag["key"] == "flow")
        .unwrap();
    let (arm, other) = match flow["variant"].as_str().unwrap() {
        "a" => ("a", "b"),
        _ => ("b", "a"),
    };
    let exposures = json!({"exposures": [
        {"flag": "flow", "targetingKey": "u1", "variation": arm, "at": "2026-11-24T11:59:30+01:00"},
        {"flag": "flow", "targetingKey": "u1", "variation": other},
        {"flag": "pricing", "context": {"targetingKey": "u1"}},
        {"flag": "compat-boolean", "targetingKey": "u1"},
    ]});
    assert_eq!(
        site.ask("/v1/exposures", &exposures).await,
        (202, json!({"accepted": 1, "dropped": 3}))
    );
    for (cause, many) in [("no_arm", 2.0), ("other_arm", 1.0)] {
        let found = site
            .metric("tidegate_node_dropped_exposures_total", &[("cause", cause)])
            .await;
        assert_eq!(found, Some(many), "{cause}");
    }
    let expected = json!({"kind": "exposure", "experiment": "checkout", "unit": "u1", "arm": arm, "at": "2026-11-24T10:59:30Z"});
    assert_eq!(scene.arrived(1).await, [expected]);
    let wrong = json!({"exposures": [
        {"flag": "flow", "targetingKey": "u1"}, 7, {"flag": "flwo", "targetingKey": "u1"}, {"flag": "flow"},
        {"flag": "flow", "targetingKey": "u1", "at": "yesterday"}, {"flag": "flow", "targetingKey": "u1", "metric": "m"},
    ]});
    let (status, problem) = site.ask("/v1/exposures", &wrong).await;
    assert_eq!(status, 422);
    let fields: Vec<_> = problem["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    let expected =
        ["[1]", "[2].flag", "[3].targetingKey", "[4].at", "[5].metric"].map(|end| format!("exposures{end}"));
    assert_eq!(fields, expected);
    scene.stop().await;
}

#[actix_web::test]
async fn events_of_units_arrive_for_each_unit_of_the_context() {
    let scene = Scene::new();
    let site = &scene.site;
    let event = |more: Value| {
        let mut event = json!({"metric": "purchase", "value": 12.5});
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    let events = json!({"events": [
        event(json!({"targetingKey": "u1", "id": "order-77", "at": "2026-11-20T10:00:00Z"})),
        event(json!({"context": {"targetingKey": "u1", "company": "acme", "plan": "pro"}, "id": "order-78"})),
        event(json!({"context": {"company": "acme"}, "id": "order-79"})),
        event(json!({"flag": "compat-targeted", "targetingKey": "vip-1", "id": "order-80"})),
        event(json!({"flag": "compat-targeted", "variation": "on"})),
        event(json!({"flag": "compat-disabled", "targetingKey": "u1", "id": "order-81"})),
    ]});
    assert_eq!(
        site.ask("/v1/events", &events).await,
        (202, json!({"accepted": 5, "dropped": 1, "observed": 5}))
    );
    let seen = |unit: &str, id: &str, at: &str| json!({"kind": "event", "unit": unit, "metric": "purchase", "value": 12.5, "at": at, "id": id});
    let now = "2026-11-24T12:00:00Z";
    let expected = [
        seen("u1", "order-77", "2026-11-20T10:00:00Z"),
        seen("u1", "order-78", now),
        seen("acme", "order-78", now),
        seen("acme", "order-79", now),
        seen("vip-1", "order-80", now),
        seen("u1", "order-81", now),
    ];
    assert_eq!(scene.arrived(6).await, expected);
    let counted = [
        ("flag", "compat-targeted"),
        ("variation", "on"),
        ("metric", "purchase"),
    ];
    assert_eq!(
        site.metric("tidegate_node_events_total", &counted).await,
        Some(2.0)
    );
    // Ids that are not sent are drawn, each another one.
    let two = json!({"events": [event(json!({"targetingKey": "u2"})), event(json!({"targetingKey": "u2"}))]});
    site.ask("/v1/events", &two).await;
    let drawn = scene.plane.kept.are(9).await;
    let ids: std::collections::BTreeSet<_> = drawn[7..]
        .iter()
        .map(|one| match one {
            Observation::Event { id, .. } => id.clone(),
            Observation::Exposure { .. } => panic!("no event"),
        })
        .collect();
    assert_eq!(ids.len(), 2);
    scene.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_with_an_event_of_a_unit_is_named() {
    let scene = Scene::new();
    let long = "u".repeat(1_025);
    for (event, field, says) in [
        (json!({"metric": "m"}), ".flag", "whom it happened to"),
        (
            json!({"metric": "m", "targetingKey": ""}),
            ".flag",
            "whom it happened to",
        ),
        (
            json!({"metric": "m", "context": {"plan": "pro"}}),
            ".flag",
            "whom it happened to",
        ),
        (
            json!({"metric": "m", "targetingKey": long}),
            ".targetingKey",
            "1024 bytes",
        ),
        (
            json!({"metric": "m", "targetingKey": "u1", "id": ""}),
            ".id",
            "1 to 1024",
        ),
        (
            json!({"metric": "m", "targetingKey": "u1", "id": long}),
            ".id",
            "1 to 1024",
        ),
        (
            json!({"metric": "m", "targetingKey": "u1", "at": "2026-11-24"}),
            ".at",
            "RFC 3339",
        ),
        (
            json!({"metric": "m", "targetingKey": "u1", "at": 5}),
            ".at",
            "in quotes",
        ),
    ] {
        let good = json!({"metric": "m", "targetingKey": "u1"});
        let (status, problem) = scene
            .site
            .ask("/v1/events", &json!({"events": [good, event]}))
            .await;
        assert_eq!(status, 422, "{problem}");
        let violation = &problem["violations"][0];
        assert_eq!(violation["field"], format!("events[1]{field}"), "{problem}");
        assert!(violation.to_string().contains(says), "{problem}");
    }
    assert!(scene.arrived(0).await.is_empty());
    scene.stop().await;
}

#[actix_web::test]
async fn what_waits_is_told_in_the_metrics() {
    let scene = Scene::new();
    scene.node.replica().observations();
    scene.arrived(0).await;
    let taken = scene
        .site
        .metric("tidegate_node_observations_total", &[("kind", "event")])
        .await;
    assert_eq!(taken, Some(1.0));
    // The answer to the batch may still be on its way.
    while scene
        .site
        .metric("tidegate_node_observation_batches_total", &[])
        .await
        != Some(1.0)
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        scene.site.metric("tidegate_node_spool_observations", &[]).await,
        Some(0.0)
    );
    assert_eq!(
        scene.site.metric("tidegate_node_spool_bytes", &[]).await,
        Some(0.0)
    );
    scene.stop().await;
}
