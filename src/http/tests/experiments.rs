//! Experiments over HTTP: designed, started, ended, and every way to get that wrong.

use super::laboratory::{EXPERIMENTS, GREEN, Laboratory, design, whole_design};
use serde_json::{Value, json};

/// The fields of all violations of a problem.
fn fields(answer: &super::world::Answer) -> Vec<&str> {
    let violations = answer.json["violations"].as_array().unwrap();
    violations
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect()
}

#[actix_web::test]
async fn a_design_is_saved_read_listed_changed_and_deleted() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    let saved = world.ask("PUT", GREEN).by("editor");
    let saved = saved.json(&design(&json!({})).to_string()).send().await;
    assert_eq!(
        (saved.status, saved.header("etag")),
        (200, "\"1\""),
        "{}",
        saved.text
    );
    assert_eq!(
        (
            &saved.json["phase"],
            &saved.json["revision"],
            &saved.json["concluded"]
        ),
        (&json!("draft"), &json!(1), &json!(false))
    );
    assert_eq!(saved.json["design"]["key"], "green");
    assert!(saved.json.get("started").is_none(), "{}", saved.text);
    let read = world.ask("GET", GREEN).by("viewer").send().await;
    assert_eq!((read.header("etag"), &read.json), ("\"1\"", &saved.json));
    let listed = laboratory.get(EXPERIMENTS).await;
    assert_eq!(listed.json["items"], json!([saved.json]));
    assert_eq!(
        laboratory.get("/api/v1/staging/experiments").await.json["items"],
        json!([])
    );

    let other = design(&json!({"owner": "ada"})).to_string();
    let unseen = world.ask("PUT", GREEN).json(&other).send().await;
    unseen.is_problem(428, "precondition-required", "experiment green exists already");
    let stale = world.ask("PUT", GREEN).header("if-match", "\"7\"").json(&other);
    stale
        .send()
        .await
        .is_problem(412, "stale-revision", "experiment green");
    let changed = world.ask("PUT", GREEN).header("if-match", "\"1\"").json(&other);
    let changed = changed.send().await;
    assert_eq!(
        (changed.status, changed.header("etag")),
        (200, "\"2\""),
        "{}",
        changed.text
    );
    assert_eq!(changed.json["design"]["owner"], "ada");

    let unseen = world.ask("DELETE", GREEN).send().await;
    unseen.is_problem(428, "precondition-required", "experiment green");
    let stale = world
        .ask("DELETE", GREEN)
        .header("if-match", "\"1\"")
        .send()
        .await;
    stale.is_problem(412, "stale-revision", "experiment green");
    let deleted = world
        .ask("DELETE", GREEN)
        .header("if-match", "\"2\"")
        .send()
        .await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(laboratory.get(EXPERIMENTS).await.json["items"], json!([]));
}

#[actix_web::test]
async fn what_is_not_there_is_named() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    for path in ["", "/results", "/course", "/report"] {
        let answer = laboratory.get(&format!("{GREEN}{path}")).await;
        answer.is_problem(404, "not-found", "experiment green");
    }
    let deleted = world.ask("DELETE", GREEN).header("if-match", "*").send().await;
    deleted.is_problem(404, "not-found", "experiment green");
    let told = laboratory.tell(&json!({"command": "start"})).await;
    told.is_problem(404, "not-found", "experiment green");
    let elsewhere = laboratory.get("/api/v1/nowhere/experiments").await;
    elsewhere.is_problem(404, "not-found", "no environment \"nowhere\"");
    let bad = laboratory.get(&format!("{EXPERIMENTS}/a%20b")).await;
    bad.is_problem(400, "malformed-request", "key");
}

#[actix_web::test]
async fn a_bad_design_is_refused_with_every_field_and_nothing_is_stored() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    let head = world.control.store().head();
    let save = async |body: &Value| world.ask("PUT", GREEN).json(&body.to_string()).send().await;
    let wrong = design(&json!({
        "hypothesis": " ", "control": "blue", "alpha": 2,
        "arms": [{"variation": "off", "weight": 50}, {"variation": "onn", "weight": 50}],
    }));
    let refused = save(&wrong).await;
    assert_eq!(
        (refused.status, refused.kind()),
        (422, "invalid"),
        "{}",
        refused.text
    );
    let found = fields(&refused);
    for field in ["hypothesis", "control", "alpha"] {
        assert!(found.contains(&field), "{field}: {}", refused.text);
    }
    let refused = save(&design(&json!({
        "arms": [{"variation": "off", "weight": 50}, {"variation": "onn", "weight": 50}],
    })))
    .await;
    assert_eq!(fields(&refused), ["arms[1].variation"], "{}", refused.text);
    assert!(
        refused.text.contains(r#"did you mean \"on\"?"#),
        "{}",
        refused.text
    );
    let refused = save(&design(&json!({"flag": "nobody"}))).await;
    assert_eq!(
        (refused.status, fields(&refused)),
        (422, vec!["flag"]),
        "{}",
        refused.text
    );

    let unknown = save(&design(&json!({"hypothesys": "x"}))).await;
    unknown.is_problem(400, "malformed-body", "hypothesys");
    let other_key = save(&design(&json!({"key": "blue"}))).await;
    other_key.is_problem(422, "invalid", "green");
    let no_json = world.ask("PUT", GREEN).json("{").send().await;
    no_json.is_problem(400, "malformed-body", "");
    assert_eq!(world.control.store().head(), head);
}

