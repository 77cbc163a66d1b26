//! Every kind of rule in a live rollout, against a real Prometheus.

use crate::rollouts::{PATIENT, Scene, policy};
use serde_json::Value;

const FAILED: &str = r#"http_requests_total{flag="{{flag}}",variation="VARIATION",code="500"}"#;
const ALL: &str = r#"http_requests_total{flag="{{flag}}",variation="VARIATION"}"#;

/// The usual policy with a rule of each other kind. Only the sequential test acts: the usual rule is shown.
fn every_kind() -> String {
    let side = |text: &str, variation: &str| text.replace("VARIATION", variation);
    let [candidate, baseline] = ["{{variation}}", "{{baseline}}"].map(|of| (side(FAILED, of), side(ALL, of)));
    let ratio = |(failed, all): &(String, String), window: &str| {
        format!("'sum(rate({failed}[{window}])) / sum(rate({all}[{window}]))'")
    };
    let counters = |(failed, all): &(String, String)| format!("{{ errors: '{failed}', requests: '{all}' }}");
    let compared = |name: &str, method: &str, window: &str| {
        let (one, other) = (ratio(&candidate, window), ratio(&baseline, window));
        format!(
            "    - name: {name}\n      compare: {{ candidate: {one}, baseline: {other}, {method} }}\n      window: 4s\n      dryRun: true\n"
        )
    };
    let rules = [
        "      dryRun: true\n".to_owned(),
        format!(
            "    - name: sequential\n      compare: {{ candidate: {}, baseline: {}, method: sequential }}\n      window: 4s\n      action: pause\n",
            counters(&candidate),
            counters(&baseline)
        ),
        compared("difference", "method: difference, tolerance: 5%", "{{window}}"),
        compared("ratio", "method: ratio, tolerance: 100%", "{{window}}"),
        compared("ranks", "method: mann_whitney, step: 400ms", "3s"),
        format!(
            "    - name: budget\n      slo: {{ objective: 99%, errorRatio: {}, burnRates: [{{ long: 8s, short: 4s, rate: 10 }}] }}\n      dryRun: true\n",
            ratio(&candidate, "{{window}}")
        ),
        "    - name: habits\n      score: { of: [{ rule: errors, weight: 2 }, { rule: difference }], pass: 75%, marginal: 50% }\n      dryRun: true\n".to_owned(),
    ];
    policy("10m", PATIENT).replace("      action: rollback\n", &rules.concat())
}

const SHOWN: [&str; 6] = ["errors", "difference", "ratio", "ranks", "budget", "habits"];

fn all_say(rollout: &Value, verdict: &str) -> bool {
    let says = |rule: &str| rollout["looks"][rule]["verdict"] == verdict;
    SHOWN.into_iter().all(says)
}

#[tokio::test]
async fn every_kind_of_rule_judges_a_live_rollout_and_the_sequential_test_pauses_it() {
    let scene = Scene::set().await;
    let id = scene.plane.start_rollout(&every_kind()).await;
    let sequential = |it: &Value| it["looks"]["sequential"]["verdict"].clone();
    scene
        .plane
        .wait_for(&id, "every kind of rule is healthy", |it| {
            all_say(it, "healthy") && sequential(it) == "healthy"
        })
        .await;
    scene.exporter.fail(300);
    let paused = scene
        .plane
        .wait_for(&id, "every kind of rule says breached", |it| {
            all_say(it, "breached") && sequential(it) == "breached" && it["status"] == "paused"
        })
        .await;
    let because = paused["because"].as_str().expect("it says why");
    assert!(because.contains("sequential"), "{because}");
    assert!(
        !because.contains("paused by difference"),
        "what is only shown pauses nothing: {because}"
    );
}
