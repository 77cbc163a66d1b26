use crate::site::{OneSecret, Site, node, node_with};
use crate::snapshots::{halves, production, snapshot_with, tried};
use serde_json::{Value, json};
use std::sync::Arc;
use tidegate_model::key::NodeName;
use tidegate_node::{Node, OpenAccess, Scope};
use tidegate_replica::{Replica, ReplicaSettings, Trust};

fn flags() -> Vec<Value> {
    let nobody = json!({"attribute": "plan", "operator": "equals", "value": "pro"});
    let mut flags = vec![
        tried("open", json!({"key": "open", "arms": halves()})),
        tried(
            "held",
            json!({"key": "held", "holdout": {"key": "h", "share": 100}, "arms": halves()}),
        ),
        tried(
            "audience",
            json!({"key": "audience", "audience": nobody, "arms": halves()}),
        ),
        tried(
            "layer",
            json!({"key": "layer", "layer": {"key": "l", "from": 0, "to": 0.001}, "arms": halves()}),
        ),
        tried(
            "nobody",
            json!({"key": "nobody", "allocation": 0, "arms": halves()}),
        ),
        tried("second", json!({"key": "open", "arms": halves()})),
    ];
    let mut more = |key: &str, change: &dyn Fn(&mut Value)| {
        let mut flag = tried(key, json!({"key": key, "arms": halves()}));
        change(&mut flag["flag"]);
        flags.push(flag);
    };
    more("paused", &|flag| flag["status"] = json!("active"));
    more("shut", &|flag| flag["status"] = json!("inactive"));
    more("needs-more", &|flag| {
        flag["prerequisites"] = json!([{"flag": "shut", "variations": ["a"]}]);
        flag["off"] = json!("rest");
    });
    more("named", &|flag| {
        flag["individuals"] = json!([{"units": ["u1"], "variation": "b"}])
    });
    more("ruled", &|flag| {
        let when = json!({"attribute": "targetingKey", "operator": "exists"});
        flag["rules"] = json!([{"name": "r", "when": when, "serve": {"variation": "a"}}]);
    });
    more("by-company", &|flag| flag["unit"] = json!("company"));
    more("secret", &|flag| flag["visibility"] = json!("server"));
    flags
}

async fn enrol(site: &Site, experiment: &str, body: Value) -> (u16, Value) {
    site.ask(&format!("/v1/experiments/{experiment}/enrolments"), &body)
        .await
}