#[actix_web::test]
async fn a_check_says_what_is_wrong_and_stores_nothing() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    let head = world.control.store().head();
    let path = format!("{EXPERIMENTS}/check");
    let check = async |body: &Value| {
        let answer = world.ask("POST", &path).by("viewer").json(&body.to_string());
        let answer = answer.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    };
    let good = check(&whole_design(&json!({}))).await;
    assert_eq!(good, json!({"valid": true, "violations": []}));
    let bad = check(&whole_design(&json!({"hypothesis": "", "flag": "nobody"}))).await;
    assert_eq!(bad["valid"], false);
    let found: Vec<&str> = bad["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    assert!(found.contains(&"hypothesis"), "{bad}");
    assert_eq!(world.control.store().head(), head);
}

#[actix_web::test]
async fn an_experiment_is_started_paused_resumed_stopped_and_archived() {
    let laboratory = Laboratory::new().await;
    laboratory.designed(&json!({})).await;
    let told = async |command: Value, phase: &str| {
        let answer = laboratory.tell(&command).await;
        assert_eq!(
            (answer.status, &answer.json["phase"]),
            (200, &json!(phase)),
            "{}",
            answer.text
        );
        answer.json
    };
    let started = told(json!({"command": "start"}), "running").await;
    assert!(started["started"].is_string(), "{started}");
    laboratory.counted().await;
    assert_eq!(started["dealings"].as_array().unwrap().len(), 1);
    let paused = told(json!({"command": "pause", "reason": "lunch"}), "paused").await;
    assert!(paused["pause"].to_string().contains("lunch"), "{paused}");
    let resumed = told(json!({"command": "resume", "reason": "over"}), "running").await;
    assert!(resumed.get("pause").is_none(), "{resumed}");
    let stop =
        json!({"command": "stop", "outcome": {"kind": "ship", "variation": "on"}, "reason": "we know"});
    let stopped = told(stop, "stopped").await;
    assert_eq!(
        stopped["ended"]["outcome"],
        json!({"kind": "ship", "variation": "on"})
    );
    let flag = laboratory.get("/api/v1/production/flags/checkout").await;
    assert!(flag.text.contains(r#""on""#), "{}", flag.text);
    let archived = told(json!({"command": "archive"}), "archived").await;
    assert_eq!(archived["concluded"], true, "{archived}");

    let metrics = laboratory.get("/metrics").await.text;
    let counted = r#"tidegate_experiments{environment="production",phase="archived"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    let others = r#"tidegate_experiments{environment="production",phase="running"} 0"#;
    assert!(metrics.contains(others), "{metrics}");
}

#[actix_web::test]
async fn a_command_that_does_not_fit_is_refused_and_changes_nothing() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    laboratory.designed(&json!({})).await;
    let head = world.control.store().head();
    let pause = laboratory.tell(&json!({"command": "pause", "reason": "x"})).await;
    pause.is_problem(409, "conflict", "");
    let schedule = laboratory.tell(&json!({"command": "schedule"})).await;
    assert_eq!(
        (schedule.status, fields(&schedule)),
        (422, vec!["startAt"]),
        "{}",
        schedule.text
    );
    let unknown = laboratory.tell(&json!({"command": "begin"})).await;
    unknown.is_problem(400, "malformed-body", "begin");
    let path = format!("{GREEN}/commands");
    let stale = world.ask("POST", &path).header("if-match", "\"9\"");
    let stale = stale.json(r#"{"command":"start"}"#).send().await;
    stale.is_problem(412, "stale-revision", "experiment green");
    assert_eq!(world.control.store().head(), head);

    let start = world.ask("POST", &path).header("if-match", "\"1\"");
    let started = start.json(r#"{"command":"start"}"#).send().await;
    assert_eq!(started.status, 200, "{}", started.text);
    let empty = laboratory.tell(&json!({"command": "pause", "reason": " "})).await;
    assert_eq!(
        (empty.status, fields(&empty)),
        (422, vec!["reason"]),
        "{}",
        empty.text
    );
    let ship = json!({"command": "stop", "outcome": {"kind": "ship", "variation": "blue"}, "reason": "x"});
    let unknown = laboratory.tell(&ship).await;
    assert_eq!(
        (unknown.status, unknown.kind()),
        (422, "invalid"),
        "{}",
        unknown.text
    );
    assert!(unknown.text.contains("blue"), "{}", unknown.text);
    assert_eq!(laboratory.get(GREEN).await.json["phase"], "running");
}

#[actix_web::test]
async fn what_has_started_keeps_its_hypothesis() {
    let laboratory = Laboratory::new().await;
    let world = &laboratory.world;
    laboratory.designed(&json!({})).await;
    laboratory.tell(&json!({"command": "start"})).await;
    let save = async |more: Value| {
        let ask = world.ask("PUT", GREEN).header("if-match", "*");
        ask.json(&design(&more).to_string()).send().await
    };
    save(json!({"hypothesis": "Green makes fewer people buy."}))
        .await
        .is_problem(409, "conflict", "a claim that changes after the first look");
    let text = save(json!({"owner": "ada", "excluded": ["robot"]})).await;
    assert_eq!(text.status, 200, "{}", text.text);
    let deleted = world.ask("DELETE", GREEN).header("if-match", "*").send().await;
    deleted.is_problem(409, "conflict", "");
}
