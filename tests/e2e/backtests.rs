//! `tidegate policy backtest` on a back-filled morning of a real Prometheus, with an incident in it.

use crate::policy_tools::{check, file, run};
use crate::prometheus::Prometheus;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;

const POLICY: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: guarded
arguments:
  service: { description: value of the label service }
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 30m }
    - { name: half, percentage: 50, duration: 30m }
    - { name: everyone, percentage: 100, duration: 30m }
safety:
  interval: 1m
  rules:
    - name: errors
      query: |
        sum(rate(http_requests_total{service="{{service}}", flag="{{flag}}", variation="{{variation}}", code="500"}[{{window}}]))
          / sum(rate(http_requests_total{service="{{service}}", flag="{{flag}}", variation="{{variation}}"}[{{window}}]))
      minimum: { atLeast: 100, query: 'sum(increase(http_requests_total{service="{{service}}", flag="{{flag}}", variation="{{variation}}"}[{{window}}]))' }
      threshold: 2%
      window: 5m
      trip: { of: 3, need: 2 }
"#;

/// 2026-01-05 06:00 UTC.
const BEGIN: i64 = 1_767_592_800;

/// Six hours of a service with ten requests a second for each variation, of which one in a thousand fails;
/// with `on` from 10:00 to 10:30 eighty.
fn morning() -> String {
    let mut text = "# TYPE http_requests counter\n".to_owned();
    for (variation, code) in [("off", "200"), ("off", "500"), ("on", "200"), ("on", "500")] {
        let mut count = 0.0;
        for at in (BEGIN..BEGIN + 6 * 3600).step_by(15) {
            let bad = variation == "on" && (4 * 3600..4 * 3600 + 1800).contains(&(at - BEGIN));
            let failing = if bad { 0.08 } else { 0.001 };
            count += 150.0 * if code == "500" { failing } else { 1.0 - failing };
            let labels =
                format!("service=\"shop\",flag=\"checkout\",variation=\"{variation}\",code=\"{code}\"");
            writeln!(text, "http_requests_total{{{labels}}} {count:.3} {at}").expect("text");
        }
    }
    text + "# EOF\n"
}

#[tokio::test]
async fn the_incident_of_a_back_filled_morning_is_found() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let prometheus = Prometheus::with_history(folder.path(), &morning()).await;
    let policy = file(folder.path(), "guarded.yaml", POLICY);
    let url = prometheus.url();
    let backtest = |more: &[&str], exit: i32, says: &[&str]| {
        let fixed = [
            "policy",
            "backtest",
            &policy,
            "--prometheus",
            &url,
            "--argument",
            "service=shop",
        ];
        check(&[&fixed[..], more].concat(), exit, says)
    };
    let day = DAY;
    let incident = ["--incident", "2026-01-05T10:00:00Z/2026-01-05T10:30:00Z"];
    let hourly = [&day[..], &incident, &["--every", "1h"]].concat();
    let said = backtest(
        &hourly,
        0,
        &[
            "6 rollouts",
            "0 false alarms (0 rollbacks), 0 incidents missed",
            "rolled back",
            "completed",
        ],
    );
    // With 8 % of failures, the last five minutes are above 2 % after one, and two looks must be.
    assert!(said.contains("(incident 0, noticed after 2m)"), "{said}");
    assert_eq!(
        said,
        backtest(&hourly, 0, &[]),
        "the same history, the same words"
    );
    // Whoever does not name it has a false alarm.
    let untold = [&day[..], &["--every", "1h"]].concat();
    backtest(
        &untold,
        7,
        &[
            "rolling back: errors breached",
            "(a false alarm)",
            "2 false alarms (2 rollbacks)",
        ],
    );
    // One that ends before it, degraded twentyfold from 07:00 on, and too little to be seen.
    let early = ["--from", "2026-01-05T06:30:00Z", "--to", "2026-01-05T09:00:00Z"];
    let inject = |words: &'static str| [&early[..], &["--inject", words]].concat();
    backtest(
        &inject("rule=errors at=2026-01-05T07:00:00Z factor=30"),
        0,
        &["incident 0, injected", "noticed after 1m", "rolled back"],
    );
    backtest(
        &inject("rule=errors at=2026-01-05T07:00:00Z factor=3 for=20m"),
        7,
        &["incident 0 was not noticed", "1 incidents missed"],
    );
    let json = backtest(&[&hourly[..], &["--json"]].concat(), 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["report"]["attempts"][3]["alarms"][0]["incident"], 0);
    mistakes(&backtest, folder.path());
}