async fn u1(site: &Site, experiment: &str) -> Value {
    let (status, answer) = enrol(site, experiment, json!({"context": {"targetingKey": "u1"}})).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn site() -> Site {
    let node = node();
    node.replica().offer(&snapshot_with("1.7", flags())).unwrap();
    Site::of(vec![node])
}

async fn kept(site: &Site) -> Option<f64> {
    site.metric("tidegate_node_observations_total", &[("kind", "exposure")])
        .await
}

#[actix_web::test]
async fn who_takes_part_gets_an_arm_and_is_recorded() {
    let site = site();
    let first = u1(&site, "open").await;
    let (variation, value) = (
        first["variation"].as_str().unwrap(),
        first["value"].as_str().unwrap(),
    );
    assert_eq!(variation.to_uppercase(), value);
    let expected = json!({"enrolled": true, "reason": "enrolled", "experiment": "open", "flag": "open",
        "variation": variation, "value": value});
    assert_eq!(first, expected);
    assert_eq!(kept(&site).await, Some(1.0));
    // It is the arm that evaluation gives, and neither asks for it to be recorded again.
    let evaluated = site
        .ask(
            "/ofrep/v1/evaluate/flags/open",
            &json!({"context": {"targetingKey": "u1"}}),
        )
        .await;
    assert_eq!(evaluated.1["variant"], variation);
    assert_eq!(u1(&site, "open").await, first);
    assert_eq!(kept(&site).await, Some(1.0));
    let other = enrol(
        &site,
        "open",
        json!({"context": {"targetingKey": "u1"}, "flag": "second"}),
    )
    .await;
    assert_eq!(other.1["flag"], "second");
    let enrolled = [("outcome", "enrolled")];
    assert_eq!(
        site.metric("tidegate_node_enrolments_total", &enrolled).await,
        Some(3.0)
    );
    site.stop().await;
}

#[actix_web::test]
async fn who_is_left_out_hears_why_and_gets_what_the_flag_serves() {
    let site = site();
    for (experiment, reason, variation) in [
        ("held", "held_out", json!("rest")),
        ("audience", "audience", json!("rest")),
        ("layer", "layer", json!("rest")),
        ("nobody", "allocation", json!("rest")),
        ("paused", "not_running", json!("rest")),
        ("unheard-of", "not_running", Value::Null),
        ("shut", "flag_inactive", Value::Null),
        ("needs-more", "prerequisite", json!("rest")),
        ("named", "individual", json!("b")),
        ("ruled", "rule", json!("a")),
        ("by-company", "no_unit", json!("rest")),
    ] {
        let answer = u1(&site, experiment).await;
        assert_eq!(answer["enrolled"], false, "{answer}");
        assert_eq!(
            (&answer["reason"], &answer["variation"]),
            (&json!(reason), &variation),
            "{experiment}"
        );
        assert_eq!(
            site.metric("tidegate_node_enrolments_total", &[("outcome", reason)])
                .await
                .map(|n| n >= 1.0),
            Some(true)
        );
    }
    let long = enrol(
        &site,
        "open",
        json!({"context": {"targetingKey": "u".repeat(1_025)}}),
    )
    .await
    .1;
    assert_eq!(
        (&long["reason"], &long["variation"]),
        (&json!("unit_too_long"), &json!("rest"))
    );
    assert_eq!(kept(&site).await, None);
    site.stop().await;
}

#[actix_web::test]
async fn a_unit_that_cannot_be_recorded_gets_no_arm() {
    let settings = ReplicaSettings {
        name: NodeName::new("n1").unwrap(),
        environment: production(),
        folder: None,
        trust: Trust::Channel,
        // Room for a few.
        spool_bytes_max: 1_000,
    };
    let node = Node::new(Replica::new(settings).unwrap(), Arc::new(OpenAccess)).unwrap();
    node.replica().offer(&snapshot_with("1.7", flags())).unwrap();
    let site = Site::of(vec![node]);
    let contexts: Vec<Value> = (0..100)
        .map(|unit| json!({"targetingKey": format!("v{unit}")}))
        .collect();
    let (status, all) = enrol(&site, "open", json!({ "contexts": contexts })).await;
    assert_eq!(status, 200);
    for one in all["results"].as_array().unwrap() {
        let expected = json!({"enrolled": false, "reason": "not_recorded", "experiment": "open", "flag": "open",
            "variation": "rest", "value": "R"});
        assert_eq!(one, &expected);
    }
    assert_eq!(u1(&site, "open").await["enrolled"], true, "there is room for one");
    let full = [("cause", "full")];
    assert_eq!(
        site.metric("tidegate_node_lost_observations_total", &full).await,
        Some(100.0)
    );
    // An evaluation is answered as ever, and what is to be seen of it is lost.
    let mut lost = 100.0;
    for unit in 0..20 {
        let context = json!({"context": {"targetingKey": format!("w{unit}")}});
        let (status, answer) = site.ask("/ofrep/v1/evaluate/flags/open", &context).await;
        assert_eq!((status, &answer["reason"]), (200, &json!("SPLIT")));
    }
    let now = site
        .metric("tidegate_node_lost_observations_total", &full)
        .await
        .unwrap();
    assert!(now > lost);
    lost = now;
    // Events that cannot be kept are refused, so that they are sent again.
    let events = json!({"events": [{"metric": "m", "targetingKey": "u".repeat(900)}]});
    let response = site.post("/v1/events", &[], events.to_string()).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    let problem: Value = response.json().await.unwrap();
    assert!(
        problem["type"].as_str().unwrap().ends_with("storage-unavailable"),
        "{problem}"
    );
    assert_eq!(
        site.metric("tidegate_node_lost_observations_total", &full).await,
        Some(lost + 1.0)
    );
    site.stop().await;
}

#[actix_web::test]
async fn many_are_enrolled_at_once_and_one_that_is_wrong_spoils_no_other() {
    let site = site();
    let contexts =
        json!([{"targetingKey": "u1"}, {"targetingKey": 7}, {"plan": "pro"}, {"targetingKey": "u2"}]);
    let (status, answer) = enrol(&site, "open", json!({ "contexts": contexts })).await;
    assert_eq!(status, 200);
    let reasons: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].clone())
        .collect();
    assert_eq!(reasons, ["enrolled", "invalid_context", "no_unit", "enrolled"]);
    assert_eq!(kept(&site).await, Some(2.0));
    assert_eq!(
        enrol(&site, "open", json!({"contexts": []})).await,
        (200, json!({"results": []}))
    );
    for (body, status, says) in [
        (json!({}), 422, "who is to be enrolled"),
        (json!({"context": {}, "contexts": []}), 422, "either"),
        (json!({"context": {"targetingKey": 7}}), 422, "text"),
        (json!({"contexts": vec![json!({}); 1_001]}), 422, "at most 1000"),
        (
            json!({"context": {"targetingKey": "u1"}, "flag": "secnd"}),
            422,
            "second",
        ),
        (json!({"contexts": 7}), 400, "cannot be read"),
        (json!({"context": {}, "unit": "u1"}), 400, "unknown field"),
        (json!({"context": {"a": "x".repeat(1 << 20)}}), 413, "1 MiB"),
    ] {
        let (found, problem) = enrol(&site, "open", body).await;
        assert_eq!(found, status, "{problem}");
        assert!(problem.to_string().contains(says), "{says}: {problem}");
    }
    site.stop().await;
}

#[actix_web::test]
async fn without_a_snapshot_nobody_takes_part() {
    let site = Site::of(vec![node()]);
    let expected = json!({"enrolled": false, "reason": "no_snapshot", "experiment": "open"});
    assert_eq!(u1(&site, "open").await, expected);
    site.stop().await;
}

#[actix_web::test]
async fn clients_see_no_experiment_of_a_hidden_flag() {
    let node = node_with(&production(), Arc::new(OneSecret("secret", Scope::Client)), None);
    node.replica().offer(&snapshot_with("1.7", flags())).unwrap();
    let site = Site::of(vec![node]);
    let body = json!({"context": {"targetingKey": "u1"}}).to_string();
    let post = async |experiment: &str| {
        let path = format!("/v1/experiments/{experiment}/enrolments");
        let response = site
            .post(&path, &[("authorization", "Bearer secret")], body.clone())
            .await;
        response.json::<Value>().await.unwrap()
    };
    assert_eq!(post("open").await["enrolled"], true);
    let hidden = post("secret").await;
    let unknown = post("unheard-of").await;
    assert_eq!(hidden["reason"], "not_running");
    assert_eq!(
        hidden.as_object().unwrap().len(),
        unknown.as_object().unwrap().len()
    );
    let path = "/v1/experiments/open/enrolments";
    assert_eq!(site.post(path, &[], body.clone()).await.status().as_u16(), 401);
    site.stop().await;
}
