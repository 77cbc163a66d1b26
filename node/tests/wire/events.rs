use crate::site::{Site, node};
use crate::snapshots::snapshot;
use serde_json::{Value, json};

const EVENTS: &str = "/v1/events";

fn site() -> Site {
    let node = node();
    node.replica().offer(&snapshot("1.7")).unwrap();
    Site::of(vec![node])
}

async fn counted(site: &Site, variation: &str, metric: &str) -> (Option<f64>, Option<f64>) {
    let labels = [
        ("flag", "compat-targeted"),
        ("variation", variation),
        ("metric", metric),
    ];
    (
        site.metric("tidegate_node_events_total", &labels).await,
        site.metric("tidegate_node_events_value_sum", &labels).await,
    )
}

#[actix_web::test]
async fn events_are_counted_on_the_variation_that_was_served() {
    let site = site();
    let events = json!({"events": [
        {"metric": "revenue", "value": 12.5, "unit": "EUR", "flag": "compat-targeted", "variation": "on"},
        {"metric": "revenue", "value": -2.5, "flag": "compat-targeted", "variation": "on"},
        {"metric": "revenue", "value": 5, "flag": "compat-targeted", "targetingKey": "vip-1"},
        {"metric": "revenue", "value": 1, "flag": "compat-targeted", "context": {"plan": "pro"}},
        {"metric": "errors", "flag": "compat-targeted", "context": {"targetingKey": "vip-1"}, "targetingKey": "u1"},
        {"metric": "errors", "flag": "compat-disabled", "targetingKey": "u1"},
    ]});
    let answer = site.ask(EVENTS, &events).await;
    assert_eq!(answer, (202, json!({"accepted": 5, "dropped": 1, "observed": 3})));
    assert_eq!(counted(&site, "on", "revenue").await, (Some(4.0), Some(16.0)));
    assert_eq!(counted(&site, "off", "errors").await, (Some(1.0), Some(1.0)));
    assert_eq!(
        site.metric(
            "tidegate_node_dropped_tallies_total",
            &[("cause", "no_variation")]
        )
        .await,
        Some(1.0)
    );
    // Finding out the variation is not serving it.
    let served = [("flag", "compat-targeted"), ("variation", "on")];
    assert_eq!(
        site.metric("tidegate_evaluations_total", &served).await,
        Some(0.0)
    );
    site.stop().await;
}

async fn check(site: &Site, event: Value, expected: &[(&str, &str)]) {
    let good = json!({"metric": "good", "flag": "compat-targeted", "variation": "on"});
    let (status, problem) = site.ask(EVENTS, &json!({"events": [good, event]})).await;
    assert_eq!(status, 422, "{event}");
    let violations = problem["violations"].as_array().unwrap();
    let found: Vec<_> = violations
        .iter()
        .map(|one| (one["field"].as_str().unwrap(), one.to_string()))
        .collect();
    assert_eq!(found.len(), expected.len(), "{event}: {problem}");
    for ((field, text), (expected, part)) in found.iter().zip(expected) {
        assert_eq!(*field, format!("events[1]{expected}"));
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[actix_web::test]
async fn what_is_wrong_is_named_and_nothing_is_taken_in() {
    let site = site();
    let event = |member: &str, value: Value| {
        let mut event = json!({"metric": "m", "flag": "compat-targeted", "variation": "on"});
        event[member] = value;
        event
    };
    check(&site, json!(7), &[("", "an object")]).await;
    check(
        &site,
        json!({}),
        &[(".metric", "names its metric"), (".flag", "names its flag")],
    )
    .await;
    check(
        &site,
        event("metric", json!("a b")),
        &[(".metric", "metric name")],
    )
    .await;
    check(&site, event("metric", json!(1)), &[(".metric", "in quotes")]).await;
    check(&site, event("value", json!("1")), &[(".value", "a number")]).await;
    check(
        &site,
        event("value", json!(1e300)),
        &[(".value", "a number from")],
    )
    .await;
    check(&site, event("unit", json!("")), &[(".unit", "characters")]).await;
    check(
        &site,
        event("unit", json!("x".repeat(33))),
        &[(".unit", "characters")],
    )
    .await;
    check(
        &site,
        event("flag", json!("compat-targetted")),
        &[(".flag", "compat-targeted")],
    )
    .await;
    check(
        &site,
        event("variation", json!("purple")),
        &[(".variation", "on, off")],
    )
    .await;
    check(
        &site,
        event("variation", json!(null)),
        &[(".variation", "to whom")],
    )
    .await;
    check(&site, event("context", json!([])), &[(".context", "an object")]).await;
    check(
        &site,
        event("targetingKey", json!(1)),
        &[(".targetingKey", "in quotes")],
    )
    .await;
    check(
        &site,
        event("context", json!({"targetingKey": 1})),
        &[(".context.targetingKey", "a text")],
    )
    .await;
    check(
        &site,
        event("metrics", json!("m")),
        &[(".metrics", "did you mean")],
    )
    .await;
    let no_unit = json!({"metric": "m", "flag": "compat-split", "context": {}});
    check(&site, no_unit, &[(".targetingKey", "has none")]).await;
    let several = json!({"metric": "a b", "value": "1", "flag": "nobody", "variaton": "on"});
    let expected = [
        (".variaton", "did you mean"),
        (".metric", ""),
        (".value", ""),
        (".flag", ""),
    ];
    check(&site, several, &expected).await;
    assert_eq!(counted(&site, "on", "good").await, (None, None));
    site.stop().await;
}

#[actix_web::test]
async fn bodies_that_are_no_list_of_events_are_refused() {
    let site = site();
    let event = json!({"metric": "m", "flag": "compat-targeted", "variation": "on"});
    let full = json!({"events": vec![event.clone(); 1000]});
    assert_eq!(
        site.ask(EVENTS, &full).await,
        (202, json!({"accepted": 1000, "dropped": 0, "observed": 0}))
    );
    for (body, status) in [
        (json!({"events": vec![event; 1001]}).to_string(), 422),
        (json!({"events": vec![json!({}); 1000]}).to_string(), 422),
        ("{\"events\": {}}".to_owned(), 422),
        ("{\"events\": [], \"more\": 1}".to_owned(), 422),
        ("{}".to_owned(), 422),
        ("[]".to_owned(), 422),
        ("{\"events\": [{\"value\": 1e999}]}".to_owned(), 400),
        ("{".to_owned(), 400),
        (String::new(), 400),
        (format!("\"{}\"", "x".repeat(1 << 20)), 413),
    ] {
        let response = site.post(EVENTS, &[], body.clone()).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.status().as_u16(), status, "{:.80}", body);
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], status);
        assert!(
            problem["violations"]
                .as_array()
                .is_none_or(|listed| listed.len() <= 100)
        );
    }
    site.stop().await;
}

#[actix_web::test]
async fn a_blind_node_asks_to_send_events_again() {
    let site = Site::of(vec![node()]);
    let response = site.post(EVENTS, &[], "{\"events\": []}").await;
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    site.stop().await;
}