/// Rules of every kind that Prometheus has a record of. One of them acts, the others are dry runs.
const KINDS: &str = r#"
apiVersion: tidegate/v1
kind: RolloutPolicy
name: kinds
schedule:
  type: custom
  stages:
    - { name: canary, percentage: 1, duration: 3h }
    - { name: everyone, percentage: 100, duration: 3h }
safety:
  interval: 1m
  rules:
    - name: sequential
      compare:
        candidate: { errors: 'http_requests_total{variation="{{variation}}",code="500"}', requests: 'http_requests_total{variation="{{variation}}"}' }
        baseline: { errors: 'http_requests_total{variation="{{baseline}}",code="500"}', requests: 'http_requests_total{variation="{{baseline}}"}' }
        method: sequential
      action: alert
    - name: ratio
      compare: { candidate: 'FAILED{{variation}}ALL{{variation}}END', baseline: 'FAILED{{baseline}}ALL{{baseline}}END', method: ratio, tolerance: 100% }
      dryRun: true
    - name: ranks
      compare: { candidate: 'FAILED{{variation}}ALL{{variation}}END', baseline: 'FAILED{{baseline}}ALL{{baseline}}END', method: mann_whitney }
      window: 10m
      dryRun: true
    - name: budget
      slo: { objective: 99.9%, errorRatio: 'FAILED{{variation}}ALL{{variation}}END' }
      dryRun: true
    - name: all
      score: { of: [{ rule: ratio }, { rule: ranks }, { rule: budget }], pass: 60% }
      dryRun: true
"#;

