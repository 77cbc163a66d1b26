//! `tidegate policy lint --prometheus` on a real Prometheus: what is there, how much of it, and what is usual.

use crate::policy_tools::{check, file};
use crate::prometheus::Prometheus;
use std::fmt::Write as _;

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: measured
arguments:
  service: { example: shop }
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 30m }
    - { name: everyone, percentage: 100, duration: 30m }
safety:
  rules:
    - name: errors
      query: |
        sum(rate(http_requests_total{service="{{service}}", variation="{{variation}}", code="500"}[{{window}}]))
          / sum(rate(http_requests_total{service="{{service}}", variation="{{variation}}"}[{{window}}]))
      minimum: { atLeast: 100, query: 'sum(increase(http_requests_total{service="{{service}}", variation="{{variation}}"}[{{window}}]))' }
      threshold: 2%
    - name: misspelt
      query: sum(rate(http_request_total{variation="{{variation}}"}[{{window}}]))
      threshold: 1
    - name: many
      query: rate(http_requests_total{variation="{{baseline}}"}[{{window}}])
      threshold: 1
"#;

/// Six hours until now of ten requests a second, of which one in a thousand fails. Nobody has the candidate.
fn history() -> String {
    let mut text = "# TYPE http_requests counter\n".to_owned();
    let now = chrono::Utc::now().timestamp();
    for (code, share) in [("200", 0.999), ("500", 0.001)] {
        for (step, at) in (now - 6 * 3600..=now).step_by(15).enumerate() {
            let count = 150.0 * share * step as f64;
            let labels = format!("service=\"shop\",variation=\"off\",code=\"{code}\"");
            writeln!(text, "http_requests_total{{{labels}}} {count:.3} {at}").expect("text");
        }
    }
    text + "# EOF\n"
}

#[tokio::test]
async fn a_prometheus_is_asked_what_is_there_and_what_is_usual() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let prometheus = Prometheus::with_history(folder.path(), &history()).await;
    let policy = file(folder.path(), "measured.yaml", POLICY);
    let url = prometheus.url();
    let lint = ["policy", "lint", &policy, "--prometheus", &url];
    let says = [
        "measured.yaml:21:14: warning: safety.rules[1].query: this Prometheus has had no http_request_total for a day; did \
         you mean 'http_requests_total'?",
        "warning: safety.rules[2].query: brings 2 series now",
        "measured: errors was 0.1 % in the last day",
        "requests a minute in the last day",
        // 150 requests a minute on average of the day, and 1 % of them is the candidate's.
        "errors asks for 100 samples, and 5m bring 7.5",
        "measured is valid",
    ];
    let said = check(&lint, 0, &says);
    assert_eq!(said.matches("has had no").count(), 1, "{said}");
    check(
        &["policy", "lint", &policy, "--prometheus", "http://127.0.0.1:1"],
        4,
        &["Prometheus gives no answer"],
    );
    check(
        &["policy", "lint", &policy, "--prometheus", "nowhere"],
        1,
        &["--prometheus"],
    );
}
