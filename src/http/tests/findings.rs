//! What experiments say over HTTP: results, their course, reports, plans.

use super::laboratory::{EXPERIMENTS, GREEN, Laboratory, whole_design};
use serde_json::{Value, json};

#[actix_web::test]
async fn what_has_not_started_says_nothing() {
    let laboratory = Laboratory::new().await;
    laboratory.designed(&json!({})).await;
    for path in ["results", "course", "report"] {
        let answer = laboratory.get(&format!("{GREEN}/{path}")).await;
        answer.is_problem(409, "conflict", "experiment green has not started");
    }
}

#[actix_web::test]
async fn results_count_who_was_met_and_are_broken_down() {
    let laboratory = Laboratory::running().await;
    laboratory.meet([("off", 400, 40), ("on", 400, 120)]).await;
    let results = laboratory.get(&format!("{GREEN}/results")).await;
    assert_eq!(results.status, 200, "{}", results.text);
    let Value::Object(fields) = &results.json else {
        panic!("{}", results.text)
    };
    assert_eq!(
        (&fields["experiment"], &fields["phase"]),
        (&json!("green"), &json!("running"))
    );
    assert!(
        fields["headline"].is_object() && fields["decision"].is_object(),
        "{}",
        results.text
    );
    assert_eq!(fields["inputs"].as_str().unwrap().len(), 64, "{}", results.text);
    assert!(fields.get("breakdown").is_none());
    let again = laboratory.get(&format!("{GREEN}/results")).await;
    assert_eq!(again.json, results.json, "the same numbers, the same result");

    let broken = laboratory
        .get(&format!("{GREEN}/results?breakdown=country"))
        .await;
    let by_country = broken.json["breakdown"]["values"].as_object().unwrap();
    assert_eq!(by_country.keys().collect::<Vec<_>>(), ["de", "fr"]);
    let unknown = laboratory.get(&format!("{GREEN}/results?breakdown=plan")).await;
    unknown.is_problem(422, "invalid", "breakdown");
    assert!(unknown.text.contains("choose one of country"), "{}", unknown.text);
    let misspelt = laboratory
        .get(&format!("{GREEN}/results?breakdwon=country"))
        .await;
    misspelt.is_problem(400, "malformed-request", "did you mean 'breakdown'?");
}

#[actix_web::test]
async fn its_course_names_each_metric_and_treatment() {
    let laboratory = Laboratory::running().await;
    laboratory.meet([("off", 400, 40), ("on", 400, 120)]).await;
    let course = laboratory.get(&format!("{GREEN}/course")).await;
    assert_eq!(
        (course.status, &course.json["experiment"]),
        (200, &json!("green")),
        "{}",
        course.text
    );
    assert!(course.json["metrics"].is_object(), "{}", course.text);
}

#[actix_web::test]
async fn a_report_is_json_markdown_or_a_page_without_scripts() {
    let laboratory = Laboratory::running().await;
    laboratory.meet([("off", 400, 40), ("on", 400, 120)]).await;
    let report = async |query: &str| laboratory.get(&format!("{GREEN}/report{query}")).await;
    for query in ["", "?format=json"] {
        let json = report(query).await;
        assert_eq!(
            (json.status, json.header("content-type")),
            (200, "application/json")
        );
        assert_eq!(json.json["design"]["key"], "green", "{}", json.text);
    }
    let markdown = report("?format=markdown").await;
    assert_eq!(markdown.header("content-type"), "text/markdown; charset=utf-8");
    assert!(
        markdown.text.contains("Green makes more people buy."),
        "{}",
        markdown.text
    );
    let html = report("?format=html").await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert!(
        html.text.contains("Green makes more people buy."),
        "{}",
        html.text
    );
    assert!(!html.text.contains("<script"), "{}", html.text);
    let policy = html.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    for answer in [&markdown, &html] {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    report("?format=pdf")
        .await
        .is_problem(400, "malformed-request", "format is json, markdown or html");
}

#[actix_web::test]
async fn a_plan_needs_the_traffic_or_somebody_who_measured_it() {
    let laboratory = Laboratory::running().await;
    let path = format!("{EXPERIMENTS}/plan");
    let plan = async |body: Value| {
        let ask = laboratory.world.ask("POST", &path).by("viewer");
        ask.json(&body.to_string()).send().await
    };
    let design = whole_design(&json!({
        "discipline": {"kind": "fixed", "units": 10000},
        "metrics": [{
            "name": "purchase", "minimumEffect": 0.1, "measure": {"kind": "conversion", "event": "purchase"},
        }],
    }));
    let traffic = json!({"unitsADay": 4000.0, "metrics": {"purchase": {"value": 0.1}}});
    let given = plan(json!({"design": design, "traffic": traffic})).await;
    assert_eq!(given.status, 200, "{}", given.text);
    assert_eq!(given.json["traffic"], traffic, "{}", given.text);
    assert!(given.json["units"].is_number(), "{}", given.text);

    plan(json!({"design": design, "measuredBy": "green"}))
        .await
        .is_problem(409, "conflict", "has not run for a day yet");
    plan(json!({"design": design, "measuredBy": "blue"}))
        .await
        .is_problem(404, "not-found", "experiment blue");
    laboratory.meet([("off", 400, 40), ("on", 400, 120)]).await;
    // A rate by the day is not told from a moment.
    plan(json!({"design": design, "measuredBy": "green"}))
        .await
        .is_problem(409, "conflict", "has not run for a day yet");

    let both = json!({"design": design, "traffic": traffic, "measuredBy": "green"});
    for body in [json!({"design": design}), both] {
        plan(body)
            .await
            .is_problem(422, "invalid", "exactly one of 'traffic' and 'measuredBy'");
    }
    let bad = whole_design(&json!({"hypothesis": ""}));
    plan(json!({"design": bad, "traffic": traffic}))
        .await
        .is_problem(422, "invalid", "hypothesis");
    plan(json!({"design": design, "trafic": traffic}))
        .await
        .is_problem(400, "malformed-body", "trafic");
}