#[tokio::test]
async fn rules_of_every_kind_are_replayed() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let prometheus = Prometheus::with_history(folder.path(), &morning()).await;
    let text = KINDS
        .replace("FAILED", r#"sum(rate(http_requests_total{code="500",variation=""#)
        .replace(
            "ALL",
            r#""}[{{window}}])) / sum(rate(http_requests_total{variation=""#,
        )
        .replace("END", r#""}[{{window}}]))"#);
    let policy = file(folder.path(), "kinds.yaml", &text);
    let url = prometheus.url();
    let fixed = [
        "policy",
        "backtest",
        &policy,
        "--prometheus",
        &url,
        "--from",
        "2026-01-05T09:00:00Z",
        "--to",
    ];
    let with = |more: &[&str], exit: i32| -> Report {
        let said = check(&[&fixed[..], more, &["--json"]].concat(), exit, &[]);
        serde_json::from_str::<Said>(&said).expect("a report").report
    };
    let incident = ["--incident", "2026-01-05T10:00:00Z/2026-01-05T10:30:00Z"];
    let found = with(&[&["2026-01-05T10:30:00Z"][..], &incident].concat(), 0);
    let attempt = &found.attempts[0];
    assert_eq!(attempt.alarms.len(), 1, "{attempt:?}");
    assert_eq!(
        attempt.alarms[0].at, "2026-01-05T10:01:00Z",
        "counters tell at the first look"
    );
    let mut breached: Vec<&str> = attempt
        .breaches
        .iter()
        .map(|breach| breach.rule.as_str())
        .collect();
    breached.sort_unstable();
    breached.dedup();
    assert_eq!(
        breached,
        ["all", "budget", "ranks", "ratio", "sequential"],
        "{attempt:?}"
    );
    let acting = attempt.breaches.iter().filter(|breach| !breach.dry_run);
    assert!(
        acting.clone().all(|breach| breach.rule == "sequential"),
        "{attempt:?}"
    );
    // An hour without the incident is healthy by all of them, and errors that are doubled are not.
    let calm = with(&["2026-01-05T09:59:00Z"], 0);
    assert!(calm.attempts[0].breaches.is_empty(), "{calm:?}");
    let inject = ["--inject", "rule=sequential at=2026-01-05T09:10:00Z factor=10"];
    let doubled = with(&[&["2026-01-05T09:59:00Z"][..], &inject].concat(), 0);
    assert_eq!(doubled.attempts[0].breaches[0].rule, "sequential");
    let value = [
        &fixed[..],
        &[
            "2026-01-05T09:59:00Z",
            "--inject",
            "rule=sequential at=2026-01-05T09:10:00Z value=1",
        ],
    ];
    check(&value.concat(), 1, &["--inject", "give a factor"]);
}

#[derive(Debug, Deserialize)]
struct Said {
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    breaches: Vec<Breach>,
    alarms: Vec<Alarm>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Breach {
    rule: String,
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
struct Alarm {
    at: String,
}

/// A backtest that is checked: more arguments, its exit code and what it says.
type Checked<'a> = dyn Fn(&[&str], i32, &[&str]) -> String + 'a;

const DAY: [&str; 4] = ["--from", "2026-01-05T06:30:00Z", "--to", "2026-01-05T12:00:00Z"];

/// What cannot be replayed is refused, and says what to do.
fn mistakes(backtest: &Checked<'_>, folder: &Path) {
    let day = DAY;
    let with = |more: &[&str], exit: i32, says: &[&str]| {
        backtest(&[&day[..], more].concat(), exit, says);
    };
    with(
        &["--every", "90s"],
        1,
        &["--every", "no multiple of the interval of errors (1m)"],
    );
    with(
        &["--inject", "rule=eror at=2026-01-05 value=1"],
        1,
        &["no rule eror", "known: errors"],
    );
    with(&["--inject", "rule=errors"], 2, &["at=TIME is missing"]);
    with(&["--incident", "yesterday"], 2, &["FROM/TO"]);
    backtest(
        &["--from", "2026-01-06", "--to", "2026-01-05"],
        1,
        &["--to", "is not after"],
    );
    backtest(
        &["--from", "2016-01-05", "--to", "2026-01-05"],
        1,
        &["errors", "at most 1000000"],
    );
    let policy = file(folder, "away.yaml", POLICY);
    let away = [
        &[
            "policy",
            "backtest",
            &policy,
            "--prometheus",
            "http://127.0.0.1:1",
        ][..],
        &day,
    ]
    .concat();
    let output = run(&away);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("service"), "the argument is missing: {said}");
    check(
        &[&away[..], &["--argument", "service=shop"]].concat(),
        4,
        &["http://127.0.0.1:1"],
    );
}

#[test]
fn events_have_no_record_and_may_be_taken_as_healthy() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let events = POLICY.split("      query: |").next().expect("text").to_owned()
        + "      events: { metric: failed, per: exposure }\n      threshold: 2%\n";
    let events = file(
        folder.path(),
        "events.yaml",
        &events.replace(
            "arguments:\n  service: { description: value of the label service }\n",
            "",
        ),
    );
    let events = [
        &[
            "policy",
            "backtest",
            &events,
            "--prometheus",
            "http://127.0.0.1:1",
        ][..],
        &DAY,
    ]
    .concat();
    check(&events, 1, &["errors", "--assume-healthy errors"]);
    check(
        &[&events[..], &["--assume-healthy", "errors"]].concat(),
        0,
        &["taken as healthy", "completed"],
    );
}
